//! Register blocks: the inner loops that dense and convolution layers share.

/// Calls `$block::<SIZE>` for consecutive ranges of `0..$total`, with the largest size that still fits;
/// `$at` names the range's start in the arguments.
macro_rules! in_blocks {
    ($total:expr, |$at:ident| $block:ident::<$($size:literal)|+>$args:tt) => {{
        let total: usize = $total;
        let mut $at = 0;
        $(while total - $at >= $size {
            $block::<$size>$args;
            $at += $size;
        })+
    }};
}
pub(super) use in_blocks;

/// `acc[j] += x[i] · w[i·stride + at + j]`, `i` ascending. `w` holds `x.len()` rows of `stride`
/// elements. With `skip` rows whose `x[i]` is zero are left out; returns the number of rows used.
#[inline(always)]
pub(super) fn accumulate<const N: usize>(
    acc: &mut [f32; N],
    x: &[f32],
    w: &[f32],
    stride: usize,
    at: usize,
    skip: bool,
) -> u32 {
    let mut used = 0;
    for (&x, row) in x.iter().zip(w.chunks_exact(stride)) {
        if skip && is_zero(x) {
            continue;
        }
        used += 1;
        if let Some(row) = row.get(at..).and_then(|row| row.first_chunk::<N>()) {
            for j in 0..N {
                acc[j] += x * row[j];
            }
        }
    }
    used
}

/// Whether `x` is +0 or −0, asked in integers: on a Cortex-M that is two instructions without a
/// transfer of FPU flags.
#[inline(always)]
pub(super) fn is_zero(x: f32) -> bool {
    x.to_bits() << 1 == 0
}

/// `out[i] += Σⱼ d[j] · w[i·d.len() + j]` for each row of `w`.
///
/// The sum has four lanes, each starting at zero: element `j` goes to lane `j mod 4`, `j` ascending;
/// then `(lane 0 + lane 2) + (lane 1 + lane 3)` is added to `out[i]`.
pub(super) fn add_dots(d: &[f32], w: &[f32], out: &mut [f32]) {
    const ROWS: usize = 4;
    let n = d.len();
    if n == 0 {
        return;
    }
    let mut rows = w.chunks_exact(n * ROWS);
    let mut outs = out.chunks_exact_mut(ROWS);
    for (rows, out) in (&mut rows).zip(&mut outs) {
        let (a, rest) = rows.split_at(n);
        let (b, rest) = rest.split_at(n);
        let (c, e) = rest.split_at(n);
        let sums = dots(d, [a, b, c, e]);
        for (out, sum) in out.iter_mut().zip(sums) {
            *out += sum;
        }
    }
    for (row, out) in rows.remainder().chunks_exact(n).zip(outs.into_remainder()) {
        let [sum] = dots(d, [row]);
        *out += sum;
    }
}

/// The dot products of `d` with `R` rows of the same length, in the order of [`add_dots`].
#[inline(always)]
fn dots<const R: usize>(d: &[f32], rows: [&[f32]; R]) -> [f32; R] {
    let mut lanes = [[0.0f32; 4]; R];
    let (quads, rest) = d.as_chunks::<4>();
    let rows = rows.map(|row| row.as_chunks::<4>());
    for (i, quad) in quads.iter().enumerate() {
        for r in 0..R {
            if let Some(row) = rows[r].0.get(i) {
                for j in 0..4 {
                    lanes[r][j] += quad[j] * row[j];
                }
            }
        }
    }
    for r in 0..R {
        for (lane, (d, w)) in lanes[r].iter_mut().zip(rest.iter().zip(rows[r].1)) {
            *lane += d * w;
        }
    }
    lanes.map(|[a, b, c, d]| (a + c) + (b + d))
}

/// Elements `at..at + N` of `x`; zeros where `x` ends, so that an absent bias reads as zero.
#[inline(always)]
pub(super) fn load<const N: usize>(x: &[f32], at: usize) -> [f32; N] {
    x.get(at..)
        .and_then(|x| x.first_chunk::<N>())
        .copied()
        .unwrap_or([0.0; N])
}
