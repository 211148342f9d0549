//! Topics are made and described.

use std::collections::BTreeMap;
use std::fmt;
use std::iter;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{Reporting, identity, missing_topic, partitions, unanswered};
use super::writer::Writer;
use super::{KafkaSettings, errors};
use crate::contract::topic;
use crate::{Error, ErrorKind, Result, TopicInfo};

/// A topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: i32,
    /// Copies of each partition; −1: the broker's default.
    pub replication: i32,
    /// Topic properties (`cleanup.policy`, `retention.ms`, …) for when it is made.
    pub configs: BTreeMap<String, String>,
}

impl TopicSpec {
    /// A topic whose old records are deleted by age and size, with the broker's default copies.
    pub fn new(name: impl Into<String>, partitions: i32) -> Self {
        let configs = [("cleanup.policy".to_owned(), "delete".to_owned())].into();
        Self { name: name.into(), partitions, replication: -1, configs }
    }

    /// The same with a property.
    #[must_use]
    pub fn with(mut self, property: &str, value: &str) -> Self {
        self.configs.insert(property.to_owned(), value.to_owned());
        self
    }
}

impl fmt::Display for TopicSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} partitions", self.name, self.partitions)?;
        if self.replication > 0 {
            write!(f, ", {} copies", self.replication)?;
        }
        self.configs.iter().try_for_each(|(property, value)| write!(f, ", {property}={value}"))
    }
}

/// The property that says whose clock gives a record its timestamp.
pub(super) const TIMESTAMP_TYPE: &str = "message.timestamp.type";
/// The broker's clock does, when it stores the record.
pub(super) const LOG_APPEND_TIME: &str = "LogAppendTime";

/// The topics of [`crate::contract::topic`]: those of user data over `partitions` partitions; the
/// announcements in one, which are kept for ever, and the owners of state in one, of which the newest
/// per key are kept. Events bear the broker's time: against it is held how far in the future they are.
pub fn standard_topics(partitions: i32) -> Vec<TopicSpec> {
    vec![
        TopicSpec::new(topic::EVENTS, partitions).with(TIMESTAMP_TYPE, LOG_APPEND_TIME),
        TopicSpec::new(topic::USER_FEATURES, partitions),
        TopicSpec::new(topic::TRAINING_EXAMPLES, partitions),
        TopicSpec::new(topic::DEAD_LETTERS, partitions),
        TopicSpec::new(topic::SNAPSHOTS, 1).with("retention.ms", "-1"),
        TopicSpec::new(topic::STATE_OWNERS, 1).with("cleanup.policy", "compact"),
    ]
}

/// Makes and describes topics.
pub struct Admin {
    client: AdminClient<Reporting>,
    brokers: String,
    timeout: Duration,
}

impl Admin {
    /// Connects.
    ///
    /// # Errors
    /// Kinds `Configuration`, `Unavailable`.
    pub fn new(settings: &KafkaSettings) -> Result<Self> {
        let mut config = settings.common()?;
        config.extend(settings.client.clone());
        let client: AdminClient<Reporting> =
            config.create_with_context(Reporting::default()).map_err(errors::creation)?;
        let admin = Self { client, brokers: settings.brokers.clone(), timeout: settings.request_timeout() };
        if admin.client.inner().fetch_cluster_id(admin.timeout).is_none() {
            // This kind of client does not tell why; a producer does.
            Writer::new(settings, &settings.for_producer()?)?;
            let error = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
            return Err(admin.failed("connecting", error));
        }
        Ok(admin)
    }

    /// To ask questions with.
    pub(super) fn client(&self) -> &Client<Reporting> {
        self.client.inner()
    }

