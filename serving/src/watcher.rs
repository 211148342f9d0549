//! Looks for newer snapshots and swaps them in.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::aside::{Aside, Waited};
use crate::slot::since_publication;
use crate::{Activity, Error, Metrics, Model, ModelError, ModelLoader, ModelSlot};

/// The longest time between two attempts to load the same version.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// How often the wish to stop is looked at.
const STOP_CHECK: Duration = Duration::from_millis(50);
/// How long a reading may take before it counts as failed, unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What one look at the snapshots did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Nothing has been published yet.
    Empty,
    /// The newest version is in force already.
    Unchanged,
    /// This version was loaded and is in force.
    Swapped(u64),
    /// The newest version could not be found or loaded; the model in force stays.
    Failed,
    /// The newest version failed before, and it is not time to try again.
    Waiting,
}

/// Looks for newer snapshots and swaps them in, away from the threads that answer requests.
///
/// A version that fails is logged and counted, and tried again after a pause that doubles up to
/// a minute, or at once when another version is published. Reading that does not come back, as from
/// a mount that hangs, is counted and told once it is overdue, and waited for: nothing else can be
/// read from there, and what comes late is still taken. It holds up neither requests nor the end.
pub struct Watcher {
    loader: Arc<dyn ModelLoader>,
    slot: Arc<ModelSlot>,
    metrics: Arc<Metrics>,
    interval: Duration,
    timeout: Duration,
    activity: Option<Arc<Activity>>,
    failed: Option<Failure>,
}

/// The version that failed last; none where even the newest version could not be found.
struct Failure {
    version: Option<u64>,
    pause: Duration,
    until: Instant,
}

impl Watcher {
    /// A watcher that fills `slot` from `loader`, looking every `interval`.
    pub fn new(
        loader: Arc<dyn ModelLoader>,
        slot: Arc<ModelSlot>,
        metrics: Arc<Metrics>,
        interval: Duration,
    ) -> Self {
        Self { loader, slot, metrics, interval, timeout: TIMEOUT, activity: None, failed: None }
    }

    /// Has finding or reading a version count as failed after `timeout`.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Tells `activity` of every snapshot that is put in force.
    #[must_use]
    pub fn with_activity(mut self, activity: Arc<Activity>) -> Self {
        self.activity = Some(activity);
        self
    }

    /// Looks once, and loads and swaps where there is something newer. A version lower than the
    /// one in force is taken too: whoever sets the newest version back means it. Waits for as long as
    /// the loader takes.
    pub fn check(&mut self) -> Checked {
        let checked = self.look(Instant::now());
        self.note_age();
        checked
    }

    fn look(&mut self, now: Instant) -> Checked {
        let newest = guarded(|| self.loader.latest());
        match self.found(newest, now) {
            Err(checked) => checked,
            Ok(version) => {
                let begun = Instant::now();
                let loaded = guarded(|| self.loader.load(version));
                self.loaded(version, loaded, begun.elapsed(), now)
            }
        }
    }

    /// The version to load, or what the look did without any.
    fn found(&mut self, newest: Result<Option<u64>, ModelError>, now: Instant) -> Result<u64, Checked> {
        let version = match newest {
            Ok(None) => return Err(Checked::Empty),
            Ok(Some(version)) => version,
            Err(_) if self.pausing(None, now) => return Err(Checked::Waiting),
            Err(error) => return Err(self.fail(None, now, &error)),
        };
        if self.slot.version() == Some(version) {
            self.failed = None;
            return Err(Checked::Unchanged);
        }
        if self.pausing(Some(version), now) { Err(Checked::Waiting) } else { Ok(version) }
    }

    fn loaded(
        &mut self,
        version: u64,
        loaded: Result<Arc<dyn Model>, ModelError>,
        took: Duration,
        now: Instant,
    ) -> Checked {
        match loaded {
            Ok(model) => {
                self.metrics.reload_seconds.observe(took.as_secs_f64());
                self.swap(version, model);
                Checked::Swapped(version)
            }
            Err(error) => self.fail(Some(version), now, &error),
        }
    }

