//! How the device learns online, through what a user can see: which samples are replayed in which order,
//! what a trigger waits for, what a drift purges, and when the detector fires, against river.
//!
//! The network is one dense layer over a one-hot sample: sample `k` is the pixel `k`, so that the losses
//! and the weights tell which samples were replayed.

use runtime_shared::exec::Probe;
use runtime_shared::kernels::Shape;
use runtime_shared::learner::{Error, Learner, Step};
use runtime_shared::machine;
use runtime_shared::program::{Call, Field, Kernel, List, Place, Program};
use runtime_shared::rng::Rng;
use serde::Deserialize;
use sim_compiler::options::DetectorSpec;
use sim_compiler::{
    Graph, LossSpec, NetworkSpec, Online, Options, Part, PolicySpec, Scheme, Store, Training,
    Trigger, compile,
};
use tests::fixture::folder;
use tests::memory::{Arena, aligned};

const CLASSES: usize = 4;
const PIXELS: usize = 64;

fn graph(json: &str) -> Graph {
    let spec: NetworkSpec = serde_json::from_str(json).expect("the network parses");
    spec.build(Shape { h: 8, w: 8, c: 1 }, 5)
        .expect("the network builds")
}

fn dense() -> Graph {
    graph(r#"{"layers":[{"dense":{"units":4}}]}"#)
}

fn options(online: Online) -> Options {
    Options {
        scheme: Scheme::Full,
        loss: LossSpec::CrossEntropy,
        training: Training::sgd(0.1),
        online,
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed: 9,
    }
}

fn pixel(k: usize) -> Vec<u8> {
    let mut sample = vec![0; PIXELS];
    sample[k % PIXELS] = 255;
    sample
}

/// Compiles, and hands a learner in an arena of its own to `body`.
fn with<R>(graph: &Graph, options: &Options, body: impl FnOnce(&mut Learner<'_>) -> R) -> R {
    let compiled = compile(graph, options).expect("the network compiles");
    let words = aligned(compiled.image.bytes());
    let program = Program::load(machine::bytes(&words)).expect("it loads");
    let mut arena = Arena::new(program.size(Field::ArenaBytes));
    let mut learner = Learner::new(program, arena.bytes_mut()).expect("the arena fits");
    let result = body(&mut learner);
    assert!(arena.is_intact());
    result
}

/// Counts the samples that are replayed.
#[derive(Default)]
struct Replays(usize);

impl Probe for Replays {
    fn before(&mut self, list: List, _index: usize, call: &Call) {
        self.0 += usize::from(list == List::Learn && call.kernel == Kernel::Loss);
    }
}

/// What the buffer holds, slot by slot: the lit pixel and the label.
fn buffer(learner: &Learner<'_>) -> Vec<(usize, usize)> {
    let program = learner.program();
    let (at, slot) = (
        program.size(Field::BufferAt),
        program.size(Field::SlotBytes),
    );
    let slots = learner.arena()[at..]
        .chunks(slot)
        .take(learner.state().stored as usize);
    slots
        .map(|slot| {
            let lit = slot[..PIXELS]
                .iter()
                .position(|&b| b > 0)
                .expect("a lit pixel");
            (lit, usize::from(slot[slot.len() - 4]))
        })
        .collect()
}

/// The weights after plain SGD on the samples `(pixel, label)` in this order, in f64, and each loss.
fn trained(graph: &Graph, rate: f64, order: &[(usize, usize)]) -> (Vec<f64>, Vec<f64>) {
    let parameters = graph.nodes()[1].op.parameters().expect("a dense layer");
    let wide = |part: Part| -> Vec<f64> {
        let tensor = parameters.part(part).expect("with a bias");
        tensor.values().iter().map(|&v| f64::from(v)).collect()
    };
    let (mut w, mut b) = (wide(Part::Weights), wide(Part::Bias));
    let mut losses = Vec::new();
    for &(pixel, label) in order {
        let logits: Vec<f64> = (0..CLASSES)
            .map(|o| b[o] + w[pixel * CLASSES + o])
            .collect();
        let sum: f64 = logits.iter().map(|z| z.exp()).sum();
        losses.push(sum.ln() - logits[label]);
        for o in 0..CLASSES {
            let delta = logits[o].exp() / sum - f64::from(u8::from(o == label));
            w[pixel * CLASSES + o] -= rate * delta;
            b[o] -= rate * delta;
        }
    }
    (w, losses)
}

fn assert_weights(learner: &Learner<'_>, expected: &[f64]) {
    let actual = learner.parameter(0).expect("the weights are trained");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(*a) - e).abs() < 1e-5,
            "weight {i}: {a} instead of {e}"
        );
    }
}

