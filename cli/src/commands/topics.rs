//! `hmisr topics`.

use hmisr_stream::kafka::{Admin, KafkaSettings, standard_topics};

use crate::args::TopicsCommand;
use crate::config::Config;
use crate::failure::Failure;
use crate::transport::{Kafka, Transport};

pub fn run(config: Config, command: TopicsCommand) -> Result<(), Failure> {
    match command {
        TopicsCommand::Create { brokers } => {
            let kafka = at(config.kafka, brokers);
            Kafka(kafka.clone()).create_topics(&config.topics)?;
            list(&kafka, config.topics.partitions)
        }
        TopicsCommand::List { brokers } => list(&at(config.kafka, brokers), config.topics.partitions),
    }
}

/// The settings with the brokers of the command line, if there were any.
pub fn at(kafka: KafkaSettings, brokers: Option<String>) -> KafkaSettings {
    match brokers {
        Some(brokers) => KafkaSettings { brokers, ..kafka },
        None => kafka,
    }
}

fn list(kafka: &KafkaSettings, partitions: i32) -> Result<(), Failure> {
    let admin = Admin::new(kafka)?;
    for spec in standard_topics(partitions) {
        match admin.describe(&spec.name)? {
            Some(topic) => println!("{:<20} {:>5} partitions", topic.name, topic.partitions),
            None => println!("{:<20} missing; `hmisr topics create` makes it", spec.name),
        }
    }
    Ok(())
}
