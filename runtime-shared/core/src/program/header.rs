//! The header of a Program: one word a field, by name.

/// Declares the fields in order: the position is the word's place in the image.
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A word of the header.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Field { $($(#[$doc])* $name,)* }

        /// Words in the header.
        pub const HEADER_WORDS: usize = [$(Field::$name,)*].len();
    };
}

fields! {
    /// The letters `SIMP`.
    Magic,
    /// [`VERSION`].
    Version,
    /// Bytes of the whole image.
    Length,
    /// CRC-32 of the whole image, this word left out.
    Checksum,
    /// Bytes of RAM that the learner asks for, all of it.
    ArenaBytes,
    /// Where the list of calls that infer starts.
    InferAt,
    /// How many calls infer.
    InferCount,
    /// How many of them, from the first on, are the frozen extractor.
    ExtractCount,
    /// Where the list of calls that learn starts.
    LearnAt,
    /// How many calls learn; none where nothing is trained.
    LearnCount,
    /// Where the list of calls that apply a batch starts.
    ApplyAt,
    /// How many calls apply a batch; none where every sample is applied at once.
    ApplyCount,
    /// Where the table of parameters starts: (image offset, arena offset, bytes, type) each.
    ParametersAt,
    /// How many parameter tensors are copied to the arena.
    ParameterCount,
    /// Bytes of a raw sample.
    SampleBytes,
    /// What a raw sample is made of, an [`Element`](crate::program::Element).
    SampleType,
    /// Where, in the arena, the frozen extractor leaves its features.
    FeaturesAt,
    /// Bytes of features; 0 where learning starts at the raw sample.
    FeatureBytes,
    /// What features are made of, an [`Element`](crate::program::Element).
    FeatureType,
    /// Where, in the arena, inference leaves the outputs.
    OutputsAt,
    /// Floats of output: one a class, or a single one for two classes.
    OutputCount,
    /// 1 where the outputs went through a softmax or sigmoid already, 0 where they are logits.
    OutputsAreProbabilities,
    /// First byte of the arena that calls may use.
    WorkAt,
    /// Bytes of the arena that calls may use.
    WorkBytes,
    /// Learning rate, f32.
    LearningRate,
    /// L2 weight decay, f32.
    WeightDecay,
    /// Largest absolute gradient, f32; infinity for none.
    ClipValue,
    /// Momentum, or Adam's beta 1, f32.
    Beta1,
    /// Adam's beta 2, f32.
    Beta2,
    /// Adam's epsilon, f32.
    Epsilon,
    /// Learning-rate schedule, a [`ScheduleKind`](crate::schedule::ScheduleKind).
    Schedule,
    /// Updates between steps, or until the cosine ends.
    SchedulePeriod,
    /// Factor of a step, or the cosine's last factor, f32.
    ScheduleFactor,
    /// Samples whose gradients are averaged into one update.
    Batch,
    /// Buffer policy, a [`Policy`](crate::buffer::Policy).
    BufferPolicy,
    /// Slots of the replay buffer.
    BufferSlots,
    /// Bytes of a slot: the payload padded to words, and a word for the label.
    SlotBytes,
    /// Where, in the arena, the slots lie.
    BufferAt,
    /// Where, in the arena, samples seen are counted by class (class-balanced only).
    ClassCountsAt,
    /// Trigger, a [`TriggerKind`](crate::learner::TriggerKind).
    Trigger,
    /// N of the trigger.
    TriggerEvery,
    /// Confidence below which a sample triggers, f32.
    TriggerConfidence,
    /// Passes over the buffer at each trigger.
    Passes,
    /// Samples drawn from the buffer a pass; 0 for the whole buffer in order.
    Draw,
    /// Drift detector: 0 for none, else its number in [`detector::TABLE`](crate::detector::TABLE).
    Detector,
    /// Where, in the image, the detector's parameters lie, f32 each.
    DetectorValuesAt,
    /// How many there are.
    DetectorValues,
    /// Where, in the arena, the detector keeps its words.
    DetectorAt,
    /// What a detected drift leaves in the buffer: the newest so many; `u32::MAX` to leave all.
    PurgeKeep,
    /// Seed of the device's generator, low word.
    SeedLow,
    /// Seed of the device's generator, high word.
    SeedHigh,
}

/// What an image starts with.
pub const MAGIC: u32 = u32::from_le_bytes(*b"SIMP");
/// The version of the format.
pub const VERSION: u32 = 2;
