//! Whether topics are as the job needs them.

use std::collections::BTreeMap;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::Serialize;

use super::admin::{LOG_APPEND_TIME, TIMESTAMP_TYPE};
use super::{Admin, TopicSpec};
use crate::Result;
use crate::contract::topic;

/// How much a [`Finding`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It works, with a risk or a limit.
    Warning,
    /// It does not work, or loses data: it must be changed.
    Change,
}

/// Something about a topic that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is, and the remedy.
    pub text: String,
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicState {
    /// Its name.
    pub name: String,
    /// Its partitions; none where it does not exist.
    pub partitions: Option<i32>,
    /// Copies of the partition that has the fewest.
    pub replication: Option<usize>,
    /// `cleanup.policy`.
    pub cleanup_policy: Option<String>,
    /// `min.insync.replicas`: copies that must have a record before it counts as written.
    pub min_insync_replicas: Option<usize>,
    /// `max.message.bytes`: the largest batch that it takes.
    pub max_message_bytes: Option<u64>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

impl Admin {
    /// Looks at a topic, and compares it with `spec` and with the largest record that is written.
    ///
    /// # Errors
    /// Kinds `Unavailable`, `Configuration`.
    pub fn check(&self, spec: &TopicSpec, max_record_bytes: u32) -> Result<TopicState> {
        let Some(found) = self.describe(&spec.name)? else {
            let text = format!("the topic is missing: make it with `hmisr topics create`, or as {spec}");
            return Ok(TopicState {
                name: spec.name.clone(),
                partitions: None,
                replication: None,
                cleanup_policy: None,
                min_insync_replicas: None,
                max_message_bytes: None,
                findings: vec![Finding { severity: Severity::Change, text }],
            });
        };
        let configs = self.configs(&spec.name)?;
        let number = |property: &str| configs.get(property).and_then(|value| value.parse().ok());
        let mut state = TopicState {
            name: found.name,
            partitions: Some(found.partitions),
            replication: self.replication(&spec.name)?,
            cleanup_policy: configs.get("cleanup.policy").cloned(),
            min_insync_replicas: number("min.insync.replicas")
                .and_then(|copies| usize::try_from(copies).ok()),
            max_message_bytes: number("max.message.bytes"),
            findings: Vec::new(),
        };
        let mut find = |severity, text| state.findings.push(Finding { severity, text });
        if found.partitions != spec.partitions {
            find(
                Severity::Warning,
                format!(
                    "{} partitions where {} are asked for: set topics.partitions to {0}; `hmisr topics create` \
                     and `hmisr up` refuse to go on",
                    found.partitions, spec.partitions
                ),
            );
        }
        policy(spec, &configs, &mut find);
        let asked = usize::try_from(spec.replication).unwrap_or_default();
        if let Some(copies) = state.replication.filter(|copies| *copies < asked) {
            find(
                Severity::Warning,
                format!(
                    "{copies} copies of a partition where topics.replication = {asked} asks for more: \
                     `hmisr topics create` adds none; kafka-reassign-partitions.sh does"
                ),
            );
        }
        durability(state.replication, state.min_insync_replicas, &configs, &mut find);
        if let Some(limit) = state.max_message_bytes.filter(|limit| *limit < max_record_bytes.into()) {
            find(
                Severity::Change,
                format!(
                    "max.message.bytes is {limit}, below kafka.max_message_bytes = {max_record_bytes}: records \
                     between them would end the job; raise the former or lower the latter"
                ),
            );
        }
        Ok(state)
    }

    /// Copies of the partition that has the fewest.
    fn replication(&self, topic: &str) -> Result<Option<usize>> {
        let question = format!("asking for the copies of {topic}");
        let metadata = self
            .client()
            .fetch_metadata(Some(topic), self.timeout())
            .map_err(|error| self.failed(&question, error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic).ok_or_else(|| {
            self.failed(&question, KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition))
        })?;
        Ok(found.partitions().iter().map(|partition| partition.replicas().len()).min())
    }
}

fn policy(spec: &TopicSpec, configs: &BTreeMap<String, String>, find: &mut impl FnMut(Severity, String)) {
    let policy = configs.get("cleanup.policy").map_or("", String::as_str);
    let compacts = policy.split(',').any(|part| part.trim() == "compact");
    let deletes = policy.split(',').any(|part| part.trim() == "delete");
    match spec.name.as_str() {
        topic::STATE_OWNERS if !compacts || deletes => find(
            Severity::Change,
            format!(
                "cleanup.policy is {policy}: it must be compact, or owners that do not change are forgotten"
            ),
        ),
        // Their newest record per user stands for the earlier ones.
        topic::USER_FEATURES | topic::STATE_OWNERS => {}
        name if compacts => find(
            Severity::Change,
            format!("cleanup.policy is {policy}: it must be delete; compaction takes records of {name} away"),
        ),
        _ => {}
    }
    let kept_for_ever = spec.configs.get("retention.ms").is_some_and(|retention| retention == "-1");
    match configs.get("retention.ms") {
        Some(retention) if kept_for_ever && retention != "-1" => find(
            Severity::Warning,
            format!("retention.ms is {retention}: with -1 announcements stay, however old"),
        ),
        _ => {}
    }
    let broker_clock = spec.configs.get(TIMESTAMP_TYPE).is_some_and(|kind| kind == LOG_APPEND_TIME);
    match configs.get(TIMESTAMP_TYPE) {
        Some(kind) if broker_clock && kind != LOG_APPEND_TIME => find(
            Severity::Warning,
            format!(
                "{TIMESTAMP_TYPE} is {kind}: with {LOG_APPEND_TIME} a producer's wrong clock cannot let events \
                 of the future pass pipeline.max_future_ms, which make everybody's earlier events too old"
            ),
        ),
        _ => {}
    }
}

fn durability(
    replication: Option<usize>,
    min_insync: Option<usize>,
    configs: &BTreeMap<String, String>,
    find: &mut impl FnMut(Severity, String),
) {
    let (Some(copies), Some(insync)) = (replication, min_insync) else { return };
    if insync > copies {
        find(
            Severity::Change,
            format!(
                "min.insync.replicas is {insync}, of {copies} copies: no record can be written; lower it, or \
                 add copies"
            ),
        );
    } else if copies == 1 {
        find(
            Severity::Warning,
            "one copy: a broker that is lost takes records with it; 3 are usual".to_owned(),
        );
    } else if insync == copies {
        find(
            Severity::Warning,
            format!(
                "min.insync.replicas is {insync}, of {copies} copies: nothing is written while one broker is \
                 down; set it to {}",
                copies - 1
            ),
        );
    } else if insync == 1 {
        find(
            Severity::Warning,
            "min.insync.replicas is 1: a written record may be on one broker alone; set it to 2".to_owned(),
        );
    }
    if configs.get("unclean.leader.election.enable").is_some_and(|value| value == "true") {
        find(
            Severity::Warning,
            "unclean.leader.election.enable is true: written records may be lost; set it to false".to_owned(),
        );
    }
}
