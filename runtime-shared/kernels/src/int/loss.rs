//! Losses in integers: from logits to their delta, with the learning rate inside.

use super::fixed::{rnd, sat};
use super::record::{RECORD, Record, recorded};
use crate::call::Call;
use crate::element::Element;
use crate::operand::{BadDimensions, Lengths, Operand};
use crate::operand::{Extent, demand, flat, read, write};
use crate::routine::{Context, Operands, Routine};

/// A learning rate: `multiplier · 2^-(15 + shift)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// 8,192 to 16,383; less only for the smallest rates.
    pub multiplier: u16,
    /// 0 to 16.
    pub shift: u8,
}

impl Rate {
    /// The nearest rate to `rate`; nothing if it is 1/2 or more, below zero or not a number.
    pub fn new(rate: f32) -> Option<Self> {
        if !(0.0..0.5).contains(&rate) {
            return None;
        }
        let (mut scaled, mut shift) = (rate, 0u8);
        while scaled < 0.25 && shift < 16 {
            scaled *= 2.0;
            shift += 1;
        }
        let multiplier = (scaled * 32_768.0 + 0.5) as u16;
        Some(Self {
            multiplier: multiplier.min(16_383),
            shift,
        })
    }
}

/// `floor(32768 · 2^(-j/256) + 1/2)`.
static EXP2: [u16; 256] = [
    32_768, 32_679, 32_591, 32_503, 32_415, 32_327, 32_240, 32_153, 32_066, 31_979, 31_893, 31_806,
    31_720, 31_635, 31_549, 31_464, 31_379, 31_294, 31_209, 31_125, 31_041, 30_957, 30_873, 30_790,
    30_706, 30_623, 30_541, 30_458, 30_376, 30_293, 30_212, 30_130, 30_048, 29_967, 29_886, 29_805,
    29_725, 29_644, 29_564, 29_484, 29_405, 29_325, 29_246, 29_167, 29_088, 29_009, 28_931, 28_852,
    28_774, 28_697, 28_619, 28_542, 28_464, 28_388, 28_311, 28_234, 28_158, 28_082, 28_006, 27_930,
    27_855, 27_779, 27_704, 27_629, 27_554, 27_480, 27_406, 27_332, 27_258, 27_184, 27_110, 27_037,
    26_964, 26_891, 26_818, 26_746, 26_674, 26_601, 26_530, 26_458, 26_386, 26_315, 26_244, 26_173,
    26_102, 26_031, 25_961, 25_891, 25_821, 25_751, 25_681, 25_612, 25_543, 25_474, 25_405, 25_336,
    25_268, 25_199, 25_131, 25_063, 24_995, 24_928, 24_860, 24_793, 24_726, 24_659, 24_593, 24_526,
    24_460, 24_394, 24_328, 24_262, 24_196, 24_131, 24_066, 24_001, 23_936, 23_871, 23_806, 23_742,
    23_678, 23_614, 23_550, 23_486, 23_423, 23_359, 23_296, 23_233, 23_170, 23_108, 23_045, 22_983,
    22_921, 22_859, 22_797, 22_735, 22_674, 22_613, 22_552, 22_491, 22_430, 22_369, 22_309, 22_248,
    22_188, 22_128, 22_068, 22_009, 21_949, 21_890, 21_831, 21_772, 21_713, 21_654, 21_595, 21_537,
    21_479, 21_421, 21_363, 21_305, 21_247, 21_190, 21_133, 21_076, 21_019, 20_962, 20_905, 20_849,
    20_792, 20_736, 20_680, 20_624, 20_568, 20_513, 20_457, 20_402, 20_347, 20_292, 20_237, 20_182,
    20_127, 20_073, 20_019, 19_965, 19_911, 19_857, 19_803, 19_750, 19_696, 19_643, 19_590, 19_537,
    19_484, 19_431, 19_379, 19_326, 19_274, 19_222, 19_170, 19_118, 19_066, 19_015, 18_963, 18_912,
    18_861, 18_810, 18_759, 18_708, 18_658, 18_607, 18_557, 18_507, 18_457, 18_407, 18_357, 18_308,
    18_258, 18_209, 18_160, 18_110, 18_061, 18_013, 17_964, 17_915, 17_867, 17_819, 17_770, 17_722,
    17_674, 17_627, 17_579, 17_531, 17_484, 17_437, 17_390, 17_343, 17_296, 17_249, 17_202, 17_156,
    17_109, 17_063, 17_017, 16_971, 16_925, 16_879, 16_834, 16_788, 16_743, 16_697, 16_652, 16_607,
    16_562, 16_518, 16_473, 16_428,
];

