//! Which pipeline owns a user's partition, as it was last read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hmisr_stream::contract::Owners;

/// Pause between two readings.
const PAUSE: Duration = Duration::from_millis(500);

/// Reads the owners anew; an error is a text for people.
type Read = dyn Fn() -> Result<Owners, String> + Send + Sync;

/// The owners as last read. Reading happens in a thread of its own, when a look-up found that they
/// are not right any more; meanwhile look-ups ask everybody.
pub(crate) struct KnownOwners {
    known: Arc<ArcSwap<Owners>>,
    read: Arc<Read>,
    reading: Arc<AtomicBool>,
    last: Mutex<Option<Instant>>,
}

impl KnownOwners {
    /// Begins with a first reading.
    pub(crate) fn new(read: impl Fn() -> Result<Owners, String> + Send + Sync + 'static) -> Self {
        let (known, reading) = (Arc::new(ArcSwap::default()), Arc::default());
        let owners = Self { known, read: Arc::new(read), reading, last: Mutex::new(None) };
        owners.refresh();
        owners
    }

    /// The owners as last read.
    pub(crate) fn get(&self) -> Arc<Owners> {
        self.known.load_full()
    }

    /// Has them read anew, unless that is under way or was done a moment ago.
    pub(crate) fn refresh(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < PAUSE) || self.reading.swap(true, Ordering::AcqRel) {
            return;
        }
        *last = Some(Instant::now());
        let (known, read, reading) = (self.known.clone(), self.read.clone(), self.reading.clone());
        let spawned = std::thread::Builder::new().name("owners".to_owned()).spawn(move || {
            match read() {
                Ok(owners) => known.store(Arc::new(owners)),
                Err(problem) => tracing::warn!("the owners of partitions cannot be read: {problem}"),
            }
            reading.store(false, Ordering::Release);
        });
        if let Err(error) = spawned {
            tracing::warn!("the owners of partitions cannot be read: {error}");
            self.reading.store(false, Ordering::Release);
        }
    }
}
