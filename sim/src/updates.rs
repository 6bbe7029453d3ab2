//! How many samples a strategy learns from, and how many updates that makes: a schedule that ends with the training needs
//! to know before it begins.

use crate::config::{Protocol, Strategy};
use experiments::scenario::Describe;
use sim_compiler::{PolicySpec, Trigger};

/// Samples that `strategy` learns from in a whole run, with `images` to train on; `None` where predictions decide that.
pub fn learnt(protocol: &Protocol, strategy: &Strategy, images: usize) -> Option<u64> {
    match protocol {
        Protocol::FromScratch(p) => Some(p.epoch_len(images) as u64 * u64::from(p.epochs)),
        Protocol::Scenario(scenario) => of_stream(strategy, scenario.settings().length as u64),
    }
}

/// The same in a stream of `length` samples: with every trigger the core passes over what is stored by then.
fn of_stream(strategy: &Strategy, length: u64) -> Option<u64> {
    let online = &strategy.online;
    let stores = online.policy != PolicySpec::None;
    let (slots, draw) = (u64::from(online.slots), u64::from(online.draw));
    // Whether a pass goes over the whole buffer, so that it matters how full that is.
    let whole = stores && draw == 0;
    let purges = online
        .detector
        .as_ref()
        .is_some_and(|d| d.purge_keep.is_some());
    let every = match online.trigger {
        Trigger::EverySample => 1,
        Trigger::Every(n) => u64::from(n),
        Trigger::ConfidenceBelow(_) | Trigger::AfterDrift(_) => return None,
    };
    if whole && purges {
        return None;
    }
    let pass = |seen: u64| match (stores, draw) {
        (false, _) => 1,
        (true, 0) => seen.min(slots),
        (true, draw) => draw,
    };
    let triggers = (1..=length / every.max(1)).map(|n| pass(n * every));
    Some(triggers.sum::<u64>() * u64::from(online.passes))
}

/// Updates of a whole run; `None` where predictions decide that.
pub fn updates(protocol: &Protocol, strategy: &Strategy, images: usize) -> Option<u32> {
    let learnt = learnt(protocol, strategy, images)?;
    let updates = learnt / u64::from(strategy.training.batch.max(1));
    Some(updates.clamp(1, u64::from(u32::MAX)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DataPlan, Model, options};
    use crate::native::Native;
    use experiments::data::{DataSet, Normalisation};
    use experiments::device::Device;
    use experiments::scenario::Scenario;
    use runtime_shared::kernels::Shape;
    use sim_compiler::options::DetectorSpec;
    use sim_compiler::{LossSpec, Online, Scheme, Training, compile};

    fn strategy(online: Online, batch: u32) -> Strategy {
        let layers = "layers = [{ dense = { units = 3 } }]";
        Strategy {
            name: "s".to_owned(),
            model: Model::Network(toml::from_str(layers).expect("it parses")),
            loss: LossSpec::CrossEntropy,
            pretrain_loss: LossSpec::CrossEntropy,
            data: DataPlan {
                set: DataSet::Strokes,
                fallback: None,
                normalise: Normalisation::Unit,
                validation: 0,
            },
            train: Scheme::Full,
            training: Training {
                batch,
                ..Training::sgd(0.01)
            },
            online,
        }
    }

    fn protocol(length: usize) -> Protocol {
        let drift = format!("length = {length}\ndrift_at = 1\nswap = [0, 1]");
        let drift = toml::from_str(&drift).expect("it parses");
        Protocol::Scenario(Scenario::ConceptDrift(drift))
    }

    /// What the core counts when it goes through such a stream.
    fn counted(strategy: &Strategy, length: usize) -> u32 {
        let shape = Shape { h: 2, w: 2, c: 1 };
        let graph = strategy.model.graph(shape, 1).expect("it builds");
        let compiled =
            compile(&graph, &options(strategy, &[(1.0, 0.0)], 1, 1)).expect("it compiles");
        let mut arena = vec![0u32; compiled.arena_bytes().div_ceil(4)];
        let layer = |_, _| String::new();
        let mut device = Native::new(compiled.program(), &mut arena, &layer).expect("it fits");
        for n in 0..length {
            let sample = [n as u8, 1, 2, 3];
            device.learn(&sample, n * 7 % 3).expect("it learns");
        }
        device.learner().state().updates
    }

    #[test]
    fn updates_are_those_that_the_core_counts() {
        let policies = [
            PolicySpec::None,
            PolicySpec::Fifo,
            PolicySpec::Reservoir,
            PolicySpec::ClassBalanced,
        ];
        for policy in policies {
            let slots = if policy == PolicySpec::None { 0 } else { 7 };
            for (passes, draw, every, batch) in [
                (1, 0, 1, 1),
                (5, 0, 1, 1),
                (1, 3, 1, 1),
                (2, 0, 4, 1),
                (1, 0, 3, 8),
                (3, 2, 5, 4),
            ] {
                let draw = if policy == PolicySpec::None { 0 } else { draw };
                let online = Online {
                    policy,
                    slots,
                    passes,
                    draw,
                    trigger: Trigger::Every(every),
                    ..Online::default()
                };
                let strategy = strategy(online, batch);
                for length in [1, 6, 40] {
                    let expected = counted(&strategy, length).max(1);
                    let found = updates(&protocol(length), &strategy, 0);
                    assert_eq!(found, Some(expected), "{:?} {length}", strategy.online);
                }
            }
        }
    }

    #[test]
    fn what_predictions_decide_is_not_known_before() {
        let detector = |purge_keep| DetectorSpec::default().keeping(purge_keep);
        let fifo = Online::fifo(4);
        let confident = Online {
            trigger: Trigger::ConfidenceBelow(0.5),
            ..fifo.clone()
        };
        let purging = Online {
            detector: Some(detector(Some(0))),
            ..fifo.clone()
        };
        for online in [confident, purging.clone()] {
            assert_eq!(updates(&protocol(10), &strategy(online, 1), 0), None);
        }
        // A pass of so many draws is as long whatever is stored; a detector that purges nothing changes nothing.
        let drawing = Online { draw: 2, ..purging };
        assert_eq!(updates(&protocol(10), &strategy(drawing, 1), 0), Some(20));
        let watching = Online {
            detector: Some(detector(None)),
            ..fifo
        };
        assert_eq!(updates(&protocol(10), &strategy(watching, 1), 0), Some(34));
    }
}
