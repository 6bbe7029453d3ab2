//! What the operands of a measured call hold: values like those of a training.

use crate::bench::{Case, Past};
use crate::gradients::kept;
use crate::price::is_constant;
use crate::trips::Step;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::kernel::Access;
use runtime_shared::program::{Call, Kernel};
use runtime_shared::rng::Rng;
use sim_mcu::Placement;

/// One operand.
pub(crate) struct Operand {
    pub home: Home,
    /// Its contents.
    pub words: Vec<u32>,
    /// Bytes of these words that it takes.
    bytes: usize,
}

impl Operand {
    /// Its bytes.
    pub fn contents(&self) -> Vec<u8> {
        let bytes = self.words.iter().flat_map(|word| word.to_le_bytes());
        bytes.take(self.bytes).collect()
    }
}

/// Where an operand goes.
#[derive(PartialEq)]
pub(crate) enum Home {
    Absent,
    Ram,
    Rom,
}

/// What a call's operands hold.
pub(crate) fn operands(case: &Case, placement: Placement, rng: &mut Rng) -> Option<Vec<Operand>> {
    let call = &case.call;
    let needs = call.kernel.needs(call).ok()?;
    let mut operands = Vec::new();
    for (i, need) in needs.iter().enumerate() {
        let wanted = match need.access {
            Access::None => false,
            Access::Read => case.biased || !need.optional,
            Access::Write => case.indexed || !need.optional,
        };
        if !wanted {
            operands.push(Operand {
                home: Home::Absent,
                words: Vec::new(),
                bytes: 0,
            });
            continue;
        }
        let mut words = if need.words {
            floats(case, i, &operands, need.bytes / 4, rng)
        } else {
            bytes(call, need.bytes, case.zeros, rng)
        };
        let bias = call.kernel == Kernel::BiasBackward && i == 1;
        if bias || kept(call).is_some_and(|kept| i >= kept) {
            forget(case, &operands, &mut words);
        }
        let constant = need.access == Access::Read && is_constant(call.kernel, i);
        operands.push(Operand {
            home: if constant && (placement == Placement::Flash || case.in_image) {
                Home::Rom
            } else {
                Home::Ram
            },
            words,
            bytes: need.bytes,
        });
    }
    Some(operands)
}

/// Puts to zero what the past of `case` left so.
fn forget(case: &Case, operands: &[Operand], kept: &mut [u32]) {
    let call = &case.call;
    // Gradients are a row for each word of one operand, or for each column of several rows of deltas.
    let (gate, columns, width) = match call.kernel {
        Kernel::DenseBackwardWeights => (0, call.dim(0), call.dim(1)),
        Kernel::BiasBackward => (0, call.dim(1), 1),
        _ => (1, kept.len(), 1),
    };
    match (case.past, operands.get(gate)) {
        (Past::All, _) => {}
        (Past::Same, Some(gate)) => {
            let mut any = vec![false; columns.max(1)];
            for (i, word) in gate.words.iter().enumerate() {
                any[i % columns.max(1)] |= *word != 0;
            }
            let rows = kept.chunks_mut(width).zip(any);
            let without = rows.filter(|(_, any)| !any);
            without.for_each(|(row, _)| row.fill(0));
        }
        _ => kept.fill(0),
    }
}

