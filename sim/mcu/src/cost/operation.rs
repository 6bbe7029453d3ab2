//! The operations that the uncalibrated model is made of.

/// Something that a core does, priced in cycles per core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A word read, in a run of reads.
    Load,
    /// A word written, in a run of writes.
    Store,
    /// An f32 product.
    Multiply,
    /// An f32 sum or difference.
    Add,
    /// An f32 product that is added to a sum, each rounded.
    MultiplyAdd,
    /// An f32 comparison whose outcome steers a branch or a selection.
    Compare,
    /// An f32 quotient.
    Divide,
    /// An f32 square root.
    SquareRoot,
    /// An f32 exponential.
    Exponential,
    /// An f32 logarithm.
    Logarithm,
    /// An instruction of the integer unit.
    Integer,
    /// A taken branch.
    Branch,
    /// A function's entry and exit, registers saved and restored.
    Call,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 13] = [
        Self::Load,
        Self::Store,
        Self::Multiply,
        Self::Add,
        Self::MultiplyAdd,
        Self::Compare,
        Self::Divide,
        Self::SquareRoot,
        Self::Exponential,
        Self::Logarithm,
        Self::Integer,
        Self::Branch,
        Self::Call,
    ];

    /// The operation in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Store => "store",
            Self::Multiply => "multiply",
            Self::Add => "add",
            Self::MultiplyAdd => "multiply_add",
            Self::Compare => "compare",
            Self::Divide => "divide",
            Self::SquareRoot => "square_root",
            Self::Exponential => "exponential",
            Self::Logarithm => "logarithm",
            Self::Integer => "integer",
            Self::Branch => "branch",
            Self::Call => "call",
        }
    }
}
