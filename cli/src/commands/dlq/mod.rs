//! `hmisr dlq`: what could not be processed, and sending it again.

pub mod args;
mod list;
mod replay;
mod through;
mod to_end;

use std::path::Path;

use hmisr_stream::log::Log;

use self::args::DlqCommand;
use self::through::Through;
use crate::config::Config;
use crate::failure::Failure;

pub fn run(config: Config, command: DlqCommand) -> Result<(), Failure> {
    match &command {
        DlqCommand::List(args) => match &args.from.kafka.brokers {
            Some(_) => list::run(&args.from.kafka.kafka(config.kafka), args),
            None => list::run(&log(config, &args.from.data, true)?, args),
        },
        DlqCommand::Replay(args) => {
            let (through, partitioner) = (Through::read(&config, args)?, config.topics.partitioner);
            match &args.from.kafka.brokers {
                Some(_) => replay::run(&args.from.kafka.kafka(config.kafka), args, through, partitioner),
                None => replay::run(&log(config, &args.from.data, args.dry_run)?, args, through, partitioner),
            }
        }
    }
}

/// The embedded log of a data folder; to read it, the folder may be in use.
fn log(config: Config, data: &Path, read_only: bool) -> Result<Log, Failure> {
    let path = data.join("log");
    if !path.join("CURRENT").exists() {
        return Err(Failure::user(format!(
            "--data {}: holds no embedded log; name the data folder of an `hmisr up`, or --brokers",
            data.display()
        )));
    }
    match read_only {
        true => Ok(Log::open_read_only(&path, config.log)?),
        false => Ok(Log::open(&path, config.log)?),
    }
}
