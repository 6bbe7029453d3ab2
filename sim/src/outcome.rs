//! From finished parts to the report's data: means over seeds, costs on every board.

use crate::command::run::drift_at;
use crate::config::{Config, Protocol, Strategy};
use crate::costs;
use crate::cycles::Cycles;
use crate::data::Prepared;
use crate::failure::Failure;
use crate::offers::{Offer, Offers};
use crate::parts::{Origin, Part};
use crate::results;
use sim_mcu::Region;
use sim_report::{BillItem, Estimate, Memory, Run, SCHEMA, SampleRow, StrategySummary, Summary};
use std::sync::Arc;

/// The repetitions of one strategy, by seed.
pub type Finished = Vec<(u64, Part)>;

/// Puts the report's data together.
///
/// # Errors
/// [`Failure::Mcu`] where a board or its core cannot be priced.
pub fn assemble(
    config: &Config,
    data: &[Prepared],
    offers: &[Offers],
    cycles: &Cycles,
    finished: Vec<Finished>,
) -> Result<Run, Failure> {
    let origins = origins(&finished);
    let fallbacks: Vec<&Prepared> = data.iter().filter(|d| d.loaded.is_fallback()).collect();
    let mut run = Run {
        title: None,
        headline: fallbacks.first().map(|d| d.loaded.to_string()),
        summary: Summary {
            schema: SCHEMA,
            experiment: config.name.clone(),
            dataset: dataset(data),
            fallback: !fallbacks.is_empty(),
            seeds: config.seeds.len() as u32,
            strategies: Vec::new(),
        },
        samples: Vec::new(),
        bills: Vec::new(),
        kernels: Vec::new(),
        drift_at: drift_at(&config.experiment),
        notes: notes(config, data, &origins),
        about: about(config, data, &origins),
    };
    let strategies = config.strategies.iter().zip(offers).zip(cycles);
    for (((strategy, offers), cycles), parts) in strategies.zip(&finished) {
        for (offer, measured) in offers.0.iter().zip(cycles) {
            let mut entry = summarise(config, data, strategy, offer, parts);
            if let Some(measured) = measured {
                costs::enter(&mut entry, &offer.board, measured);
            }
            if let Some(Ok(measured)) = measured {
                let kernels = costs::kernels(&strategy.name, &offer.board, measured);
                run.kernels.extend(kernels);
            }
            run.summary.strategies.push(entry);
            run.bills.extend(bills(strategy, offer));
            if offer.refusal.is_none() {
                rows(strategy, offer, parts, &mut run.samples);
            }
        }
    }
    Ok(run)
}

fn dataset(data: &[Prepared]) -> String {
    let mut names: Vec<String> = Vec::new();
    for set in data.iter().map(|d| d.loaded.data.name.to_string()) {
        if !names.contains(&set) {
            names.push(set);
        }
    }
    names.join("+")
}

/// The pre-trained networks that repetitions began with, each once.
fn origins(finished: &[Finished]) -> Vec<Origin> {
    let mut origins: Vec<Origin> = Vec::new();
    for (_, part) in finished.iter().flatten() {
        let known = |origin: &Origin| origins.iter().any(|o| o.key == origin.key);
        if let Some(origin) = part.pretrained.as_ref().filter(|o| !known(o)) {
            origins.push(origin.clone());
        }
    }
    origins
}

fn notes(config: &Config, data: &[Prepared], origins: &[Origin]) -> Vec<String> {
    let mut notes: Vec<String> = data
        .iter()
        .map(|d| {
            format!(
                "Data: {} Normalisation: {}.",
                sentence(&d.loaded.data.provenance),
                d.normaliser
            )
        })
        .collect();
    notes.extend(pretraining(origins));
    notes.extend(what_varies(config));
    for board in &config.boards {
        notes.push(match board.energy(0.0, None) {
            Ok(estimate) => format!(
                "Energy on {}: power × cycles / clock, power in the mode \u{201c}{}\u{201d}: {}",
                board.name,
                estimate.mode,
                sentence(&estimate.source.to_string())
            ),
            Err(_) => format!("Energy on {}: its profile gives no power.", board.name),
        });
    }
    notes
}