    fn swap(&mut self, version: u64, model: Arc<dyn Model>) {
        let before = self.slot.version();
        if let Some(activity) = &self.activity {
            activity.in_force(model.info());
        }
        let created_ms = model.info().created_ms;
        if since_publication(created_ms).is_none() {
            self.metrics.future_snapshots.inc();
            tracing::warn!(
                version,
                created_ms,
                "the snapshot says that it was published later than it is here: one of the two machines' clocks is wrong; \
                 its age is counted from now"
            );
        }
        self.slot.swap(model);
        self.failed = None;
        self.metrics.swaps.inc();
        self.metrics.model_version.set(i64::try_from(version).unwrap_or(i64::MAX));
        tracing::info!(version, before, "snapshot in force");
    }

    fn pausing(&self, version: Option<u64>, now: Instant) -> bool {
        self.failed.as_ref().is_some_and(|failed| failed.version == version && now < failed.until)
    }

    fn fail(&mut self, version: Option<u64>, now: Instant, error: &ModelError) -> Checked {
        let pause = match &self.failed {
            Some(failed) if failed.version == version => (failed.pause * 2).min(MAX_BACKOFF),
            _ => self.interval,
        };
        self.failed = Some(Failure { version, pause, until: now + pause });
        self.metrics.reload_failures.inc();
        let serving = self.slot.version();
        let again_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        match version {
            Some(version) => {
                tracing::error!(version, serving, again_ms, "snapshot not loaded: {error}");
            }
            None => tracing::error!(serving, again_ms, "newest snapshot not found: {error}"),
        }
        Checked::Failed
    }

    fn note_age(&self) {
        if let Some(age) = self.slot.age() {
            self.metrics.snapshot_age_seconds.set(age.as_secs_f64());
        }
    }

    fn run(mut self, aside: &Aside, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            if self.check_aside(aside, stop).is_none() {
                return;
            }
            self.note_age();
            let next = Instant::now() + self.interval;
            while !stop.load(Ordering::Relaxed) && Instant::now() < next {
                std::thread::sleep(STOP_CHECK.min(next.saturating_duration_since(Instant::now())));
            }
        }
    }

    /// As [`Watcher::check`], but that all reading is done by another thread; none once `stop` is set.
    fn check_aside(&mut self, aside: &Aside, stop: &AtomicBool) -> Option<Checked> {
        let loader = self.loader.clone();
        let (newest, _) = self.read(aside, stop, move || loader.latest())?;
        let version = match self.found(newest, Instant::now()) {
            Err(checked) => return Some(checked),
            Ok(version) => version,
        };
        let loader = self.loader.clone();
        let (loaded, took) = self.read(aside, stop, move || loader.load(version))?;
        Some(self.loaded(version, loaded, took, Instant::now()))
    }

    /// What `read` brings, and how long it took; none once `stop` is set, though it reads on then.
    fn read<T: Send + 'static>(
        &self,
        aside: &Aside,
        stop: &AtomicBool,
        read: impl FnOnce() -> Result<T, ModelError> + Send + 'static,
    ) -> Option<(Result<T, ModelError>, Duration)> {
        let pending = aside.give(move || guarded(read));
        let mut is_overdue = false;
        while !stop.load(Ordering::Relaxed) {
            let waited = pending.wait(STOP_CHECK);
            let took = pending.age();
            if matches!(waited, Waited::NotYet) {
                self.metrics.reload_busy_seconds.set(took.as_secs_f64());
                self.note_age();
                if took >= self.timeout && !is_overdue {
                    is_overdue = true;
                    self.overdue();
                }
                continue;
            }
            self.metrics.reload_busy_seconds.set(0.0);
            if is_overdue {
                tracing::info!(seconds = took.as_secs(), "reading snapshots came back");
            }
            let result = match waited {
                Waited::Done(result) => result,
                _ => Err(ModelError::new("the thread that reads snapshots is gone")),
            };
            return Some((result, took));
        }
        None
    }

    fn overdue(&self) {
        self.metrics.reload_failures.inc();
        tracing::error!(
            serving = self.slot.version(),
            "reading snapshots has not come back for {} ms (serving.reload_timeout_ms): the folder's disk or mount may \
             hang; it is waited for, and the snapshot in force goes on serving",
            self.timeout.as_millis()
        );
    }

    /// Looks every interval until `stop` is set, in a thread of its own, which then ends at once: reading
    /// that is under way is left to itself.
    ///
    /// # Errors
    /// [`Error::Io`] where the system gives no thread.
    pub fn spawn(self, stop: Arc<AtomicBool>) -> Result<JoinHandle<()>, Error> {
        let no_thread = |source| Error::Io { doing: "cannot start the thread that loads snapshots", source };
        let aside = Aside::start("hmisr-snapshots").map_err(no_thread)?;
        std::thread::Builder::new()
            .name("hmisr-reload".to_owned())
            .spawn(move || self.run(&aside, &stop))
            .map_err(no_thread)
    }
}

