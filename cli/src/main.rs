//! The one binary: reads the configuration, puts the parts together, runs a command.

mod args;
mod bench;
mod brokers;
mod commands;
mod config;
mod defaults;
mod failure;
mod input;
mod outcome;
mod reading;
mod stop;
mod terminal;
mod up;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};
use crate::config::Config;
use crate::failure::Failure;

/// The job allocates a few small buffers per record, and frees them on the same thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Cli::command();
    let matches = command.clone().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            terminal::tell(&format!("error: {text}{}", defaults::note(&command, &matches, &text)));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Runs the command.
fn run(cli: Cli) -> Result<(), Failure> {
    log_to_stderr();
    // Experiments have settings of their own, which --set names.
    let experiment = matches!(cli.command, Command::Fit(_) | Command::Eval(_));
    if experiment && cli.config.is_some() {
        return Err(Failure::user("--config: fit and eval read no settings file; use --set"));
    }
    let config = if experiment { Config::default() } else { Config::load(cli.config.as_deref(), &cli.set)? };
    match cli.command {
        Command::Up(args) => up::run(config, args),
        Command::Pipeline(args) => commands::pipeline::run(config, args),
        Command::Train(args) => commands::train::run(config, args),
        Command::Serve(args) => commands::serve::run(config, args),
        Command::Recommend(args) => commands::recommend::run(&config, &args),
        Command::Bridge(args) => commands::bridge::run(config, args),
        Command::Feed(args) => commands::feed::run(config, args),
        Command::Probe(args) => commands::probe::run(&config.serving, &args),
        Command::Forget(args) => commands::forget::run(config, args),
        Command::Backfill(args) => commands::backfill::run(config, args),
        Command::Fit(args) => commands::fit::run(*args, &cli.set),
        Command::Eval(args) => commands::eval::run(*args, &cli.set),
        Command::Model(command) => commands::model::run(command),
        Command::State(command) => commands::state::run(config, command),
        Command::Topics(command) => commands::topics::run(config, command),
        Command::Dlq(command) => commands::dlq::run(config, command),
        Command::Arroyo(command) => commands::arroyo::run(config, command),
        Command::Monitoring(args) => commands::monitoring::run(&args),
        Command::Bench(command) => bench::run(config, command),
        Command::Config { defaults, json } => commands::config::run(&config, defaults, json),
    }
}

/// Log lines on standard error: `RUST_LOG` or, by default, warnings of others and news of ours.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new(
            "warn,hmisr=info,hmisr_feed=info,hmisr_offline=info,hmisr_pipeline=info,hmisr_recommend=info,hmisr_trainer=info,hmisr_serving=info",
        )
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(terminal::LogWriter::default)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
