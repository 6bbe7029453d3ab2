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
mod log;
mod native;
mod offers;
mod outcome;
mod parts;
mod place;
mod pretrain;
mod progress;
mod results;
mod seeded;
mod updates;

use clap::Parser;
use cli::{Cli, Command};
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match log::start(cli.common.verbose).and_then(|()| execute(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough.
        Err(Failure::Output(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            progress::tell(&format!("error: {failure}"));
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
