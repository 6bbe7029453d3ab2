//! Images that run given kernel calls once, on operands of a given kind: what calibration measures.
//!
//! Such an image learns nothing. Its *learn* list is the calls, and each operand that lies in RAM is a parameter, so that it starts
//! with values like those of a training.

use crate::data::Data;
use crate::operands::{Home, Operand, operands};
use crate::trips::{Step, Update};
use runtime_shared::program::{Call, Field, Place, RuleKind};
use runtime_shared::rng::Rng;
use runtime_shared::state::STATE_BYTES;
use sim_compiler::Image;
use sim_mcu::Placement;

/// Of every update.
const LEARNING_RATE: f32 = 1e-3;

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
        let hyper = Hyper::of(case.update);
        let operands = operands(case, placement, &mut rng).ok_or(index)?;
        let fits = |p: &Packing| p.hyper == hyper && p.fits(&operands, ram, flash);
        let place = match open.iter().position(fits) {
            Some(place) => place,
            None => {
                let fresh = Packing::new(hyper);
                if !fresh.fits(&operands, ram, flash) {
                    return Err(index);
                }
                // Of each kind only one stays open.
                if let Some(full) = open.iter().position(|p| p.hyper == hyper) {
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

/// Those constants of an update that calls of one image share, and that are not the same for all.
#[derive(Clone, Copy, PartialEq)]
struct Hyper {
    weight_decay: f32,
    clip_value: f32,
}

impl Hyper {
    /// Some that make an update as it is to be.
    fn of(update: Update) -> Self {
        let clips = update.step == Step::Effective && !update.decays;
        Self {
            weight_decay: if update.decays { 1e-4 } else { 0.0 },
            clip_value: if clips { 1.0 } else { f32::INFINITY },
        }
    }
}

/// An image under construction.
struct Packing {
    hyper: Hyper,
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
    fn new(hyper: Hyper) -> Self {
        Self {
            hyper,
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
        let rate = match call.rule {
            RuleKind::Accumulate => 1.0,
            _ => -LEARNING_RATE,
        };
        let data = Data::of(&call, rate, |i| contents.get(i).map_or(&[], Vec::as_slice));
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
        image.set_float(Field::LearningRate, LEARNING_RATE);
        image.set_float(Field::WeightDecay, self.hyper.weight_decay);
        image.set_float(Field::ClipValue, self.hyper.clip_value);
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