#[test]
fn every_slot_is_replayed_in_order_at_every_sample() {
    for (policy, slots) in [
        (PolicySpec::Fifo, 5),
        (PolicySpec::Reservoir, 5),
        (PolicySpec::ClassBalanced, 6),
    ] {
        let graph = dense();
        let online = Online {
            policy,
            slots,
            passes: 2,
            ..Online::default()
        };
        with(&graph, &options(online), |learner| {
            let mut order = Vec::new();
            for i in 0..17 {
                let mut probe = Replays::default();
                let step = learner
                    .learn(&pixel(i), i % CLASSES, &mut probe)
                    .expect("it learns");
                // The buffer after admission is what is replayed, twice.
                let held = buffer(learner);
                order.extend(held.iter().chain(&held).copied());
                assert_eq!(
                    (step.stored, step.replayed),
                    (held.len() as u32, 2 * held.len() as u32)
                );
                assert_eq!(probe.0, 2 * held.len());
                assert_eq!(held.len(), (i + 1).min(slots as usize));
                let (expected, losses) = trained(&graph, f64::from(0.1f32), &order);
                assert_weights(learner, &expected);
                let last = &losses[losses.len() - 2 * held.len()..];
                let mean = last.iter().sum::<f64>() / last.len() as f64;
                assert!(
                    (f64::from(step.loss) - mean).abs() < 1e-5,
                    "loss {} instead of {mean}",
                    step.loss
                );
            }
        });
    }
}

#[test]
fn a_ring_replaces_the_oldest_in_its_place() {
    with(&dense(), &options(Online::fifo(5)), |learner| {
        for i in 0..13 {
            learner
                .learn(&pixel(i), i % CLASSES, &mut ())
                .expect("it learns");
        }
        let expected: Vec<_> = [10, 11, 12, 8, 9]
            .iter()
            .map(|&k| (k, k % CLASSES))
            .collect();
        assert_eq!(buffer(learner), expected);
    });
}

#[test]
fn a_reservoir_keeps_every_sample_equally_likely() {
    let (runs, seen, slots) = (600u64, 40, 10);
    let graph = dense();
    let online = Online {
        policy: PolicySpec::Reservoir,
        slots,
        trigger: Trigger::Every(1000),
        ..Online::default()
    };
    let mut kept = vec![0u32; seen];
    for seed in 0..runs {
        with(
            &graph,
            &Options {
                seed,
                ..options(online.clone())
            },
            |learner| {
                for i in 0..seen {
                    learner
                        .learn(&pixel(i), i % CLASSES, &mut ())
                        .expect("it learns");
                }
                buffer(learner).iter().for_each(|&(k, _)| kept[k] += 1);
            },
        );
    }
    // Binomial(600, 1/4): 150 expected, standard deviation 10.6; five of them either way.
    assert!(kept.iter().all(|n| (97..=203).contains(n)), "{kept:?}");
}

#[test]
fn balance_holds_as_many_of_a_rare_class() {
    let online = Online {
        policy: PolicySpec::ClassBalanced,
        slots: 12,
        trigger: Trigger::Every(1000),
        ..Online::default()
    };
    with(&dense(), &options(online), |learner| {
        for i in 0..200 {
            // Three in four are of class 0.
            let label = if i % 4 == 0 { 1 + i / 4 % 3 } else { 0 };
            learner.learn(&pixel(i), label, &mut ()).expect("it learns");
        }
        let count = |label| buffer(learner).iter().filter(|s| s.1 == label).count();
        assert_eq!([0, 1, 2, 3].map(count), [3; 4]);
    });
}

