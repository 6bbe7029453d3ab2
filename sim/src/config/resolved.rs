//! What a config means: defaults filled in, names looked up, everything checked that can be checked
//! without data. It is stored with every result, and its digest is the key of what is cached.

use super::model::{Imported, MODEL_FILES, Model};
use super::raw::{Data, Experiment, NetworkRef, Pretrain, Raw, Strategy as RawStrategy};
use super::sizes::{Demand, Table};
use crate::failure::Failure;
use crate::updates;
use experiments::data::{DataSet, Fallback, Normalisation};
use experiments::scenario::concept::Concept;
use experiments::scenario::{Describe, Scenario};
use experiments::scratch::FromScratch;
use runtime_shared::kernels::Shape;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sim_compiler::{Arithmetic, Graph, LossSpec, Online, ScheduleSpec, Scheme, Store, Training};
use sim_mcu::parse::Document;
use sim_mcu::{Board, suggest};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Networks that are built in, by name.
const NETWORKS: &[(&str, &str)] = &[
    ("ffnn", include_str!("../../../configs/networks/ffnn.toml")),
    (
        "thesis_cnn",
        include_str!("../../../configs/networks/thesis_cnn.toml"),
    ),
    (
        "lenet5",
        include_str!("../../../configs/networks/lenet5.toml"),
    ),
    (
        "cifar_cnn",
        include_str!("../../../configs/networks/cifar_cnn.toml"),
    ),
];

/// A run, ready to go.
#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// Name of the run.
    pub name: String,
    /// The seeds of the repetitions.
    pub seeds: Vec<u64>,
    /// Boards by name.
    pub board_names: Vec<String>,
    /// The boards.
    #[serde(skip)]
    pub boards: Vec<Board>,
    /// What happens before the device is switched on.
    pub pretrain: Option<PretrainPlan>,
    /// What happens then.
    pub experiment: Protocol,
    /// Ways to live with it.
    pub strategies: Vec<Strategy>,
}

impl Config {
    /// The seed of the split and of the pre-trained network that the repetition of `seed` starts from: its own, unless
    /// all share those of the first.
    pub fn network_seed(&self, seed: u64) -> u64 {
        let shared = self.pretrain.as_ref().is_some_and(|plan| plan.shared);
        match self.seeds.first() {
            Some(&first) if shared => first,
            _ => seed,
        }
    }
}

/// The protocol with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Epochs over a data set, on the device.
    FromScratch(FromScratch),
    /// Something happens to a learner.
    #[serde(untagged)]
    Scenario(Scenario),
}

impl Protocol {
    /// The scenario, where it is one.
    pub fn scenario(&self) -> Option<&Scenario> {
        match self {
            Self::Scenario(scenario) => Some(scenario),
            Self::FromScratch(_) => None,
        }
    }

    /// What pre-training sees of a data set of `classes`.
    pub fn before(&self, classes: usize) -> Concept {
        let scenario = self.scenario();
        scenario.map_or_else(|| Concept::plain(classes), |s| s.before(classes))
    }

    /// Outputs that the network must have for a data set of `classes`.
    pub fn outputs(&self, classes: usize) -> usize {
        self.scenario().map_or(classes, |s| s.outputs(classes))
    }
}

/// Data as a strategy sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct DataPlan {
    /// Which set.
    pub set: DataSet,
    /// What to take instead.
    pub fallback: Option<Fallback>,
    /// How bytes become floats.
    pub normalise: Normalisation,
    /// Training images kept out of pre-training.
    pub validation: usize,
}

/// Pre-training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PretrainPlan {
    /// Passes over the training images.
    pub epochs: u32,
    /// Training images to use; 0 for all.
    pub limit: usize,
    /// How parameters move.
    pub training: Training,
    /// Other data than the strategy's.
    pub data: Option<DataPlan>,
    /// Whether all seeds share the network and the split of the first.
    pub shared: bool,
}

