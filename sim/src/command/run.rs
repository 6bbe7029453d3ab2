//! `sim run`: the plan of a run, its jobs, and the report that is assembled of their parts.
//!
//! The three steps know each other by files only: jobs write parts, and the report is made of the parts that were read
//! back. So it does not matter whether one process did all of it, or many on several machines did a share each.

use crate::cache;
use crate::cli::{self, Common};
use crate::config::sizes::Demand;
use crate::config::{self, Config, DataPlan, Protocol, Strategy};
use crate::cycles;
use crate::data::{Prepared, prepare};
use crate::failure::Failure;
use crate::interrupt;
use crate::job;
use crate::jobs::{Jobs, Pretraining, Repetition};
use crate::offers::Offers;
use crate::outcome::{self, Finished};
use crate::parts::{Identity, Origin, Part, Parts};
use crate::pretrain::{Pretrained, pretrain};
use crate::progress::{Progress, Task};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Runs the experiment that `options` name, writes its report and prints its table; or does the share of it that they ask
/// for.
///
/// # Errors
/// [`Failure`]; what was finished is kept.
pub fn run(options: &cli::Run, common: &Common) -> Result<(), Failure> {
    let threads = usize::from(options.threads.unwrap_or(0));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Failure::Usage(format!("The threads cannot be started: {e}.")))?;
    pool.install(|| in_pool(options, common))
}

fn in_pool(options: &cli::Run, common: &Common) -> Result<(), Failure> {
    let progress = Progress::new(common.quiet);
    let config = load_config(options)?;
    let offers = Offers::all(&config)?;
    let whole = Jobs::of(&config, |s| offers[s].fits_somewhere());
    let jobs = match options.part {
        Some(share) => whole.share(share),
        None => whole.clone(),
    };
    if options.dry_run {
        return say(&list(&config, &jobs, common.json));
    }
    interrupt::listen();
    let nothing_fits = whole.repetitions.is_empty();
    let refusals: Vec<&str> = offers.iter().flat_map(Offers::refusals).collect();
    if !nothing_fits {
        refusals.iter().for_each(|refusal| progress.line(refusal));
    }
    // Everything that is written at the end is tried before hours are spent.
    let folder = options.out.join(&config.name);
    let claim = match options.part {
        None => Some(sim_report::claim(&folder)?),
        Some(_) => None,
    };
    if !options.assemble {
        cache::try_folder(&cache::folder())?;
    }
    let data = load_data(&config, common, &progress)?;
    let run = Run {
        config: &config,
        data: &data,
        progress: &progress,
    };
    let parts = run.parts(options)?;
    if !options.assemble {
        run.carry_out(&jobs, &parts)?;
    }
    let Some(claim) = claim else {
        let done = format!(
            "{} of {} parts are finished in {}.\nWhen all shares are: sim run {} --assemble{}\n",
            jobs.repetitions.len(),
            whole.repetitions.len(),
            parts.folder().display(),
            options.config.display(),
            if options.parts.is_empty() {
                String::new()
            } else {
                format!(" --parts {}", parts.folder().display())
            },
        );
        return match nothing_fits {
            true => Err(Failure::NothingFits(refusals.join("\n\n"))),
            false => say(&done),
        };
    };
    let identities: Vec<Identity> = whole.repetitions.iter().map(|r| run.identity(r)).collect();
    let collected = parts.collect(&config.name, &identities, &|line| progress.line(line))?;
    let mut finished: Vec<Finished> = config.strategies.iter().map(|_| Vec::new()).collect();
    for (repetition, part) in whole.repetitions.iter().zip(collected) {
        finished[repetition.strategy].push((repetition.seed, part));
    }
    let cycles = cycles::of_run(&offers, &finished, &progress);
    let report = outcome::assemble(&config, &data, &offers, &cycles, finished)?;
    claim.write(&report)?;
    parts.remove(&identities);
    print(&report, &folder, common)?;
    if nothing_fits {
        return Err(Failure::NothingFits(refusals.join("\n\n")));
    }
    let entries = report.summary.strategies.iter().filter(|s| s.fits);
    let all = report.summary.seeds;
    if entries
        .clone()
        .all(|s| s.stopped.as_ref().is_some_and(|stop| stop.seeds == all))
    {
        return Err(Failure::Diverged(folder.join(sim_report::PAGE_FILE)));
    }
    Ok(())
}

