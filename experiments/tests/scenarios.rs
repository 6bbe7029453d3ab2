//! Laws of scenarios: plans are pure, train and test never mix, phases have their proportions; and what the driver does
//! with a plan, on a device that remembers what it was given.

use experiments::data::{Images, Shape};
use experiments::device::{Device, Stop};
use experiments::record::Record;
use experiments::scenario::concept::{Change, Lens, View};
use experiments::scenario::corruption::Corruption;
use experiments::scenario::plan::{Event, Plan};
use experiments::scenario::{Describe, Scenario, Sources, driver};
use runtime_shared::learner::{Step, Update};
use runtime_shared::rng::Rng;
use std::ops::ControlFlow;

const SHAPE: Shape = Shape {
    height: 4,
    width: 4,
    channels: 1,
};

/// `count` images; the first byte is the class, the next two the number, the fourth says which set it is.
fn images(count: usize, set: u8) -> Images {
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for i in 0..count {
        let class = (i * 7 % 10) as u8;
        labels.push(class);
        pixels.extend([class, (i >> 8) as u8, i as u8, set]);
        pixels.extend([60 + class * 10; 12]);
    }
    Images::new(SHAPE, pixels, labels).expect("whole images")
}

struct World {
    train: Images,
    test: Images,
    pool: Vec<usize>,
}

impl World {
    fn new() -> Self {
        Self {
            train: images(3000, 0),
            test: images(500, 1),
            pool: (1000..3000).collect(),
        }
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            stream: &self.train,
            pool: &self.pool,
            test: &self.test,
            classes: 10,
        }
    }
}

fn scenario(toml: &str) -> Scenario {
    let scenario: Scenario = toml::from_str(toml).unwrap_or_else(|e| panic!("{toml}: {e}"));
    scenario
        .check(10)
        .unwrap_or_else(|(key, why)| panic!("{toml}: `{key}` {why}"));
    scenario
}

/// One of each kind.
fn all() -> Vec<Scenario> {
    [
        "[concept_drift]",
        "[concept_drift]\nprofile = { gradual = { width = 120 } }\nlength = 2000\ndrift_at = 900",
        "[concept_drift]\nprofile = { incremental = { width = 200 } }\nchange = { rotate = 60.0 }",
        "[concept_drift]\nprofile = { recurring = { period = 90 } }\nchange = { permute = 3 }",
        "[concept_drift]\nchange = { corrupt = { kind = \"gaussian_noise\", severity = 4 } }\nlabelled = 0.3",
        "[class_incremental]\nlabel_delay = 20",
        "[transfer]\nfrom = [0, 2, 4, 6, 8]\nto = [1, 3, 5, 7, 9]\nlength = 500",
        "[tasks]\nsequence = { split = 2 }\nlength = 500",
        "[tasks]\nsequence = { split_renumbered = 2 }\nlength = 501",
        "[tasks]\nsequence = { permuted = 4 }",
        "[tasks]\nsequence = { rotated = [0.0, 30.0, 60.0] }",
        "[tasks]\nsequence = { corrupted = { kinds = [\"stripe\", \"contrast\"], severity = 3 } }",
    ]
    .map(scenario)
    .into()
}

#[test]
fn plans_are_functions_of_config_and_seed() {
    let world = World::new();
    for scenario in all() {
        let plan = scenario.plan(&world.sources(), 7);
        assert_eq!(plan, scenario.plan(&world.sources(), 7), "{scenario:?}");
        let other = scenario.plan(&world.sources(), 8);
        let drawn = |plan: &Plan| plan.events.iter().map(|e| e.image).collect::<Vec<_>>();
        assert_ne!(drawn(&plan), drawn(&other), "{scenario:?}");
        let written = toml::to_string(&scenario).expect("it can be written");
        assert_eq!(
            toml::from_str::<Scenario>(&written).ok(),
            Some(scenario),
            "{written}"
        );
    }
}

#[test]
fn a_stream_draws_from_its_pool_without_repetition_and_fits_its_concept() {
    let world = World::new();
    for scenario in all() {
        let plan = scenario.plan(&world.sources(), 3);
        assert_eq!(plan.events.len(), scenario.settings().length);
        let mut drawn = Vec::new();
        for event in &plan.events {
            assert!(world.pool.contains(&event.image));
            let label = plan.label(event, &world.train).expect("its class turns up");
            assert!(usize::from(label) < scenario.outputs(10), "{scenario:?}");
            drawn.push(event.image);
        }
        drawn.sort_unstable();
        drawn.dedup();
        // Streams are shorter than the pool, and no class is drawn more often than there are images of it.
        let rare = matches!(scenario, Scenario::ClassIncremental(_) | Scenario::Tasks(_));
        assert!(
            rare || drawn.len() == plan.events.len(),
            "{scenario:?}: {}",
            drawn.len()
        );
        for set in &plan.sets {
            let concept = &plan.concepts[set.concept];
            assert!(!set.images.is_empty());
            assert!(
                set.images
                    .iter()
                    .all(|&i| concept.label(world.test.label(i)).is_some())
            );
        }
    }
}

