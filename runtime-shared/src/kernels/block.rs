//! Register blocks: the inner loops that dense and convolution layers share.
//!
//! Rows are found by index and asked for with `get`, never by an iterator over chunks: a chunk size
//! known only at run time costs a division before each loop, and a panic's location costs flash.

/// Evaluates `$body` for consecutive ranges of `0..$total`, each of the largest of the sizes, given in
/// descending order and ending with 1, that still fits. `$at` is the range's start, the constant `$n`
/// its size.
macro_rules! in_blocks {
    ($total:expr, [$($size:literal),+], |$at:ident, $n:ident| $body:expr) => {{
        let total: usize = $total;
        let mut $at = 0;
        $(while total - $at >= $size {
            const $n: usize = $size;
            $body;
            $at += $size;
        })+
    }};
}
pub(super) use in_blocks;

/// Elements `at..at + N` of `x`, if it has them.
#[inline(always)]
pub(super) fn chunk<const N: usize>(x: &[f32], at: usize) -> Option<&[f32; N]> {
    x.get(at..)?.first_chunk()
}

/// Elements `at..at + N` of `x`; zeros if it does not have them, so that an absent bias reads as zero.
#[inline(always)]
pub(super) fn load<const N: usize>(x: &[f32], at: usize) -> [f32; N] {
    chunk(x, at).copied().unwrap_or([0.0; N])
}

/// Writes elements `at..at + N` of `y`, if it has them.
#[inline(always)]
pub(super) fn store<const N: usize>(y: &mut [f32], at: usize, values: &[f32; N]) {
    if let Some(y) = y.get_mut(at..).and_then(|y| y.first_chunk_mut()) {
        *y = *values;
    }
}

/// Elements `at..at + len` of `x`, if it has them.
#[inline(always)]
pub(super) fn part(x: &[f32], at: usize, len: usize) -> Option<&[f32]> {
    x.get(at..)?.get(..len)
}

/// Whether `x` is +0 or −0, asked in integers: on a Cortex-M that is two instructions without a
/// transfer of FPU flags.
#[inline(always)]
pub(super) fn is_zero(x: f32) -> bool {
    x.to_bits() << 1 == 0
}

/// `acc[j] += x[i] · w[at + i·stride + j]`, `i` ascending. With `skip` those `i` whose `x[i]` is zero
/// are left out; returns how many were not.
#[inline(always)]
pub(super) fn accumulate<const N: usize>(
    acc: &mut [f32; N],
    x: &[f32],
    w: &[f32],
    at: usize,
    stride: usize,
    skip: bool,
) -> u32 {
    let mut used = 0;
    for (i, &x) in x.iter().enumerate() {
        if skip && is_zero(x) {
            continue;
        }
        let Some(row) = chunk::<N>(w, at + i * stride) else {
            break;
        };
        used += 1;
        for j in 0..N {
            acc[j] += x * row[j];
        }
    }
    used
}

/// `y[i] += a · x[i]`; both have one length.
#[inline(always)]
pub(super) fn axpy(a: f32, x: &[f32], y: &mut [f32]) {
    let (xs, x_rest) = x.as_chunks::<4>();
    let (ys, y_rest) = y.as_chunks_mut::<4>();
    for (x, y) in xs.iter().zip(ys) {
        for j in 0..4 {
            y[j] += a * x[j];
        }
    }
    if let ([x, ..], [y, ..]) = (x_rest, &mut *y_rest) {
        *y += a * x;
    }
    if let ([_, x, ..], [_, y, ..]) = (x_rest, &mut *y_rest) {
        *y += a * x;
    }
    if let ([_, _, x], [_, _, y]) = (x_rest, y_rest) {
        *y += a * x;
    }
}

/// `out[i] += Σⱼ d[j] · w[i·d.len() + j]`.
///
/// The sum has four lanes, each starting at zero: element `j` goes to lane `j mod 4`, `j` ascending;
/// then `(lane 0 + lane 2) + (lane 1 + lane 3)` is added to `out[i]`.
pub(super) fn add_dots(d: &[f32], w: &[f32], out: &mut [f32]) {
    let n = d.len();
    let mut at = 0;
    let (fours, rest) = out.as_chunks_mut::<4>();
    for out in fours {
        let rows: [&[f32]; 4] = core::array::from_fn(|r| part(w, at + r * n, n).unwrap_or(&[]));
        let sums = dots(d, rows);
        for r in 0..4 {
            out[r] += sums[r];
        }
        at += 4 * n;
    }
    for out in rest {
        let [sum] = dots(d, [part(w, at, n).unwrap_or(&[])]);
        *out += sum;
        at += n;
    }
}

/// The dot products of `d` with `R` rows, in the order of [`add_dots`].
#[inline(always)]
fn dots<const R: usize>(d: &[f32], rows: [&[f32]; R]) -> [f32; R] {
    let mut lanes = [[0.0f32; 4]; R];
    let (quads, rest) = d.as_chunks::<4>();
    let mut at = 0;
    for quad in quads {
        for r in 0..R {
            if let Some(row) = chunk::<4>(rows[r], at) {
                for j in 0..4 {
                    lanes[r][j] += quad[j] * row[j];
                }
            }
        }
        at += 4;
    }
    // Lanes are named by constants, since an array indexed by a variable cannot stay in registers.
    for r in 0..R {
        let row = rows[r].get(at..).unwrap_or(&[]);
        if let ([d, ..], [w, ..]) = (rest, row) {
            lanes[r][0] += d * w;
        }
        if let ([_, d, ..], [_, w, ..]) = (rest, row) {
            lanes[r][1] += d * w;
        }
        if let ([_, _, d], [_, _, w]) = (rest, row) {
            lanes[r][2] += d * w;
        }
    }
    lanes.map(|[a, b, c, d]| (a + c) + (b + d))
}