fn load_config(options: &cli::Run) -> Result<Config, Failure> {
    let mut config = config::load(&options.config)?;
    if let (Some(seeds), Some(&first)) = (options.seeds, config.seeds.first()) {
        config.seeds = (0..u64::from(seeds))
            .map(|i| first.wrapping_add(i))
            .collect();
    }
    if options.parts.len() > 1 && !options.assemble {
        return Err(Failure::Usage(
            "Parts are written into one folder: give --parts once, or add --assemble.".to_owned(),
        ));
    }
    Ok(config)
}

/// Every distinct data plan, loaded once, in the order of the strategies.
fn load_data(
    config: &Config,
    common: &Common,
    progress: &Progress,
) -> Result<Vec<Prepared>, Failure> {
    let mut data: Vec<Prepared> = Vec::new();
    for strategy in &config.strategies {
        if !data.iter().any(|d| d.plan == strategy.data) {
            data.push(prepare(&strategy.data, common.data.as_deref(), progress)?);
        }
    }
    for prepared in &data {
        if prepared.loaded.is_fallback() {
            progress.line(&prepared.loaded.to_string());
        }
        // A stand-in, or an excerpt, may have fewer images than what the config was checked for.
        let demand = Demand {
            protocol: &config.experiment,
            pretrain: config.pretrain.as_ref(),
            plan: &prepared.plan,
        };
        let sets = &prepared.loaded.data;
        let sizes = (sets.train.len(), sets.test.len());
        let checked = demand.check(sets.name, sizes);
        checked.map_err(|(_, message)| Failure::Usage(message))?;
    }
    Ok(data)
}

/// A run whose data are there.
struct Run<'a> {
    config: &'a Config,
    data: &'a [Prepared],
    progress: &'a Progress,
}

/// What the threads of a run share.
struct Shared<'a> {
    run: &'a Run<'a>,
    parts: &'a Parts,
    task: &'a Task,
    /// Parts that are done.
    done: AtomicUsize,
    /// Set where a job failed: the others need not go on.
    failed: AtomicBool,
    failures: Mutex<Vec<Failure>>,
}