/// What the pre-trained networks know before the device is switched on.
fn pretraining(origins: &[Origin]) -> Option<String> {
    let percent = |origin: &Origin| 100.0 * f64::from(origin.accuracy);
    let all: Vec<f64> = origins.iter().map(percent).collect();
    let known = match all[..] {
        [] => return None,
        [one] => format!("{one:.2} %"),
        _ => {
            let low = all.iter().copied().fold(f64::INFINITY, f64::min);
            let high = all.iter().copied().fold(0.0, f64::max);
            format!("{low:.2} to {high:.2} % ({} networks)", all.len())
        }
    };
    Some(format!(
        "Pre-trained on the host with the same core: {known} on the whole test set before the device is switched on."
    ))
}

/// What differs between the repetitions, and so is part of every ±.
fn what_varies(config: &Config) -> Option<String> {
    if config.seeds.len() < 2 {
        return None;
    }
    let draws = match &config.experiment {
        Protocol::ConceptDrift(_) => "stream, held-out images and replay",
        Protocol::FromScratch(_) => "initial weights and order of samples",
    };
    Some(match &config.pretrain {
        Some(plan) if plan.shared => format!(
            "All seeds share one pre-trained network and one split of the data, those of the first seed (`pretrain.shared`): ± covers {draws}, and not what another network would change."
        ),
        Some(_) => format!(
            "Every seed has its own split of the data, its own pre-trained network, and its own {draws}: ± covers all of these."
        ),
        None => {
            format!("Every seed has its own split of the data, {draws}: ± covers all of these.")
        }
    })
}

fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

fn about(config: &Config, data: &[Prepared], origins: &[Origin]) -> serde_json::Value {
    let sets: Vec<serde_json::Value> = data
        .iter()
        .map(|d| {
            serde_json::json!({
                "asked": d.loaded.asked,
                "used": d.loaded.data.name,
                "why": d.loaded.why,
                "provenance": d.loaded.data.provenance,
                "normalisation": d.normaliser.to_string(),
                "sha256": d.loaded.data.digests.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            })
        })
        .collect();
    serde_json::json!({
        "config": config,
        "config_sha256": crate::config::digest(config),
        "data": sets,
        "pretrained": origins,
        "versions": {
            "sim": env!("CARGO_PKG_VERSION"),
            "code": crate::cache::CODE,
            "program_format": runtime_shared::program::header::VERSION,
        },
        "host": { "os": std::env::consts::OS, "architecture": std::env::consts::ARCH },
    })
}

fn summarise(
    config: &Config,
    data: &[Prepared],
    strategy: &Strategy,
    offer: &Offer,
    parts: &Finished,
) -> StrategySummary {
    let fits = offer.refusal.is_none();
    let mut entry = StrategySummary {
        name: strategy.name.clone(),
        board: offer.board.name.clone(),
        fits,
        ram_bytes: offer.bill.sum(Region::Ram),
        ram_budget_bytes: offer.bill.budget(Region::Ram),
        flash_bytes: offer.bill.sum(Region::Flash),
        flash_budget_bytes: offer.bill.budget(Region::Flash),
        buffer_slots: offer.account.slots as u64,
        refused: offer.refusal.clone(),
        ..StrategySummary::default()
    };
    let prepared = data.iter().find(|d| d.plan == strategy.data);
    if let (Some(prepared), true) = (prepared, fits) {
        results::enter(&mut entry, &config.experiment, prepared, parts);
    }
    entry
}

fn bills(strategy: &Strategy, offer: &Offer) -> [sim_report::Bill; 2] {
    [(Memory::Ram, Region::Ram), (Memory::Flash, Region::Flash)].map(|(memory, region)| {
        sim_report::Bill {
            strategy: strategy.name.clone(),
            board: offer.board.name.clone(),
            memory,
            budget_bytes: offer.bill.budget(region),
            items: sim_mcu::Kind::ALL
                .iter()
                .map(|&kind| BillItem {
                    name: kind.name().to_owned(),
                    bytes: offer.bill.sum_of(region, kind),
                })
                .filter(|item| item.bytes > 0)
                .collect(),
        }
    })
}