/// Other seeds' figures stay comparable only while a seed draws the same images.
#[test]
fn a_seed_draws_the_same_images_as_ever() {
    let world = World::new();
    let plan = scenario("[concept_drift]\ntest_images = 60").plan(&world.sources(), 5);
    let mut pool = world.pool.clone();
    Rng::for_purpose(5, 0x5354_524d).shuffle(&mut pool);
    let images: Vec<usize> = plan.events.iter().map(|e| e.image).collect();
    assert_eq!(images, pool[..600]);
    let mut test: Vec<usize> = (0..500).collect();
    Rng::for_purpose(5, 0x5445_5354).shuffle(&mut test);
    assert!(plan.sets.iter().all(|set| set.images == test[..60]));
    for (t, event) in plan.events.iter().enumerate() {
        let class = world.train.label(event.image);
        let label = match class {
            4 if t >= 100 => 6,
            6 if t >= 100 => 4,
            other => other,
        };
        assert_eq!(plan.label(event, &world.train), Some(label));
        let measured = t % 5 == 0 || [99, 100, 599].contains(&t);
        assert_eq!(event.measure.is_some(), measured, "{t}");
    }
}

fn share(events: &[Event], concept: usize) -> f64 {
    let of = events.iter().filter(|e| e.concept == concept).count();
    of as f64 / events.len() as f64
}

#[test]
fn phases_have_their_proportions() {
    let world = World::new();
    let plan = |toml| scenario(toml).plan(&world.sources(), 11);

    // Gradual: over 300 seeds the share of the new concept follows the logistic curve, to 3.3 standard errors.
    let gradual = scenario(
        "[concept_drift]\nlength = 600\ndrift_at = 300\nprofile = { gradual = { width = 200 } }",
    );
    let plans: Vec<Plan> = (0..300)
        .map(|seed| gradual.plan(&world.sources(), seed))
        .collect();
    for t in [50usize, 200, 250, 300, 350, 400, 550] {
        let new = plans.iter().filter(|p| p.events[t].concept == 1).count() as f64 / 300.0;
        let expected = 1.0 / (1.0 + (-4.0 * (t as f64 - 300.0) / 200.0).exp());
        let error = (expected * (1.0 - expected) / 300.0).sqrt().max(0.003);
        assert!(
            (new - expected).abs() < 3.3 * error,
            "{t}: {new}, not {expected}"
        );
    }
    let starts: Vec<usize> = plans[0].phases.iter().map(|p| p.start).collect();
    assert_eq!(starts, [0, 200, 400]);

    // Incremental: degree after degree, for as long each.
    let plan_of = plan(
        "[concept_drift]\nprofile = { incremental = { width = 250 } }\nchange = { rotate = 50.0 }",
    );
    let degrees: Vec<usize> = plan_of.events.iter().map(|e| e.concept).collect();
    assert!(degrees.is_sorted());
    let counts: Vec<usize> = (0..=5)
        .map(|d| degrees.iter().filter(|c| **c == d).count())
        .collect();
    assert_eq!(counts, [100, 50, 50, 50, 50, 300]);
    assert_eq!(plan_of.concepts[5].view, View::Rotated(50.0));

    // Recurring: turn about.
    let plan_of = plan("[concept_drift]\nprofile = { recurring = { period = 125 } }");
    for (phase, concept) in [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0)] {
        let events: Vec<Event> = plan_of
            .events
            .iter()
            .filter(|e| e.phase == phase)
            .cloned()
            .collect();
        assert_eq!(events.len(), if phase == 0 { 100 } else { 125 });
        assert_eq!(share(&events, concept), 1.0);
    }

    // Class-incremental: no new class before, a fifth of new ones after.
    let plan_of = plan("[class_incremental]\nlength = 1050");
    let new = |e: &Event| matches!(world.train.label(e.image), 8 | 9);
    assert!(!plan_of.events[..50].iter().any(new));
    let after = plan_of.events[50..].iter().filter(|e| new(e)).count();
    assert!((150..=250).contains(&after), "{after}");

    // Tasks: as long as each other to a sample.
    let plan_of = plan("[tasks]\nsequence = { split = 2 }\nlength = 502");
    for phase in 0..5 {
        let events: Vec<Event> = plan_of
            .events
            .iter()
            .filter(|e| e.phase == phase)
            .cloned()
            .collect();
        assert!((100..=101).contains(&events.len()));
        assert_eq!(share(&events, phase), 1.0);
        let classes = |e: &Event| usize::from(world.train.label(e.image)) / 2 == phase;
        assert!(events.iter().all(classes));
    }

    // Labels: a third of them, ten late.
    let plan_of = plan("[concept_drift]\nlength = 2000\nlabelled = 0.333\nlabel_delay = 10");
    let labels: Vec<(usize, usize)> = plan_of
        .events
        .iter()
        .enumerate()
        .filter_map(|(t, e)| Some((t, e.label_at?)))
        .collect();
    assert!((600..=735).contains(&labels.len()), "{}", labels.len());
    assert!(labels.iter().all(|(t, at)| *at == t + 10));
}

