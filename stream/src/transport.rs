//! The traits between the engine and what carries its records.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Condition, Error, ErrorKind, Outgoing, Record, Result};

/// What identifies the topic that a source reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// What tells it from a topic of the same name that was deleted and made again, where the
    /// transport knows it; the name otherwise.
    pub id: String,
    /// Its partitions.
    pub partitions: i32,
}

/// How much one poll may bring.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Records.
    pub records: usize,
    /// Bytes of the records together; one record may exceed it.
    pub bytes: usize,
}

/// What a poll brought.
#[derive(Debug)]
pub enum Polled {
    /// Committed records, in offset order within each partition; none when the time ran out.
    Records(Vec<Record>),
    /// Partitions gained. Each is read only after a [`Source::seek`].
    Assigned(Vec<i32>),
    /// Partitions lost: what is uncommitted of them must go.
    Revoked(Vec<i32>),
}

/// Reads one topic's partitions, committed records only.
pub trait Source: Send {
    /// What [`Sink::send_offsets`] needs to commit for this source's group.
    type Group;

    /// The topic that is read.
    fn topic(&self) -> &TopicInfo;

    /// The consumer group's name.
    fn group_id(&self) -> &str;

    /// The group's membership as it stands.
    fn group(&self) -> Self::Group;

    /// Waits up to `timeout` for records or a change of assignment. Assigned partitions come
    /// first, once each, before any of their records.
    ///
    /// A batch that cannot be read holds up its partition and no other, and is tried again; see
    /// [`Source::condition`].
    ///
    /// # Errors
    /// Kinds `Unavailable`, `OffsetOutOfRange`, `MissingTopic`.
    fn poll(&mut self, limits: Limits, timeout: Duration) -> Result<Polled>;

    /// Reads on from `offset`. Seeking to the log's end is allowed.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    fn seek(&mut self, partition: i32, offset: i64) -> Result<()>;

    /// The group's committed next offset; none where it never committed.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    fn committed(&mut self, partition: i32) -> Result<Option<i64>>;

    /// The first offset still in the log and the one after its last committed record.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    fn bounds(&mut self, partition: i32) -> Result<(i64, i64)>;

    /// Commits the group's next offsets outside of a transaction, and waits until that is done.
    ///
    /// # Errors
    /// Kind `Aborted` where the group refused them, as from a member that it has left behind;
    /// `Unavailable`.
    fn commit(&mut self, offsets: &[(i32, i64)]) -> Result<()>;

    /// The log's end as known without asking anyone; none where it is not known yet.
    fn known_end(&self, partition: i32) -> Option<i64>;

    /// What stands in the way of reading, as known without asking anyone.
    fn condition(&self) -> Condition {
        Condition::default()
    }

    /// The first offset behind the batch at `offset`, which cannot be read ([`Condition::stuck`]).
    ///
    /// # Errors
    /// Kind `Unavailable`; `Configuration` where the transport has no such batches.
    fn end_of_batch(&mut self, partition: i32, offset: i64) -> Result<i64> {
        let text = format!("partition {partition}: the batch at offset {offset} has no end that is known");
        Err(Error::new(ErrorKind::Configuration, text))
    }
}

/// Writes records and consumer offsets, all or nothing.
///
/// `begin`, any number of `produce`, `send_offsets`, then `commit` or `abort`.
pub trait Sink: Send {
    /// The group type of the [`Source`] whose offsets are committed here.
    type Group;

    /// Begins a transaction.
    ///
    /// # Errors
    /// Kinds `Fenced`, `Unavailable`.
    fn begin(&mut self) -> Result<()>;

    /// Adds a record to the transaction. It is borrowed, so that a writer may fill the same one
    /// again.
    ///
    /// # Errors
    /// Kinds `TooLarge`, `Fenced`, `Unavailable`, `MissingTopic`.
    fn produce(&mut self, record: &Outgoing) -> Result<()>;

    /// Adds the group's next offsets of `topic` to the transaction.
    ///
    /// # Errors
    /// Kinds `Aborted`, `Fenced`, `UnknownOutcome`.
    fn send_offsets(&mut self, group: &Self::Group, topic: &str, offsets: &[(i32, i64)]) -> Result<()>;

    /// Commits records and offsets together.
    ///
    /// # Errors
    /// `Aborted` where it certainly took no effect, `Fenced`, and `UnknownOutcome` otherwise.
    fn commit(&mut self) -> Result<()>;

    /// Discards the transaction.
    ///
    /// # Errors
    /// `UnknownOutcome` where the sink cannot be used any more.
    fn abort(&mut self) -> Result<()>;

    /// Partitions of a topic that is written; none where it does not exist.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    fn partitions(&mut self, topic: &str) -> Result<Option<i32>>;
}

/// What is promised of the outputs when something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Outputs and input offsets commit in one transaction: a reader of committed records sees
    /// each output once.
    ExactlyOnce,
    /// Outputs are acknowledged before the offsets commit: after a failure some come again, with
    /// the same partition and offset in them, and readers need not wait for transactions. State is
    /// as exact as with `exactly_once`.
    AtLeastOnce,
}

/// Makes sources and sinks of one log, whichever carries the records.
pub trait Transport: Clone + Send + Sync + 'static {
    /// What reads a topic.
    type Source: Source;
    /// What writes in transactions, for that source.
    type Sink: Sink<Group = <Self::Source as Source>::Group>;

    /// Reads `topic` for `group`.
    ///
    /// # Errors
    /// Kinds `Configuration`, `MissingTopic`, `Unavailable`.
    fn source(&self, topic: &str, group: &str) -> Result<Self::Source>;

    /// The same as a dynamic member of the group, whatever the settings say of static ones (KIP-345): a second
    /// reader would take the first one's place by its name, and that one take it back.
    ///
    /// # Errors
    /// As [`Transport::source`].
    fn dynamic_source(&self, topic: &str, group: &str) -> Result<Self::Source> {
        self.source(topic, group)
    }

    /// A sink that fences its predecessor of the same transactional id; at least once, one without
    /// transactions.
    ///
    /// # Errors
    /// Kinds `Configuration`, `Unavailable`.
    fn sink(&self, transactional_id: &str, delivery: Delivery) -> Result<Self::Sink>;

    /// Whether a reader at `positions` has read everything that is committed.
    ///
    /// # Errors
    /// Kinds `MissingTopic`, `Unavailable`.
    fn is_read(&self, topic: &str, positions: &BTreeMap<i32, i64>) -> Result<bool>;

    /// The log in words.
    fn describe(&self) -> String;
}

/// Where a reader stands that may not have come to a partition yet.
pub(crate) fn position(positions: &BTreeMap<i32, i64>, partition: i32) -> i64 {
    positions.get(&partition).copied().unwrap_or(0)
}
