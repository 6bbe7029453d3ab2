//! `sim validate`: the same samples on the host and on a device, and whether they give the same bits.

use crate::cli::{Common, DeviceKind, Validate};
use crate::command::emulate;
use crate::config::{self, Protocol, Strategy};
use crate::cost::price;
use crate::data::{Prepared, prepare};
use crate::failure::Failure;
use crate::job;
use crate::native::Counters;
use crate::outcome::columns;
use crate::pretrain::pretrain;
use crate::progress::Progress;
use runtime_shared::learner::Learner;
use runtime_shared::program::{List, crc32};
use sim_compiler::Compiled;
use sim_device::firmware::Talk;
use sim_device::{Emulated, Firmware, Machine, Patience, Qemu, RemoteLearner, Transport};
use sim_emulator::Mode;
use sim_mcu::CostModel;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// How one strategy compared.
struct Comparison {
    strategy: String,
    steps: usize,
    /// The first step after which the memories differ.
    differs: Option<usize>,
    /// Cycles of all steps: counted by the device, predicted by the cost model.
    cycles: Option<(f64, f64)>,
}

/// Runs every strategy of the config that trains, on the host and on the device, step by step.
///
/// # Errors
/// [`Failure::Bits`] where they differ; [`Failure::Device`] where the device fails.
pub fn validate(options: &Validate, common: &Common) -> Result<(), Failure> {
    let progress = Progress::new(common.quiet);
    let config = config::load(&options.config)?;
    let seed = config.seeds.first().copied().unwrap_or(1);
    let core = match (&options.core, config.boards.first()) {
        (Some(core), _) => core.clone(),
        (None, Some(board)) => board.core.value.name().to_owned(),
        (None, None) => "cortex-m4f".to_owned(),
    };
    let machine = Machine::for_core(&core).ok_or_else(|| {
        let known: Vec<_> = sim_device::qemu::MACHINES.iter().map(|m| m.core).collect();
        Failure::Device(format!(
            "There is no machine with the core {core}. Known cores: {}.",
            known.join(", ")
        ))
    })?;
    progress.line(&format!("Building the firmware for {}", machine.target));
    let firmware = Firmware {
        target: machine.target,
        memory: machine.memory,
        talk: Talk::Semihosting,
    };
    let elf = firmware.build(&workspace(), &crate::cache::folder().join("firmware"))?;
    let mut comparisons = Vec::new();
    for strategy in &config.strategies {
        let data = prepare(&strategy.data, common.data.as_deref(), seed, &progress)?;
        let graph = match &config.pretrain {
            Some(plan) => {
                let unbroken = || ControlFlow::Continue(());
                match pretrain(strategy, plan, &data, seed, &unbroken)? {
                    Some(pretrained) => pretrained.graph,
                    None => strategy.graph(seed)?,
                }
            }
            None => strategy.graph(seed)?,
        };
        let compiled = job::compiled(&graph, &config.experiment, strategy, &data, seed)?;
        if compiled.parameters.is_empty() {
            continue;
        }
        let case = Case {
            strategy,
            data: &data,
            protocol: &config.experiment,
            compiled,
            seed,
            core: &core,
        };
        comparisons.push(match options.device {
            DeviceKind::Qemu => case.compare(Qemu::start(machine, &elf)?, options.steps, false)?,
            DeviceKind::Emulated => {
                let image = std::fs::read(&elf).map_err(|source| Failure::ReadConfig {
                    path: elf.clone(),
                    source,
                })?;
                let machine = emulate::generic(machine);
                case.compare(
                    Emulated::start(machine, &image, Mode::Time)?,
                    options.steps,
                    true,
                )?
            }
        });
    }
    print(&comparisons, &core, common)?;
    let differing: Vec<_> = comparisons
        .iter()
        .filter_map(|c| Some((c.strategy.as_str(), c.differs?)))
        .collect();
    match differing.first() {
        None => Ok(()),
        Some((strategy, step)) => Err(Failure::Bits {
            strategy: (*strategy).to_owned(),
            step: *step,
        }),
    }
}

