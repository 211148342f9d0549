//! Removal of expired users by compaction.
//!
//! A user whose newest event is more than twice the TTL before the partition's clock is answered as
//! unknown, and its next event, whatever its time, starts it afresh. So compaction may remove it at any
//! time after the clock is committed: what was removed and what would be reset cannot be told apart. The
//! clock used is that of a committed `WriteBatch` that is on the disk, and never a later one:
//! the events behind that may be rolled back, or lost with the power and met again by a replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hmisr_features::varint::Reader;
use hmisr_features::{FeatureSettings, is_removable};
use rocksdb::Options;
use rocksdb::compaction_filter::Decision;

/// The committed clock of one store, which compaction reads from its own threads.
#[derive(Clone)]
pub(crate) struct Expiry {
    features: FeatureSettings,
    /// The smallest number where there is no clock: nothing is expired then.
    clock: Arc<AtomicI64>,
}

impl Expiry {
    pub(crate) fn new(features: &FeatureSettings) -> Self {
        Self { features: features.clone(), clock: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// A `WriteBatch` with this clock is committed and on the disk.
    pub(crate) fn committed(&self, clock: Option<i64>) {
        self.clock.store(clock.unwrap_or(i64::MIN), Ordering::Relaxed);
    }

    /// Adds the removal to the options of the users' column family.
    pub(crate) fn add_to(&self, options: &mut Options) {
        let expiry = self.clone();
        options.set_compaction_filter("expired-users", move |_: u32, _: &[u8], value: &[u8]| {
            if expiry.is_removable(value) { Decision::Remove } else { Decision::Keep }
        });
    }

    /// Whether a stored user is of no use; one that cannot be read is kept for who can say so.
    fn is_removable(&self, value: &[u8]) -> bool {
        let clock = Some(self.clock.load(Ordering::Relaxed)).filter(|clock| *clock != i64::MIN);
        // A stored user begins with its newest time.
        let newest_ts = Reader::new(value).signed();
        newest_ts.is_some_and(|newest| is_removable(&self.features, clock, newest))
    }
}
