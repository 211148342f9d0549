//! The rights that each part of the job needs on Kafka.

use hmisr_stream::Delivery;
use hmisr_stream::contract::{REPLAY, topic};
use hmisr_stream::kafka::GroupProtocol;
use serde::Serialize;

use crate::commands::{forget, train};
use crate::config::Config;

/// What a part does with a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Right {
    /// The part: a command of `hmisr`, or who writes the events.
    pub part: &'static str,
    /// `topic`, `group`, `transactional-id` or `cluster`.
    pub resource: &'static str,
    /// The resource's name.
    pub name: String,
    /// Kafka's pattern type: `literal`, or `prefixed` where names begin with `name`.
    pub pattern: &'static str,
    /// Kafka's names of the operations.
    pub operations: &'static [&'static str],
}

/// How the groups of `hmisr dlq` begin.
const DLQ_GROUPS: &str = "hmisr-dlq-";
/// Kafka's name of the cluster as a resource.
const CLUSTER: &str = "kafka-cluster";
const READ: &[&str] = &["Read", "Describe"];
const WRITE: &[&str] = &["Write", "Describe"];

/// Every right that the job needs with these settings.
pub fn rights(config: &Config) -> Vec<Right> {
    let mut rights = Vec::new();
    let mut add = |part, resource, name: &str, operations| {
        let pattern = if name == DLQ_GROUPS { "prefixed" } else { "literal" };
        rights.push(Right { part, resource, name: name.to_owned(), pattern, operations });
    };
    add("events", "topic", topic::EVENTS, WRITE);
    if !config.bridge.topic.is_empty() {
        add("bridge", "topic", &config.bridge.topic, READ);
        for name in [topic::EVENTS, topic::DEAD_LETTERS] {
            add("bridge", "topic", name, WRITE);
        }
        add("bridge", "group", &config.bridge.group, READ);
        add("bridge", "transactional-id", &config.bridge.transactional_id, WRITE);
        // `hmisr dlq replay --from`: what is refused again is a letter again.
        add("dlq", "topic", topic::DEAD_LETTERS, WRITE);
    }
    add("forget", "topic", topic::EVENTS, WRITE);
    add("forget", "transactional-id", forget::FORGET, WRITE);
    add("pipeline", "topic", topic::EVENTS, READ);
    for name in [topic::USER_FEATURES, topic::TRAINING_EXAMPLES, topic::DEAD_LETTERS] {
        add("pipeline", "topic", name, WRITE);
    }
    add("pipeline", "topic", topic::STATE_OWNERS, WRITE);
    add("pipeline", "group", &config.pipeline.group, READ);
    if config.pipeline.delivery == Delivery::ExactlyOnce {
        add("pipeline", "transactional-id", &config.pipeline.transactional_id, WRITE);
    }
    add("train", "topic", topic::TRAINING_EXAMPLES, READ);
    add("train", "topic", topic::SNAPSHOTS, WRITE);
    add("train", "group", train::GROUP, READ);
    add("train", "transactional-id", train::GROUP, WRITE);
    add("serve", "topic", topic::STATE_OWNERS, READ);
    add("serve", "group", "hmisr-reader", READ);
    add("dlq", "topic", topic::DEAD_LETTERS, READ);
    add("dlq", "topic", topic::EVENTS, WRITE);
    add("dlq", "group", DLQ_GROUPS, READ);
    add("dlq", "transactional-id", REPLAY, WRITE);
    // Beside what its parts need.
    add("up", "topic", topic::EVENTS, WRITE);
    for group in ["hmisr-feed", "hmisr-probe"] {
        add("up", "group", group, READ);
    }
    let every = [
        topic::EVENTS,
        topic::USER_FEATURES,
        topic::TRAINING_EXAMPLES,
        topic::DEAD_LETTERS,
        topic::SNAPSHOTS,
    ];
    // `hmisr topics check` looks at where its keys lie.
    add("topics", "topic", topic::EVENTS, &["Read"]);
    add("topics", "group", "hmisr-reader", READ);
    for name in every.into_iter().chain([topic::STATE_OWNERS]) {
        add("topics", "topic", name, &["Create", "Describe", "DescribeConfigs"]);
    }
    if config.kafka.group_protocol == GroupProtocol::Consumer {
        // How long a dead member's partitions stand still is a property of the brokers.
        for part in ["pipeline", "topics"] {
            add(part, "cluster", CLUSTER, &["DescribeConfigs"]);
        }
    }
    rights
}

/// The command that grants a right, with Kafka's own tool.
pub fn grant(right: &Right, brokers: &str, principal: &str) -> String {
    let operations: String =
        right.operations.iter().map(|operation| format!(" --operation {operation}")).collect();
    let pattern = match right.pattern {
        "literal" => String::new(),
        pattern => format!(" --resource-pattern-type {pattern}"),
    };
    // There is one cluster, which the tool does not want named.
    let name = if right.name == CLUSTER { String::new() } else { format!(" {}", quoted(&right.name)) };
    format!(
        "kafka-acls.sh --bootstrap-server {brokers} --add --allow-principal {} --{}{name}{pattern}{operations}",
        quoted(principal),
        right.resource,
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
        let right = Right {
            part: "pipeline",
            resource: "group",
            name: "hmisr-pipeline".into(),
            pattern: "literal",
            operations: READ,
        };
        assert_eq!(
            grant(&right, "kafka:9092", "User:CN=a b"),
            "kafka-acls.sh --bootstrap-server kafka:9092 --add --allow-principal 'User:CN=a b' \
             --group hmisr-pipeline --operation Read --operation Describe"
        );
        let right = Right { name: "hmisr-dlq-".into(), pattern: "prefixed", ..right };
        assert!(
            grant(&right, "kafka:9092", "User:a")
                .contains(" --group hmisr-dlq- --resource-pattern-type prefixed --operation")
        );
        let mut config = Config::default();
        config.kafka.group_protocol = GroupProtocol::Consumer;
        let rights = rights(&config);
        let cluster = rights.iter().find(|right| right.resource == "cluster").unwrap();
        assert!(grant(cluster, "kafka:9092", "User:a").ends_with(" --cluster --operation DescribeConfigs"));
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
