//! Whatever shape a call has, the committed tables price it, on every board.

use runtime_shared::kernels::Shape;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::{Call, Kernel, Place, RuleKind};
use runtime_shared::rng::Rng;
use sim_cost::price::call_cycles;
use sim_cost::trips::{Activity, Step, Update};
use sim_cost::{bench, grid};
use sim_mcu::board::Core;
use sim_mcu::{CostModel, Placement, boards};

/// The cost models of all cores, with the boards that have a table of their own.
fn models() -> Vec<(CostModel, Vec<String>)> {
    let all = boards().expect("built in");
    let cores = Core::all().iter();
    cores
        .map(|core| {
            let model = CostModel::for_core(core.name).expect("built in");
            let names = all.iter().map(|board| board.name.clone());
            let known = names.filter(|name| model.knows(name)).collect();
            (model, known)
        })
        .collect()
}

/// A call costs something on every core and board, whether its data are known or not.
fn check(models: &[(CostModel, Vec<String>)], call: &Call, update: Update, activity: &Activity) {
    for (model, boards) in models {
        let tables = boards.iter().map(|board| model.named(board));
        for table in tables.chain([model.bare()]) {
            let parts = call_cycles(call, update, activity, table);
            let parts = parts.unwrap_or_else(|e| panic!("{:?}: {e}: {call:?}", model.core()));
            assert!(parts.iter().all(|(_, cycles)| cycles.is_finite()));
            assert!(parts.iter().map(|(_, cycles)| cycles).sum::<f64>() > 0.0);
        }
    }
}

#[test]
fn calls_of_any_shape() {
    let models = models();
    assert!(models.iter().any(|(_, boards)| boards.len() > 4));
    for &kernel in Kernel::ALL {
        // Not the seeds of the calibration.
        let mut rng = Rng::for_purpose(11, kernel as u64);
        let cases = grid::cases(kernel, 200, &mut rng);
        for case in &cases {
            check(&models, &case.call, case.update, &Activity::default());
        }
        for placement in [Placement::Ram, Placement::Flash] {
            let images = bench::images(&cases, placement, 64 << 10, 192 << 10, 11);
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
            // With and without biases, and with and without an index of who won.
            for (bias, index) in [(0, 0), (0, 4), (4, 0), (4, 4)] {
                let place = |at| {
                    if at == 0 {
                        Place::Absent
                    } else {
                        Place::Ram(at)
                    }
                };
                (call.operands[2], call.operands[4]) = (place(bias), place(index));
                for kernel in [
                    Kernel::Conv2d,
                    Kernel::Conv2dBackwardInput,
                    Kernel::Conv2dBackwardWeights,
                ] {
                    call.kernel = kernel;
                    for update in updates() {
                        check(&models, &call, update, &Activity::default());
                    }
                }
            }
        }
    }
}

/// Dense layers and biases of any width, updated in any way.
#[test]
fn layers_of_any_width() {
    let models = models();
    for outputs in 1..40 {
        for kernel in [
            Kernel::Dense,
            Kernel::DenseBackwardInput,
            Kernel::DenseBackwardWeights,
            Kernel::BiasBackward,
            Kernel::Apply,
        ] {
            let mut call = Call::new(kernel);
            // The step that a batch takes in the end is no sum.
            let step = |update: &Update| kernel != Kernel::Apply || update.step != Step::Sum;
            for inputs in [1, 9] {
                call.dims[..2].copy_from_slice(&[inputs, outputs]);
                if kernel == Kernel::Apply {
                    call.set_len(usize::from(inputs * outputs));
                }
                for update in updates().filter(step) {
                    check(&models, &call, update, &Activity::default());
                }
            }
        }
    }
}

/// Every way to update.
fn updates() -> impl Iterator<Item = Update> {
    let rules = [
        RuleKind::Accumulate,
        RuleKind::Sgd,
        RuleKind::Momentum,
        RuleKind::Adam,
    ];
    let options = [(false, false), (false, true), (true, false), (true, true)];
    rules
        .into_iter()
        .flat_map(move |rule| options.map(|(decays, clips)| Update::new(rule, decays, clips)))
}
