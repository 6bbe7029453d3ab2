//! Element-wise arithmetic: residual sums, frozen batch normalisation, input scaling.

/// `y = a + b`, all of one length.
#[inline(never)]
pub fn add(a: &[f32], b: &[f32], y: &mut [f32]) {
    for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
        *y = a + b;
    }
}

/// `y ← y + x`, both of one length.
#[inline(never)]
pub fn add_assign(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// `y = x · scale[c] + shift[c]` per channel: batch normalisation with frozen statistics.
///
/// `x` and `y` hold positions × channels; `scale` and `shift` hold channels.
#[inline(never)]
pub fn channel_affine(x: &[f32], scale: &[f32], shift: &[f32], y: &mut [f32]) {
    let channels = scale.len().max(1);
    for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
        for ((y, x), (scale, shift)) in y.iter_mut().zip(x).zip(scale.iter().zip(shift)) {
            *y = x * scale + shift;
        }
    }
}

/// `delta ← delta · scale[c]`, the gradient of [`channel_affine`] with respect to its input.
#[inline(never)]
pub fn channel_affine_backward(delta: &mut [f32], scale: &[f32]) {
    for position in delta.chunks_exact_mut(scale.len().max(1)) {
        for (d, scale) in position.iter_mut().zip(scale) {
            *d *= scale;
        }
    }
}

/// `y = byte · scale[c] + shift[c]`: an input that is kept as the bytes it came in.
///
/// `bytes` and `y` hold positions × channels; `scale` and `shift` hold channels.
#[inline(never)]
pub fn normalise(bytes: &[u8], scale: &[f32], shift: &[f32], y: &mut [f32]) {
    if let (&[scale], &[shift]) = (scale, shift) {
        for (y, &byte) in y.iter_mut().zip(bytes) {
            *y = f32::from(byte) * scale + shift;
        }
        return;
    }
    let channels = scale.len().max(1);
    for (bytes, y) in bytes
        .chunks_exact(channels)
        .zip(y.chunks_exact_mut(channels))
    {
        for ((y, &byte), (scale, shift)) in y.iter_mut().zip(bytes).zip(scale.iter().zip(shift)) {
            *y = f32::from(byte) * scale + shift;
        }
    }
}
