//! The Program: what the compiler on the host hands to the device.
//!
//! A flat image, read in place: header, constants, three straight lists of kernel calls (*infer*,
//! *learn*, *apply*) with the address of every operand already settled, and the table of the parameters
//! that move to RAM because they are trained.
//!
//! **It is untrusted input.** [`Program::load`] checks the checksum and then every offset, length and
//! dimension; what it accepts cannot make a kernel leave the arena or the image.

mod crc;
pub mod header;
pub mod refusal;

pub use crate::kernels::call::{self, Call, Place, RuleKind};
pub use crate::kernels::element::Element;
pub use crate::kernels::operand::{Access, Need};
pub use crate::kernels::table::Kernel;
pub use crc::crc32;
pub use header::Field;
pub use refusal::Refusal;

use crate::buffer::{CLASS_COUNT_BYTES, Policy};
use crate::detector::Detector;
use crate::learner::TriggerKind;
use crate::machine;
use crate::schedule::ScheduleKind;
use crate::state::STATE_BYTES;
use call::{CALL_BYTES, OPERANDS};
use core::ops::Range;
use header::{HEADER_WORDS, MAGIC, VERSION};

/// The three lists of a Program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum List {
    /// From a raw sample to the outputs.
    Infer,
    /// From a stored sample to updated parameters, or to accumulated gradients.
    Learn,
    /// From accumulated gradients to updated parameters.
    Apply,
}

/// Why a header is refused. Small, so that functions return it in registers.
enum Flaw {
    Header(Field),
    Table(Field),
}

/// A tensor that is trained: constant in the image, copied to the arena at reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Initial values: first byte in the image.
    pub rom: usize,
    /// Trained values: first byte in the arena.
    pub ram: usize,
    /// How long it is.
    pub bytes: usize,
    /// What it is made of.
    pub element: Element,
}

/// Bytes of a parameter in the table.
const PARAMETER_BYTES: usize = 16;

/// A validated image.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    image: &'a [u8],
    header: &'a [u32; HEADER_WORDS],
}

impl<'a> Program<'a> {
    /// Checks `image` from end to end.
    ///
    /// # Errors
    /// The first [`Refusal`]; nothing of a refused image is ever executed.
    pub fn load(image: &'a [u8]) -> Result<Self, Refusal> {
        if image.len() < HEADER_WORDS * 4 {
            return Err(Refusal::Truncated);
        }
        if !machine::is_aligned(image) {
            return Err(Refusal::Misaligned);
        }
        let header = machine::words(image).first_chunk();
        let header = header.ok_or(Refusal::Truncated)?;
        let program = Self { image, header };
        if program.get(Field::Magic) != MAGIC {
            return Err(Refusal::Magic);
        }
        if program.get(Field::Version) != VERSION {
            return Err(Refusal::Version(program.get(Field::Version)));
        }
        if program.size(Field::Length) != image.len() || !image.len().is_multiple_of(4) {
            return Err(Refusal::Truncated);
        }
        if program.get(Field::Checksum) != checksum(image) {
            return Err(Refusal::Checksum);
        }
        program.check_header().map_err(|flaw| match flaw {
            Flaw::Header(field) => Refusal::Header(field),
            Flaw::Table(field) => Refusal::Table(field),
        })?;
        program.check_parameters()?;
        for list in [List::Infer, List::Learn, List::Apply] {
            program.check_list(list)?;
        }
        Ok(program)
    }