#[test]
fn a_draw_replays_as_many_as_it_says_and_all_slots_alike() {
    let online = Online {
        policy: PolicySpec::Fifo,
        slots: 8,
        draw: 3,
        passes: 2,
        ..Online::default()
    };
    with(&dense(), &options(online), |learner| {
        let counts: Vec<u32> = (0..20)
            .map(|i| {
                learner
                    .learn(&pixel(i), 0, &mut ())
                    .expect("it learns")
                    .replayed
            })
            .collect();
        assert_eq!(counts, [6; 20]);
    });
    // Each slot lights a row of weights of its own: what moves is what was drawn.
    let online = Online {
        policy: PolicySpec::Fifo,
        slots: 8,
        draw: 3,
        trigger: Trigger::Every(8),
        ..Online::default()
    };
    let mut drawn = [0u32; 8];
    for seed in 0..800 {
        with(
            &dense(),
            &Options {
                seed,
                ..options(online.clone())
            },
            |learner| {
                let before = learner.parameter(0).expect("the weights").to_vec();
                for i in 0..8 {
                    learner.learn(&pixel(i), 0, &mut ()).expect("it learns");
                }
                let after = learner.parameter(0).expect("the weights");
                for (k, n) in drawn.iter_mut().enumerate() {
                    let row = k * CLASSES..(k + 1) * CLASSES;
                    *n += u32::from(before[row.clone()] != after[row]);
                }
            },
        );
    }
    // 1 − (7/8)³ = 0.330 of 800: 264 expected, standard deviation 13.3.
    assert!(drawn.iter().all(|n| (198..=330).contains(n)), "{drawn:?}");
}

#[test]
fn a_trigger_waits_for_its_number() {
    let online = Online {
        trigger: Trigger::Every(4),
        ..Online::fifo(3)
    };
    with(&dense(), &options(online), |learner| {
        let start = learner.parameter(0).expect("the weights").to_vec();
        for i in 0..16 {
            let step = learner.learn(&pixel(i), 0, &mut ()).expect("it learns");
            let fires = i % 4 == 3;
            assert_eq!(step.replayed, if fires { 3 } else { 0 }, "sample {i}");
            assert_eq!(step.loss.is_nan(), !fires);
            assert_eq!(learner.parameter(0).expect("the weights") == start, i < 3);
        }
    });
}

#[test]
fn a_trigger_on_confidence_fires_below_it() {
    let level = 0.5;
    let online = Online {
        trigger: Trigger::ConfidenceBelow(level),
        ..Online::default()
    };
    let mut fired = [0, 0];
    with(&dense(), &options(online), |learner| {
        for i in 0..200 {
            let sample = pixel(i % 6);
            learner.infer(&sample, &mut ()).expect("it infers");
            let logits: Vec<f64> = learner.outputs().iter().map(|&z| f64::from(z)).collect();
            let sum: f64 = logits.iter().map(|z| z.exp()).sum();
            let top = logits.iter().map(|z| z.exp() / sum).fold(0.0, f64::max);
            let step = learner
                .learn(&sample, i % 6 % CLASSES, &mut ())
                .expect("it learns");
            let fires = usize::from(step.replayed > 0);
            fired[fires] += 1;
            if (top - f64::from(level)).abs() > 1e-6 {
                assert_eq!(
                    fires == 1,
                    top < f64::from(level),
                    "sample {i}: confidence {top}"
                );
            }
        }
    });
    assert!(fired[0] > 20 && fired[1] > 20, "{fired:?}");
}

/// Gives a dense layer weights of zero and this bias.
fn set(graph: &mut Graph, id: usize, bias: &[f32]) {
    let parameters = graph.nodes()[id].op.parameters().expect("a dense layer");
    let zeros = vec![0.0; parameters.weights.len()];
    for (part, values) in [(Part::Weights, zeros), (Part::Bias, bias.to_vec())] {
        let set = graph.set_parameter(id, part, values);
        set.expect("as many as there were");
    }
}

/// A network that always says class 1: then the label decides whether it was right.
fn stubborn() -> Graph {
    let mut graph = dense();
    let id = graph.output();
    set(&mut graph, id, &[0.0, 1.0, 0.0, 0.0]);
    graph
}

/// Feeds errors and right answers to a learner that stays stubborn; gives each step.
fn feed(learner: &mut Learner<'_>, errors: impl Iterator<Item = bool>) -> Vec<Step> {
    let bits = errors.enumerate();
    bits.map(|(i, wrong)| {
        let step = learner
            .learn(&pixel(i), usize::from(!wrong), &mut ())
            .expect("it learns");
        assert_eq!(step.prediction, 1);
        step
    })
    .collect()
}

