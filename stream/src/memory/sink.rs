//! Writing to the broker in memory.

use super::MemoryGroup;
use super::broker::Connection;
use super::faults::Call;
use super::transactions::End;
use crate::{Error, ErrorKind, Outgoing, Result, Sink};

/// A producer: with a transactional id, or without transactions. Clones are the same producer.
///
/// As with Kafka, beginning a transaction is the client's own business: after a commit without an
/// answer, records of the same producer would join the transaction that it left open.
#[derive(Clone)]
pub struct MemorySink {
    connection: Connection,
    /// The transactional id and its epoch; none without transactions.
    producer: Option<(String, u32)>,
}

impl MemorySink {
    /// Takes over a transactional id: older producers of it are fenced, and what they had open is
    /// aborted.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn new(connection: &Connection, transactional_id: &str) -> Result<Self> {
        let epoch = connection
            .request(Call::Init, ErrorKind::Unavailable, |inner| Ok(inner.init(transactional_id)))?;
        Ok(Self { connection: connection.clone(), producer: Some((transactional_id.to_owned(), epoch)) })
    }

    /// Without transactions: what is produced is visible at once.
    pub fn plain(connection: &Connection) -> Self {
        Self { connection: connection.clone(), producer: None }
    }

    fn end(&self, call: Call, commit: bool) -> Result<()> {
        match &self.producer {
            Some((id, epoch)) => self.connection.end(call, End { id: id.clone(), epoch: *epoch, commit }),
            None => self.connection.request(call, ErrorKind::UnknownOutcome, |_| Ok(())),
        }
    }
}

impl Sink for MemorySink {
    type Group = MemoryGroup;

    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    fn produce(&mut self, record: &Outgoing) -> Result<()> {
        let producer = self.producer.as_ref().map(|(id, epoch)| (id.as_str(), *epoch));
        self.connection.request(Call::Produce, ErrorKind::Unavailable, |inner| inner.append(record, producer))
    }

    fn send_offsets(&mut self, group: &MemoryGroup, _topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        let Some((id, epoch)) = &self.producer else {
            return Err(Error::new(ErrorKind::Configuration, "offsets in a transaction, but it has none"));
        };
        self.connection.request(Call::SendOffsets, ErrorKind::UnknownOutcome, |inner| {
            inner.send_offsets((id, *epoch), group, offsets)
        })
    }

    fn commit(&mut self) -> Result<()> {
        self.end(Call::Commit, true)
    }

    fn abort(&mut self) -> Result<()> {
        self.end(Call::Abort, false)
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        Ok(self.connection.broker.inner().topics.get(topic).map(|logs| logs.len() as i32))
    }
}
