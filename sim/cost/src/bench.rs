//! Images that run given kernel calls once, on operands of a given kind: what calibration measures.
//!
//! Such an image learns nothing. Its *learn* list is the calls, and each operand that lies in RAM is a parameter, so that it starts
//! with values like those of a training.

use crate::data::Data;
use crate::gradients::kept;
use crate::trips::Update;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::kernel::Access;
use runtime_shared::program::{Call, Field, Kernel, Place};
use runtime_shared::rng::Rng;
use runtime_shared::state::STATE_BYTES;
use sim_compiler::Image;
use sim_mcu::Placement;

/// A call to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The call; its operands are placed by [`images`].
    pub call: Call,
    /// How it updates.
    pub update: Update,
    /// Share of its inputs, or deltas, that are zero.
    pub zeros: f32,
    /// Whether every third channel has no delta at all, as behind a rectifier that never opens.
    pub silent: bool,
    /// Whether there are biases.
    pub biased: bool,
    /// Whether it is kept which element won a maximum.
    pub indexed: bool,
    /// What an update was given before.
    pub past: Past,
    /// Whether constants stay in the image though they are to be in RAM, which is the same where memory never stalls.
    pub in_image: bool,
}

/// Which parameters had gradients before, as far as an update keeps what came of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// All.
    All,
    /// Those that have one now.
    Same,
    /// None.
    None,
}

/// An image, and which of the cases its calls are, in order.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The image.
    pub image: Image,
    /// The cases that its calls are.
    pub cases: Vec<Placed>,
}

/// A case in an image.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its place in the list of cases.
    pub index: usize,
    /// Its call, of which it is known where the operands lie.
    pub call: Call,
    /// What they are like.
    pub data: Data,
}

/// Packs `cases` into as few images as `ram` and `flash` bytes allow.
///
/// # Errors
/// The place of a case that no image can hold.
pub fn images(
    cases: &[Case],
    placement: Placement,
    ram: usize,
    flash: usize,
    seed: u64,
) -> Result<Vec<Bench>, usize> {
    let mut rng = Rng::new(seed);
    let mut benches: Vec<Bench> = Vec::new();
    let mut open: Vec<Packing> = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let decayed = case.update == Update::Decayed;
        let operands = operands(case, placement, &mut rng).ok_or(index)?;
        let fits = |p: &Packing| p.decayed == decayed && p.fits(&operands, ram, flash);
        let place = match open.iter().position(fits) {
            Some(place) => place,
            None => {
                let fresh = Packing::new(decayed);
                if !fresh.fits(&operands, ram, flash) {
                    return Err(index);
                }
                // Of each kind only one stays open.
                if let Some(full) = open.iter().position(|p| p.decayed == decayed) {
                    benches.push(open.swap_remove(full).finish());
                }
                open.push(fresh);
                open.len() - 1
            }
        };
        open[place].add(index, &case.call, operands);
    }
    benches.extend(open.into_iter().map(Packing::finish));
    Ok(benches)
}

/// One operand.
struct Operand {
    home: Home,
    words: Vec<u32>,
    /// Bytes of these words that it takes.
    bytes: usize,
}

impl Operand {
    fn contents(&self) -> Vec<u8> {
        let bytes = self.words.iter().flat_map(|word| word.to_le_bytes());
        bytes.take(self.bytes).collect()
    }
}

/// Where an operand goes.
#[derive(PartialEq)]
enum Home {
    Absent,
    Ram,
    Rom,
}

/// An image under construction.
struct Packing {
    decayed: bool,
    cases: Vec<Placed>,
    /// Words of the image behind the header; those that are copied to RAM, and where to.
    words: Vec<u32>,
    parameters: Vec<[usize; 3]>,
    ram: usize,
}

/// Outputs that the header has to name; no call writes them.
const OUTPUTS: usize = 2;
/// Bytes of a call, and of an entry in the table of parameters.
const CALL: usize = 64;
const PARAMETER: usize = 12;
/// Bytes of the profile for one call.
const PROFILE: usize = 20;

impl Packing {
    fn new(decayed: bool) -> Self {
        Self {
            decayed,
            cases: Vec::new(),
            words: Vec::new(),
            parameters: Vec::new(),
            ram: STATE_BYTES + 4 * OUTPUTS,
        }
    }

    fn fits(&self, operands: &[Operand], ram: usize, flash: usize) -> bool {
        let (mut more_ram, mut more_flash) = (PROFILE, CALL);
        for operand in operands {
            let bytes = 4 * operand.words.len();
            more_flash += bytes;
            if operand.home == Home::Ram {
                more_ram += bytes;
                more_flash += PARAMETER;
            }
        }
        let tables = CALL * self.cases.len() + PARAMETER * self.parameters.len() + 1_024;
        self.ram + PROFILE * self.cases.len() + more_ram <= ram
            && 4 * self.words.len() + tables + more_flash <= flash
    }

