//! A config as it is written: keys, defaults, places. What it means is [`super::resolved`]'s business.

use experiments::data::{DataSet, Fallback, Normalisation};
use experiments::scenario::Scenario;
use experiments::scratch::FromScratch;
use serde::Deserialize;
use serde::de::Error as _;
use sim_compiler::network::NetworkSpec;
use sim_compiler::{Arithmetic, LossSpec, Online, Scheme, Training};
use toml::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// Name of the run, and of its folder below `reports/`.
    pub name: Spanned<String>,
    /// The first seed.
    #[serde(default = "one")]
    pub seed: u64,
    /// Independent repetitions.
    #[serde(default = "ten")]
    pub seeds: Spanned<u32>,
    /// Boards by name, or paths of board files.
    pub boards: Vec<Spanned<String>>,
    /// The network.
    pub network: Spanned<NetworkRef>,
    /// The loss.
    #[serde(default)]
    pub loss: LossSpec,
    /// The data.
    pub data: Spanned<Data>,
    /// What happens before the device is switched on.
    pub pretrain: Option<Spanned<Pretrain>>,
    /// What happens then.
    pub experiment: Spanned<Experiment>,
    /// Ways to live with it.
    #[serde(default)]
    pub strategies: Vec<Spanned<Strategy>>,
}

fn one() -> u64 {
    1
}

fn ten() -> Spanned<u32> {
    Spanned::new(0..0, 10)
}

/// A network by name, or written out.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkRef {
    /// A built-in network, or the path of a network file.
    Name(String),
    /// Layers on the spot.
    Inline(NetworkSpec),
}

impl<'de> Deserialize<'de> for NetworkRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = NetworkRef;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str(
                    "the name of a network, the path of a network file, or a table with `layers`",
                )
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<NetworkRef, E> {
                Ok(NetworkRef::Name(name.to_owned()))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<NetworkRef, A::Error> {
                let map = serde::de::value::MapAccessDeserializer::new(map);
                NetworkSpec::deserialize(map).map(NetworkRef::Inline)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `[data]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Which set.
    pub set: DataSet,
    /// What to take where it cannot be had; nothing where not given.
    pub fallback: Option<Fallback>,
    /// How bytes become floats.
    #[serde(default = "unit")]
    pub normalise: Normalisation,
    /// Training images kept out of pre-training.
    #[serde(default)]
    pub validation: usize,
}

fn unit() -> Normalisation {
    Normalisation::Unit
}

/// `[pretrain]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrain {
    /// Passes over the training images.
    pub epochs: u32,
    /// Training images to use; 0 for all.
    #[serde(default)]
    pub limit: usize,
    /// How parameters move.
    pub training: Training,
    /// Other data than the run's.
    pub data: Option<Data>,
    /// Whether all seeds share one network and one split of the data, those of the first. By default each has its own, so
    /// that what varies between networks is part of every ±.
    #[serde(default)]
    pub shared: bool,
}

/// What may stand below `[experiment.…]`.
const EXPERIMENTS: &[&str] = &{
    let mut names = ["from_scratch"; Scenario::NAMES.len() + 1];
    let mut i = 0;
    while i < Scenario::NAMES.len() {
        names[i] = Scenario::NAMES[i];
        i += 1;
    }
    names
};

/// `[experiment.…]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Experiment {
    /// Something happens to a learner.
    Scenario(Scenario),
    /// Epochs over a data set, on the device.
    FromScratch(FromScratch),
}

impl<'de> Deserialize<'de> for Experiment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Experiment;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                write!(f, "one experiment: {}", EXPERIMENTS.join(", "))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Experiment, A::Error> {
                let Some(name) = map.next_key::<String>()? else {
                    return Err(A::Error::invalid_length(0, &self));
                };
                let experiment = match name.as_str() {
                    "from_scratch" => Experiment::FromScratch(map.next_value()?),
                    _ => match Scenario::next_value(&name, &mut map)? {
                        Some(scenario) => Experiment::Scenario(scenario),
                        None => return Err(A::Error::unknown_variant(&name, EXPERIMENTS)),
                    },
                };
                match map.next_key::<String>()? {
                    Some(_) => Err(A::Error::invalid_length(2, &self)),
                    None => Ok(experiment),
                }
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// `[[strategies]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    /// What reports call it.
    pub name: String,
    /// Which layers are trained.
    pub train: Scheme,
    /// How parameters move; needed unless nothing is trained.
    pub training: Option<Training>,
    /// Floats or integers: `"f32"`, `"int16"` or `"int8"`.
    pub arithmetic: Option<Arithmetic>,
    /// Buffer, trigger, detector.
    #[serde(default)]
    pub online: Online,
    /// Another loss than the run's.
    pub loss: Option<LossSpec>,
    /// Another network than the run's.
    pub network: Option<Spanned<NetworkRef>>,
    /// Other data than the run's.
    pub data: Option<Spanned<Data>>,
}
