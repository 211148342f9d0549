//! Kills the streaming job with SIGKILL at random moments and at named points, and compares
//! everything that it has left with a model: nothing lost, nothing twice, nothing different.
//!
//! The model ([`model`]) folds the features' definition over the records of `events`. A job
//! ([`job`]) is the engine over the embedded log in a worker process ([`worker`]), or real
//! `hmisr pipeline` processes over Kafka ([`kafka`]); [`run`] kills, drains and compares
//! ([`check`]).

mod args;
mod broker;
mod check;
mod embedded;
mod events;
mod failure;
mod job;
mod kafka;
mod model;
mod outputs;
mod process;
mod report;
mod run;
mod settings;
mod swap;
mod worker;
mod world;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,librdkafka=error,hmisr_pipeline=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let ended = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Points(args) => run::points(&args),
        Command::Starts(args) => kafka::starts(&args),
        Command::Worker(args) => worker::run(&args),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
