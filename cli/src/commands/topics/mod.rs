//! `hmisr topics`.

mod acl;
pub mod args;
mod partitioner;

use hmisr_stream::TopicSettings;
use hmisr_stream::contract::topic;
use hmisr_stream::kafka::{
    Admin, Finding, Kafka, KafkaSettings, Severity, TopicSpec, TopicState, standard_topics,
};
use serde::Serialize;

use self::acl::Right;
use self::args::TopicsCommand;
use crate::config::Config;
use crate::failure::Failure;

pub fn run(mut config: Config, command: TopicsCommand) -> Result<(), Failure> {
    match command {
        TopicsCommand::Create { kafka, also } => {
            let kafka = kafka.kafka(config.kafka);
            create(&kafka, &config.topics)?;
            let replication = config.topics.replication;
            let also: Vec<TopicSpec> = also
                .into_iter()
                .map(|topic| TopicSpec { replication, ..TopicSpec::new(topic.name, topic.partitions) })
                .collect();
            Admin::new(&kafka.0)?.create_topics(&also)?;
            let names = also.into_iter().map(|spec| spec.name);
            list(
                &kafka.0,
                standard_topics(config.topics.partitions).into_iter().map(|spec| spec.name).chain(names),
            )
        }
        TopicsCommand::List { kafka } => {
            let names = standard_topics(config.topics.partitions).into_iter().map(|spec| spec.name);
            list(&kafka.over(config.kafka), names)
        }
        TopicsCommand::Check { kafka, principal, json } => {
            config.kafka = kafka.over(config.kafka);
            check(&config, principal.as_deref(), json)
        }
    }
}

/// Makes the topics of the settings that are missing on Kafka, and says which.
pub fn create(kafka: &Kafka, topics: &TopicSettings) -> Result<(), Failure> {
    let made = kafka.create_topics(topics)?;
    if !made.is_empty() {
        tracing::info!(topics = made.join(", "), partitions = topics.partitions, "topics made");
    }
    Ok(())
}

fn list(kafka: &KafkaSettings, names: impl Iterator<Item = String>) -> Result<(), Failure> {
    let admin = Admin::new(kafka)?;
    for name in names {
        match admin.describe(&name)? {
            Some(topic) => println!("{:<20} {:>5} partitions", topic.name, topic.partitions),
            None => println!("{name:<20} missing; `hmisr topics create` makes it"),
        }
    }
    Ok(())
}

/// What `hmisr topics check --json` prints.
#[derive(Serialize)]
struct Report {
    topics: Vec<TopicState>,
    /// How `events` is partitioned; none where it is missing or cannot be read.
    partitioner: Option<partitioner::Recognised>,
    /// What speaks against the group's protocol, as the brokers are set.
    group: Option<Finding>,
    rights: Vec<Right>,
    /// Commands that grant the rights, where a principal is given.
    grants: Vec<String>,
}

fn check(config: &Config, principal: Option<&str>, json: bool) -> Result<(), Failure> {
    let admin = Admin::new(&config.kafka)?;
    let mut topics = config
        .topics
        .specs()
        .into_iter()
        .map(|spec| admin.check(&spec, config.kafka.max_message_bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let mut recognised = None;
    let is_there = |topic: &&mut TopicState| topic.name == topic::EVENTS && topic.partitions.is_some();
    if let Some(events) = topics.iter_mut().find(is_there) {
        let (found, finding) = partitioner::check(config);
        events.findings.extend(finding);
        recognised = found;
    }
    let group = admin.check_session(&config.kafka)?;
    let rights = acl::rights(config);
    let grants = principal
        .map(|principal| rights.iter().map(|right| acl::grant(right, &config.kafka.brokers, principal)))
        .into_iter()
        .flatten()
        .collect();
    let report = Report { topics, partitioner: recognised, group, rights, grants };
    if json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(|error| Failure::fault(&error))?);
    } else {
        print(&report);
    }
    let wrong: Vec<&str> = report
        .topics
        .iter()
        .filter(|topic| topic.findings.iter().any(|finding| finding.severity == Severity::Change))
        .map(|topic| topic.name.as_str())
        .chain(report.group.is_some().then_some("the group"))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::user(format!("to be changed: {}", wrong.join(", "))))
}

fn print(report: &Report) {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    println!("{:<20} {:>10} {:>6} {:>10} {:<14}", "topic", "partitions", "copies", "min. sync", "cleanup");
    for topic in &report.topics {
        println!(
            "{:<20} {:>10} {:>6} {:>10} {:<14}",
            topic.name,
            or_dash(topic.partitions.map(|count| count.to_string())),
            or_dash(topic.replication.map(|count| count.to_string())),
            or_dash(topic.min_insync_replicas.map(|count| count.to_string())),
            or_dash(topic.cleanup_policy.clone()),
        );
        topic.findings.iter().for_each(print_finding);
    }
    if let Some(recognised) = &report.partitioner {
        println!("\npartitioner of events: {}", recognised.text);
    }
    if let Some(finding) = &report.group {
        println!("\ngroup:");
        print_finding(finding);
    }
    println!("\nRights that the parts need, where the brokers have an authorizer:");
    for right in &report.rights {
        let Right { part, resource, name, pattern, operations } = right;
        let name = if *pattern == "prefixed" { format!("{name}*") } else { name.clone() };
        println!("  {part:<9} {resource:<17} {name:<20} {}", operations.join(", "));
    }
    if report.grants.is_empty() {
        println!("  (--principal User:NAME prints the commands that grant them)");
    }
    for grant in &report.grants {
        println!("{grant}");
    }
}

fn print_finding(finding: &Finding) {
    let label = match finding.severity {
        Severity::Change => "CHANGE",
        Severity::Warning => "warning",
    };
    println!("  {label}: {}", finding.text);
}