impl PretrainPlan {
    /// Samples that it learns from, with so many images to train on.
    pub fn steps(&self, images: usize) -> u64 {
        let epoch = match self.limit {
            0 => images,
            limit => limit.min(images),
        };
        epoch as u64 * u64::from(self.epochs)
    }
}

/// One way to live with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Strategy {
    /// What reports call it.
    pub name: String,
    /// The network.
    pub model: Model,
    /// The loss on the device.
    pub loss: LossSpec,
    /// The loss of pre-training.
    pub pretrain_loss: LossSpec,
    /// The data.
    pub data: DataPlan,
    /// Which layers are trained.
    pub train: Scheme,
    /// How parameters move.
    pub training: Training,
    /// Buffer, trigger, detector.
    pub online: Online,
}

impl Strategy {
    /// The network with weights drawn from `seed`; statistics that it lacks are [`prepared`](crate::job::prepared)
    /// from data.
    ///
    /// # Errors
    /// The compiler's; a config that was resolved has none.
    pub fn graph(&self, seed: u64) -> Result<Graph, sim_compiler::Error> {
        self.model.graph(shape(self.data.set), seed)
    }
}

/// The shape of a set's images, as the core has it.
pub fn shape(set: DataSet) -> Shape {
    let shape = set.entry().shape;
    Shape {
        h: shape.height,
        w: shape.width,
        c: shape.channels,
    }
}

/// The sha256 of anything that can be written as JSON, in hex.
pub fn digest<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_vec(value).unwrap_or_default();
    Sha256::digest(json)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Reads and resolves the config at `path`.
///
/// # Errors
/// [`Failure`] with file, line and column, what was meant, what is allowed.
pub fn load(path: &Path) -> Result<Config, Failure> {
    let text = sim_mcu::parse::read(path).map_err(|source| Failure::ReadConfig {
        path: path.to_owned(),
        source,
    })?;
    let file = path.display().to_string();
    let document = Document {
        file: &file,
        text: &text,
    };
    let raw: Raw = document.parse()?;
    Resolver {
        document,
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
    }
    .resolve(raw)
}

struct Resolver<'a> {
    document: Document<'a>,
    folder: PathBuf,
}