/// Values of an operand of `case` as a training has them, `operands` being those before it: activations from 0 to 1 of which a share is
/// zero, weights and deltas around zero.
fn floats(
    case: &Case,
    operand: usize,
    operands: &[Operand],
    len: usize,
    rng: &mut Rng,
) -> Vec<u32> {
    use Kernel::*;
    use runtime_shared::kernels::activation::Activation::{Sigmoid, Tanh};
    let (call, zeros) = (&case.call, case.zeros);
    let linear = matches!(case.update.step, Step::Linear | Step::Sum);
    let (spread, thinned) = match (call.kernel, operand) {
        // Down to where nothing is left to learn, and a step is too small to matter.
        (DenseBackwardWeights, 1) if linear => (
            Some([0.05, 0.05, 0.05, 1e-3, 1e-5, 1e-7][rng.below(6) as usize]),
            true,
        ),
        (
            Dense
            | DenseBackwardWeights
            | Conv2d
            | Conv2dBackwardWeights
            | Depthwise
            | DepthwiseBackwardWeights
            | Dropout,
            0,
        ) => (None, true),
        (
            DenseBackwardWeights
            | Conv2dBackwardWeights
            | DepthwiseBackwardWeights
            | Apply
            | DropoutBackward
            | ActivationBackward,
            1,
        )
        | (Conv2dBackwardInput | ClipNorm, 0) => (Some(0.05), true),
        // Bytes are brought to 0 to 1, or standardised by a mean and a deviation of these.
        (Normalise, 1) => {
            let unit = rng.below(3) == 0;
            return drawn(len, || {
                let deviation = if unit { 1.0 } else { 0.2 + 0.2 * rng.unit() };
                BYTE / deviation
            });
        }
        (Normalise, 2) => {
            let scales = operands.last().map_or(&[][..], |scales| &scales.words);
            let mut scales = scales.iter().map(|word| f32::from_bits(*word));
            return drawn(len, || match scales.next() {
                Some(scale) if scale > BYTE => -scale / BYTE * (0.1 + 0.4 * rng.unit()),
                _ => 0.0,
            });
        }
        // Frozen batch normalisation: around the identity.
        (ChannelAffine, 1) | (ChannelAffineBackward, 0) => {
            return drawn(len, || 1.0 + 0.3 * rng.normal());
        }
        (ChannelAffine, 2) => (Some(0.5), false),
        (
            DenseBackwardInput | DepthwiseBackwardInput | MaxPoolBackward | AveragePoolBackward,
            0,
        ) => (Some(0.05), true),
        (BiasBackward | ChannelAffine | Add | AddAssign, 0)
        | (Add | AddAssign | ChannelAffineBackward, 1) => (Some(0.1), true),
        // What a rule keeps is about as large as a gradient; second moments are squares.
        (DenseBackwardWeights | DepthwiseBackwardWeights, 4) | (Conv2dBackwardWeights, 5) => {
            (Some(0.02), false)
        }
        (BiasBackward, 3) | (Apply, 2) => (Some(0.02), false),
        (DenseBackwardWeights | DepthwiseBackwardWeights, 5) | (Conv2dBackwardWeights, 6) => {
            return squares(len, rng);
        }
        (BiasBackward, 4) | (Apply, 3) => return squares(len, rng),
        // From barely told apart to sure of itself.
        (Activation | Softmax | Loss, 0) => (
            Some([0.5, 1.0, 2.0, 4.0, 16.0][rng.below(5) as usize]),
            false,
        ),
        // A rectifier's, which is zero, or a smooth one's, which is not.
        (ActivationBackward, 0) => {
            let smooth = matches!(call.activation, Sigmoid | Tanh);
            (None, !smooth)
        }
        (SoftmaxBackward, 0) => (None, false),
        (MaxPool | AveragePool, 0) => (None, true),
        _ => (Some(0.1), false),
    };
    // What was learnt leans to one side, so that sums grow rather than change their sign, and reaches further than what was drawn.
    let lean = match (call.kernel, operand) {
        (Dense, 1) => [0.0, 0.0, 0.3, 1.0, 3.0][rng.below(5) as usize],
        _ => 0.0,
    };
    let saturates = call.kernel == ActivationBackward
        && operand == 0
        && matches!(call.activation, Sigmoid | Tanh);
    let channels = match (call.kernel, operand) {
        (BiasBackward, 0) => Some(call.dim(1)),
        (Conv2dBackwardInput, 0) | (Conv2dBackwardWeights | DepthwiseBackwardWeights, 1) => {
            Some(call.conv2d().output.c)
        }
        _ => None,
    };
    let silences = channels.filter(|_| case.silent);
    let silent =
        |i: usize| silences.is_some_and(|channels| (i % channels.max(1)).is_multiple_of(3));
    (0..len)
        .map(|i| {
            let value = match spread {
                // As far as it goes.
                None if saturates && rng.unit() < zeros => 1.0,
                Some(spread) => spread * (rng.normal() + lean),
                None => rng.unit(),
            };
            let zero = thinned && rng.unit() < zeros;
            if zero || silent(i) {
                0
            } else {
                value.to_bits()
            }
        })
        .collect()
}

/// What a byte is worth where they are brought to 0 to 1.
const BYTE: f32 = 1.0 / 255.0;