fn rows(strategy: &Strategy, offer: &Offer, parts: &Finished, samples: &mut Vec<SampleRow>) {
    let name: Arc<str> = strategy.name.as_str().into();
    let board: Arc<str> = offer.board.name.as_str().into();
    for (seed, part) in parts {
        samples.extend(part.record.rows.iter().map(|row| SampleRow {
            strategy: name.clone(),
            board: board.clone(),
            seed: *seed,
            sample: row.sample,
            label: row.label,
            prediction: row.prediction,
            loss: row.loss,
            prequential: row.prequential,
            test_accuracy: row.test_accuracy,
            buffer_len: row.stored,
            drift: row.drifted,
        }));
    }
}

/// The report's first table, for a terminal.
pub fn table(run: &Run) -> String {
    let drifts = run.drift_at.is_some();
    let mut rows = vec![if drifts {
        [
            "strategy", "board", "fits", "before", "lowest", "final", "recovery", "RAM B",
            "ms/step", "µJ/step",
        ]
        .map(str::to_owned)
        .to_vec()
    } else {
        [
            "strategy", "board", "fits", "accuracy", "RAM B", "ms/step", "µJ/step",
        ]
        .map(str::to_owned)
        .to_vec()
    }];
    for s in &run.summary.strategies {
        let accuracy = s.accuracy.clone().unwrap_or_default();
        let mut row = vec![
            s.name.clone(),
            s.board.clone(),
            if s.fits { "yes" } else { "NO" }.to_owned(),
        ];
        if drifts {
            row.extend([accuracy.before_drift, accuracy.lowest].map(percent));
        }
        row.push(match &s.stopped {
            Some(_) => "diverged".to_owned(),
            None => percent(accuracy.last),
        });
        if drifts {
            row.push(recovery(s, run.summary.seeds));
        }
        row.push(s.ram_bytes.to_string());
        let dash = || "-".to_owned();
        let trains = s.train_cycles_per_step != Some(0);
        let shown = |figure: Option<f64>| figure.filter(|_| trains);
        row.push(shown(s.train_ms_per_step).map_or_else(dash, |ms| format!("{ms:.1}")));
        row.push(match (s.train_uj_low, s.train_uj_high) {
            (Some(low), Some(high)) if trains => format!("{low:.0}–{high:.0}"),
            _ => shown(s.train_uj_per_step).map_or_else(dash, |uj| format!("{uj:.0}")),
        });
        rows.push(row);
    }
    let mut text = columns(&rows);
    for s in &run.summary.strategies {
        if let Some(stop) = &s.stopped {
            text.push_str(&format!(
                "{} diverged at sample {} of seed {}, {} of {} seeds, in layer `{}`: {}.\n",
                s.name,
                stop.step,
                stop.seed,
                stop.seeds,
                run.summary.seeds,
                stop.layer,
                stop.reason
            ));
        }
    }
    text
}

/// The mean where every seed recovered, else the median over all of them.
fn recovery(entry: &StrategySummary, seeds: u32) -> String {
    let Some(recovered) = entry.recovered_seeds else {
        return "-".to_owned();
    };
    let value = match (entry.recovery_samples, entry.recovery_median_samples) {
        (Some(mean), _) => format!("{:.0}", mean.mean),
        (_, Some(median)) => format!("median {median:.0}"),
        _ if entry.guessing_seeds == Some(seeds) => return "guessed".to_owned(),
        _ => match entry.recovery_watched_samples {
            Some(watched) => format!("> {watched}"),
            None => "-".to_owned(),
        },
    };
    format!("{value} ({recovered}/{seeds})")
}

fn percent(estimate: Option<Estimate>) -> String {
    match estimate {
        Some(Estimate {
            mean,
            ci95: Some(ci),
        }) => format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * ci),
        Some(Estimate { mean, ci95: None }) => format!("{:.2}", 100.0 * mean),
        None => "-".to_owned(),
    }
}

/// Rows in columns: the first two to the left, the rest to the right.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| {
        rows.iter()
            .filter_map(|r| r.get(i))
            .map(|c| c.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(i, cell)| {
            let pad = " ".repeat(widths[i].saturating_sub(cell.chars().count()));
            if i < 2 {
                format!("{cell}{pad}")
            } else {
                format!("{pad}{cell}")
            }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
