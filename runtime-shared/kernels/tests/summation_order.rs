//! The orders of summation that the kernels' documentation promises, bit by bit: plain loops in f32.

mod reference;

use reference::{assert_same_bits, collect, geometry, sparse_values, values};
use runtime_kernels::rng::Rng;
use runtime_kernels::{conv2d, dense};

/// The documented order of a dot product: four lanes, then a tree.
fn lanes(a: impl Iterator<Item = f32>, b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 4];
    for (j, (a, b)) in a.zip(b).enumerate() {
        lanes[j % 4] += a * b;
    }
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

#[test]
fn summation_orders_are_as_documented() {
    let mut rng = Rng::new(13);
    for (inputs, outputs) in [(9, 31), (6, 4), (5, 7), (784, 32)] {
        let x = values(&mut rng, inputs);
        let w = values(&mut rng, inputs * outputs);
        let b = values(&mut rng, outputs);
        let (mut y, mut expected) = (vec![0.0; outputs], b.clone());
        dense::forward(&x, &w, &b, &mut y, false);
        for i in 0..inputs {
            for o in 0..outputs {
                expected[o] += x[i] * w[i * outputs + o];
            }
        }
        assert_same_bits("dense forward", &y, &expected);
        let mut dx = vec![0.0; inputs];
        dense::backward_input(&b, &w, &mut dx);
        let expected: Vec<f32> = (0..inputs)
            .map(|i| lanes(b.iter().copied(), &w[i * outputs..][..outputs]))
            .collect();
        assert_same_bits("dense dx", &dx, &expected);
    }
    for case in 0..60 {
        let g = geometry(&mut rng, case % 2 == 1);
        let (ci, co, pooled) = (g.input.c, g.output.c, g.pooled());
        let x = values(&mut rng, g.input.len());
        let w = values(&mut rng, g.weights());
        let b = values(&mut rng, co);
        let delta = sparse_values(&mut rng, pooled.len());
        let mut y = vec![0.0; pooled.len()];
        let mut argmax = vec![0u8; if g.pool == (1, 1) { 0 } else { y.len() }];
        conv2d::forward(&g, &x, &w, &b, &mut y, &mut argmax);
        let (mut dx, mut expected_dx) = (vec![0.0; x.len()], vec![0.0f32; x.len()]);
        conv2d::backward_input(&g, &delta, &argmax, &w, &mut dx);
        let mut expected_dw = vec![0.0f32; w.len()];
        let dw = collect(w.len(), |sink| {
            let mut tile = vec![0.0; conv2d::tile_len(&g)];
            conv2d::backward_weights(&g, &x, &delta, &argmax, sink, &mut tile);
        });
        for p in 0..pooled.h * pooled.w {
            for o in 0..co {
                let at = p * co + o;
                let winner = usize::from(argmax.get(at).copied().unwrap_or(0));
                let oy = p / pooled.w * g.pool.0 + winner / g.pool.1;
                let ox = p % pooled.w * g.pool.1 + winner % g.pool.1;
                let mut sum = b[o];
                for tap in 0..g.kernel.0 * g.kernel.1 * ci {
                    let (ky, kx, i) = (tap / ci / g.kernel.1, tap / ci % g.kernel.1, tap % ci);
                    let (iy, ix) = (oy * g.stride.0 + ky, ox * g.stride.1 + kx);
                    let (Some(iy), Some(ix)) = (iy.checked_sub(g.pad.0), ix.checked_sub(g.pad.1))
                    else {
                        continue;
                    };
                    if iy >= g.input.h || ix >= g.input.w {
                        continue;
                    }
                    let from = (iy * g.input.w + ix) * ci + i;
                    sum += x[from] * w[tap * co + o];
                    expected_dw[tap * co + o] += x[from] * delta[at];
                    if !argmax.is_empty() {
                        expected_dx[from] += delta[at] * w[tap * co + o];
                    } else if o == 0 {
                        let deltas = delta[at..][..co].iter().copied();
                        expected_dx[from] += lanes(deltas, &w[tap * co..][..co]);
                    }
                }
                assert_same_bits("conv forward", &[y[at]], &[sum]);
            }
        }
        assert_same_bits("conv dx", &dx, &expected_dx);
        assert_same_bits("conv dw", &dw, &expected_dw);
    }
}
