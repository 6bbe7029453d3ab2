//! Residual additions and rectifiers in integers. Backward, both pass a delta on ([`super::delta::Delta::pass`]).

use super::Activation;

/// `out` = the activation of `x · 2^left.0 + y · 2^left.1`: one of the two is 0, the other what the fractions differ by, at most 7. All have one
/// length. Returns how many outputs were clipped.
#[inline(never)]
pub fn forward(
    x: &[i8],
    y: &[i8],
    left: (i32, i32),
    out: &mut [i8],
    activation: Activation,
) -> u32 {
    let mut clipped = 0;
    let (a, b) = (1 << (left.0 & 7), 1 << (left.1 & 7));
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        let acc = i32::from(*x) * a + i32::from(*y) * b;
        *out = activation.apply(acc, &mut clipped);
    }
    clipped
}

/// `y` = the larger of `x` and zero.
#[inline(never)]
pub fn relu(x: &[i8], y: &mut [i8]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = (*x).max(0);
    }
}