/// A rate so low that the weights do not move by as much as a unit of the last place.
fn idle() -> Training {
    Training::sgd(1e-30)
}

#[test]
fn a_drift_triggers_for_as_long_as_it_says() {
    let detector = DetectorSpec::new(
        "page_hinkley",
        &[
            ("minimum", 5.0),
            ("delta", 0.005),
            ("threshold", 3.0),
            ("alpha", 1.0),
        ],
    )
    .expect("they are allowed");
    let online = Online {
        trigger: Trigger::AfterDrift(4),
        detector: Some(detector),
        ..Online::fifo(3)
    };
    with(
        &stubborn(),
        &Options {
            training: idle(),
            ..options(online)
        },
        |learner| {
            let steps = feed(learner, (0..60).map(|i| i >= 30));
            let drift = steps
                .iter()
                .position(|s| s.drift)
                .expect("errors alone are a drift");
            assert!((31..40).contains(&drift), "{drift}");
            for (i, step) in steps.iter().enumerate() {
                let fires = steps[..=i].iter().rev().take(4).any(|s| s.drift);
                assert_eq!(step.replayed > 0, fires, "sample {i}, drift at {drift}");
            }
            let drifts = steps.iter().filter(|s| s.drift).count() as u32;
            assert_eq!(learner.state().drifts, drifts);
        },
    );
}

#[test]
fn a_drift_purges_what_is_stale() {
    for (policy, keep, left) in [
        (PolicySpec::Fifo, 2, 2),
        (PolicySpec::Fifo, 0, 0),
        (PolicySpec::Fifo, 100, 8),
        (PolicySpec::Reservoir, 2, 0),
        (PolicySpec::ClassBalanced, 2, 0),
    ] {
        let detector = DetectorSpec::new(
            "page_hinkley",
            &[
                ("minimum", 5.0),
                ("delta", 0.005),
                ("threshold", 3.0),
                ("alpha", 1.0),
            ],
        )
        .expect("they are allowed")
        .keeping(keep);
        let online = Online {
            policy,
            slots: 8,
            detector: Some(detector),
            ..Online::default()
        };
        with(
            &stubborn(),
            &Options {
                training: idle(),
                ..options(online)
            },
            |learner| {
                let mut drifts = 0;
                for i in 0..60 {
                    let step = learner
                        .learn(&pixel(i), usize::from(i < 30), &mut ())
                        .expect("it learns");
                    if step.drift {
                        drifts += 1;
                        // The sample that gave the drift away is admitted after the purge.
                        let held: Vec<usize> = buffer(learner).iter().map(|s| s.0).collect();
                        let room = (left + 1).min(8);
                        assert_eq!(step.stored as usize, room, "{policy:?} keeping {keep}");
                        let mut sorted = held.clone();
                        sorted.sort_unstable();
                        assert_eq!(
                            sorted,
                            (i + 1 - room..=i).collect::<Vec<_>>(),
                            "{policy:?} keeping {keep}"
                        );
                    }
                }
                assert!(drifts > 0);
            },
        );
    }
}

#[derive(Deserialize)]
struct River {
    streams: Vec<RiverStream>,
}

#[derive(Deserialize)]
struct RiverStream {
    errors: String,
    drifts: Vec<usize>,
}

#[test]
fn page_hinkley_fires_where_river_does() {
    let json = std::fs::read(folder().join("page_hinkley.json")).expect("the fixture is there");
    let river: River = serde_json::from_slice(&json).expect("it is what it should be");
    let detector = DetectorSpec::new(
        "page_hinkley",
        &[
            ("minimum", 30.0),
            ("delta", 0.005),
            ("threshold", 5.0),
            ("alpha", 0.9999),
        ],
    )
    .expect("they are allowed");
    let online = Online {
        detector: Some(detector),
        ..Online::default()
    };
    let mut all = 0;
    for stream in &river.streams {
        with(
            &stubborn(),
            &Options {
                training: idle(),
                ..options(online.clone())
            },
            |learner| {
                let steps = feed(learner, stream.errors.bytes().map(|b| b == b'1'));
                let fired: Vec<usize> = (0..steps.len()).filter(|&i| steps[i].drift).collect();
                assert_eq!(fired, stream.drifts);
                all += fired.len();
            },
        );
    }
    assert!(
        river.streams.len() >= 10 && all >= 20,
        "{} streams, {all} drifts",
        river.streams.len()
    );
}