#[test]
fn what_makes_no_sense_is_refused_by_its_key() {
    let refused = |toml: &str, key: &str| {
        let scenario: Scenario = toml::from_str(toml).unwrap_or_else(|e| panic!("{toml}: {e}"));
        let problem = scenario.check(10).expect_err(toml);
        assert_eq!(problem.0, key, "{toml}: {}", problem.1);
    };
    refused("[concept_drift]\nlength = 0", "length");
    refused("[concept_drift]\ndrift_at = 600", "drift_at");
    refused("[concept_drift]\nswap = [4, 10]", "swap");
    refused("[concept_drift]\nswap = [4, 4]", "swap");
    refused(
        "[concept_drift]\nswap = [4, 6]\nchange = { permute = 1 }",
        "change",
    );
    refused("[concept_drift]\nchange = { rotate = nan }", "change");
    refused(
        "[concept_drift]\nchange = { corrupt = { kind = \"stripe\", severity = 6 } }",
        "change",
    );
    refused(
        "[concept_drift]\nprofile = { incremental = { width = 50 } }",
        "profile",
    );
    refused(
        "[concept_drift]\nprofile = { gradual = { width = 201 } }",
        "profile",
    );
    refused(
        "[concept_drift]\nprofile = { gradual = { width = 0 } }",
        "profile",
    );
    refused(
        "[concept_drift]\nprofile = { recurring = { period = 0 } }",
        "profile",
    );
    refused("[concept_drift]\nlabelled = 1.5", "labelled");
    refused("[concept_drift]\nlabelled = nan", "labelled");
    refused("[concept_drift]\nlabel_delay = 601", "label_delay");
    refused("[concept_drift]\nevaluate_every = 0", "evaluate_every");
    refused("[concept_drift]\nwindow = 0", "window");
    refused("[class_incremental]\nnew = []", "new");
    refused("[class_incremental]\nnew = [8, 8]", "new");
    refused(
        "[class_incremental]\nnew = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]",
        "new",
    );
    refused("[class_incremental]\nnew_from = 0", "new_from");
    refused("[transfer]\nto = [1]", "to");
    refused("[transfer]\nto = [1, 11]", "to");
    refused("[transfer]\nfrom = [1]\nto = [1, 2]", "from");
    refused("[tasks]\nsequence = { split = 10 }", "sequence");
    refused("[tasks]\nsequence = { split = 0 }", "sequence");
    refused("[tasks]\nsequence = { split_renumbered = 1 }", "sequence");
    refused("[tasks]\nsequence = { permuted = 1 }", "sequence");
    refused("[tasks]\nsequence = { rotated = [0.0] }", "sequence");
    refused(
        "[tasks]\nsequence = { corrupted = { kinds = [], severity = 1 } }",
        "sequence",
    );
    refused("[tasks]\nsequence = { split = 1 }\nlength = 9", "length");
    for unknown in [
        "[concept_drift]\nlenght = 5",
        "[drift]",
        "[tasks]",
        "[concept_drift]\nprofile = \"sudden\"",
    ] {
        assert!(toml::from_str::<Scenario>(unknown).is_err(), "{unknown}");
    }
}

#[test]
fn views_are_pure_and_permutations_move_whole_pixels() {
    let world = World::new();
    let image = world.train.image(5);
    for view in [
        View::Plain,
        View::Permuted(2),
        View::Rotated(30.0),
        View::Corrupted(Corruption::ShotNoise, 3),
    ] {
        let look = |seed, i| Lens::new(&view, SHAPE, seed).look(image, i).into_owned();
        assert_eq!(look(1, 5), look(1, 5));
        let random = matches!(view, View::Corrupted(..));
        assert_eq!(look(1, 5) == look(1, 6), !random, "{view:?}");
    }
    let permuted = Lens::new(&View::Permuted(2), SHAPE, 1)
        .look(image, 5)
        .into_owned();
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    assert_ne!(permuted, image);
    assert_eq!(sorted(&permuted), sorted(image));
    assert_eq!(Change::Rotate(50.0).degrees().map(|d| d.len()), Some(5));
}

/// Remembers the label that it was last given for each class, and everything that it was asked.
#[derive(Default)]
struct Memory {
    labels: [Option<usize>; 10],
    learnt: Vec<(usize, u8, usize)>,
    inferred: Vec<(usize, u8)>,
}