    fn add(&mut self, index: usize, call: &Call, operands: Vec<Operand>) {
        let mut call = call.clone();
        let contents: Vec<Vec<u8>> = operands.iter().map(Operand::contents).collect();
        let data = Data::of(&call, |i| contents.get(i).map_or(&[], Vec::as_slice));
        for (place, operand) in call.operands.iter_mut().zip(operands) {
            let at = 4 * self.words.len();
            let len = operand.words.len();
            self.words.extend(operand.words);
            *place = match operand.home {
                Home::Absent => Place::Absent,
                Home::Rom => Place::Rom(at as u32),
                Home::Ram => {
                    self.parameters.push([at, self.ram, len]);
                    self.ram += 4 * len;
                    Place::Ram((self.ram - 4 * len) as u32)
                }
            };
        }
        self.cases.push(Placed { index, call, data });
    }

    fn finish(mut self) -> Bench {
        let mut image = Image::new();
        let base = image.append(self.words);
        for case in &mut self.cases {
            for place in &mut case.call.operands {
                if let Place::Rom(at) = place {
                    *at += base as u32;
                }
            }
        }
        let table = self
            .parameters
            .iter()
            .flat_map(|&[rom, ram, len]| [(rom + base) as u32, ram as u32, len as u32]);
        let count = self.parameters.len();
        let at = image.append(table.collect::<Vec<_>>());
        image.set_size(Field::ParametersAt, at);
        image.set_size(Field::ParameterCount, count);
        image.append_calls(Field::InferAt, Field::InferCount, &[]);
        let calls: Vec<Call> = self.cases.iter().map(|case| case.call.clone()).collect();
        image.append_calls(Field::LearnAt, Field::LearnCount, &calls);
        image.append_calls(Field::ApplyAt, Field::ApplyCount, &[]);
        image.set_size(Field::ArenaBytes, self.ram);
        image.set_size(Field::SampleBytes, 4);
        image.set_size(Field::OutputsAt, STATE_BYTES);
        image.set_size(Field::OutputCount, OUTPUTS);
        image.set_size(Field::WorkAt, STATE_BYTES);
        image.set_size(Field::WorkBytes, self.ram - STATE_BYTES);
        image.set_float(Field::LearningRate, 1e-3);
        image.set_float(Field::WeightDecay, if self.decayed { 1e-4 } else { 0.0 });
        image.set_float(Field::ClipValue, f32::INFINITY);
        image.set_float(Field::Beta1, 0.9);
        image.set_float(Field::Beta2, 0.999);
        image.set_float(Field::Epsilon, 1e-8);
        image.set_size(Field::Batch, 1);
        image.set_size(Field::Passes, 1);
        image.seal();
        Bench {
            image,
            cases: self.cases,
        }
    }
}

/// What a call's operands hold.
fn operands(case: &Case, placement: Placement, rng: &mut Rng) -> Option<Vec<Operand>> {
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
    // Gradients are a row for each word of this operand.
    let (gate, width) = match call.kernel {
        Kernel::DenseBackwardWeights => (0, call.dim(1)),
        Kernel::BiasBackward => (0, 1),
        _ => (1, 1),
    };
    match (case.past, operands.get(gate)) {
        (Past::All, _) => {}
        (Past::Same, Some(gate)) => {
            let rows = kept.chunks_mut(width).zip(&gate.words);
            let without = rows.filter(|(_, word)| **word == 0);
            without.for_each(|(row, _)| row.fill(0));
        }
        _ => kept.fill(0),
    }
}

/// Whether operand `i` is a weight, bias, scale or shift: a constant of the Program where it is not trained.
pub fn is_constant(kernel: Kernel, i: usize) -> bool {
    match kernel {
        Kernel::Normalise
        | Kernel::Dense
        | Kernel::Conv2d
        | Kernel::Depthwise
        | Kernel::ChannelAffine => i == 1 || i == 2,
        Kernel::DenseBackwardInput | Kernel::DepthwiseBackwardInput => i == 1,
        Kernel::Conv2dBackwardInput => i == 2,
        Kernel::ChannelAffineBackward => i == 0,
        _ => false,
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
    let (call, zeros) = (&case.call, case.zeros);
    let (spread, thinned) = match (call.kernel, operand) {
        (Dense | DenseBackwardWeights | Conv2d | Depthwise, 0) => (None, true),
        (Conv2dBackwardWeights | DepthwiseBackwardWeights, 0) => (None, false),
        (DenseBackwardWeights | Conv2dBackwardWeights | Apply, 1) | (Conv2dBackwardInput, 0) => {
            (Some(0.05), true)
        }
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
        (Activation | Softmax | Loss, 0) => {
            (Some([0.5, 1.0, 2.0, 4.0][rng.below(4) as usize]), false)
        }
        (ActivationBackward, 0) => (None, true),
        (SoftmaxBackward, 0) => (None, false),
        (MaxPool | AveragePool, 0) => (None, true),
        _ => (Some(0.1), false),
    };
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
                Some(spread) => spread * rng.normal(),
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
