//! One partition's log: records, those of open transactions too, and control records.

use std::collections::BTreeMap;

use crate::{Limits, Record};

/// What became of a transaction, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Open,
    Committed,
    Aborted,
}

enum Entry {
    Record {
        record: Record,
        transaction: Option<usize>,
    },
    /// The end of a transaction: it takes an offset and is shown to nobody.
    Marker,
}

/// An entry's place is its offset.
#[derive(Default)]
pub(super) struct PartitionLog {
    entries: Vec<Entry>,
    /// The first offset of each open transaction.
    open: BTreeMap<usize, usize>,
}

impl PartitionLog {
    /// Appends a record; its partition and offset are the log's.
    pub(super) fn append(&mut self, mut record: Record, transaction: Option<usize>) {
        record.offset = self.entries.len() as i64;
        if let Some(number) = transaction {
            self.open.entry(number).or_insert(self.entries.len());
        }
        self.entries.push(Entry::Record { record, transaction });
    }

    /// Ends a transaction that has records here.
    pub(super) fn end(&mut self, transaction: usize) {
        self.open.remove(&transaction);
        self.entries.push(Entry::Marker);
    }

    /// The last stable offset: before it every transaction has ended.
    pub(super) fn end_offset(&self) -> i64 {
        self.open.values().min().map_or(self.entries.len(), |first| *first) as i64
    }

    /// Committed records from `from` on, with the offset up to which was read.
    pub(super) fn read(&self, from: i64, limits: Limits, fates: &[Fate]) -> (Vec<Record>, i64) {
        let (mut records, mut bytes, mut at) = (Vec::new(), 0, from.max(0));
        while at < self.end_offset() && records.len() < limits.records && bytes < limits.bytes {
            if let Some(Entry::Record { record, transaction }) = self.entries.get(at as usize) {
                let aborted = |number: &usize| fates.get(*number) != Some(&Fate::Committed);
                if !transaction.as_ref().is_some_and(aborted) {
                    bytes += record.bytes();
                    records.push(record.clone());
                }
            }
            at += 1;
        }
        (records, at)
    }
}
