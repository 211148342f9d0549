//! At which offset a partition starts, and up to where its outputs are muted.
//!
//! Outputs and the committed offset move in one transaction, state and its own offset in one
//! `WriteBatch` after it. A crash between the two leaves the store behind, never ahead; what
//! lies between is replayed without outputs. Every other disagreement is refused: guessing
//! would lose or repeat events.

use crate::{Error, Result};

/// What is known of a partition at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// The partition, for messages.
    pub partition: i32,
    /// The store's next offset; none where it never committed.
    pub store: Option<i64>,
    /// The group's committed offset.
    pub committed: Option<i64>,
    /// The first offset in the log.
    pub log_start: i64,
    /// The offset after the log's last record.
    pub log_end: i64,
    /// The operator accepts the store's offset where the group's is missing.
    pub adopt_store_offset: bool,
}

/// Where to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The first offset to process.
    pub offset: i64,
    /// Outputs of records before this offset are already there.
    pub mute_until: i64,
}

impl Situation {
    /// Decides, or refuses with the remedy.
    ///
    /// # Errors
    /// Kind `Refused`: the offsets do not fit together.
    pub fn start(self) -> Result<Start> {
        let Self { partition, store, committed, log_start, log_end, adopt_store_offset } = self;
        let refuse = |what: String, remedy: &str| {
            Err(Error::refused(format!("partition {partition}: {what}; {remedy}")))
        };
        let start = match (store, committed) {
            (None, None) => Start { offset: log_start, mute_until: log_start },
            (Some(store), None) if adopt_store_offset => Start { offset: store, mute_until: store },
            (Some(store), None) => {
                return refuse(
                    format!("the store stands at offset {store}, but the group has no committed offset"),
                    "if the group was deleted and nothing else has run, start once with --adopt-store-offset; otherwise use an empty data folder",
                );
            }
            (Some(store), Some(committed)) if store > committed => {
                return refuse(
                    format!(
                        "the store stands at offset {store}, ahead of the group's committed offset {committed}"
                    ),
                    "restore the group's offset or an older checkpoint of the store, or rebuild in an empty data folder with a new group",
                );
            }
            (store, Some(committed)) => Start { offset: store.unwrap_or(0), mute_until: committed },
        };
        if start.offset < log_start {
            return refuse(
                format!("offset {} is needed, but the log begins at {log_start}", start.offset),
                "restore a newer checkpoint of the store, or rebuild with a new group in an empty data folder",
            );
        }
        if start.offset.max(start.mute_until) > log_end {
            return refuse(
                format!(
                    "offset {} was processed, but the log ends at {log_end}",
                    start.offset.max(start.mute_until)
                ),
                "the topic was made anew or lost records: use an empty data folder and a new group",
            );
        }
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(store: Option<i64>, committed: Option<i64>) -> Situation {
        Situation { partition: 3, store, committed, log_start: 0, log_end: 100, adopt_store_offset: false }
    }

    #[test]
    fn agreeing_offsets_start_there() {
        let start = |store, committed| situation(store, committed).start().unwrap();
        assert_eq!(start(None, None), Start { offset: 0, mute_until: 0 });
        assert_eq!(start(Some(7), Some(7)), Start { offset: 7, mute_until: 7 });
    }

    #[test]
    fn a_store_behind_replays_the_gap_muted() {
        let start = |store, committed| situation(store, committed).start().unwrap();
        assert_eq!(start(Some(5), Some(9)), Start { offset: 5, mute_until: 9 });
        assert_eq!(start(None, Some(9)), Start { offset: 0, mute_until: 9 });
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_remedy() {
        let refused = |situation: Situation| situation.start().unwrap_err().to_string();
        assert!(refused(situation(Some(5), None)).contains("--adopt-store-offset"));
        assert!(refused(situation(Some(9), Some(5))).contains("ahead"));
        let trimmed = Situation { log_start: 6, ..situation(Some(5), Some(9)) };
        assert!(refused(trimmed).contains("begins at 6"));
        assert!(refused(Situation { log_start: 6, ..situation(None, Some(9)) }).contains("begins at 6"));
        assert!(refused(situation(Some(101), Some(101))).contains("ends at 100"));
        let adopted = Situation { adopt_store_offset: true, ..situation(Some(5), None) };
        assert_eq!(adopted.start().unwrap(), Start { offset: 5, mute_until: 5 });
    }
}