#[test]
fn a_batch_is_filled_across_samples_and_applied_at_once() {
    let graph = dense();
    for (batch, samples) in [(4, 10), (3, 9)] {
        let training = Training {
            batch,
            ..Training::sgd(0.1)
        };
        let (w, _) = trained(&graph, 0.0, &[]);
        with(
            &graph,
            &Options {
                training,
                ..options(Online::default())
            },
            |learner| {
                // Each sample lights a pixel of its own: gradients of a batch do not mix.
                let parameters = graph.nodes()[1].op.parameters().expect("a dense layer");
                let bias = parameters.bias.as_ref().expect("a bias").values();
                let mut b: Vec<f64> = bias.iter().map(|&v| f64::from(v)).collect();
                let (mut expected, mut waiting) = (w.clone(), Vec::new());
                for i in 0..samples {
                    let label = i % CLASSES;
                    learner.learn(&pixel(i), label, &mut ()).expect("it learns");
                    let z: Vec<f64> = (0..CLASSES)
                        .map(|o| b[o] + expected[i * CLASSES + o])
                        .collect();
                    let sum: f64 = z.iter().map(|z| z.exp()).sum();
                    let delta: Vec<f64> = (0..CLASSES)
                        .map(|o| z[o].exp() / sum - f64::from(u8::from(o == label)))
                        .collect();
                    waiting.push((i, delta));
                    assert_eq!(
                        learner.state().accumulated as usize,
                        waiting.len() % batch as usize
                    );
                    if waiting.len() == batch as usize {
                        for (i, delta) in waiting.drain(..) {
                            for o in 0..CLASSES {
                                let step = f64::from(0.1f32) * delta[o] / f64::from(batch);
                                expected[i * CLASSES + o] -= step;
                                b[o] -= step;
                            }
                        }
                    }
                    assert_weights(learner, &expected);
                }
                assert_eq!(learner.state().updates as usize, samples / batch as usize);
            },
        );
    }
}

#[test]
fn stored_features_and_raw_samples_teach_the_same() {
    let graph = graph(
        r#"{"layers":[{"conv2d":{"filters":3,"kernel":3,"activation":"relu"}},{"max_pool":{"size":2}},
            {"dense":{"units":4}}]}"#,
    );
    let run = |store| {
        let online = Online {
            store,
            passes: 2,
            ..Online::fifo(4)
        };
        let options = Options {
            scheme: Scheme::Last(1),
            ..options(online)
        };
        with(&graph, &options, |learner| {
            let mut rng = Rng::new(4);
            for i in 0..20 {
                let sample: Vec<u8> = (0..PIXELS).map(|_| rng.next_u32() as u8).collect();
                learner
                    .learn(&sample, i % CLASSES, &mut ())
                    .expect("it learns");
            }
            let bits = |i| {
                learner
                    .parameter(i)
                    .map(|p| p.iter().map(|w| w.to_bits()).collect::<Vec<_>>())
            };
            (bits(0), bits(1))
        })
    };
    assert_eq!(run(Store::Raw), run(Store::Features));
}

#[test]
fn dropout_drops_its_share_and_no_two_masks_are_alike() {
    let json =
        r#"{"layers":[{"dense":{"units":64}},{"dropout":{"rate":0.3}},{"dense":{"units":4}}]}"#;
    with(&graph(json), &options(Online::default()), |learner| {
        let program = *learner.program();
        let calls = (0..program.count(List::Learn)).filter_map(|i| program.call(List::Learn, i));
        let dropout = calls
            .into_iter()
            .find(|c| c.kernel == Kernel::Dropout)
            .expect("a dropout");
        let Place::Ram(at) = dropout.operands[1] else {
            panic!("a mask in RAM")
        };
        assert!((dropout.scalar - 0.3).abs() < 1e-7);
        let mut masks = std::collections::BTreeSet::new();
        let (mut kept, mut by_unit) = (0u32, [0u32; 64]);
        for i in 0..1000 {
            learner.train(&pixel(i), 0, &mut ()).expect("it trains");
            let mask: Vec<u8> = learner.arena()[at as usize..][..8].to_vec();
            for (unit, n) in by_unit.iter_mut().enumerate() {
                *n += u32::from(mask[unit / 8] >> (unit % 8) & 1);
            }
            kept += mask.iter().map(|b| b.count_ones()).sum::<u32>();
            masks.insert(mask);
        }
        // 64,000 draws at 0.7: standard deviation 116. A unit: 700 of 1,000, standard deviation 14.5.
        assert!((44_200..=45_400).contains(&kept), "{kept}");
        assert!(
            by_unit.iter().all(|n| (627..=773).contains(n)),
            "{by_unit:?}"
        );
        assert_eq!(masks.len(), 1000);
    });
}

