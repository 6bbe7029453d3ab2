//! How much is read at most. Files come from anywhere; whatever a file says of its own size is held against
//! these before memory is taken for it.

/// The largest file, in bytes.
pub const FILE: u64 = 1 << 30;
/// Elements of a tensor: 256 MB as floats, more than the flash of any microcontroller.
pub const ELEMENTS: usize = 1 << 26;
/// Elements of all constants together.
pub const CONSTANTS: usize = 1 << 27;
/// Elements of an activation.
pub const ACTIVATION: usize = 1 << 24;
/// Elements of a constant that is one value many times.
pub const FILL: usize = 1 << 16;
/// Multiplications of an inference.
pub const WORK: u64 = 1 << 32;
/// Values of a model.
pub const VALUES: usize = 1 << 17;
/// Operators of a model.
pub const NODES: usize = 1 << 16;
/// Axes of a tensor.
pub const RANK: usize = 8;
/// Messages in messages, groups in groups, models in models.
pub const NESTING: usize = 16;
/// The text of a config, in bytes.
pub const CONFIG: u64 = 16 << 20;

/// The number of elements of these axes, if it is at most `most`.
pub fn elements(axes: &[usize], most: usize) -> Option<usize> {
    if axes.len() > RANK {
        return None;
    }
    let count = axes.iter().try_fold(1usize, |n, &a| n.checked_mul(a))?;
    (count <= most).then_some(count)
}