    /// How long a question may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn failed(&self, question: &str, error: KafkaError) -> Error {
        unanswered(self.client.inner(), &self.brokers, question, error)
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    /// What identifies a topic; none where it does not exist.
    ///
    /// # Errors
    /// Kinds `Unavailable`, `Configuration`.
    pub fn describe(&self, topic: &str) -> Result<Option<TopicInfo>> {
        let client = self.client.inner();
        let Some(partitions) = partitions(client, &self.brokers, topic, self.timeout)? else {
            return Ok(None);
        };
        match identity(client, &self.brokers, topic, self.timeout) {
            Ok(id) => Ok(Some(TopicInfo { name: topic.to_owned(), id, partitions })),
            // Deleted since, or not known to every broker yet.
            Err(error) if error.kind() == ErrorKind::MissingTopic => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the topics that are missing and returns their names. Those that exist are left as
    /// they are, if their partitions are as many as asked for.
    ///
    /// # Errors
    /// Kind `Configuration` where an existing topic has another number of partitions or the
    /// brokers refuse one; `Unavailable`.
    pub fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for spec in topics {
            match self.describe(&spec.name)? {
                Some(found) => check(spec, &found)?,
                None => missing.push(spec),
            }
        }
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let requests: Vec<NewTopic<'_>> = missing.iter().map(|spec| request(spec)).collect();
        let results = wait(self.client.create_topics(&requests, &self.options()))
            .map_err(|error| self.failed("making topics", error))?;
        let mut made = Vec::new();
        for result in results {
            match result {
                Ok(name) => made.push(name),
                // Somebody else was faster; what they made is checked below.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(Error::caused(
                        errors::request_kind(Some(code)),
                        format!("the brokers {} refuse to make the topic {name}: {code}", self.brokers),
                        KafkaError::AdminOp(code),
                    ));
                }
            }
        }
        for spec in missing {
            check(spec, &self.appeared(&spec.name)?)?;
        }
        Ok(made)
    }

    /// A topic that was just made: brokers know of it a moment later.
    fn appeared(&self, topic: &str) -> Result<TopicInfo> {
        let deadline = Instant::now() + self.timeout;
        loop {
            if let Some(found) = self.describe(topic)? {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                return Err(missing_topic(topic, &self.brokers));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A topic's properties as they are in force, defaults included; those without a value are
    /// left out.
    ///
    /// # Errors
    /// Kinds `Unavailable`, `MissingTopic`, `Configuration`.
    pub fn configs(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        self.properties(&ResourceSpecifier::Topic(topic))
            .map_err(|error| self.failed(&format!("asking for the properties of {topic}"), error))
    }

    /// The properties of a topic or broker as they are in force.
    pub(super) fn properties(
        &self,
        resource: &ResourceSpecifier<'_>,
    ) -> std::result::Result<BTreeMap<String, String>, KafkaError> {
        let mut configs = BTreeMap::new();
        for result in wait(self.client.describe_configs(iter::once(resource), &self.options()))? {
            let resource = result.map_err(KafkaError::MetadataFetch)?;
            configs.extend(resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))));
        }
        Ok(configs)
    }

    /// Deletes topics; those that do not exist are passed over.
    ///
    /// # Errors
    /// Kinds `Unavailable`, `Configuration`.
    pub fn delete_topics(&self, topics: &[&str]) -> Result<()> {
        let results = wait(self.client.delete_topics(topics, &self.options()))
            .map_err(|error| self.failed("deleting topics", error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((name, code)) => {
                    return Err(
                        self.failed(&format!("deleting the topic {name}"), KafkaError::MetadataFetch(code))
                    );
                }
            }
        }
        Ok(())
    }
}

fn check(spec: &TopicSpec, found: &TopicInfo) -> Result<()> {
    if found.partitions == spec.partitions {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Configuration,
        format!(
            "the topic {} has {} partitions where {} are asked for: set the number of partitions to {0}'s, \
             or use topics of other names",
            spec.name, found.partitions, spec.partitions
        ),
    ))
}

fn request(spec: &TopicSpec) -> NewTopic<'_> {
    let topic = NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(spec.replication));
    spec.configs.iter().fold(topic, |topic, (property, value)| topic.set(property, value))
}

/// Runs a future of the admin client, which has a time limit and a thread of its own.
fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