/// `2^15 · e^-d` for a difference of logits `d` of 12 fraction bits, at most 2^16.
#[inline(always)]
fn exponential(d: u32) -> u16 {
    let t = (d * 5909 + (1 << 15)) >> 16;
    if t >= 4096 {
        0
    } else {
        EXP2[(t & 255) as usize] >> (t >> 8)
    }
}

/// Softmax of the logits `z` of fraction `fraction`, with 15 fraction bits, into `p`, of equal length.
///
/// The bits of a `p` are a u16: the probability one is 32,768.
#[inline(never)]
pub fn softmax(z: &[i32], fraction: i32, p: &mut [i16]) {
    let max = z.iter().copied().fold(i32::MIN, i32::max);
    let mut sum = 0u32;
    for (p, z) in p.iter_mut().zip(z) {
        let below = max.wrapping_sub(*z) as u32;
        let d = if fraction >= 12 {
            below >> ((fraction - 12) & 31)
        } else {
            below.min(1 << 17) << ((12 - fraction) & 15)
        };
        let e = exponential(d.min(1 << 16));
        sum += u32::from(e);
        *p = e as i16;
    }
    let reciprocal = i32::MAX as u32 / sum.max(1);
    for p in p.iter_mut() {
        *p = ((u32::from(*p as u16) * reciprocal + (1 << 15)) >> 16) as i16;
    }
}

/// The delta of softmax cross-entropy for the class `label`. `g` is as long as `z`. Nothing (`false`) if the probability of `label` exceeds
/// `confident`, of 15 fraction bits: then `g` is of no use.
#[inline(never)]
pub fn cross_entropy(
    z: &[i32],
    fraction: i32,
    label: usize,
    rate: Rate,
    confident: u16,
    g: &mut [i16],
) -> bool {
    softmax(z, fraction, g);
    if g.get(label).is_some_and(|p| *p as u16 > confident) {
        return false;
    }
    deltas(label, rate, g);
    true
}

/// Makes deltas of probabilities.
fn deltas(label: usize, rate: Rate, g: &mut [i16]) {
    for (i, g) in g.iter_mut().enumerate() {
        let p = i32::from(*g as u16);
        let error = if i == label { p - (1 << 15) } else { p };
        *g = rnd(error * i32::from(rate.multiplier), 15) as i16;
    }
}

/// The delta of the squared error against the one-hot `label`; with a single output the target is the label, 0 or 1. `rate` is the learning
/// rate times 2 / outputs.
#[inline(never)]
pub fn mse(z: &[i32], fraction: i32, label: usize, rate: Rate, g: &mut [i16]) {
    let single = z.len() == 1;
    for (i, (g, z)) in g.iter_mut().zip(z).enumerate() {
        let target = if single { label == 1 } else { i == label };
        // Saturated first, far beyond the limit of errors, so that the difference stays in 32 bits.
        let output = sat(rnd(*z, fraction - 15), 1 << 20);
        let error = sat(output - (i32::from(target) << 15), 65_535);
        *g = rnd(error * i32::from(rate.multiplier), 15) as i16;
    }
}