impl Memory {
    fn number(sample: &[u8]) -> (usize, u8) {
        (
            usize::from(sample[1]) << 8 | usize::from(sample[2]),
            sample[3],
        )
    }

    fn predict(&self, sample: &[u8]) -> usize {
        self.labels[usize::from(sample[0])].unwrap_or(99)
    }
}

impl Device for Memory {
    fn learn(&mut self, sample: &[u8], label: usize) -> Result<Step, Stop> {
        let prediction = self.predict(sample);
        let (number, set) = Self::number(sample);
        self.labels[usize::from(sample[0])] = Some(label);
        self.learnt.push((number, set, label));
        Ok(Step {
            prediction,
            loss: 1.0,
            replayed: 1,
            stored: self.learnt.len() as u32,
            drift: self.learnt.len() == 120,
        })
    }

    fn train(&mut self, _: &[u8], _: usize) -> Result<Update, Stop> {
        unreachable!("streams are learnt from")
    }

    fn infer(&mut self, sample: &[u8]) -> Result<usize, Stop> {
        self.inferred.push(Self::number(sample));
        Ok(self.predict(sample))
    }

    fn extract(&mut self, _: &[u8]) -> Result<Vec<u8>, Stop> {
        Ok(Vec::new())
    }

    fn classify(&mut self, _: &[u8]) -> Result<usize, Stop> {
        unreachable!("there is no extractor")
    }

    fn learns(&self) -> bool {
        true
    }
}

fn drive(scenario: &Scenario, world: &World) -> (Memory, Record, Plan) {
    let (sources, mut memory) = (world.sources(), Memory::default());
    let plan = scenario.plan(&sources, 9);
    let settings = scenario.settings();
    let go_on = || ControlFlow::Continue(());
    let record = driver::run(&mut memory, &plan, &sources, (settings.window, 9), go_on);
    (memory, record.expect("nobody broke in"), plan)
}

#[test]
fn a_device_learns_from_the_pool_and_is_evaluated_on_the_test_set() {
    let world = World::new();
    let plain = all()
        .into_iter()
        .filter(|s| !s.plan(&world.sources(), 9).transforms());
    for scenario in plain {
        let (memory, record, _) = drive(&scenario, &world);
        assert_eq!(record.rows.len(), scenario.settings().length);
        assert!(
            memory
                .learnt
                .iter()
                .all(|(number, set, _)| *set == 0 && world.pool.contains(number))
        );
        let streamed = memory.inferred.iter().filter(|(_, set)| *set == 0);
        assert!(
            streamed
                .clone()
                .all(|(number, _)| world.pool.contains(number))
        );
        let known = record.rows.last().and_then(|row| row.test_accuracy);
        assert!(known.is_some_and(|a| a > 0.75), "{scenario:?}: {known:?}");
    }
}

#[test]
fn accuracy_falls_at_the_drift_and_labels_that_never_come_teach_nothing() {
    let world = World::new();
    let (_, record, _) = drive(&scenario("[concept_drift]"), &world);
    let at = |t: usize| record.rows[t].test_accuracy.expect("it is measured there");
    assert_eq!((at(99), at(599)), (1.0, 1.0));
    assert!((at(100) - 0.8).abs() < 0.11, "{}", at(100));
    // The old concept is forgotten as the new one is learnt.
    assert_eq!(record.rows[599].sets, [0.8, 1.0]);
    assert!(record.rows[119].detected && record.rows.iter().filter(|r| r.detected).count() == 1);

    let (memory, record, _) = drive(&scenario("[concept_drift]\nlabelled = 0.0"), &world);
    assert!(memory.learnt.is_empty());
    assert!(
        record
            .rows
            .iter()
            .all(|r| r.prediction == 99 && r.stored == 0 && r.loss.is_none())
    );
}

#[test]
fn late_labels_come_in_order_and_as_late_as_said() {
    let world = World::new();
    let (memory, record, plan) = drive(&scenario("[concept_drift]\nlabel_delay = 30"), &world);
    let learnt: Vec<usize> = memory.learnt.iter().map(|(number, _, _)| *number).collect();
    let expected: Vec<usize> = plan.events[..570].iter().map(|e| e.image).collect();
    assert_eq!(learnt, expected);
    assert!(
        record.rows[..30]
            .iter()
            .all(|r| r.stored == 0 && r.prediction == 99)
    );
    assert_eq!(record.rows[30].stored, 1);
    // The label is that of the sample's own concept, not of the moment at which it comes.
    let swapped =
        |t: usize| usize::from(plan.label(&plan.events[t], &world.train).expect("a label"));
    assert!(
        memory
            .learnt
            .iter()
            .enumerate()
            .all(|(t, (_, _, label))| *label == swapped(t))
    );
}
