//! A bound on blocking work: so many at a time, so many waiting, the rest is refused at once.

use std::sync::Arc;

use prometheus::IntGauge;
use tokio::sync::Semaphore;

use crate::{ApiError, ErrorKind};

/// Runs blocking work away from the asynchronous threads, within bounds.
pub(crate) struct Gate {
    what: &'static str,
    places: Arc<Semaphore>,
    queue: Semaphore,
    queue_places: usize,
    waiting: IntGauge,
}

impl Gate {
    /// `what` names the work in messages; `at_once` may run while `queue_places` wait.
    pub(crate) fn new(what: &'static str, at_once: usize, queue_places: usize, waiting: IntGauge) -> Self {
        let (places, queue) = (Arc::new(Semaphore::new(at_once)), Semaphore::new(queue_places));
        Self { what, places, queue, queue_places, waiting }
    }

    /// Runs `work`. Its place stays taken until it ends, also where nobody waits for it any
    /// more: a request that ran out of time does not make room for another computation.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let _queued = self.queue.try_acquire().map_err(|_| self.overloaded())?;
                let _counted = Waiting::new(&self.waiting);
                Arc::clone(&self.places).acquire_owned().await.map_err(|_| self.overloaded())?
            }
        };
        tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        })
        .await
        .map_err(|error| {
            tracing::error!("{} failed: {error}", self.what);
            ApiError::new(ErrorKind::Internal, format!("{} failed; the log has the cause", self.what))
        })
    }

    fn overloaded(&self) -> ApiError {
        let (what, most) = (self.what, self.queue_places);
        ApiError::new(
            ErrorKind::Overloaded,
            format!("{what}: {most} requests wait already (setting `serving.max_queue`); come again later"),
        )
    }
}

/// Counts a waiting request, also where the client goes away meanwhile.
struct Waiting<'a>(&'a IntGauge);

impl<'a> Waiting<'a> {
    fn new(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
