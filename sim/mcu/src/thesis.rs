//! The RAM formula of the thesis that is reproduced, to be reported beside the planner's own figure.
//!
//! E. Ostrovan, *TinyML on-device neural network training*, Politecnico di Milano, 2021/22, handle 10589/187690; the same in
//! Pavan, Ostrovan, Caltabiano, Roveri, *TyBox*, ACM TECS 23(3) art. 42, doi 10.1145/3604566:
//!
//! ```text
//! M(Φf) = Σθ·M_w + max_k (a_k + a_{k+1})·M_w        frozen feature extractor, ping-pong activations
//! M(Φc) = Σ(θ_k + a_k)·M_f                          classifier, every activation kept for backpropagation
//! N_B   = (M − M(Φf) − M(Φc)) / (M_f·(features + 1)) buffer slots; the 1 is the label
//! ```
//!
//! with M_f = 4 bytes (f32) and M_w = 4, or 1 for an 8-bit extractor. It leaves out gradients, runtime and stack, and charges
//! the frozen weights to RAM although they lie in flash: compare with it, do not plan by it.

/// Bytes of an f32.
const F32_BYTES: u64 = 4;

/// What the formula takes; counts are of numbers, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThesisModel {
    /// Σθ of the feature extractor.
    pub extractor_parameters: u64,
    /// max_k (a_k + a_{k+1}): the largest pair of neighbouring layers' outputs in the extractor. The network's input is not
    /// one of them, as in the reference figures.
    pub extractor_activation_pair: u64,
    /// M_w of the extractor in bytes: 4 for f32, 1 for 8 bits.
    pub extractor_weight_bytes: u64,
    /// Σθ_k of the classifier.
    pub classifier_parameters: u64,
    /// Σa_k of the classifier: the features that enter it and the outputs of its layers.
    pub classifier_activations: u64,
    /// Features of one buffered sample.
    pub features: u64,
}

impl ThesisModel {
    /// M(Φf), bytes.
    #[must_use]
    pub fn extractor_bytes(&self) -> u64 {
        (self.extractor_parameters + self.extractor_activation_pair) * self.extractor_weight_bytes
    }

    /// M(Φc), bytes.
    #[must_use]
    pub fn classifier_bytes(&self) -> u64 {
        (self.classifier_parameters + self.classifier_activations) * F32_BYTES
    }

    /// One slot of the buffer, bytes: the features and the label.
    #[must_use]
    pub fn slot_bytes(&self) -> u64 {
        F32_BYTES * (self.features + 1)
    }

    /// N_B: the buffer's slots in `ram_bytes` bytes of RAM; 0 when extractor and classifier alone exceed them.
    #[must_use]
    pub fn slots(&self, ram_bytes: u64) -> u64 {
        ram_bytes.saturating_sub(self.extractor_bytes() + self.classifier_bytes())
            / self.slot_bytes()
    }

    /// The formula turned round: RAM for a buffer of `slots`, bytes.
    #[must_use]
    pub fn ram_bytes(&self, slots: u64) -> u64 {
        self.extractor_bytes() + self.classifier_bytes() + slots * self.slot_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Conv 4@3×3 · pool · conv 8@3×3 · pool · flatten (200) · dense 10 on 28×28×1: 336 + 2,010 parameters. The largest pair is
    /// the first convolution's output and its pooled one; the classifier keeps its 200 features and 10 outputs.
    const CNN: ThesisModel = ThesisModel {
        extractor_parameters: 336,
        extractor_activation_pair: 26 * 26 * 4 + 13 * 13 * 4,
        extractor_weight_bytes: 4,
        classifier_parameters: 2_010,
        classifier_activations: 200 + 10,
        features: 200,
    };

    #[test]
    fn the_thesis_cnn_has_132_slots_in_127_kilobytes() {
        assert_eq!(CNN.slots(130_048), 132);
    }

    #[test]
    fn the_230_slots_of_the_notebooks_need_more_than_that() {
        assert_eq!(CNN.ram_bytes(230), 208_664);
        assert_eq!(CNN.slots(208_664), 230);
        assert_eq!(CNN.slots(208_663), 229);
    }

    #[test]
    fn too_little_ram_gives_no_slot_and_an_8_bit_extractor_gives_more() {
        assert_eq!(CNN.slots(0), 0);
        let quantised = ThesisModel {
            extractor_weight_bytes: 1,
            ..CNN
        };
        assert!(quantised.slots(130_048) > 132);
    }
}
