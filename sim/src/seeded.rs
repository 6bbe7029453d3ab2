//! What `sim plan` measures, without a run: weights drawn from the first seed, samples of the data set where it is at hand, drawn ones
//! otherwise.

use crate::config::{Config, Protocol, Strategy, any_normalisation, options, resolved};
use crate::data::normalisation;
use crate::failure::Failure;
use experiments::data::{Images, Places, Request, State, list, load};
use runtime_shared::rng::Rng;
use sim_compiler::{compile, statistics};
use sim_measure::{Labelled, Recording};
use std::path::Path;

/// Samples that a recording is made of, and moments of it that are measured.
const SAMPLES: usize = 40;
const MOMENTS: usize = 4;
/// Purpose of the generator that draws samples.
const PURPOSE: u64 = 0x7361_6d70;

/// Where a plan's samples come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Samples {
    /// Training images of the strategy's data set.
    DataSet,
    /// Random bytes, hardly any of them zero.
    Random,
    /// Random bytes, four of five of them zero.
    MostlyZero,
}

impl Samples {
    /// What a table calls them.
    pub fn name(self, strategy: &Strategy) -> String {
        match self {
            Samples::DataSet => strategy.data.set.to_string(),
            Samples::Random => "random".to_owned(),
            Samples::MostlyZero => "80 % zeros".to_owned(),
        }
    }

    /// Those that `strategy` can be planned with: of its data set where all its files are at hand.
    pub fn of(strategy: &Strategy, folder: Option<&Path>) -> &'static [Self] {
        let places = Places::from_environment(folder);
        let files = list(&places, false, &mut |_| ());
        let own = files.iter().filter(|file| file.set == strategy.data.set);
        // Files that are alternatives to each other need not all be there; loading decides.
        let some = own.filter(|f| !matches!(f.state, State::Absent)).count();
        let drawn = strategy.data.set.entry().files.is_empty();
        if some > 0 || drawn {
            &[Samples::DataSet]
        } else {
            &[Samples::Random, Samples::MostlyZero]
        }
    }

    /// The recording of `strategy` with these samples.
    ///
    /// # Errors
    /// [`Failure`] of the data or the compiler.
    pub fn recording(
        self,
        config: &Config,
        strategy: &Strategy,
        folder: Option<&Path>,
    ) -> Result<Recording, Failure> {
        let seed = config.seeds.first().copied().unwrap_or(1);
        let mut rng = Rng::for_purpose(seed, PURPOSE);
        let (samples, normalisation) = if self == Samples::DataSet {
            let request = Request {
                set: strategy.data.set,
                download: false,
                fallback: None,
            };
            let loaded = load(request, &Places::from_environment(folder), &mut |_| ())?;
            let images = &loaded.data.train;
            let (_, pairs) = normalisation(strategy.data.normalise, images);
            (drawn(images, &mut rng), pairs)
        } else {
            (self.random(strategy, &mut rng), any_normalisation(strategy))
        };
        let mut graph = strategy.graph(seed)?;
        let given: Vec<&[u8]> = samples.iter().map(|l| l.sample.as_slice()).collect();
        statistics::estimate(&mut graph, &normalisation, &given)?;
        let compiled = compile(&graph, &options(strategy, &normalisation, 1, seed))?;
        let protocol = match config.experiment {
            Protocol::ConceptDrift(_) => sim_measure::Protocol::Learn,
            Protocol::FromScratch(_) => sim_measure::Protocol::Train,
        };
        let recording = sim_measure::seeded(&compiled.program(), protocol, &samples, MOMENTS);
        recording.map_err(|e| Failure::Core(e.to_string()))
    }

    fn random(self, strategy: &Strategy, rng: &mut Rng) -> Vec<Labelled> {
        let shape = resolved::shape(strategy.data.set);
        let classes = strategy.data.set.entry().classes as u32;
        let mut byte = || match self {
            Samples::MostlyZero if rng.below(5) > 0 => 0,
            _ => rng.below(256) as u8,
        };
        let mut samples: Vec<Labelled> = (0..SAMPLES)
            .map(|_| Labelled {
                sample: (0..shape.len()).map(|_| byte()).collect(),
                label: 0,
            })
            .collect();
        for labelled in &mut samples {
            labelled.label = rng.below(classes) as usize;
        }
        samples
    }
}

fn drawn(images: &Images, rng: &mut Rng) -> Vec<Labelled> {
    (0..SAMPLES)
        .map(|_| {
            let image = rng.below(images.len() as u32) as usize;
            Labelled {
                sample: images.image(image).to_vec(),
                label: images.label(image).into(),
            }
        })
        .collect()
}