/// So many floats.
fn drawn(len: usize, mut draw: impl FnMut() -> f32) -> Vec<u32> {
    (0..len).map(|_| draw().to_bits()).collect()
}

/// Squares of what [`floats`] takes for a first moment.
fn squares(len: usize, rng: &mut Rng) -> Vec<u32> {
    drawn(len, || {
        let moment = 0.02 * rng.normal();
        moment * moment
    })
}

/// Pixels, places of maxima, or bits of a mask, in words.
fn bytes(call: &Call, len: usize, zeros: f32, rng: &mut Rng) -> Vec<u32> {
    let below = match call.kernel {
        Kernel::Conv2dBackwardInput | Kernel::Conv2dBackwardWeights => {
            let (h, w) = call.conv2d().pool;
            (h * w) as u32
        }
        _ => 256,
    };
    let dark = call.kernel == Kernel::Normalise;
    let mut bytes: Vec<u8> = (0..len)
        .map(|i| {
            if call.kernel == Kernel::MaxPoolBackward {
                return winner(&call.conv2d(), i, rng);
            }
            if call.kernel == Kernel::DropoutBackward {
                return mask(rng, call.scalar);
            }
            let zero = dark && rng.unit() < zeros;
            if zero { 0 } else { rng.below(below) as u8 }
        })
        .collect();
    bytes.resize(len.next_multiple_of(4), 0);
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|w| u32::from_le_bytes(*w)).collect()
}

/// An element of the window of output `i` that is larger than the others: never one of the border.
fn winner(g: &Conv2d, i: usize, rng: &mut Rng) -> u8 {
    let pixel = i / g.output.c;
    let inside = |at: usize, pad: usize, size: usize| (pad..size + pad).contains(&at);
    loop {
        let k = rng.below((g.kernel.0 * g.kernel.1) as u32) as usize;
        let y = pixel / g.output.w * g.stride.0 + k / g.kernel.1;
        let x = pixel % g.output.w * g.stride.1 + k % g.kernel.1;
        if inside(y, g.pad.0, g.input.h) && inside(x, g.pad.1, g.input.w) {
            return k as u8;
        }
    }
}

/// Eight elements that survive a dropout of `rate`, as bits.
fn mask(rng: &mut Rng, rate: f32) -> u8 {
    (0..8).fold(0, |bits, _| bits << 1 | u8::from(rng.unit() >= rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trips::Update;

    fn case(call: Call) -> Case {
        Case {
            update: Update::new(call.rule, false, false),
            call,
            zeros: 0.0,
            silent: false,
            biased: true,
            indexed: true,
            past: Past::All,
            in_image: false,
        }
    }

    fn homes(case: &Case) -> Vec<bool> {
        let operands = operands(case, Placement::Ram, &mut Rng::new(1)).expect("sound");
        operands.iter().map(|o| o.home != Home::Absent).collect()
    }

    #[test]
    fn a_bias_and_an_index_are_left_out_by_themselves() {
        let mut call = Call::new(Kernel::Conv2d);
        call.set_conv2d(&Conv2d {
            pool: (2, 3),
            output: runtime_shared::kernels::Shape { h: 4, w: 6, c: 2 },
            ..crate::windows::PADDED
        });
        let all = case(call);
        assert_eq!(homes(&all)[..5], [true; 5]);
        let (biased, indexed) = (false, false);
        let without = Case {
            biased,
            ..all.clone()
        };
        assert_eq!(homes(&without)[..5], [true, true, false, true, true]);
        let without = Case { indexed, ..all };
        assert_eq!(homes(&without)[..5], [true, true, true, true, false]);
    }

    #[test]
    fn a_bias_keeps_what_any_position_gave_it() {
        let mut call = Call::new(Kernel::BiasBackward);
        call.dims[..2].copy_from_slice(&[2, 3]);
        let case = Case {
            past: Past::Same,
            ..case(call)
        };
        // The second channel has a delta at the second position alone, the third has none.
        let deltas = Operand {
            home: Home::Ram,
            words: vec![7, 0, 0, 7, 7, 0],
            bytes: 24,
        };
        let mut kept = [1, 1, 1];
        forget(&case, &[deltas], &mut kept);
        assert_eq!(kept, [1, 1, 0]);
    }
}
