//! The model in force.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::Model;

/// Holds the model in force. Readers never lock; whoever took a model keeps it until done, and
/// the last one to let go frees it.
#[derive(Default)]
pub struct ModelSlot {
    // Boxed once more because the swap needs a pointer of one word.
    current: ArcSwapOption<Arc<dyn Model>>,
}

impl ModelSlot {
    /// An empty slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// The model in force; none before the first was loaded.
    pub fn current(&self) -> Option<Arc<dyn Model>> {
        self.current.load().as_deref().map(Arc::clone)
    }

    /// The version in force.
    pub fn version(&self) -> Option<u64> {
        self.current.load().as_ref().map(|model| model.info().version)
    }

    /// Puts another model in force; requests that began before go on with theirs.
    pub fn swap(&self, model: Arc<dyn Model>) {
        self.current.store(Some(Arc::new(model)));
    }
}

impl std::fmt::Debug for ModelSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelSlot").field("version", &self.version()).finish()
    }
}
