//! The model in force.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;

use crate::Model;

/// Holds the model in force. Readers never lock; whoever took a model keeps it until done, and
/// the last one to let go frees it.
#[derive(Default)]
pub struct ModelSlot {
    current: ArcSwapOption<InForce>,
}

struct InForce {
    model: Arc<dyn Model>,
    since: Instant,
}

impl ModelSlot {
    /// An empty slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// The model in force; none before the first was loaded.
    pub fn current(&self) -> Option<Arc<dyn Model>> {
        self.current.load().as_ref().map(|current| Arc::clone(&current.model))
    }

    /// The version in force.
    pub fn version(&self) -> Option<u64> {
        self.current.load().as_ref().map(|current| current.model.info().version)
    }

    /// How old the model in force is: since its publication, by this machine's clock, and at least since it has been
    /// in force. One that says it was published in the future would else look new for as long.
    pub fn age(&self) -> Option<Duration> {
        let current = self.current.load();
        let current = current.as_ref()?;
        Some(
            since_publication(current.model.info().created_ms)
                .unwrap_or_default()
                .max(current.since.elapsed()),
        )
    }

    /// Puts another model in force; requests that began before go on with theirs.
    pub fn swap(&self, model: Arc<dyn Model>) {
        self.current.store(Some(Arc::new(InForce { model, since: Instant::now() })));
    }
}

/// Time since an epoch time in milliseconds; none where it lies in the future.
pub(crate) fn since_publication(created_ms: i64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.checked_sub(Duration::from_millis(u64::try_from(created_ms).unwrap_or_default()))
}

impl std::fmt::Debug for ModelSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelSlot").field("version", &self.version()).finish()
    }
}
