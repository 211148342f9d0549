//! How far a feed is, for whoever watches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

const UNKNOWN: u64 = u64::MAX;

/// Counters that other threads may read while the feeder runs.
#[derive(Debug)]
pub struct FeedProgress {
    pub(crate) fed: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) cut: AtomicU64,
    total: AtomicU64,
    share_read: AtomicU64,
    done: AtomicBool,
}

impl Default for FeedProgress {
    fn default() -> Self {
        Self {
            fed: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            total: AtomicU64::new(UNKNOWN),
            share_read: AtomicU64::new(f64::NAN.to_bits()),
            done: AtomicBool::new(false),
        }
    }
}

impl FeedProgress {
    /// Events that the log has taken in this run.
    pub fn fed(&self) -> u64 {
        self.fed.load(Relaxed)
    }

    /// Events that were in the log already when the run began.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Relaxed)
    }

    /// Events of [`Self::fed`] that were too long for the log, and of which only the beginning was
    /// fed.
    pub fn cut(&self) -> u64 {
        self.cut.load(Relaxed)
    }

    /// Events of the source in all; none where that is not known (yet) or there is no end.
    pub fn total(&self) -> Option<u64> {
        Some(self.total.load(Relaxed)).filter(|total| *total != UNKNOWN)
    }

    /// The share of the source that was read, 0 to 1; none where there is no end.
    pub fn share_read(&self) -> Option<f64> {
        Some(f64::from_bits(self.share_read.load(Relaxed))).filter(|share| !share.is_nan())
    }

    /// Whether the whole source is in the log.
    pub fn is_done(&self) -> bool {
        self.done.load(Relaxed)
    }

    pub(crate) fn start(&self, total: Option<u64>) {
        self.fed.store(0, Relaxed);
        self.skipped.store(0, Relaxed);
        self.cut.store(0, Relaxed);
        self.done.store(false, Relaxed);
        self.total.store(total.unwrap_or(UNKNOWN), Relaxed);
    }

    pub(crate) fn read(&self, share: Option<f64>) {
        self.share_read.store(share.unwrap_or(f64::NAN).to_bits(), Relaxed);
    }

    pub(crate) fn finish(&self) {
        self.total.store(self.fed() + self.skipped(), Relaxed);
        self.done.store(true, Relaxed);
    }
}