impl Run<'_> {
    fn data(&self, plan: &DataPlan) -> &Prepared {
        // Every strategy's plan was loaded before any strategy is looked at.
        let found = self.data.iter().find(|d| d.plan == *plan);
        found.unwrap_or(&self.data[0])
    }

    fn strategy(&self, index: usize) -> (&Strategy, &Prepared) {
        let strategy = &self.config.strategies[index];
        (strategy, self.data(&strategy.data))
    }

    /// Where parts are: where the user says, or in the cache folder.
    fn parts(&self, options: &cli::Run) -> Result<Parts, Failure> {
        if options.parts.is_empty() {
            let config = self.config;
            let digests: Vec<_> = self.data.iter().map(|d| &d.loaded.data.digests).collect();
            return Ok(Parts::of(&config::digest(&(
                &config.name,
                &config.pretrain,
                &config.experiment,
                &config.strategies,
                digests,
                cache::CODE,
            ))));
        }
        let parts = Parts::in_folders(&options.parts);
        if !options.assemble {
            cache::try_folder(parts.folder())?;
        }
        Ok(parts)
    }

    fn identity(&self, repetition: &Repetition) -> Identity {
        let (strategy, data) = self.strategy(repetition.strategy);
        let config = self.config;
        let plan = config.pretrain.as_ref();
        let key = config::digest(&(
            &config.name,
            &config.experiment,
            strategy,
            plan.map(|plan| (plan.epochs, plan.limit, &plan.training)),
            &data.loaded.data.digests,
            repetition.seed,
            config.network_seed(repetition.seed),
        ));
        Identity {
            run: config.name.clone(),
            strategy: strategy.name.clone(),
            seed: repetition.seed,
            key,
        }
    }

    /// Does what is not finished yet of `jobs`: every pre-training, and upon it the repetitions that need it.
    fn carry_out(&self, jobs: &Jobs, parts: &Parts) -> Result<(), Failure> {
        let remark = |line: &str| self.progress.line(line);
        let open: Vec<&Repetition> = jobs
            .repetitions
            .iter()
            .filter(|r| !parts.finished(&self.identity(r), &remark))
            .collect();
        let needing = |p: Option<usize>| -> Vec<&Repetition> {
            open.iter()
                .copied()
                .filter(|r| r.pretraining == p)
                .collect()
        };
        let steps =
            |r: &Repetition| job::steps(&self.config.experiment, self.strategy(r.strategy).1);
        let pretraining = |p: usize| (&jobs.pretrainings[p], needing(Some(p)));
        let trainings: Vec<(&Pretraining, Vec<&Repetition>)> = (0..jobs.pretrainings.len())
            .map(pretraining)
            .filter(|(_, repetitions)| !repetitions.is_empty())
            .collect();
        let work: u64 = open.iter().map(|r| steps(r)).sum::<u64>()
            + trainings
                .iter()
                .map(|(p, _)| self.pretraining_steps(p))
                .sum::<u64>();
        let task = self.progress.task("Running", work);
        let shared = Shared {
            run: self,
            parts,
            task: &task,
            done: AtomicUsize::new(jobs.repetitions.len() - open.len()),
            failed: AtomicBool::new(false),
            failures: Mutex::new(Vec::new()),
        };
        rayon::scope(|scope| {
            for repetition in needing(None) {
                let shared = &shared;
                scope.spawn(move |_| shared.repeat(repetition, None));
            }
            for (training, repetitions) in trainings {
                let shared = &shared;
                scope.spawn(move |scope| {
                    let Some(network) = shared.pretrain(training) else {
                        return;
                    };
                    let network = std::sync::Arc::new(network);
                    for repetition in repetitions {
                        let network = network.clone();
                        scope.spawn(move |_| shared.repeat(repetition, Some(&network)));
                    }
                });
            }
        });
        let (done, failures) = (shared.done.into_inner(), shared.failures.into_inner());
        task.finish();
        if let Some(failure) = failures.unwrap_or_default().into_iter().next() {
            return Err(failure);
        }
        let total = jobs.repetitions.len();
        if done < total {
            return Err(Failure::Interrupted { done, total });
        }
        Ok(())
    }

    fn pretraining_steps(&self, pretraining: &Pretraining) -> u64 {
        let (_, data) = self.strategy(pretraining.strategy);
        let plan = self.config.pretrain.as_ref();
        plan.map_or(0, |plan| plan.steps(data.train_images()))
    }
}

