//! The binary `sim`: can this network be trained on that microcontroller, and what does it cost?
//!
//! This file is the table of contents: options, then commands.

mod bill;
mod cache;
mod cli;
mod command;
mod config;
mod costs;
mod cycles;
mod data;
mod failure;
mod firmware;
mod interrupt;
mod job;
mod jobs;
mod lock;
mod native;
mod offers;
mod outcome;
mod parts;
mod place;
mod pretrain;
mod progress;
mod seeded;

use clap::Parser;
use cli::{Cli, Command};
use failure::Failure;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.common.verbose);
    match execute(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough.
        Err(Failure::Output(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn execute(cli: &Cli) -> Result<(), Failure> {
    let common = &cli.common;
    match &cli.command {
        Command::Run(options) => command::run::run(options, common),
        Command::Plan {
            config,
            board,
            items,
            no_cycles,
        } => command::plan::plan(config, board, *items, !*no_cycles, common),
        Command::Report { folders, out } => command::report::report(folders, out, common),
        Command::Boards { boards } => command::boards::boards(boards, common),
        Command::Emulate(options) => command::emulate::emulate(options, common),
        Command::Validate(options) => command::validate::validate(options, common),
        Command::Data(data) => command::data::data(data, common),
    }
}

/// Logs go to standard error; `SIM_LOG` overrules the flags.
fn log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "sim=debug,experiments=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("SIM_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
}
