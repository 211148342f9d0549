//! The one binary: reads the configuration, puts the parts together, runs a command.

mod args;
mod commands;
mod config;
mod failure;
mod stop;
mod transport;
mod up;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
