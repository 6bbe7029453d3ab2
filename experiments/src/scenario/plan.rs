//! What a scenario comes down to: concepts, held-out sets, phases, and one event a sample.
//!
//! A plan is a pure function of a scenario, of the labels of the images, and of a seed. Images that are learnt from come
//! from one set, images that are evaluated on from another, by construction.

use super::concept::{Concept, View};
use crate::data::Images;
use runtime_shared::rng::Rng;
use serde::{Deserialize, Serialize};

/// Random numbers of one seed that must not be shared.
mod purpose {
    pub const STREAM: u64 = 0x5354_524d;
    pub const TEST: u64 = 0x5445_5354;
    pub const CONCEPT: u64 = 0x434f_4e43;
    pub const LABELLED: u64 = 0x4c41_4245;
}

/// The images that a plan is made for.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The stream's images.
    pub stream: &'a Images,
    /// Those of them that the stream may draw.
    pub pool: &'a [usize],
    /// Images that are only ever evaluated on.
    pub test: &'a Images,
    /// Classes of the data set.
    pub classes: usize,
}

/// A stretch of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What reports call it.
    pub name: String,
    /// Its first sample.
    pub start: usize,
    /// Whether it begins with a drift: with something that the learner did not know.
    pub drift: bool,
}

/// Images that are evaluated on, as one concept has them.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// What reports call it.
    pub name: String,
    /// Which concept its labels and views are of.
    pub concept: usize,
    /// Which test images.
    pub images: Vec<usize>,
    /// The phase in which it is learnt; what is known of it later is what was not forgotten.
    pub learnt_in: usize,
}

/// A sample of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Which image of the stream's.
    pub image: usize,
    /// Which concept it is of.
    pub concept: usize,
    /// Which phase it lies in.
    pub phase: usize,
    /// The sample after whose prediction its label is known: itself, a later one, or none.
    pub label_at: Option<usize>,
    /// Where accuracy is measured after it: the share of each held-out set in the concept of the moment.
    pub measure: Option<Vec<f32>>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What samples are like.
    pub concepts: Vec<Concept>,
    /// What is evaluated on.
    pub sets: Vec<HeldOut>,
    /// Stretches of the stream, in order; the first starts at 0.
    pub phases: Vec<Phase>,
    /// What comes when.
    pub events: Vec<Event>,
}

/// What all scenarios let the user choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Samples in the stream.
    pub length: usize,
    /// Accuracy is measured after every so many samples, before and at the start of each phase, and at the end.
    pub evaluate_every: usize,
    /// Held-out images of each set, drawn for every seed; 0 for all.
    pub test_images: usize,
    /// Samples in the window of the prequential accuracy.
    pub window: usize,
    /// Labels are known so many samples late.
    pub label_delay: usize,
    /// The share of samples whose label is ever known.
    pub labelled: f64,
}

impl Settings {
    /// Refuses what makes no sense: the key, and what is wrong with it.
    ///
    /// # Errors
    /// Key and sentence.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let fail = |key, why: &str| Err((key, why.to_owned()));
        if !(1..=1_000_000).contains(&self.length) {
            return fail("length", "must be between 1 and 1000000");
        }
        if self.evaluate_every == 0 {
            return fail("evaluate_every", "must be at least 1");
        }
        if self.window == 0 {
            return fail("window", "must be at least 1");
        }
        if self.label_delay > self.length {
            return fail("label_delay", "must be at most the length of the stream");
        }
        if !(self.labelled >= 0.0 && self.labelled <= 1.0) {
            return fail("labelled", "must be a share between 0 and 1");
        }
        Ok(())
    }
}

/// A held-out set to be drawn: its name, its concept, and the phase in which it is learnt.
pub type Set = (String, usize, usize);

/// What a plan is made of, but for its events.
pub struct Parts {
    /// What samples are like.
    pub concepts: Vec<Concept>,
    /// What is evaluated on.
    pub sets: Vec<Set>,
    /// Stretches of the stream.
    pub phases: Vec<Phase>,
}

