//! `hmisr forget`: asks the job to delete users.

use clap::Args;
use hmisr_stream::contract::{Id, topic};
use hmisr_stream::kafka::KafkaProducer;
use hmisr_stream::{Outgoing, partition_for_key};
use serde::Serialize;

use super::topics::at;
use crate::config::Config;
use crate::failure::Failure;

/// Arguments of `hmisr forget`.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// Ids of the users, as they stand in events.
    #[arg(required = true, value_name = "USER")]
    users: Vec<String>,
    /// Kafka brokers, host:port[,…]; without it kafka.brokers of the settings.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// What was written for a user.
#[derive(Serialize)]
struct Asked {
    user_id: Id,
    /// Of `events`.
    partition: i32,
}

pub fn run(config: Config, args: ForgetArgs) -> Result<(), Failure> {
    // All of them first: nothing is written where one cannot be.
    let users = args
        .users
        .iter()
        .map(|text| Id::parse(text).map_err(|error| Failure::user(format!("USER {text:?}: {error}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let mut producer = KafkaProducer::new(&at(config.kafka, args.brokers))?;
    let partitions = producer.partitions(topic::EVENTS)?.ok_or_else(|| {
        Failure::user("the topic events does not exist; make it with `hmisr topics create`")
    })?;
    let mut asked = Vec::with_capacity(users.len());
    for user_id in users {
        let key = user_id.to_string().into_bytes();
        let partition = partition_for_key(&key, partitions);
        producer.produce(&Outgoing {
            topic: topic::EVENTS,
            partition,
            key: Some(key),
            payload: None,
            headers: Vec::new(),
        })?;
        asked.push(Asked { user_id, partition });
    }
    producer.flush()?;
    if args.json {
        println!("{}", serde_json::to_string(&asked).map_err(|error| Failure::fault(&error))?);
        return Ok(());
    }
    for Asked { user_id, partition } in asked {
        println!("user {user_id}: a tombstone was written to events, partition {partition}");
    }
    Ok(())
}