impl Resolver<'_> {
    fn fail<T>(&self, span: Range<usize>, message: impl Into<String>) -> Result<T, Failure> {
        Err(self.document.at(span, message).into())
    }

    fn resolve(&self, raw: Raw) -> Result<Config, Failure> {
        let name = self.document.check(raw.name, |n| is_name(n), |n| {
            format!("The name `{n}` cannot be a folder. Use letters, digits, `-`, `_` and `.`, and begin with a letter or digit.")
        })?;
        let seeds = self.document.check(
            raw.seeds,
            |&n| (1..=10_000).contains(&n),
            |n| format!("`seeds` is {n}; it must be between 1 and 10000."),
        )?;
        let boards = self.boards(&raw.boards)?;
        let spans = Spans {
            network: raw.network.span(),
            data: raw.data.span(),
            pretrain: raw.pretrain.as_ref().map_or(0..0, Spanned::span),
            experiment: raw.experiment.span(),
        };
        let network = self.network(raw.network.get_ref(), spans.network.clone())?;
        let data = data_plan(raw.data.into_inner());
        let pretrain = raw.pretrain.map(Spanned::into_inner);
        if let Some(plan) = &pretrain {
            self.check_pretrain(plan, spans.pretrain.clone())?;
        }
        let pretrain = pretrain.map(|p| PretrainPlan {
            epochs: p.epochs,
            limit: p.limit,
            training: p.training,
            data: p.data.map(data_plan),
            shared: p.shared,
        });
        let experiment = match raw.experiment.into_inner() {
            Experiment::Scenario(scenario) => Protocol::Scenario(scenario),
            Experiment::FromScratch(protocol) => {
                if let Err((key, why)) = protocol.check() {
                    return self.fail(
                        spans.experiment,
                        format!("`experiment.from_scratch.{key}` {why}."),
                    );
                }
                Protocol::FromScratch(protocol)
            }
        };
        self.check_data(&experiment, pretrain.as_ref(), &data, &spans)?;
        if raw.strategies.is_empty() {
            return self.fail(0..0, "There are no [[strategies]]. Give at least one.");
        }
        let mut strategies: Vec<Strategy> = Vec::new();
        for strategy in raw.strategies {
            let span = strategy.span();
            let raw_strategy = strategy.into_inner();
            let spans = Spans {
                network: spans_of(&raw_strategy.network, &spans.network),
                data: spans_of(&raw_strategy.data, &spans.data),
                ..spans.clone()
            };
            let defaults = (&network, &data, raw.loss);
            let strategy =
                self.strategy(raw_strategy, span.clone(), &spans, defaults, &experiment)?;
            let untrained = pretrain.is_none() && !strategy.model.is_trained();
            let scenario = experiment.scenario();
            if untrained && scenario.is_some_and(Describe::needs_pretraining) {
                return self.fail(
                    spans.experiment,
                    "This needs a network that knows what was before: add [pretrain], or name a model that was trained.",
                );
            }
            self.check_data(&experiment, pretrain.as_ref(), &strategy.data, &spans)?;
            self.check_learning(&strategy, span.clone(), &experiment, pretrain.as_ref())?;
            if strategies.iter().any(|s| s.name == strategy.name) {
                let name = strategy.name;
                return self.fail(
                    span,
                    format!("Two strategies are called `{name}`. Give each its own name."),
                );
            }
            strategies.push(strategy);
        }
        Ok(Config {
            name,
            seeds: (0..u64::from(seeds))
                .map(|i| raw.seed.wrapping_add(i))
                .collect(),
            board_names: boards.iter().map(|b: &Board| b.name.clone()).collect(),
            boards,
            pretrain,
            experiment,
            strategies,
        })
    }

    /// The boards, each once.
    fn boards(&self, names: &[Spanned<String>]) -> Result<Vec<Board>, Failure> {
        let mut boards: Vec<Board> = Vec::new();
        for name in names {
            let board = match self.board(name.get_ref()) {
                Ok(board) => board,
                Err(error @ sim_mcu::Error::Invalid { .. }) => return Err(error.into()),
                Err(error) => return self.fail(name.span(), error.to_string()),
            };
            if boards.iter().any(|b| b.name == board.name) {
                let message = format!("The board {} is there twice. Name each once.", board.name);
                return self.fail(name.span(), message);
            }
            boards.push(board);
        }
        if boards.is_empty() {
            return self.fail(
                0..0,
                "`boards` is empty. Name at least one; `sim boards` lists them.",
            );
        }
        Ok(boards)
    }

    /// Whether a data set has what is asked of it.
    fn check_data(
        &self,
        protocol: &Protocol,
        pretrain: Option<&PretrainPlan>,
        plan: &DataPlan,
        spans: &Spans,
    ) -> Result<(), Failure> {
        if let Some(scenario) = protocol.scenario()
            && let Err((key, why)) = scenario.check(plan.set.entry().classes)
        {
            let message = format!("`experiment.{}.{key}` {why}.", scenario.name());
            return self.fail(spans.experiment.clone(), message);
        }
        if let Some(other) = pretrain.and_then(|p| p.data.as_ref()) {
            let (set, other) = (plan.set.entry(), other.set.entry());
            let outputs = protocol.outputs(set.classes);
            if other.shape != set.shape || protocol.before(other.classes).most() > outputs {
                let message = format!(
                    "`pretrain.data` has {} labels of images of {}, but the stream has {outputs} labels of images of {}.",
                    protocol.before(other.classes).most(),
                    other.shape,
                    set.shape,
                );
                return self.fail(spans.pretrain.clone(), message);
            }
        }
        let demand = Demand {
            protocol,
            pretrain,
            plan,
        };
        let checked = demand.check(plan.set, plan.set.sizes());
        checked.or_else(|(table, message)| {
            let span = match table {
                Table::Data => &spans.data,
                Table::Pretrain => &spans.pretrain,
                Table::Experiment => &spans.experiment,
            };
            self.fail(span.clone(), message)
        })
    }

    /// Whether a training is long enough for its batch, and known well enough for its schedule.
    fn check_learning(
        &self,
        strategy: &Strategy,
        span: Range<usize>,
        protocol: &Protocol,
        pretrain: Option<&PretrainPlan>,
    ) -> Result<(), Failure> {
        let name = &strategy.name;
        let images = strategy.data.set.sizes().0 - strategy.data.validation;
        if let Some(plan) = pretrain {
            let (batch, samples) = (u64::from(plan.training.batch), plan.steps(images));
            if batch > samples {
                return self.fail(span, format!("[pretrain]: `batch` is {batch}, but there are {samples} samples in all: no update would be made."));
            }
        }
        if strategy.train == Scheme::None {
            return Ok(());
        }
        let batch = u64::from(strategy.training.batch);
        match updates::learnt(protocol, strategy, images) {
            Some(samples) if batch > samples => self.fail(span, format!("Strategy `{name}`: `batch` is {batch}, but {samples} samples are learnt from in all: no update would be made.")),
            None if matches!(strategy.training.schedule, ScheduleSpec::Cosine { period: 0, .. }) => self.fail(span, format!("Strategy `{name}`: how many updates there are depends on predictions, so a cosine cannot end with them by itself: give its `period` in updates.")),
            _ => Ok(()),
        }
    }

    /// A board by name or path; a path counts from the config's folder.
    fn board(&self, name: &str) -> Result<Board, sim_mcu::Error> {
        let beside = self.folder.join(name);
        if name.ends_with(".toml") && beside.is_file() {
            return sim_mcu::board::load(&beside);
        }
        sim_mcu::find(name)
    }

    fn network(&self, network: &NetworkRef, span: Range<usize>) -> Result<Model, Failure> {
        let name = match network {
            NetworkRef::Inline(spec) => return Ok(Model::Network(spec.clone())),
            NetworkRef::Name(name) => name,
        };
        if let Some((name, text)) = NETWORKS.iter().find(|(n, _)| n == name) {
            let file = format!("configs/networks/{name}.toml");
            return Ok(Model::Network(Document { file: &file, text }.parse()?));
        }
        let path = self.folder.join(name);
        let ending = path.extension().and_then(|e| e.to_str());
        if ending.is_some_and(|e| MODEL_FILES.contains(&e)) && path.is_file() {
            return Ok(Model::Imported(Imported::read(&path, name)?));
        }
        if !name.ends_with(".toml") || !path.is_file() {
            let known = NETWORKS.iter().map(|(n, _)| *n);
            let hint = suggest::hint(name, known.clone());
            let known = known.collect::<Vec<_>>().join(", ");
            return self.fail(
                span,
                format!("There is no network `{name}`.{hint} Built in are: {known}. A network of your own is a TOML file with `layers`, or a model of Keras, TensorFlow Lite or ONNX: give its path."),
            );
        }
        let text = sim_mcu::parse::read(&path).map_err(|source| Failure::ReadConfig {
            path: path.clone(),
            source,
        })?;
        let file = path.display().to_string();
        let document = Document {
            file: &file,
            text: &text,
        };
        Ok(Model::Network(document.parse()?))
    }

    fn check_pretrain(&self, plan: &Pretrain, span: Range<usize>) -> Result<(), Failure> {
        if !(1..=1000).contains(&plan.epochs) {
            return self.fail(
                span,
                format!(
                    "`pretrain.epochs` is {}; it must be between 1 and 1000.",
                    plan.epochs
                ),
            );
        }
        if plan.training.arithmetic != Arithmetic::F32 {
            return self.fail(
                span,
                "Pre-training happens on the host, in floats: leave out `arithmetic` in [pretrain].",
            );
        }
        plan.training
            .check()
            .or_else(|e| self.fail(span, format!("[pretrain]: {e}")))
    }

    fn strategy(
        &self,
        raw: RawStrategy,
        span: Range<usize>,
        spans: &Spans,
        (network, data, loss): (&Model, &DataPlan, LossSpec),
        experiment: &Protocol,
    ) -> Result<Strategy, Failure> {
        let name = raw.name;
        if name.trim().is_empty() || name.len() > 60 || name.chars().any(char::is_control) {
            return self.fail(
                span,
                "A strategy's name must have 1 to 60 printable letters.",
            );
        }
        let training = match (raw.training, &raw.train) {
            (Some(training), _) => training,
            (None, Scheme::None) => Training::sgd(1.0),
            (None, _) => {
                return self.fail(span, format!("The strategy `{name}` trains, so it needs `training = {{ learning_rate = … }}`."));
            }
        };
        let arithmetic = raw.arithmetic.unwrap_or(training.arithmetic);
        let training = Training {
            arithmetic,
            ..training
        };
        if raw.train == Scheme::None && matches!(experiment, Protocol::FromScratch(_)) {
            return self.fail(
                span,
                format!("The strategy `{name}` trains nothing, so it cannot train from scratch."),
            );
        }
        let strategy = Strategy {
            model: match &raw.network {
                Some(reference) => self.network(reference.get_ref(), reference.span())?,
                None => network.clone(),
            },
            loss: raw.loss.unwrap_or(loss),
            pretrain_loss: loss,
            data: raw
                .data
                .map_or_else(|| data.clone(), |own| data_plan(own.into_inner())),
            train: raw.train,
            training,
            online: match experiment {
                // Learning from scratch is from samples, with whatever layers before those that are trained.
                Protocol::FromScratch(_) => Online {
                    store: Store::Raw,
                    ..raw.online
                },
                _ => raw.online,
            },
            name,
        };
        self.check_strategy(&strategy, experiment, span, spans.network.clone())?;
        Ok(strategy)
    }

    /// Plans the strategy once, to find what does not fit together.
    fn check_strategy(
        &self,
        strategy: &Strategy,
        experiment: &Protocol,
        span: Range<usize>,
        network: Range<usize>,
    ) -> Result<(), Failure> {
        let name = &strategy.name;
        let graph = match strategy.graph(0) {
            Ok(graph) => graph,
            Err(error) => return self.fail(network, format!("The network of `{name}`: {error}")),
        };
        let options = super::options(strategy, &super::any_normalisation(strategy), 1, 0);
        if let Err(error) = sim_compiler::account(&graph, &options) {
            return self.fail(span, format!("Strategy `{name}`: {error}"));
        }
        let outputs = graph.nodes()[graph.output()].shape.len();
        let classes = strategy.data.set.entry().classes;
        let wanted = experiment.outputs(classes);
        let binary = wanted == 2 && outputs == 1;
        if outputs != wanted && !binary {
            let set = strategy.data.set;
            let needs = match wanted == classes {
                true => format!("but {set} has {classes} classes"),
                false => format!("but the experiment has {wanted} labels"),
            };
            return self.fail(
                network,
                format!("Strategy `{name}`: the network has {outputs} outputs, {needs}."),
            );
        }
        Ok(())
    }
}

/// Where the tables of a config are.
#[derive(Clone)]
struct Spans {
    network: Range<usize>,
    data: Range<usize>,
    pretrain: Range<usize>,
    experiment: Range<usize>,
}

/// Where the strategy's own table is, or else the run's.
fn spans_of<T>(own: &Option<Spanned<T>>, run: &Range<usize>) -> Range<usize> {
    own.as_ref().map_or_else(|| run.clone(), Spanned::span)
}

fn is_name(name: &str) -> bool {
    let begins = name
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    begins
        && name.len() <= 100
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn data_plan(data: Data) -> DataPlan {
    DataPlan {
        set: data.set,
        fallback: data.fallback,
        normalise: data.normalise,
        validation: data.validation,
    }
}