/// A panic in a loader (in tensor code, on shapes that no check foresaw) must not end the
/// watcher: the old model would serve for ever, unnoticed.
fn guarded<T>(load: impl FnOnce() -> Result<T, ModelError>) -> Result<T, ModelError> {
    catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(ModelError::new(format!("loading panicked: {text}")))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{Known, ModelInfo, Profile, Recommendation, Request};

    struct Plain(ModelInfo);

    impl Model for Plain {
        fn info(&self) -> &ModelInfo {
            &self.0
        }

        fn recommend(&self, _: &Request<'_>) -> Result<Recommendation, ModelError> {
            Err(ModelError::new("nobody asks it"))
        }

        fn profile(&self, _: Known<'_>) -> Result<Option<Profile>, ModelError> {
            Ok(None)
        }
    }

    #[derive(Default)]
    struct Shelf {
        latest: Mutex<Option<u64>>,
        tried: Mutex<Vec<u64>>,
    }

    impl ModelLoader for Shelf {
        fn latest(&self) -> Result<Option<u64>, ModelError> {
            Ok(*self.latest.lock().unwrap())
        }

        fn load(&self, version: u64) -> Result<Arc<dyn Model>, ModelError> {
            self.tried.lock().unwrap().push(version);
            match version % 10 {
                7 => Err(ModelError::new("damaged")),
                9 => panic!("shape"),
                _ => Ok(Arc::new(Plain(ModelInfo {
                    version,
                    created_ms: 0,
                    step: 0,
                    items: 0,
                    offsets: Default::default(),
                    config: Default::default(),
                    metrics: Default::default(),
                }))),
            }
        }
    }

    #[test]
    fn a_damaged_version_is_tried_again_ever_more_seldom() {
        let shelf = Arc::new(Shelf::default());
        let slot = Arc::new(ModelSlot::new());
        let metrics = Arc::new(Metrics::new(&prometheus::Registry::new()).unwrap());
        let interval = Duration::from_secs(1);
        let mut watcher = Watcher::new(shelf.clone(), slot.clone(), metrics.clone(), interval);
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);

        assert_eq!(watcher.look(at(0)), Checked::Empty);
        *shelf.latest.lock().unwrap() = Some(1);
        assert_eq!(watcher.look(at(0)), Checked::Swapped(1));
        assert_eq!(watcher.look(at(1)), Checked::Unchanged);

        *shelf.latest.lock().unwrap() = Some(7);
        let failed: Vec<u64> =
            (0..200).filter(|second| watcher.look(at(*second)) == Checked::Failed).collect();
        assert_eq!(failed, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
        assert_eq!(slot.version(), Some(1));
        assert_eq!(metrics.reload_failures.get(), 9);

        // Another version is tried at once, also one that panics, also a lower one.
        *shelf.latest.lock().unwrap() = Some(9);
        assert_eq!(watcher.look(at(200)), Checked::Failed);
        *shelf.latest.lock().unwrap() = Some(8);
        assert_eq!(watcher.look(at(200)), Checked::Swapped(8));
        *shelf.latest.lock().unwrap() = Some(2);
        assert_eq!(watcher.look(at(200)), Checked::Swapped(2));
        assert_eq!((slot.version(), metrics.swaps.get()), (Some(2), 3));
    }
}