    /// The image itself.
    pub fn image(&self) -> &'a [u8] {
        self.image
    }

    /// A header field.
    pub fn get(&self, field: Field) -> u32 {
        self.header[field as usize]
    }

    /// A header field that is a size.
    pub fn size(&self, field: Field) -> usize {
        self.get(field) as usize
    }

    /// A header field that is a float.
    pub fn float(&self, field: Field) -> f32 {
        f32::from_bits(self.get(field))
    }

    /// Bytes of RAM that a learner asks for.
    pub fn arena_bytes(&self) -> usize {
        self.size(Field::ArenaBytes)
    }

    /// How many calls `list` has.
    pub fn count(&self, list: List) -> usize {
        self.size(match list {
            List::Infer => Field::InferCount,
            List::Learn => Field::LearnCount,
            List::Apply => Field::ApplyCount,
        })
    }

    /// Call `index` of `list`, if there is one.
    pub fn call(&self, list: List, index: usize) -> Option<Call> {
        let mut call = Call::new(Kernel::Copy);
        self.read_call(list, index, &mut call)?;
        Some(call)
    }

    /// Reads call `index` of `list` into `call`; `None` if there is no such call.
    pub(crate) fn read_call(&self, list: List, index: usize, call: &mut Call) -> Option<()> {
        if index >= self.count(list) {
            return None;
        }
        let at = self.size(match list {
            List::Infer => Field::InferAt,
            List::Learn => Field::LearnAt,
            List::Apply => Field::ApplyAt,
        }) + index * CALL_BYTES;
        let words = machine::words(self.image.get(at..)?);
        call.read(words.first_chunk()?)
    }

    /// Parameter tensor `index`, if there is one.
    pub fn parameter(&self, index: usize) -> Option<Parameter> {
        if index >= self.size(Field::ParameterCount) {
            return None;
        }
        let at = self.size(Field::ParametersAt) + index * PARAMETER_BYTES;
        let &[rom, ram, bytes, element] = machine::words(self.image.get(at..)?).first_chunk()?;
        Some(Parameter {
            rom: rom as usize,
            ram: ram as usize,
            bytes: bytes as usize,
            element: Element::from_code(element)?,
        })
    }

    /// What is stored of a sample, in the buffer or until the next step: features, or the raw sample.
    pub fn payload_bytes(&self) -> usize {
        match self.size(Field::FeatureBytes) {
            0 => self.size(Field::SampleBytes),
            bytes => bytes,
        }
    }

    /// A header field that is the type of something.
    pub fn element(&self, field: Field) -> Element {
        Element::from_code(self.get(field)).unwrap_or_default()
    }

    /// Who is let into the buffer.
    pub fn policy(&self) -> Policy {
        Policy::from_code(self.get(Field::BufferPolicy)).unwrap_or(Policy::None)
    }

    /// The drift detector, if there is one.
    pub fn detector(&self) -> Option<Detector> {
        let values = self.image.get(self.size(Field::DetectorValuesAt)..)?;
        let values = machine::floats(values).get(..self.size(Field::DetectorValues))?;
        Detector::read(self.get(Field::Detector), values)
    }

    /// Classes that the outputs distinguish.
    pub fn classes(&self) -> usize {
        self.size(Field::OutputCount).max(2)
    }

    /// Where the table of `bytes` at the offset that `at` holds ends; no further than `end`.
    fn within(&self, at: Field, bytes: Option<usize>, end: usize) -> Result<usize, Flaw> {
        let start = self.size(at);
        match bytes.and_then(|bytes| start.checked_add(bytes)) {
            Some(last) if last <= end && start.is_multiple_of(4) => Ok(last),
            _ => Err(Flaw::Table(at)),
        }
    }

    fn check_header(&self) -> Result<(), Flaw> {
        use Field::*;
        const LIMIT: u32 = 1 << 30;
        let most = |codes: usize| codes as u32 - 1;
        let demand = |field, holds: bool| {
            if holds {
                Ok(())
            } else {
                Err(Flaw::Header(field))
            }
        };
        let image = self.image.len();
        let arena = self.size(ArenaBytes);
        demand(
            ArenaBytes,
            arena <= LIMIT as usize && arena >= STATE_BYTES && arena.is_multiple_of(4),
        )?;
        for &(at, count, bytes) in &[
            (InferAt, InferCount, CALL_BYTES),
            (LearnAt, LearnCount, CALL_BYTES),
            (ApplyAt, ApplyCount, CALL_BYTES),
            (ParametersAt, ParameterCount, PARAMETER_BYTES),
        ] {
            self.within(at, self.size(count).checked_mul(bytes), image)?;
        }
        demand(
            ExtractCount,
            self.size(ExtractCount) <= self.size(InferCount),
        )?;
        for &(field, least, most) in &[
            (SampleBytes, 1, LIMIT),
            (SampleType, 0, most(Element::ALL.len())),
            (FeatureBytes, 0, LIMIT),
            (FeatureType, 0, most(Element::ALL.len())),
            (OutputCount, 1, 0xffff),
            (OutputsAreProbabilities, 0, 1),
            (Schedule, 0, most(ScheduleKind::ALL.len())),
            (Batch, 1, u32::MAX),
            (Trigger, 0, most(TriggerKind::ALL.len())),
            // No step may take for ever.
            (Passes, 0, 0xffff),
            (Draw, 0, 0xffff),
            (BufferPolicy, 0, most(Policy::ALL.len())),
        ] {
            demand(field, (least..=most).contains(&self.get(field)))?;
        }

        let work = self.size(WorkAt);
        let work_end = self.within(WorkAt, Some(self.size(WorkBytes)), arena)?;
        demand(WorkAt, work >= STATE_BYTES)?;
        let inside = |field, bytes: usize| {
            let end = self.within(field, Some(bytes), arena)?;
            demand(field, self.size(field) >= work && end <= work_end)
        };
        inside(OutputsAt, self.size(OutputCount) * 4)?;
        if self.size(FeatureBytes) > 0 {
            inside(FeaturesAt, self.size(FeatureBytes))?;
        }

        demand(LearningRate, self.float(LearningRate).is_finite())?;
        demand(WeightDecay, self.float(WeightDecay).is_finite())?;
        demand(ClipValue, self.float(ClipValue) > 0.0)?;
        demand(Beta1, (0.0..1.0).contains(&self.float(Beta1)))?;
        demand(Beta2, (0.0..1.0).contains(&self.float(Beta2)))?;
        demand(
            Epsilon,
            self.float(Epsilon) >= 0.0 && self.float(Epsilon).is_finite(),
        )?;
        demand(
            SchedulePeriod,
            self.get(Schedule) == ScheduleKind::Constant.code() || self.get(SchedulePeriod) > 0,
        )?;
        demand(ScheduleFactor, self.float(ScheduleFactor).is_finite())?;
        demand(
            TriggerEvery,
            self.get(Trigger) != TriggerKind::Every.code() || self.get(TriggerEvery) > 0,
        )?;
        if self.get(Detector) > 0 {
            let bytes = self.size(DetectorValues).checked_mul(4);
            self.within(DetectorValuesAt, bytes, image)?;
            let detector = self.detector().ok_or(Flaw::Header(Detector))?;
            let end = self.within(DetectorAt, Some(detector.words() * 4), work)?;
            demand(
                DetectorAt,
                self.size(DetectorAt) >= STATE_BYTES && end <= work,
            )?;
        }
        if self.policy() != Policy::None {
            demand(BufferSlots, self.get(BufferSlots) >= 1)?;
            let slot = self.payload_bytes().next_multiple_of(4) + 4;
            demand(SlotBytes, self.size(SlotBytes) == slot)?;
            let slots_end =
                self.within(BufferAt, self.size(BufferSlots).checked_mul(slot), arena)?;
            demand(BufferAt, self.size(BufferAt) >= work_end)?;
            if self.policy() == Policy::ClassBalanced {
                let counts = self.classes() * CLASS_COUNT_BYTES;
                self.within(ClassCountsAt, Some(counts), arena)?;
                demand(ClassCountsAt, self.size(ClassCountsAt) >= slots_end)?;
            }
        } else {
            demand(FeatureBytes, self.size(FeatureBytes) == 0)?;
        }
        Ok(())
    }

    fn check_parameters(&self) -> Result<(), Refusal> {
        let work = self.work();
        for index in 0..self.size(Field::ParameterCount) {
            let flaw = Refusal::Parameter(index as u32);
            let p = self.parameter(index).ok_or(flaw)?;
            let whole = p.bytes.is_multiple_of(p.element.bytes(1));
            let ends = |at: usize, end: usize| at.checked_add(p.bytes).is_some_and(|e| e <= end);
            let sound = whole
                && p.rom.is_multiple_of(4)
                && p.ram.is_multiple_of(4)
                && ends(p.rom, self.image.len())
                && p.ram >= work.start
                && ends(p.ram, work.end);
            if !sound {
                return Err(flaw);
            }
        }
        Ok(())
    }

    /// The part of the arena that calls may use.
    fn work(&self) -> Range<usize> {
        let start = self.size(Field::WorkAt);
        start..start + self.size(Field::WorkBytes)
    }

    fn check_list(&self, list: List) -> Result<(), Refusal> {
        let mut call = Call::new(Kernel::Copy);
        for index in 0..self.count(list) {
            let number = index as u32;
            self.read_call(list, index, &mut call)
                .ok_or(Refusal::Call(list, number))?;
            if !call.kernel.is_linked() {
                return Err(Refusal::NotLinked(call.kernel));
            }
            let lengths = call.kernel.lengths(&call);
            let Ok(lengths) = lengths else {
                return Err(Refusal::Dimensions(list, number));
            };
            // No two operands may overlap, read-only ones included: the executor borrows them apart.
            let mut used: [Range<usize>; OPERANDS] = Default::default();
            for (i, role) in call.kernel.roles().iter().enumerate() {
                let need = role.need(&lengths, &call);
                let flaw = Refusal::Operand(list, number, i as u32);
                let range = self
                    .operand_range(list, call.operands[i], &need)
                    .ok_or(flaw)?;
                let Some(range) = range else { continue };
                if used[..i].iter().any(|other| overlap(other, &range)) {
                    return Err(flaw);
                }
                used[i] = range;
            }
        }
        Ok(())
    }

    /// The bytes of the arena that an operand takes (`Some(None)`: it is not in the arena), or `None`
    /// where it is not where the kernel needs it.
    #[allow(clippy::option_option)]
    fn operand_range(&self, list: List, place: Place, need: &Need) -> Option<Option<Range<usize>>> {
        let fits = |at: u32, bounds: Range<usize>| {
            let start = at as usize;
            let end = start.checked_add(need.bytes)?;
            let sound =
                start >= bounds.start && end <= bounds.end && start.is_multiple_of(need.align);
            sound.then_some(start..end)
        };
        match place {
            Place::Absent => (need.optional || need.access == Access::None).then_some(None),
            _ if need.access == Access::None => None,
            Place::Ram(at) => fits(at, self.work()).map(Some),
            Place::Rom(at) if need.access == Access::Read => {
                fits(at, 0..self.image.len()).map(|_| None)
            }
            Place::Sample if need.access == Access::Read => {
                let (bytes, words) = match list {
                    List::Infer => (self.size(Field::SampleBytes), false),
                    List::Learn => (self.payload_bytes(), self.size(Field::FeatureBytes) > 0),
                    List::Apply => return None,
                };
                (need.bytes == bytes && (words || need.align == 1)).then_some(None)
            }
            Place::Rom(_) | Place::Sample => None,
        }
    }
}

/// The checksum that [`Field::Checksum`] of `image` should hold.
pub fn checksum(image: &[u8]) -> u32 {
    let at = Field::Checksum as usize * 4;
    match (image.get(..at), image.get(at + 4..)) {
        (Some(before), Some(after)) => crc32(&[before, after]),
        _ => 0,
    }
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}
