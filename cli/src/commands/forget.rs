//! `hmisr forget`: asks the job to delete users.
//!
//! A tombstone goes to every partition of `events`, since a producer may put a user's events into any, and
//! an owner that is down cannot be asked which. Those of a user go in one transaction: a run that is cut
//! off has asked for a user everywhere or nowhere, and the next one asks for whoever is left.

use clap::Args;
use hmisr_stream::contract::{Id, topic};
use hmisr_stream::{Delivery, Error, ErrorKind, Outgoing, Sink, Transport};
use serde::Serialize;

use crate::brokers::BrokerArgs;
use crate::config::Config;
use crate::failure::Failure;

/// Transactional id: a second run takes over, and ends what a first one left open.
pub const FORGET: &str = "hmisr-forget";
/// Tombstones of one transaction, about: while it is open, the job waits.
const RECORDS: i32 = 1_000;
/// Users of one, at least: each transaction leaves a marker in every partition.
const TOGETHER: usize = 10;
/// How often a transaction is tried that took no effect.
const TRIES: u32 = 3;

/// Arguments of `hmisr forget`.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// Ids of the users, as they stand in events.
    #[arg(required = true, value_name = "USER")]
    users: Vec<String>,
    /// Where Kafka is.
    #[command(flatten)]
    kafka: BrokerArgs,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// What was written for a user.
#[derive(Serialize)]
struct Asked {
    user_id: Id,
    /// Of `events`; each has got a tombstone.
    partitions: i32,
}

pub fn run(config: Config, args: ForgetArgs) -> Result<(), Failure> {
    // All of them first: nothing is written where one cannot be.
    let users = args
        .users
        .iter()
        .map(|text| Id::parse(text).map_err(|error| Failure::user(format!("USER {text:?}: {error}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let kafka = args.kafka.kafka(config.kafka);
    let mut sink = kafka.sink(FORGET, Delivery::ExactlyOnce)?;
    let partitions = sink.partitions(topic::EVENTS)?.ok_or_else(|| {
        Failure::user("the topic events does not exist; make it with `hmisr topics create`")
    })?;
    let together = usize::try_from(RECORDS / partitions.max(1)).unwrap_or_default().max(TOGETHER);
    let mut asked = Vec::with_capacity(users.len());
    for some in users.chunks(together) {
        write(&mut sink, some, partitions).map_err(|error| {
            let (done, all) = (asked.len(), users.len());
            Error::new(
                error.kind(),
                format!(
                    "{error}; {done} of {all} users were asked for: run it again, to ask twice does no harm"
                ),
            )
        })?;
        for user_id in some {
            if !args.json {
                println!(
                    "user {user_id}: a tombstone was written to each of the {partitions} partitions of events"
                );
            }
            asked.push(Asked { user_id: user_id.clone(), partitions });
        }
    }
    if args.json {
        println!("{}", serde_json::to_string(&asked).map_err(|error| Failure::fault(&error))?);
    }
    Ok(())
}

/// One transaction: the tombstones of some users.
fn write(sink: &mut impl Sink, users: &[Id], partitions: i32) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        match try_to_write(sink, users, partitions) {
            Err(error) if error.kind() == ErrorKind::Aborted && tries + 1 < TRIES => {
                tries += 1;
                tracing::warn!(%error, tries, "the tombstones are written once more");
                sink.abort()?;
            }
            other => return other,
        }
    }
}

fn try_to_write(sink: &mut impl Sink, users: &[Id], partitions: i32) -> Result<(), Error> {
    sink.begin()?;
    for user in users {
        let key = user.to_string().into_bytes();
        let mut tombstone = Outgoing {
            topic: topic::EVENTS,
            partition: 0,
            key: Some(key),
            payload: None,
            headers: Vec::new(),
        };
        for partition in 0..partitions {
            tombstone.partition = partition;
            sink.produce(&tombstone)?;
        }
    }
    sink.commit()
}