#[test]
fn dropout_is_for_training_only() {
    let json = r#"{"layers":[{"dense":{"units":16,"activation":"relu"}},{"dropout":{"rate":0.5}},{"dense":{"units":4}}]}"#;
    with(&graph(json), &options(Online::default()), |learner| {
        learner.infer(&pixel(3), &mut ()).expect("it infers");
        let first = learner.outputs().to_vec();
        for _ in 0..10 {
            learner.infer(&pixel(3), &mut ()).expect("it infers");
            assert_eq!(learner.outputs(), first);
        }
        let losses: Vec<f32> = (0..20)
            .map(|_| {
                learner.reset();
                learner
                    .train(&pixel(3), 1, &mut ())
                    .expect("it trains")
                    .loss
            })
            .collect();
        assert!(
            losses.iter().all(|l| *l == losses[0]),
            "a reset starts from the first random number"
        );
    });
}

#[test]
fn a_single_output_is_a_class() {
    for (loss, bias, class) in [
        (LossSpec::Mse, 0.4, 0),
        (LossSpec::Mse, 0.6, 1),
        (LossSpec::BinaryCrossEntropy, -0.1, 0),
        (LossSpec::BinaryCrossEntropy, 0.1, 1),
    ] {
        let mut graph = graph(r#"{"layers":[{"dense":{"units":1}}]}"#);
        set(&mut graph, 1, &[bias]);
        with(
            &graph,
            &Options {
                loss,
                ..options(Online::default())
            },
            |learner| {
                assert_eq!(
                    learner.infer(&pixel(0), &mut ()).expect("it infers"),
                    class,
                    "{loss:?} at {bias}"
                );
                let update = learner.train(&pixel(0), 0, &mut ()).expect("it trains");
                assert_eq!(update.prediction, class, "{loss:?} at {bias}");
            },
        );
    }
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_no_trace() {
    with(&dense(), &options(Online::fifo(3)), |learner| {
        learner.learn(&pixel(1), 1, &mut ()).expect("it learns");
        let before = learner.arena().to_vec();
        let short = Err(Error::Length {
            expected: PIXELS,
            given: PIXELS - 1,
        });
        assert_eq!(learner.learn(&pixel(1)[1..], 1, &mut ()), short);
        assert_eq!(
            learner.infer(&pixel(1)[1..], &mut ()).map(|_| ()),
            short.map(|_| ())
        );
        let label = Err(Error::Label {
            classes: CLASSES,
            given: CLASSES,
        });
        assert_eq!(learner.learn(&pixel(1), CLASSES, &mut ()), label);
        assert!(
            learner.set_parameter(0, &[1.0]).is_err() && learner.set_parameter(9, &[]).is_err()
        );
        assert!(learner.classify(&[]).is_err(), "there is no extractor");
        assert!(learner.arena() == before, "something was written");
    });
}

#[test]
fn a_loss_that_is_no_number_stops_the_step_before_the_weights_move() {
    with(&dense(), &options(Online::default()), |learner| {
        let mut weights = learner.parameter(0).expect("the weights").to_vec();
        weights[0] = f32::NAN;
        learner
            .set_parameter(0, &weights)
            .expect("the length is right");
        let bits = |learner: &Learner<'_>| -> Vec<u32> {
            (0..2)
                .flat_map(|i| {
                    learner
                        .parameter(i)
                        .expect("a tensor")
                        .iter()
                        .map(|w| w.to_bits())
                })
                .collect()
        };
        let before = bits(learner);
        assert!(matches!(
            learner.train(&pixel(0), 1, &mut ()),
            Err(Error::Fault(_))
        ));
        assert_eq!(bits(learner), before);
        assert_eq!(learner.state().updates, 0);
        // Other pixels are as they were, and are learnt.
        assert!(learner.train(&pixel(1), 1, &mut ()).is_ok());
    });
}
