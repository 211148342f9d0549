//! Where Kafka is: one option for all commands that reach it.

use clap::Args;
use hmisr_stream::kafka::{Kafka, KafkaSettings};

/// The brokers of the command line. A command that does without them has its own words for the option.
#[derive(Debug, Args)]
pub struct BrokerArgs {
    /// Kafka brokers, host:port[,…]; without it kafka.brokers of the settings.
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
}

impl BrokerArgs {
    /// The settings with these brokers, if there are any.
    pub fn over(&self, settings: KafkaSettings) -> KafkaSettings {
        match &self.brokers {
            Some(brokers) => KafkaSettings { brokers: brokers.clone(), ..settings },
            None => settings,
        }
    }

    /// Kafka at these brokers, or at those of the settings.
    pub fn kafka(&self, settings: KafkaSettings) -> Kafka {
        Kafka(self.over(settings))
    }
}
