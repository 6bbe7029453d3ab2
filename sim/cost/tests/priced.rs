//! Whatever shape a call has, the committed tables price it.

use runtime_shared::kernels::Shape;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::{Call, Kernel};
use runtime_shared::rng::Rng;
use sim_cost::price::call_cycles;
use sim_cost::trips::{Activity, Update};
use sim_cost::{bench, grid};
use sim_mcu::board::Core;
use sim_mcu::{CostModel, Placement};

fn models() -> Vec<CostModel> {
    let cores = Core::all().iter();
    cores
        .map(|core| CostModel::for_core(core.name).expect("built in"))
        .collect()
}

/// A call costs something on every core, whether its data are known or not.
fn check(models: &[CostModel], call: &Call, update: Update, activity: &Activity) {
    for model in models {
        let parts = call_cycles(call, update, activity, model.bare());
        let parts = parts.unwrap_or_else(|e| panic!("{:?}: {e}: {call:?}", model.core()));
        assert!(parts.iter().all(|(_, cycles)| cycles.is_finite()));
        assert!(parts.iter().map(|(_, cycles)| cycles).sum::<f64>() > 0.0);
    }
}

#[test]
fn calls_of_any_shape() {
    let models = models();
    for &kernel in Kernel::ALL {
        // Not the seeds of the calibration.
        let mut rng = Rng::for_purpose(11, kernel as u64);
        let cases = grid::cases(kernel, 200, &mut rng);
        for case in &cases {
            check(&models, &case.call, case.update, &Activity::default());
        }
        let images = bench::images(&cases, Placement::Ram, 64 << 10, 192 << 10, 11);
        let images = images.expect("every call of the grid fits into an image");
        for placed in images.iter().flat_map(|image| &image.cases) {
            let activity = Activity {
                data: Some(placed.data),
                ..Activity::default()
            };
            check(&models, &placed.call, cases[placed.index].update, &activity);
        }
    }
}

/// Filters are often few: with one of them a pooled convolution's gradients are neighbours.
#[test]
fn convolutions_of_few_filters() {
    let models = models();
    for (inputs, outputs) in (1..6).flat_map(|i| (1..6).map(move |o| (i, o))) {
        for pool in [1, 2, 3] {
            let mut call = Call::new(Kernel::Conv2d);
            call.set_conv2d(&Conv2d {
                input: Shape {
                    h: 20,
                    w: 20,
                    c: inputs,
                },
                output: Shape {
                    h: 18,
                    w: 18,
                    c: outputs,
                },
                kernel: (3, 3),
                stride: (1, 1),
                pad: (0, 0),
                pool: (pool, pool),
            });
            for kernel in [
                Kernel::Conv2d,
                Kernel::Conv2dBackwardInput,
                Kernel::Conv2dBackwardWeights,
            ] {
                call.kernel = kernel;
                for update in [
                    Update::Linear,
                    Update::Sum,
                    Update::Decayed,
                    Update::Momentum,
                    Update::Adam,
                ] {
                    check(&models, &call, update, &Activity::default());
                }
            }
        }
    }
}
