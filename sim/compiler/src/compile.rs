//! Compilation: stages, lists, addresses, image.

use crate::account::Account;
use crate::error::Error;
use crate::graph::{Graph, NodeId, Op, dimension};
use crate::image::Image;
use crate::integer::Formats;
use crate::integer::lower::Lowering as Integers;
use crate::link::{Draft, Linker, Lists};
use crate::listing::{Listing, Part};
use crate::lower::Lowering;
use crate::options::{LossSpec, Online, Scheme, Store, Target, Training};
use crate::stage::{Stage, StageId, boundary, needed, stages};
use runtime_shared::kernels::activation::Activation;
use runtime_shared::kernels::loss::Loss;
use runtime_shared::program::{Program, RuleKind};
use std::ops::Deref;

/// Everything that decides a Program, besides the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What is trained.
    pub scheme: Scheme,
    /// Against which loss.
    pub loss: LossSpec,
    /// How parameters move.
    pub training: Training,
    /// How the device learns online.
    pub online: Online,
    /// `byte · scale + shift` makes a pixel a float: one pair, or one a channel.
    pub normalisation: Vec<(f32, f32)>,
    /// Seed of the device's generator.
    pub seed: u64,
}

/// A compiled Program with what the host needs to know about it, which is its [`Account`].
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What goes to the device.
    pub image: Image,
    account: Account,
}

impl Compiled {
    /// The Program, validated.
    pub fn program(&self) -> Program<'_> {
        // The image was validated when it was made and has not changed since.
        match Program::load(self.image.bytes()) {
            Ok(program) => program,
            Err(refusal) => unreachable!("{refusal:?}"),
        }
    }
}

impl Deref for Compiled {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.account
    }
}

/// Compiles `graph`.
///
/// # Errors
/// [`Error`]: what does not fit together, and where.
pub fn compile(graph: &Graph, options: &Options) -> Result<Compiled, Error> {
    let draft = draft(graph, options)?;
    for (node, needed) in graph.nodes().iter().zip(needed(graph)) {
        if needed {
            node.op.operator().ready(&node.name)?;
        }
    }
    Ok(Compiled {
        image: draft.image()?,
        account: draft.account,
    })
}

/// Every byte that `graph` would take, without making a single weight. What it says is what [`compile`] does.
///
/// # Errors
/// As [`compile`], but for values that are still to be estimated.
pub fn account(graph: &Graph, options: &Options) -> Result<Account, Error> {
    Ok(draft(graph, options)?.account)
}

