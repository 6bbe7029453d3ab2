//! Register blocks: the inner loops that dense and convolution layers share.
//!
//! Rows are found by index, never by an iterator over chunks: a chunk size known only at run time
//! costs a division before each loop. A row that is not there means that a caller broke the contract
//! on lengths; all such places meet in [`out_of_range`], which costs one compare and a branch each,
//! and, because it does not return, no shuffling of registers.

/// A slice was shorter than documented.
#[cold]
#[inline(never)]
pub(super) fn out_of_range() -> ! {
    panic!("a kernel was called with a slice that is too short")
}

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

/// Elements `at..at + N` of `x`.
#[inline(always)]
pub(super) fn chunk<T, const N: usize>(x: &[T], at: usize) -> &[T; N] {
    match x.get(at..).and_then(|x| x.first_chunk()) {
        Some(chunk) => chunk,
        None => out_of_range(),
    }
}

/// Elements `at..at + N` of `x`, to be written.
#[inline(always)]
pub(super) fn chunk_mut<T, const N: usize>(x: &mut [T], at: usize) -> &mut [T; N] {
    match x.get_mut(at..).and_then(|x| x.first_chunk_mut()) {
        Some(chunk) => chunk,
        None => out_of_range(),
    }
}

/// Elements `at..at + len` of `x`.
#[inline(always)]
pub(super) fn part<T>(x: &[T], at: usize, len: usize) -> &[T] {
    match x.get(at..).and_then(|x| x.get(..len)) {
        Some(part) => part,
        None => out_of_range(),
    }
}

/// Elements `at..at + len` of `x`, to be written.
#[inline(always)]
pub(super) fn part_mut<T>(x: &mut [T], at: usize, len: usize) -> &mut [T] {
    match x.get_mut(at..).and_then(|x| x.get_mut(..len)) {
        Some(part) => part,
        None => out_of_range(),
    }
}

/// Elements `at..at + N` of a bias; zeros if there is none.
#[inline(always)]
pub(super) fn bias<const N: usize>(b: &[f32], at: usize) -> [f32; N] {
    if b.is_empty() {
        [0.0; N]
    } else {
        *chunk(b, at)
    }
}

/// Whether `x` is +0, what a ReLU and a dark pixel leave. Asked of the bits, since a float's compare
/// costs a transfer of flags on a Cortex-M; −0 is rare and costs a row of work, not a wrong result.
#[inline(always)]
pub(super) fn is_zero(x: f32) -> bool {
    x.to_bits() == 0
}

/// Calls `row(x[i], at + i·stride)`, `i` ascending; with `skip` those `i` whose `x[i]` is zero are left out.
///
/// Zeros are passed over in a loop that does nothing else: most of a picture is background, and what the compiler would
/// keep up to date for the next row would cost more than the look.
#[inline(always)]
pub(super) fn each_row(
    x: &[f32],
    at: usize,
    stride: usize,
    skip: bool,
    mut row: impl FnMut(f32, usize),
) {
    let mut i = 0;
    loop {
        if skip {
            while x.get(i).is_some_and(|&x| is_zero(x)) {
                i += 1;
            }
        }
        let Some(&x) = x.get(i) else { return };
        row(x, at + i * stride);
        i += 1;
    }
}

/// `acc[j] += x[i] · w[at + i·stride + j]`, `i` ascending. With `skip` those `i` whose `x[i]` is zero
/// are left out.
#[inline(always)]
pub(super) fn accumulate<const N: usize>(
    acc: &mut [f32; N],
    x: &[f32],
    w: &[f32],
    at: usize,
    stride: usize,
    skip: bool,
) {
    each_row(x, at, stride, skip, |x, at| {
        let row: &[f32; N] = chunk(w, at);
        for j in 0..N {
            acc[j] += x * row[j];
        }
    });
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
        let sums: [f32; 4] = dots(d, core::array::from_fn(|r| part(w, at + r * n, n)));
        for r in 0..4 {
            out[r] += sums[r];
        }
        at += 4 * n;
    }
    for out in rest {
        let [sum] = dots(d, [part(w, at, n)]);
        *out += sum;
        at += n;
    }
}

/// The dot products of `d` with `R` rows of its length, in the order of [`add_dots`].
#[inline(always)]
fn dots<const R: usize>(d: &[f32], rows: [&[f32]; R]) -> [f32; R] {
    let mut lanes = [[0.0f32; 4]; R];
    let (quads, rest) = d.as_chunks::<4>();
    let rows = rows.map(|row| row.as_chunks::<4>());
    for (i, quad) in quads.iter().enumerate() {
        for r in 0..R {
            let row = rows[r].0[i];
            for j in 0..4 {
                lanes[r][j] += quad[j] * row[j];
            }
        }
    }
    // Lanes are named by constants, since an array indexed by a variable cannot stay in registers.
    for r in 0..R {
        let row = rows[r].1;
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