/// Lays out the events of a stream.
///
/// `shares(t)` gives the probability of each concept at sample `t`, of which one is drawn; `weights(t)` the share of each
/// held-out set in what the learner should know by then.
pub fn lay_out(
    parts: Parts,
    settings: &Settings,
    sources: &Sources<'_>,
    seed: u64,
    shares: impl Fn(usize) -> Vec<f64>,
    weights: impl Fn(usize) -> Vec<f32>,
) -> Plan {
    let Parts {
        concepts,
        sets,
        phases,
    } = parts;
    let mut rng = Rng::for_purpose(seed, purpose::CONCEPT);
    let of_concept: Vec<usize> = (0..settings.length)
        .map(|t| choose(&shares(t), f64::from(rng.unit())))
        .collect();
    let images = draw_stream(&concepts, &of_concept, sources, seed);
    let mut labelled = Rng::for_purpose(seed, purpose::LABELLED);
    let measured = |t: usize| {
        let border = |phase: &Phase| t == phase.start || t + 1 == phase.start;
        t.is_multiple_of(settings.evaluate_every)
            || t + 1 == settings.length
            || phases.iter().any(border)
    };
    let event = |(t, image): (usize, Option<usize>)| {
        let known = f64::from(labelled.unit()) < settings.labelled;
        let label_at = Some(t + settings.label_delay).filter(|_| known);
        Some(Event {
            image: image?,
            concept: of_concept[t],
            phase: phases
                .partition_point(|phase| phase.start <= t)
                .saturating_sub(1),
            label_at,
            measure: measured(t).then(|| weights(t)),
        })
    };
    let events = images.into_iter().enumerate().map_while(event).collect();
    let held_out = |(name, concept, learnt_in): Set| HeldOut {
        images: draw_test(&concepts[concept], settings, sources, seed),
        name,
        concept,
        learnt_in,
    };
    let sets = sets.into_iter().map(held_out).collect();
    Plan {
        concepts,
        sets,
        phases,
        events,
    }
}

fn choose(shares: &[f64], at: f64) -> usize {
    let mut sum = 0.0;
    for (concept, share) in shares.iter().enumerate() {
        sum += share;
        if at < sum {
            return concept;
        }
    }
    shares.iter().rposition(|share| *share > 0.0).unwrap_or(0)
}

/// An image for each sample, of a class that turns up in its concept, without repetition until all of them were drawn.
/// Nothing where there is no such image.
fn draw_stream(
    concepts: &[Concept],
    of_concept: &[usize],
    sources: &Sources<'_>,
    seed: u64,
) -> Vec<Option<usize>> {
    // Concepts with the same classes share their images: none is seen again because its label changed.
    let classes = |c: &Concept| c.labels.iter().map(Option::is_some).collect::<Vec<_>>();
    let group: Vec<usize> = concepts
        .iter()
        .map(|c| {
            concepts
                .iter()
                .position(|d| classes(d) == classes(c))
                .unwrap_or(0)
        })
        .collect();
    let pools: Vec<Vec<usize>> = concepts
        .iter()
        .map(|c| c.pool(sources.stream, sources.pool))
        .collect();
    let mut decks: Vec<Vec<usize>> = vec![Vec::new(); concepts.len()];
    let mut rng = Rng::for_purpose(seed, purpose::STREAM);
    let mut next = |concept: usize| {
        let deck = decks.get_mut(*group.get(concept)?)?;
        if deck.is_empty() {
            deck.clone_from(&pools[concept]);
            rng.shuffle(deck);
            deck.reverse();
        }
        deck.pop()
    };
    of_concept.iter().map(|&concept| next(concept)).collect()
}

fn draw_test(
    concept: &Concept,
    settings: &Settings,
    sources: &Sources<'_>,
    seed: u64,
) -> Vec<usize> {
    let all: Vec<usize> = (0..sources.test.len()).collect();
    let mut all = concept.pool(sources.test, &all);
    if settings.test_images > 0 && settings.test_images < all.len() {
        Rng::for_purpose(seed, purpose::TEST).shuffle(&mut all);
        all.truncate(settings.test_images);
    }
    all
}

impl Plan {
    /// The label of an event; `None` where its class does not turn up, which no plan has.
    pub fn label(&self, event: &Event, stream: &Images) -> Option<u8> {
        self.concepts
            .get(event.concept)?
            .label(stream.label(event.image))
    }

    /// Whether some concept sees images otherwise than they are.
    pub fn transforms(&self) -> bool {
        self.concepts.iter().any(|c| c.view != View::Plain)
    }
}