impl Shared<'_> {
    fn tick(&self) -> ControlFlow<()> {
        if interrupt::requested() || self.failed.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// The result, or nothing where it failed, which ends the others.
    fn keep<T>(&self, result: Result<Option<T>, Failure>) -> Option<T> {
        match result {
            Ok(value) => value,
            Err(failure) => {
                self.failed.store(true, Ordering::Relaxed);
                if let Ok(mut failures) = self.failures.lock() {
                    failures.push(failure);
                }
                None
            }
        }
    }

    /// The network of a pre-training; nothing where it was interrupted or failed.
    fn pretrain(&self, job: &Pretraining) -> Option<Pretrained> {
        if self.tick().is_break() {
            return None;
        }
        let run = self.run;
        let (strategy, data) = run.strategy(job.strategy);
        // A list has pre-trainings where the config has a plan for them.
        let plan = run.config.pretrain.as_ref()?;
        let counted = std::cell::Cell::new(0);
        let tick = || {
            counted.set(counted.get() + 1);
            self.task.advance(1);
            self.tick()
        };
        let busy = || {
            run.progress.line(&format!(
                "Another process pre-trains the network of seed {}; its end is awaited.",
                job.seed
            ));
        };
        let pretrained = self.keep(pretrain(strategy, plan, data, job.seed, busy, &tick))?;
        let steps = run.pretraining_steps(job);
        self.task.advance(steps.saturating_sub(counted.get()));
        run.progress.line(&format!(
            "Pre-trained network of seed {}: {:.2} % on the test set{}",
            job.seed,
            100.0 * pretrained.accuracy,
            if pretrained.cached {
                " (from its checkpoint)"
            } else {
                ""
            }
        ));
        Some(pretrained)
    }

    /// Runs a repetition, and keeps its part.
    fn repeat(&self, job: &Repetition, network: Option<&Pretrained>) {
        if self.tick().is_break() {
            return;
        }
        let run = self.run;
        let (strategy, data) = run.strategy(job.strategy);
        let tick = || {
            self.task.advance(1);
            self.tick()
        };
        let record = || {
            let seeds = (job.seed, run.config.network_seed(job.seed));
            let graph = match network {
                Some(network) => network.graph.clone(),
                None => job::prepared(strategy, data, seeds)?,
            };
            let experiment = &run.config.experiment;
            let records = run.config.seeds.first() == Some(&job.seed);
            let done = job::run(&graph, experiment, strategy, data, seeds, records, tick)?;
            let Some((record, recording)) = done else {
                return Ok(None);
            };
            let pretrained = network.map(|network| Origin {
                key: network.key.clone(),
                accuracy: network.accuracy,
            });
            let part = Part {
                record,
                pretrained,
                recording,
            };
            self.parts.write(&run.identity(job), part).map(Some)
        };
        if self.keep(record()).is_some() {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The list of jobs, for people or as JSON.
fn list(config: &Config, jobs: &Jobs, json: bool) -> String {
    let mut rows = Vec::new();
    for (i, job) in jobs.pretrainings.iter().enumerate() {
        rows.push((i + 1, "pre-train", job.strategy, job.seed, None));
    }
    for (i, job) in jobs.repetitions.iter().enumerate() {
        let number = jobs.pretrainings.len() + i + 1;
        let needs = job.pretraining.map(|p| p + 1);
        rows.push((number, "run", job.strategy, job.seed, needs));
    }
    let name = |strategy: usize| config.strategies[strategy].name.as_str();
    if json {
        let list: Vec<_> = rows
            .iter()
            .map(|&(job, kind, strategy, seed, needs)| {
                serde_json::json!({
                    "job": job, "kind": kind, "strategy": name(strategy), "seed": seed, "needs": needs,
                })
            })
            .collect();
        let text = serde_json::to_string_pretty(&list).unwrap_or_default();
        return format!("{text}\n");
    }
    let header = ["job", "kind", "seed", "needs", "strategy"].map(str::to_owned);
    let mut table = vec![header.to_vec()];
    table.extend(rows.iter().map(|&(job, kind, strategy, seed, needs)| {
        let needs = needs.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let name = match kind {
            "run" => name(strategy).to_owned(),
            _ => format!("(the network of {})", name(strategy)),
        };
        vec![
            job.to_string(),
            kind.to_owned(),
            seed.to_string(),
            needs,
            name,
        ]
    }));
    outcome::columns(&table)
}

fn print(report: &sim_report::Run, folder: &Path, common: &Common) -> Result<(), Failure> {
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
    say(&text)
}

/// Writes to standard output.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
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