/// The sources that the firmware is built from.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Case<'a> {
    strategy: &'a Strategy,
    data: &'a Prepared,
    protocol: &'a Protocol,
    compiled: Compiled,
    seed: u64,
    core: &'a str,
}

impl Case<'_> {
    fn compare<T: Transport>(
        &self,
        transport: T,
        steps: usize,
        counts: bool,
    ) -> Result<Comparison, Failure> {
        let program = self.compiled.program();
        let mut arena = vec![0u32; self.compiled.arena_bytes().div_ceil(4)];
        let mut native = Learner::new(program, bytemuck::cast_slice_mut(&mut arena))
            .map_err(|e| Failure::Core(format!("{e:?}")))?;
        let mut remote = RemoteLearner::connect(transport, Patience::default())?;
        remote.load(self.compiled.image.bytes())?;
        let images = &self.data.loaded.data.train;
        let order = match self.protocol {
            Protocol::ConceptDrift(drift) => drift.draw(&self.data.split.validation, self.seed),
            Protocol::FromScratch(_) => self.data.split.train.clone(),
        };
        let streams = matches!(self.protocol, Protocol::ConceptDrift(_));
        let (mut counters, mut counted) = (Counters::default(), 0.0);
        let mut differs = None;
        for (step, &image) in order.iter().take(steps).enumerate() {
            let (sample, label) = (images.image(image), usize::from(images.label(image)));
            counters.samples += 1;
            let refused = |e| Failure::Core(format!("{e:?}"));
            let remote_step = if streams {
                native
                    .learn(sample, label, &mut counters)
                    .map_err(refused)?;
                remote.learn(sample, label)?
            } else {
                native
                    .train(sample, label, &mut counters)
                    .map_err(refused)?;
                remote.train(sample, label)?
            };
            counted += f64::from(remote_step.cycles);
            if remote.digest()? != crc32(&[native.arena()]) {
                differs = Some(step);
                break;
            }
        }
        let predicted = if counts {
            let cost = price(&program, &counters, &CostModel::for_core(self.core)?)?;
            Some((counted, cost.train_cycles() * counters.samples as f64))
        } else {
            None
        };
        debug_assert!(program.count(List::Learn) > 0);
        Ok(Comparison {
            strategy: self.strategy.name.clone(),
            steps: counters.samples as usize,
            differs,
            cycles: predicted,
        })
    }
}

fn print(comparisons: &[Comparison], core: &str, common: &Common) -> Result<(), Failure> {
    let text = if common.json {
        let list: Vec<_> = comparisons
            .iter()
            .map(|c| {
                serde_json::json!({
                    "strategy": c.strategy, "core": core, "steps": c.steps,
                    "same_bits": c.differs.is_none(), "first_difference": c.differs,
                    "cycles_counted": c.cycles.map(|c| c.0), "cycles_predicted": c.cycles.map(|c| c.1),
                })
            })
            .collect();
        format!(
            "{}\n",
            serde_json::to_string_pretty(&list).unwrap_or_default()
        )
    } else {
        let header = [
            "strategy",
            "core",
            "steps",
            "bits",
            "cycles counted",
            "predicted",
            "off by",
        ];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for c in comparisons {
            let dash = || "-".to_owned();
            rows.push(vec![
                c.strategy.clone(),
                core.to_owned(),
                c.steps.to_string(),
                c.differs.map_or_else(
                    || "the same".to_owned(),
                    |s| format!("DIFFER from step {s} on"),
                ),
                c.cycles
                    .map_or_else(dash, |(counted, _)| format!("{counted:.0}")),
                c.cycles
                    .map_or_else(dash, |(_, predicted)| format!("{predicted:.0}")),
                c.cycles.map_or_else(dash, |(counted, predicted)| {
                    format!("{:+.1} %", 100.0 * (predicted / counted - 1.0))
                }),
            ]);
        }
        format!(
            "{}Compared after every step: weights, optimiser state, buffer, detector and generator.\n",
            columns(&rows)
        )
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)
}
