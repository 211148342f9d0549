//! The rights that each part of the job needs on Kafka.

use hmisr_pipeline::Delivery;
use hmisr_stream::contract::topic;
use serde::Serialize;

use crate::commands::train;
use crate::config::Config;

/// What a part does with a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Right {
    /// The part: a command of `hmisr`, or who writes the events.
    pub part: &'static str,
    /// `topic`, `group` or `transactional-id`.
    pub resource: &'static str,
    /// The resource's name.
    pub name: String,
    /// Kafka's names of the operations.
    pub operations: &'static [&'static str],
}

const READ: &[&str] = &["Read", "Describe"];
const WRITE: &[&str] = &["Write", "Describe"];

/// Every right that the job needs with these settings.
pub fn rights(config: &Config) -> Vec<Right> {
    let mut rights = Vec::new();
    let mut add = |part, resource, name: &str, operations| {
        rights.push(Right { part, resource, name: name.to_owned(), operations });
    };
    add("events", "topic", topic::EVENTS, WRITE);
    add("pipeline", "topic", topic::EVENTS, READ);
    for name in [topic::USER_FEATURES, topic::TRAINING_EXAMPLES, topic::DEAD_LETTERS] {
        add("pipeline", "topic", name, WRITE);
    }
    add("pipeline", "topic", topic::STATE_OWNERS, &["Read", "Write", "Describe"]);
    add("pipeline", "group", &config.pipeline.group, READ);
    if config.pipeline.delivery == Delivery::ExactlyOnce {
        add("pipeline", "transactional-id", &config.pipeline.transactional_id, WRITE);
    }
    add("train", "topic", topic::TRAINING_EXAMPLES, READ);
    add("train", "topic", topic::SNAPSHOTS, WRITE);
    add("train", "group", train::GROUP, READ);
    add("train", "transactional-id", train::GROUP, WRITE);
    let every = [
        topic::EVENTS,
        topic::USER_FEATURES,
        topic::TRAINING_EXAMPLES,
        topic::DEAD_LETTERS,
        topic::SNAPSHOTS,
    ];
    for name in every.into_iter().chain([topic::STATE_OWNERS]) {
        add("topics", "topic", name, &["Create", "Describe", "DescribeConfigs"]);
    }
    rights
}

/// The command that grants a right, with Kafka's own tool.
pub fn grant(right: &Right, brokers: &str, principal: &str) -> String {
    let operations: String =
        right.operations.iter().map(|operation| format!(" --operation {operation}")).collect();
    format!(
        "kafka-acls.sh --bootstrap-server {brokers} --add --allow-principal {} --{} {}{operations}",
        quoted(principal),
        right.resource,
        quoted(&right.name)
    )
}

/// A word of a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/=,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_a_command() {
        let right =
            Right { part: "pipeline", resource: "group", name: "hmisr-pipeline".into(), operations: READ };
        assert_eq!(
            grant(&right, "kafka:9092", "User:CN=a b"),
            "kafka-acls.sh --bootstrap-server kafka:9092 --add --allow-principal 'User:CN=a b' \
             --group hmisr-pipeline --operation Read --operation Describe"
        );
    }

    #[test]
    fn at_least_once_needs_no_transactions() {
        let transactional = |config: &Config| {
            rights(config)
                .iter()
                .any(|right| right.part == "pipeline" && right.resource == "transactional-id")
        };
        let mut config = Config::default();
        assert!(transactional(&config));
        config.pipeline.delivery = Delivery::AtLeastOnce;
        assert!(!transactional(&config));
    }
}
