//! Transactional ids: epochs, what is open, and requests that arrive late.

use std::collections::BTreeSet;
use std::time::Duration;

use super::MemoryGroup;
use super::broker::Inner;
use super::log::Fate;
use crate::{Error, ErrorKind, Outgoing, Record, Result};

/// One transactional id.
#[derive(Default)]
pub(super) struct Producer {
    /// Requests of a lower epoch are refused.
    epoch: u32,
    open: Option<Transaction>,
}

struct Transaction {
    /// Its place in the broker's list of fates.
    number: usize,
    since: Duration,
    touched: BTreeSet<(String, i32)>,
    offsets: Vec<(String, i32, i64)>,
}

/// The end of a transaction, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) id: String,
    pub(super) epoch: u32,
    pub(super) commit: bool,
}

fn fenced(id: &str) -> Error {
    Error::new(ErrorKind::Fenced, format!("transactional id `{id}`: a newer producer has taken over"))
}

impl Inner {
    /// Fences older producers of the id, and aborts what they left open.
    pub(super) fn init(&mut self, id: &str) -> u32 {
        self.finish(id, false);
        let producer = self.producers.entry(id.to_owned()).or_default();
        producer.epoch += 1;
        producer.epoch
    }

    fn transaction(&mut self, id: &str, epoch: u32) -> Result<&mut Transaction> {
        let producer = self.producers.entry(id.to_owned()).or_default();
        if producer.epoch != epoch {
            return Err(fenced(id));
        }
        let (now, fates) = (self.now, &mut self.fates);
        Ok(producer.open.get_or_insert_with(|| {
            fates.push(Fate::Open);
            Transaction { number: fates.len() - 1, since: now, touched: BTreeSet::new(), offsets: Vec::new() }
        }))
    }

    /// Appends a record; within a transaction where `producer` names one.
    pub(super) fn append(&mut self, record: &Outgoing, producer: Option<(&str, u32)>) -> Result<()> {
        let transaction = match producer {
            None => None,
            Some((id, epoch)) => {
                let transaction = self.transaction(id, epoch)?;
                transaction.touched.insert((record.topic.to_owned(), record.partition));
                Some(transaction.number)
            }
        };
        let timestamp_ms = self.now.as_millis() as i64;
        let Outgoing { topic, partition, key, payload, headers } = record.clone();
        self.log(topic, partition)?
            .append(Record { partition, offset: 0, timestamp_ms, key, payload, headers }, transaction);
        Ok(())
    }

    /// Adds offsets to the id's transaction.
    pub(super) fn send_offsets(
        &mut self,
        (id, epoch): (&str, u32),
        group: &MemoryGroup,
        offsets: &[(i32, i64)],
    ) -> Result<()> {
        self.transaction(id, epoch)?;
        self.require_member(group)?;
        let pending = &mut self.transaction(id, epoch)?.offsets;
        pending.extend(offsets.iter().map(|(partition, offset)| (group.name.clone(), *partition, *offset)));
        Ok(())
    }

    /// Refuses offsets from who is not of the group's generation.
    pub(super) fn require_member(&mut self, group: &MemoryGroup) -> Result<()> {
        if self.groups.get(&group.name).is_some_and(|found| found.takes(group)) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Aborted,
            format!("group `{}`: generation {} is not the present one", group.name, group.generation),
        ))
    }

    /// The end of a transaction arrives: it ends whatever the id has open by then.
    pub(super) fn end(&mut self, end: &End) -> Result<()> {
        if self.producers.get(&end.id).is_none_or(|producer| producer.epoch != end.epoch) {
            return Err(fenced(&end.id));
        }
        self.finish(&end.id, end.commit);
        Ok(())
    }

    fn finish(&mut self, id: &str, commit: bool) {
        let Some(open) = self.producers.get_mut(id).and_then(|producer| producer.open.take()) else { return };
        self.fates[open.number] = if commit { Fate::Committed } else { Fate::Aborted };
        for (topic, partition) in &open.touched {
            if let Ok(log) = self.log(topic, *partition) {
                log.end(open.number);
            }
        }
        if commit {
            for (group, partition, offset) in open.offsets {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.commit(partition, offset);
                }
            }
        }
    }

    /// Aborts transactions that were begun before `before`, and fences their producers.
    pub(super) fn expire_transactions(&mut self, before: Duration) {
        let is_old = |producer: &Producer| producer.open.as_ref().is_some_and(|open| open.since < before);
        let old: Vec<String> = self
            .producers
            .iter()
            .filter(|(_, producer)| is_old(producer))
            .map(|(id, _)| id.clone())
            .collect();
        for id in old {
            self.init(&id);
        }
    }

    /// Whether no open transaction could still move the partition's committed offset.
    pub(super) fn is_stable(&self, group: &str, partition: i32) -> bool {
        let moves = |open: &Transaction| {
            open.offsets.iter().any(|(name, number, _)| name == group && *number == partition)
        };
        !self.producers.values().any(|producer| producer.open.as_ref().is_some_and(moves))
    }
}
