//! Features of a window that is given whole, as an engine's window function sees it.
//!
//! This file, `diversity.rs` and `id63.rs` also stand in the texts that are deployed on Arroyo
//! (`udfs/`), which compiles them as edition 2021: no let chains here.

use serde::Serialize;

use crate::Totals;

/// N of `recent_diversity` unless the settings say another.
pub const RECENT: usize = 10;

/// One event of a window. The order of rows is that of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WindowRow {
    /// The event's partition.
    pub partition: i64,
    /// The event's offset within the partition.
    pub offset: i64,
    /// The event's category; any integer, equal for equal categories.
    pub category: i64,
    /// Whether the item was long-tail when the event arrived, where that is known.
    pub tail: Option<bool>,
}

/// The features of a window; the names are those of a feature record.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WindowFeatures {
    /// Events of the window, each once.
    pub events: u64,
    /// Shannon entropy of the categories' shares, in nats.
    pub entropy: f64,
    /// Pielou's evenness; 0 where there are fewer than two categories.
    pub evenness: f64,
    /// Share of neighbouring pairs whose categories differ; 0 where there are fewer than two events.
    pub switch_rate: f64,
    /// Share of long-tail events; none where that is not known of every event.
    pub tail_ratio: Option<f64>,
    /// Distinct categories among the last N events, divided by min(N, events); 0 without events.
    pub recent_diversity: f64,
}

impl WindowFeatures {
    /// The features of `rows`, which may come in any order. Partition and offset say which event a
    /// row is, and an event that came more than once (as after a restart of a job that writes at
    /// least once) counts once. Where such rows differ, the least of them counts, so that the order
    /// in which they came never shows.
    pub fn of(mut rows: Vec<WindowRow>, recent: usize) -> Self {
        rows.sort_unstable();
        rows.dedup_by_key(|row| (row.partition, row.offset));
        let diversity = totals(&rows).diversity();
        let marked = rows.iter().all(|row| row.tail.is_some());
        let newest = &rows[rows.len() - rows.len().min(recent)..];
        let distinct = counts(newest).len();
        Self {
            events: diversity.events,
            entropy: diversity.entropy,
            evenness: diversity.evenness,
            switch_rate: diversity.switch_rate,
            tail_ratio: if marked { Some(diversity.tail_ratio) } else { None },
            recent_diversity: if newest.is_empty() { 0.0 } else { distinct as f64 / newest.len() as f64 },
        }
    }
}

fn totals(rows: &[WindowRow]) -> Totals {
    let counts = counts(rows);
    let switched = |pair: &&[WindowRow]| matches!(pair, [a, b] if a.category != b.category);
    let mut totals = Totals {
        events: rows.len() as u64,
        distinct: counts.len() as u64,
        switches: rows.windows(2).filter(switched).count() as u64,
        tails: rows.iter().filter(|row| row.tail == Some(true)).count() as u64,
        s: 0.0,
    };
    totals.settle(counts.into_iter());
    totals
}

/// How many rows each category has, in the categories' order.
fn counts(rows: &[WindowRow]) -> Vec<u32> {
    let mut categories: Vec<i64> = rows.iter().map(|row| row.category).collect();
    categories.sort_unstable();
    categories.chunk_by(|a, b| a == b).map(|run| u32::try_from(run.len()).unwrap_or(u32::MAX)).collect()
}