fn draft(graph: &Graph, options: &Options) -> Result<Draft, Error> {
    options.training.check()?;
    options.online.check()?;
    let names = |ids: &[NodeId]| {
        let names = ids.iter().map(|&id| graph.nodes()[id].name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let outputs = graph.outputs();
    if outputs.len() != 1 {
        return Err(Error::Outputs(names(&outputs)));
    }
    let inputs = graph.inputs().collect::<Vec<_>>();
    for &id in inputs.iter().filter(|_| inputs.len() > 1) {
        let node = &graph.nodes()[id];
        dimension(
            &node.name,
            "the number of values of one of several inputs",
            node.shape.len(),
        )?;
    }
    let trained = options.scheme.trained(graph)?;
    let stages = stages(graph, &trained);
    let target = options.training.target;
    check_loss(&stages, options.loss, target)?;
    check_normalisation(&stages, &options.normalisation)?;
    let trains = trained.iter().any(|t| t.any());
    let optimiser = options.training.optimiser.rule();
    let accumulates = options.training.accumulates();
    let rule = if accumulates {
        RuleKind::Accumulate
    } else {
        optimiser
    };
    let mut lowering = Lowering::new(
        &stages,
        (options.loss, target),
        rule,
        &options.normalisation,
    );
    lowering.quantisation = options.online.quantisation;
    let cut = if options.online.store == Store::Raw || target == Target::Input || !trains {
        0
    } else {
        boundary(&stages)
    };
    let parameters = trained_parameters(&stages);
    let learn = |list: &dyn Fn() -> Listing| if trains { list() } else { Listing::default() };
    let formats = Formats::of(&stages, options, cut)?;
    if let (Some(_), Some(q)) = (&formats, options.online.quantisation) {
        return Err(Error::Option {
            what: "quantisation",
            value: format!("low = {}, high = {}", q.low, q.high),
            allowed: "for networks of floats; features of integers are bytes already",
        });
    }
    let lists = match &formats {
        None => Lists {
            cut,
            inference: lowering.infer(cut),
            learn: learn(&|| lowering.learn(cut, cut > 0)),
            apply: lowering.apply(optimiser, options.training.clip_norm, &parameters),
        },
        Some(formats) => {
            let integers = Integers {
                floats: &lowering,
                stages: &stages,
                formats,
                loss: options.loss,
                rule,
                decays: options.training.weight_decay > 0.0,
            };
            Lists {
                cut,
                inference: integers.infer(),
                learn: learn(&|| integers.learn()),
                apply: integers.apply(&parameters),
            }
        }
    };
    let linker = Linker::new(
        &stages,
        options,
        parameters,
        optimiser,
        accumulates,
        formats,
    );
    linker.link(&lists)
}

fn check_loss(stages: &[Stage], loss: LossSpec, target: Target) -> Result<(), Error> {
    let Some(last) = stages.last() else {
        return Err(Error::Empty);
    };
    let outputs = dimension(&last.name, "the number of outputs", last.shape.len())?;
    let fail = |why: &str| {
        Err(Error::Loss {
            loss: loss.name(),
            why: why.to_owned(),
        })
    };
    let ends_in =
        |a: Activation| last.activation == a || matches!(last.op, Op::Activation(b) if a == b);
    let bend = loss.bend();
    if loss.kernel() == Loss::Huber && !(bend.is_finite() && bend > 0.0) {
        return Err(Error::Option {
            what: "loss.huber",
            value: bend.to_string(),
            allowed: "a positive number",
        });
    }
    if target == Target::Input {
        let inputs = stages[0].shape.len();
        if loss.kernel().is_of_classes() {
            return fail(
                "has no classes to tell apart, but the sample to repeat; use `mse`, `mae`, `huber` or `binary_cross_entropy`",
            );
        }
        if inputs != outputs {
            return fail(&format!(
                "has {outputs} outputs where the sample has {inputs} values to compare them with"
            ));
        }
    }
    match loss {
        LossSpec::CrossEntropy | LossSpec::Damped if outputs < 2 => {
            fail("has a single output; use `binary_cross_entropy`, or one output a class")
        }
        LossSpec::CrossEntropy | LossSpec::Damped if ends_in(Activation::Sigmoid) => {
            fail("ends in a sigmoid; use `binary_cross_entropy`, or end in `softmax` or nothing")
        }
        LossSpec::BinaryCrossEntropy if matches!(last.op, Op::Softmax(_) | Op::LogSoftmax(_)) => {
            fail("ends in a softmax; use `cross_entropy`, or end in a sigmoid or nothing")
        }
        _ => Ok(()),
    }
}

fn check_normalisation(stages: &[Stage], normalisation: &[(f32, f32)]) -> Result<(), Error> {
    let channels = stages.first().map_or(0, |s| s.shape.c);
    let sound = normalisation
        .iter()
        .all(|(a, b)| a.is_finite() && b.is_finite());
    if sound && (normalisation.len() == 1 || normalisation.len() == channels) {
        return Ok(());
    }
    Err(Error::Option {
        what: "normalisation",
        value: format!("{normalisation:?}"),
        allowed: "one pair of finite numbers, or a pair for each channel of the input",
    })
}

fn trained_parameters(stages: &[Stage]) -> Vec<(StageId, Part, usize)> {
    let mut trained = Vec::new();
    for (id, stage) in stages.iter().enumerate() {
        let Some(parameters) = &stage.parameters else {
            continue;
        };
        if stage.trained.weights {
            trained.push((id, Part::Weights, parameters.weights.len()));
        }
        if let Some(bias) = parameters.bias.as_ref().filter(|_| stage.trained.bias) {
            trained.push((id, Part::Bias, bias.len()));
        }
    }
    trained
}
