//! `sim run`: data, pre-training, every strategy and seed in parallel, the report.

use crate::bill::{bill, nearest};
use crate::cli::Common;
use crate::config::{self, Config, DataPlan, Protocol, Strategy};
use crate::data::{Prepared, prepare};
use crate::failure::Failure;
use crate::interrupt;
use crate::job;
use crate::outcome::{self, Finished, Offer};
use crate::parts::{Part, Parts};
use crate::pretrain::{Pretrained, pretrain};
use crate::progress::Progress;
use rayon::prelude::*;
use sim_compiler::Graph;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

fn tick() -> ControlFlow<()> {
    if interrupt::requested() {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// Runs the experiment at `path`, writes its report below `out` and prints its table.
///
/// # Errors
/// [`Failure`]; what was finished is kept.
pub fn run(
    path: &Path,
    out: &Path,
    threads: Option<usize>,
    seeds: Option<u32>,
    common: &Common,
) -> Result<(), Failure> {
    let progress = Progress::new(common.quiet);
    let mut config = config::load(path)?;
    if let (Some(seeds), Some(&first)) = (seeds, config.seeds.first()) {
        config.seeds = (0..u64::from(seeds.max(1)))
            .map(|i| first.wrapping_add(i))
            .collect();
    }
    interrupt::listen();
    if let Some(threads) = threads {
        // The same holds for the pool: in a test, the first one stays.
        let _ = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .build_global();
    }
    let data = load_data(&config, common, &progress)?;
    for prepared in &data {
        if prepared.loaded.is_fallback() {
            progress.line(&prepared.loaded.to_string());
        }
    }
    let graphs = pretrain_all(&config, &data, &progress)?;
    let strategies: Vec<Prepare<'_>> = config
        .strategies
        .iter()
        .map(|strategy| Prepare::new(&config, strategy, &data, &graphs))
        .collect::<Result<_, _>>()?;
    let parts = Parts::of(&config::digest(&(
        &config,
        env!("CARGO_PKG_VERSION"),
        data.iter()
            .map(|d| &d.loaded.data.digests)
            .collect::<Vec<_>>(),
        graphs.iter().map(|g| g.1.key.as_str()).collect::<Vec<_>>(),
    )));
    let finished = run_all(&config, &strategies, &parts, &progress)?;
    let report = outcome::assemble(
        &config,
        &data,
        &graphs,
        &strategies_offers(&strategies),
        finished,
    )?;
    let folder = out.join(&config.name);
    sim_report::write(&report, &folder)?;
    parts.remove();
    print(&report, &folder, common)?;
    if strategies.iter().all(|s| !s.fits_somewhere()) {
        let refusals: Vec<String> = strategies
            .iter()
            .flat_map(|s| s.offers.iter().filter_map(|o| o.refusal.clone()))
            .collect();
        return Err(Failure::NothingFits(refusals.join("\n\n")));
    }
    Ok(())
}

fn strategies_offers<'a>(strategies: &'a [Prepare<'_>]) -> Vec<&'a [Offer]> {
    strategies.iter().map(|s| s.offers.as_slice()).collect()
}

/// Every distinct data plan, loaded once, in the order of the strategies.
fn load_data(
    config: &Config,
    common: &Common,
    progress: &Progress,
) -> Result<Vec<Prepared>, Failure> {
    let mut data: Vec<Prepared> = Vec::new();
    let seed = config.seeds.first().copied().unwrap_or(1);
    for strategy in &config.strategies {
        if !data.iter().any(|d| d.plan == strategy.data) {
            data.push(prepare(
                &strategy.data,
                common.data.as_deref(),
                seed,
                progress,
            )?);
        }
    }
    Ok(data)
}

fn of_plan<'a>(data: &'a [Prepared], plan: &DataPlan) -> &'a Prepared {
    // Every strategy's plan was loaded before any strategy is looked at.
    data.iter().find(|d| d.plan == *plan).unwrap_or(&data[0])
}

/// Every distinct network, pre-trained once: with the strategy that it was made for.
fn pretrain_all<'a>(
    config: &'a Config,
    data: &[Prepared],
    progress: &Progress,
) -> Result<Vec<(&'a Strategy, Pretrained)>, Failure> {
    let mut networks: Vec<(&Strategy, Pretrained)> = Vec::new();
    let Some(plan) = &config.pretrain else {
        return Ok(networks);
    };
    let seed = config.seeds.first().copied().unwrap_or(1);
    for strategy in &config.strategies {
        if networks.iter().any(|(s, _)| same_network(s, strategy)) {
            continue;
        }
        let prepared = of_plan(data, &strategy.data);
        let steps = prepared.split.train.len() as u64 * u64::from(plan.epochs);
        let task = progress.task("Pre-training", steps);
        let counted = || {
            task.advance(1);
            tick()
        };
        let pretrained = pretrain(strategy, plan, prepared, seed, &counted)?;
        task.finish();
        let Some(pretrained) = pretrained else {
            return Err(Failure::Interrupted {
                done: 0,
                total: config.strategies.len() * config.seeds.len(),
            });
        };
        progress.line(&format!(
            "Pre-trained network: {:.2} % on the test set{}",
            100.0 * pretrained.accuracy,
            if pretrained.cached {
                " (from its checkpoint)"
            } else {
                ""
            }
        ));
        networks.push((strategy, pretrained));
    }
    Ok(networks)
}

