//! Removal of expired users by compaction.
//!
//! A user whose newest event is more than the TTL before the partition's watermark is answered as
//! unknown, and its next event starts it afresh. So compaction may remove it at any time after
//! the watermark is committed: what was removed and what would be reset cannot be told apart. The
//! watermark used is that of a committed `WriteBatch` that is on the disk, and never a later one:
//! the events behind that may be rolled back, or lost with the power and met again by a replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hmisr_features::FeatureSettings;
use hmisr_features::varint::Reader;
use rocksdb::Options;
use rocksdb::compaction_filter::Decision;

/// The committed watermark of one store, which compaction reads from its own threads.
#[derive(Clone)]
pub(crate) struct Expiry {
    ttl_ms: i64,
    /// The smallest number before the first commit: nothing is expired then.
    watermark: Arc<AtomicI64>,
}

impl Expiry {
    pub(crate) fn new(features: &FeatureSettings) -> Self {
        Self { ttl_ms: features.ttl_ms, watermark: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// A `WriteBatch` with this watermark is committed and on the disk.
    pub(crate) fn committed(&self, watermark: Option<i64>) {
        self.watermark.store(watermark.unwrap_or(i64::MIN), Ordering::Relaxed);
    }

    /// Adds the removal to the options of the users' column family.
    pub(crate) fn add_to(&self, options: &mut Options) {
        let expiry = self.clone();
        options.set_compaction_filter("expired-users", move |_: u32, _: &[u8], value: &[u8]| {
            if expiry.is_expired(value) { Decision::Remove } else { Decision::Keep }
        });
    }

    /// Whether a stored user is expired; one that cannot be read is kept for who can say so.
    fn is_expired(&self, value: &[u8]) -> bool {
        let watermark = self.watermark.load(Ordering::Relaxed);
        // A stored user begins with its newest time.
        let newest_ts = Reader::new(value).signed();
        newest_ts.is_some_and(|newest| watermark.saturating_sub(newest) > self.ttl_ms)
    }
}
