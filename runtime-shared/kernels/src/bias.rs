//! The gradient of a bias.

use super::update::Sink;

/// Delivers, for each channel, the sum of `delta` over its positions, positions ascending from zero.
///
/// `delta` holds positions × `channels`; `tile` is scratch of `channels`.
#[inline(never)]
pub fn backward(delta: &[f32], channels: usize, tile: &mut [f32], sink: &mut Sink<'_>) {
    if channels == 0 || delta.len() == channels {
        sink.push(0, 1, delta);
        return;
    }
    let tile = &mut tile[..channels];
    tile.fill(0.0);
    for position in delta.chunks_exact(channels) {
        for (sum, d) in tile.iter_mut().zip(position) {
            *sum += d;
        }
    }
    sink.push(0, 1, tile);
}
