//! Which pipeline owns a user's partition, as it was last read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hmisr_stream::contract::Owners;

/// Pause between two readings, after one that brought something new.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause: it doubles up to here with each reading that failed or brought nothing new,
/// as while a partition has no owner.
const LONGEST: Duration = Duration::from_secs(30);

/// Reads the owners anew; an error is a text for people.
type Read = dyn Fn() -> Result<Owners, String> + Send + Sync;

/// The owners as last read. Reading happens in a thread of its own, when a look-up found that they
/// are not right any more; meanwhile look-ups ask everybody.
pub(crate) struct KnownOwners {
    known: Arc<ArcSwap<Owners>>,
    read: Arc<Read>,
    reading: Arc<AtomicBool>,
    /// Before then they are not read again.
    next: Arc<Mutex<Next>>,
}

struct Next {
    at: Instant,
    pause: Duration,
}

impl Next {
    /// After a reading that ends now.
    fn after(&mut self, brought_news: bool) {
        self.pause = if brought_news { PAUSE } else { (self.pause * 2).min(LONGEST) };
        self.at = Instant::now() + self.pause;
    }
}

impl KnownOwners {
    /// Begins with a first reading.
    pub(crate) fn new(read: impl Fn() -> Result<Owners, String> + Send + Sync + 'static) -> Self {
        let (known, reading) = (Arc::new(ArcSwap::default()), Arc::default());
        let next = Arc::new(Mutex::new(Next { at: Instant::now(), pause: PAUSE }));
        let owners = Self { known, read: Arc::new(read), reading, next };
        owners.refresh();
        owners
    }

    /// The owners as last read.
    pub(crate) fn get(&self) -> Arc<Owners> {
        self.known.load_full()
    }

    /// Has them read anew, unless that is under way or was done a moment ago.
    pub(crate) fn refresh(&self) {
        let early = Instant::now() < self.next.lock().unwrap_or_else(PoisonError::into_inner).at;
        if early || self.reading.swap(true, Ordering::AcqRel) {
            return;
        }
        let (known, read, reading) = (self.known.clone(), self.read.clone(), self.reading.clone());
        let next = self.next.clone();
        let spawned = std::thread::Builder::new().name("owners".to_owned()).spawn(move || {
            let news = match read() {
                Ok(owners) if owners == **known.load() => false,
                Ok(owners) => {
                    known.store(Arc::new(owners));
                    true
                }
                Err(problem) => {
                    tracing::warn!("the owners of partitions cannot be read: {problem}");
                    false
                }
            };
            next.lock().unwrap_or_else(PoisonError::into_inner).after(news);
            reading.store(false, Ordering::Release);
        });
        if let Err(error) = spawned {
            tracing::warn!("the owners of partitions cannot be read: {error}");
            self.next.lock().unwrap_or_else(PoisonError::into_inner).after(false);
            self.reading.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_brings_nothing_new_is_read_ever_more_seldom() {
        let mut next = Next { at: Instant::now(), pause: PAUSE };
        let pauses: Vec<u128> = (0..8)
            .map(|_| {
                next.after(false);
                next.pause.as_millis()
            })
            .collect();
        assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        next.after(true);
        assert_eq!(next.pause, PAUSE);
    }
}