fn same_network(a: &Strategy, b: &Strategy) -> bool {
    a.network == b.network && a.data == b.data && a.pretrain_loss == b.pretrain_loss
}

/// A strategy with its data, its network, and what each board says to it.
pub struct Prepare<'a> {
    strategy: &'a Strategy,
    data: &'a Prepared,
    pretrained: Option<&'a Graph>,
    offers: Vec<Offer>,
}

impl<'a> Prepare<'a> {
    fn new(
        config: &Config,
        strategy: &'a Strategy,
        data: &'a [Prepared],
        graphs: &'a [(&Strategy, Pretrained)],
    ) -> Result<Self, Failure> {
        let data = of_plan(data, &strategy.data);
        let pretrained = graphs
            .iter()
            .find(|(s, _)| same_network(s, strategy))
            .map(|(_, p)| &p.graph);
        let mut prepared = Self {
            strategy,
            data,
            pretrained,
            offers: Vec::new(),
        };
        let graph = prepared.graph(0)?;
        let compiled = job::compiled(&graph, &config.experiment, strategy, data, 0)?;
        let all = sim_mcu::boards()?;
        for board in &config.boards {
            let bill = bill(&compiled, board);
            let refusal = bill
                .refusal(&nearest(&bill, &compiled, strategy.online.slots, &all))
                .map(|text| format!("Strategy `{}` on {}: {text}", strategy.name, board.name));
            prepared.offers.push(Offer {
                board: board.clone(),
                bill,
                refusal,
                compiled: compiled.clone(),
            });
        }
        Ok(prepared)
    }

    fn fits_somewhere(&self) -> bool {
        self.offers.iter().any(|o| o.refusal.is_none())
    }

    /// The network as the device gets it: pre-trained, or with weights drawn from `seed`.
    fn graph(&self, seed: u64) -> Result<Graph, Failure> {
        match self.pretrained {
            Some(graph) => Ok(graph.clone()),
            None => job::prepared(self.strategy, self.data, seed),
        }
    }
}

/// Runs what is not finished yet; results by strategy, then by seed. Strategies that fit no board have
/// none.
fn run_all(
    config: &Config,
    strategies: &[Prepare<'_>],
    parts: &Parts,
    progress: &Progress,
) -> Result<Vec<Finished>, Failure> {
    let jobs: Vec<(usize, u64)> = (0..strategies.len())
        .filter(|&s| strategies[s].fits_somewhere())
        .flat_map(|s| config.seeds.iter().map(move |&seed| (s, seed)))
        .collect();
    for prepare in strategies {
        prepare
            .offers
            .iter()
            .filter_map(|o| o.refusal.as_deref())
            .for_each(|r| progress.line(r));
    }
    let steps = jobs
        .iter()
        .map(|&(s, _)| job::steps(&config.experiment, strategies[s].data))
        .sum();
    let task = progress.task("Running", steps);
    let done = AtomicUsize::new(0);
    let results: Vec<Result<Option<Part>, Failure>> = jobs
        .par_iter()
        .map(|&(s, seed)| {
            let prepare = &strategies[s];
            let finished = match parts.read(s, seed) {
                Some(part) => {
                    task.advance(job::steps(&config.experiment, prepare.data));
                    Some(part)
                }
                None => one(config, prepare, seed, &|| {
                    task.advance(1);
                    tick()
                })?,
            };
            if let Some(part) = &finished {
                parts.write(s, seed, part)?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(finished)
        })
        .collect();
    task.finish();
    let mut finished: Vec<Finished> = strategies.iter().map(|_| Vec::new()).collect();
    for (&(s, seed), result) in jobs.iter().zip(results) {
        match result? {
            Some(part) => finished[s].push((seed, part)),
            None => {
                let done = done.load(Ordering::Relaxed);
                return Err(Failure::Interrupted {
                    done,
                    total: jobs.len(),
                });
            }
        }
    }
    Ok(finished)
}

fn one(
    config: &Config,
    prepare: &Prepare<'_>,
    seed: u64,
    tick: &dyn Fn() -> ControlFlow<()>,
) -> Result<Option<Part>, Failure> {
    let graph = prepare.graph(seed)?;
    job::run(
        &graph,
        &config.experiment,
        prepare.strategy,
        prepare.data,
        seed,
        tick,
    )
}

fn print(report: &sim_report::Run, folder: &Path, common: &Common) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let text = if common.json {
        let path = folder.join(sim_report::SUMMARY_FILE);
        std::fs::read_to_string(&path).map_err(|source| Failure::Write { path, source })?
    } else {
        let title = match &report.headline {
            Some(headline) => format!("{headline}\n\n"),
            None => String::new(),
        };
        format!(
            "{title}{}\nReport: {}\n",
            outcome::table(report),
            folder.join(sim_report::PAGE_FILE).display()
        )
    };
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// The protocol's drift, if it has one.
pub fn drift_at(protocol: &Protocol) -> Option<u64> {
    match protocol {
        Protocol::ConceptDrift(drift) => Some(drift.drift_at as u64),
        Protocol::FromScratch(_) => None,
    }
}
