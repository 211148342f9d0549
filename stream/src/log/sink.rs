//! Transactions on the embedded log.

use super::codec::Encoded;
use super::store::{GroupOffsets, Log};
use crate::{Error, ErrorKind, Outgoing, Result, Sink};

/// Gathers a transaction in memory and writes it as one `WriteBatch`.
pub struct LogSink {
    log: Log,
    transactional_id: String,
    epoch: u64,
    open: bool,
    records: Encoded,
    offsets: Vec<GroupOffsets>,
}

impl LogSink {
    pub(super) fn new(log: Log, transactional_id: String, epoch: u64) -> Self {
        Self { log, transactional_id, epoch, open: false, records: Encoded::default(), offsets: Vec::new() }
    }

    fn clear(&mut self) {
        self.open = false;
        self.records.clear();
        self.offsets.clear();
    }

    fn require_open(&self) -> Result<()> {
        if self.open {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Configuration, "embedded log: no transaction was begun"))
    }
}

impl Sink for LogSink {
    type Group = String;

    fn begin(&mut self) -> Result<()> {
        self.clear();
        self.open = true;
        Ok(())
    }

    fn produce(&mut self, record: &Outgoing) -> Result<()> {
        self.require_open()?;
        self.records.push(record);
        Ok(())
    }

    fn send_offsets(&mut self, group: &String, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        self.require_open()?;
        self.offsets.push(GroupOffsets {
            group: group.clone(),
            topic: topic.to_owned(),
            offsets: offsets.to_vec(),
        });
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        self.require_open()?;
        let mut index = self.log.inner.index();
        if index.epochs.get(&self.transactional_id) != Some(&self.epoch) {
            return Err(Error::new(
                ErrorKind::Fenced,
                format!(
                    "transactional id `{}`: a newer producer has taken over; this one stops",
                    self.transactional_id
                ),
            ));
        }
        let written = self.log.inner.commit_locked(&mut index, &mut self.records, &self.offsets);
        drop(index);
        match &written {
            Ok(()) => self.clear(),
            // A failed write of the disk may or may not have reached it.
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                return Err(Error::new(ErrorKind::UnknownOutcome, error.to_string()));
            }
            Err(_) => {}
        }
        written
    }

    fn abort(&mut self) -> Result<()> {
        self.clear();
        Ok(())
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        Ok(self.log.topic(topic).map(|topic| topic.partitions))
    }
}
