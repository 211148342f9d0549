//! Arguments of `hmisr topics`.

use clap::Subcommand;

use crate::brokers::BrokerArgs;

/// Commands about topics.
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Make the topics that are missing.
    Create {
        /// Where Kafka is.
        #[command(flatten)]
        kafka: BrokerArgs,
        /// A topic of yours beside them, such as clicks=3 with three partitions; repeatable.
        #[arg(long = "also", value_name = "TOPIC=PARTITIONS")]
        also: Vec<TopicPartitions>,
    },
    /// Check that the topics are as the job needs them, and name the rights that its parts need.
    ///
    /// Looks at existence, partitions, copies, cleanup policy and size limits, and at what the brokers' settings
    /// mean for the group. Ends with code 2 where
    /// something must be changed; warnings alone end with 0.
    Check {
        /// Where Kafka is.
        #[command(flatten)]
        kafka: BrokerArgs,
        /// Print the commands that grant the rights to this principal, such as User:hmisr.
        #[arg(long, value_name = "PRINCIPAL")]
        principal: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the topics with their partitions.
    List {
        /// Where Kafka is.
        #[command(flatten)]
        kafka: BrokerArgs,
    },
}

/// A topic and its partitions, as in `clicks=3`.
#[derive(Debug, Clone)]
pub struct TopicPartitions {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: i32,
}

impl std::str::FromStr for TopicPartitions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('=').and_then(|(name, partitions)| {
            Some(Self { name: name.to_owned(), partitions: partitions.parse().ok()? })
        });
        parsed
            .filter(|it| !it.name.is_empty() && it.partitions > 0)
            .ok_or_else(|| "expected topic=partitions, such as clicks=3".to_owned())
    }
}
