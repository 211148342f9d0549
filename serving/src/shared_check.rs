//! A check that costs something, made once for all who ask at the same time.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;

/// Runs a check away from the asynchronous threads, one at a time. Who asks while one is under way waits for the
/// next, which is then everybody's: however many ask, two are made at most for those who are there.
pub(crate) struct SharedCheck<T> {
    /// When the last one began, and what it found.
    last: Arc<Mutex<Option<(Instant, T)>>>,
}

impl<T: Clone + Send + 'static> SharedCheck<T> {
    pub(crate) fn new() -> Self {
        Self { last: Arc::new(Mutex::new(None)) }
    }

    /// What a check finds that began after this was called; none where it panicked.
    pub(crate) async fn get(&self, check: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let asked = Instant::now();
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some((_, found)) = last.as_ref().filter(|(began, _)| *began >= asked) {
            return Some(found.clone());
        }
        // The next waits for its end, also where nobody waits for this one any more.
        let made = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let found = check();
            *last = Some((began, found.clone()));
            found
        });
        made.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn however_many_ask_at_once_two_checks_are_made() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let (check, made) = (Arc::new(SharedCheck::new()), Arc::new(AtomicUsize::new(0)));
        let ((open, door), (begin, begun)) = (channel::<()>(), channel());
        let first = {
            let (check, made) = (check.clone(), made.clone());
            runtime.spawn(async move {
                check
                    .get(move || {
                        begin.send(()).unwrap();
                        let _ = door.recv();
                        made.fetch_add(1, Ordering::SeqCst)
                    })
                    .await
            })
        };
        begun.recv().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let others: Vec<_> = (0..50)
            .map(|_| {
                let (check, made, asked) = (check.clone(), made.clone(), asked.clone());
                runtime.spawn(async move {
                    asked.fetch_add(1, Ordering::SeqCst);
                    check.get(move || made.fetch_add(1, Ordering::SeqCst)).await
                })
            })
            .collect();
        while asked.load(Ordering::SeqCst) < 50 {
            std::thread::yield_now();
        }
        open.send(()).unwrap();
        assert_eq!(runtime.block_on(first).unwrap(), Some(0));
        for other in others {
            // Not the first one's: that began before they asked.
            assert!(runtime.block_on(other).unwrap().is_some_and(|found| found >= 1));
        }
        let made = made.load(Ordering::SeqCst);
        assert!(made <= 3, "{made} checks");
    }
}
