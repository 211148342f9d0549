// Made by 'make udfs' from udfs/sources/diversity.rs: change that, not this.

/*
[dependencies]
arroyo-udf-common = "=0.2.1"
serde = { version = "1", features = ["derive"] }
serde_json = "1"
*/

use arroyo_udf_plugin::udf;
use diversity::Totals;
use window::{WindowFeatures, WindowRow, RECENT};

/// The diversity features of a window of one user's events, as JSON text with the fields of a
/// feature record.
///
/// `partition` and `offset` say which event a row is, in which order events came, and that a
/// repeated one counts once. `category` is any integer that stands for the category. `tail` is 1 for
/// an event whose item was long-tail when it arrived, 0 for another, NULL where that is not known;
/// one NULL makes `tail_ratio` null. A row without partition, offset or category is left out.
#[udf]
fn diversity(
    partition: Vec<Option<i64>>,
    offset: Vec<Option<i64>>,
    category: Vec<Option<i64>>,
    tail: Vec<Option<i64>>,
) -> Option<String> {
    let rows = partition.into_iter().zip(offset).zip(category).zip(tail);
    let rows = rows.filter_map(|(((partition, offset), category), tail)| {
        Some(WindowRow {
            partition: partition?,
            offset: offset?,
            category: category?,
            tail: tail.map(|tail| tail != 0),
        })
    });
    serde_json::to_string(&WindowFeatures::of(rows.collect(), RECENT)).ok()
}

#[allow(dead_code)]
mod diversity {
    //! Diversity of a run of events, kept up to date as events enter and leave.

    use std::sync::LazyLock;

    use serde::{Deserialize, Serialize};

    /// The diversity of a run of n events with categories c₁ … cₙ (design, section 3.5 "The diversity
    /// score", long horizon).
    #[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
    pub struct Diversity {
        /// n.
        pub events: u64,
        /// Shannon entropy of the categories' shares, −Σ p ln p, in nats.
        pub entropy: f64,
        /// Pielou's evenness: entropy / ln k over the k distinct categories; 0 where k < 2.
        pub evenness: f64,
        /// Share of the n − 1 neighbouring pairs whose categories differ; 0 where n < 2.
        pub switch_rate: f64,
        /// Share of events whose item was long-tail when they arrived.
        pub tail_ratio: f64,
    }

    /// What [`Diversity`] needs of a run besides the counts n_c of its categories, which its owner
    /// keeps: one event costs O(1).
    ///
    /// With S = Σ n_c ln n_c, the entropy is ln n − S/n, and one event changes one term of S.
    /// [`Totals::settle`] sums S anew, which bounds the drift of the additions.
    #[derive(Debug, Clone, Copy, PartialEq, Default)]
    pub struct Totals {
        /// n.
        pub events: u64,
        /// k, the categories with a count above 0.
        pub distinct: u64,
        /// Neighbours within the run whose categories differ.
        pub switches: u64,
        /// Events whose item was long-tail.
        pub tails: u64,
        /// S, with the rounding it has gathered: a run that is stored and read goes on bit for bit.
        pub s: f64,
    }

    impl Totals {
        /// Adds an event at the run's end. `before`: the count of its category without it;
        /// `switched`: whether its category differs from its predecessor's within the run.
        pub fn push(&mut self, before: u32, tail: bool, switched: bool) {
            self.s += n_ln_n(before.saturating_add(1)) - n_ln_n(before);
            self.events += 1;
            self.distinct += u64::from(before == 0);
            self.switches += u64::from(switched);
            self.tails += u64::from(tail);
        }

        /// Removes the run's first event. `before`: the count of its category with it; `switched`:
        /// whether its successor's category differs from its own.
        pub fn evict(&mut self, before: u32, tail: bool, switched: bool) {
            self.s += n_ln_n(before.saturating_sub(1)) - n_ln_n(before);
            self.events -= 1;
            self.distinct -= u64::from(before == 1);
            self.switches -= u64::from(switched);
            self.tails -= u64::from(tail);
        }

        /// Sums S anew from the counts, which must come in an order that the events alone decide.
        pub fn settle(&mut self, counts: impl Iterator<Item = u32>) {
            self.s = counts.map(n_ln_n).sum();
        }

        /// The features of the run as it stands.
        pub fn diversity(&self) -> Diversity {
            if self.events == 0 {
                return Diversity::default();
            }
            let n = self.events as f64;
            let entropy = if self.distinct < 2 { 0.0 } else { (ln(self.events) - self.s / n).max(0.0) };
            Diversity {
                events: self.events,
                entropy,
                evenness: if self.distinct < 2 { 0.0 } else { entropy / ln(self.distinct) },
                switch_rate: if self.events < 2 { 0.0 } else { self.switches as f64 / (n - 1.0) },
                tail_ratio: self.tails as f64 / n,
            }
        }
    }

    /// Logarithms of small integers: most of a window's are.
    static LN: LazyLock<[f64; 1024]> =
        LazyLock::new(|| std::array::from_fn(|n| if n == 0 { 0.0 } else { (n as f64).ln() }));

    fn ln(n: u64) -> f64 {
        usize::try_from(n).ok().and_then(|n| LN.get(n).copied()).unwrap_or_else(|| (n as f64).ln())
    }

    fn n_ln_n(n: u32) -> f64 {
        f64::from(n) * ln(u64::from(n))
    }
}

mod window {
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
}