/// The predicted class: the index of the largest logit, the first of equals. A single one means class 1 above `threshold`.
#[inline(never)]
pub fn predict(z: &[i32], threshold: i32) -> usize {
    if let [z] = z {
        return usize::from(*z > threshold);
    }
    let mut best = (0, i32::MIN);
    for (i, z) in z.iter().enumerate() {
        if *z > best.1 {
            best = (i, *z);
        }
    }
    best.0
}

impl Rate {
    /// The rate of an update, by a factor that the loss brings with it. What cannot be encoded is zero.
    pub(super) fn of(context: &Context, factor: f32) -> Self {
        let none = Self {
            multiplier: 0,
            shift: 16,
        };
        Self::new(context.hyper.learning_rate * context.loss_scale * factor).unwrap_or(none)
    }
}

/// About −ln of a probability of 15 fraction bits, for reports: to 0.01, and at most 11.1.
fn surprisal(p: u16) -> f32 {
    let p = u32::from(p.clamp(1, 1 << 15));
    let octave = 31 - p.leading_zeros();
    // log2(1 + f) is about f + 0.344 · f · (1 − f).
    let f = ((p << (31 - octave)) - (1 << 31)) >> 16;
    let bow = (((f * (32_768 - f)) >> 15) * 11_272) >> 15;
    let log2 = (octave << 15) + f + bow;
    ((15 << 15) - log2 as i32) as f32 * (core::f32::consts::LN_2 / 32_768.0)
}

/// z → delta · record. Length; in dimension 2 the loss: 0 cross-entropy, 1 mean squared error; the scalar is a factor of the learning rate. Tells prediction and loss.
pub struct Evaluate;

impl Routine for Evaluate {
    const NAME: &'static str = "int_loss";
    const OPERANDS: &'static [Operand] = &[
        read(Element::I32, Extent::X),
        write(Element::I16, Extent::Y),
        RECORD,
    ];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        demand(call.dim(2) < 2)?;
        Ok(recorded(flat(call)?))
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let g = o.write_as::<i16>(1);
        let record = Record::read(o.read_as(2));
        let z = o.read_as::<i32>(0);
        let fraction = record.weights + record.input;
        let rate = Rate::of(context, call.scalar);
        let label = context.label;
        if call.dim(2) == 1 {
            context.prediction = predict(z, 1 << (fraction - 1).max(0));
            context.loss = squared(z, fraction, label);
            mse(z, fraction, label, rate, g);
        } else {
            context.prediction = predict(z, 0);
            softmax(z, fraction, g);
            context.loss = surprisal(g.get(label).map_or(0, |p| *p as u16));
            deltas(label, rate, g);
        }
    }
}

/// The mean squared error, for reports.
fn squared(z: &[i32], fraction: i32, label: usize) -> f32 {
    let (scale, single) = (power(-fraction), z.len() == 1);
    let mut sum = 0.0;
    for (i, z) in z.iter().enumerate() {
        let hit = if single { label == 1 } else { i == label };
        let error = *z as f32 * scale - if hit { 1.0 } else { 0.0 };
        sum += error * error;
    }
    sum / z.len().max(1) as f32
}

/// 2^n as a float, for n from -126 to 127.
fn power(n: i32) -> f32 {
    f32::from_bits(((n.clamp(-126, 127) + 127) as u32) << 23)
}

/// z → outputs as floats · record. Length.
pub struct Outputs;

impl Routine for Outputs {
    const NAME: &'static str = "int_outputs";
    const OPERANDS: &'static [Operand] = &[
        read(Element::I32, Extent::X),
        write(Element::F32, Extent::Y),
        RECORD,
    ];
    const OUTPUT: Option<usize> = Some(1);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        Ok(recorded(flat(call)?))
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let y = o.write(1);
        let record = Record::read(o.read_as(2));
        let scale = power(-(record.weights + record.input));
        for (y, z) in y.iter_mut().zip(o.read_as::<i32>(0)) {
            *y = *z as f32 * scale;
        }
    }
}
