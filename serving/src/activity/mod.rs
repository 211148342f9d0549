//! What the page at `/` shows of the process: its newest hours, in bounded memory.
//!
//! A thread reads the process's own metrics every [`INTERVAL`]; the watcher tells of every snapshot
//! that it puts in force; look-ups name users. Nothing here grows: samples and snapshots are kept the
//! coarser the older they are ([`Thinned`]), users are a short list.

mod series;
mod thinned;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmisr_stream::contract::Id;
use prometheus::Registry;
use serde::Serialize;
use serde_json::{Map, Value};

use self::series::{SERIES, Values};
use self::thinned::Thinned;
use crate::{Error, ModelInfo, UserLookup};

/// Time from one sample to the next.
const INTERVAL: Duration = Duration::from_secs(2);
/// Samples kept, at most: the newest twelve minutes whole, older ones ever more sparsely.
const SAMPLES: usize = 720;
/// Snapshots kept, at most.
const SNAPSHOTS: usize = 240;
/// Users kept of those looked up, and of those that the look-up names.
const USERS: usize = 12;
/// Every how many samples the look-up is asked for users.
const ASK_USERS: u32 = 5;
/// How often the wish to stop is looked at.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// The process's recent past.
pub struct Activity {
    registry: Registry,
    started_ms: i64,
    kept: Mutex<Kept>,
    /// Newest first.
    looked_up: Mutex<VecDeque<Id>>,
}

struct Kept {
    samples: Thinned<Sample>,
    snapshots: Thinned<InForce>,
    active: Vec<Id>,
}

/// The metrics at one moment.
struct Sample {
    at_ms: i64,
    values: Values,
}

/// A snapshot that was put in force.
#[derive(Debug, Clone, Serialize)]
struct InForce {
    version: u64,
    /// When it was published.
    created_ms: i64,
    /// When it began to answer here.
    in_force_ms: i64,
    step: u64,
    items: u64,
    /// What the trainer measured over its newest examples; none where the snapshot does not say.
    loss: Option<f64>,
    hr10: Option<f64>,
    hr10_popularity: Option<f64>,
    ndcg10: Option<f64>,
    ndcg10_popularity: Option<f64>,
}

/// The answer of `GET /v1/activity`.
#[derive(Serialize)]
pub(crate) struct ActivityAnswer {
    now_ms: i64,
    /// When this process began to keep it: another value means another process.
    started_ms: i64,
    sample_ms: u64,
    /// By column: `at_ms`, and each series that this process has; null where it has no value yet.
    samples: Map<String, Value>,
    snapshots: Vec<InForce>,
    users: UsersAnswer,
}

#[derive(Serialize)]
struct UsersAnswer {
    looked_up: Vec<Id>,
    active: Vec<Id>,
}

impl Activity {
    /// Of the process whose metrics are in `registry`, from now on.
    pub fn new(registry: Registry) -> Self {
        let kept =
            Kept { samples: Thinned::new(SAMPLES), snapshots: Thinned::new(SNAPSHOTS), active: Vec::new() };
        Self { registry, started_ms: now_ms(), kept: Mutex::new(kept), looked_up: Mutex::default() }
    }

    /// The metrics that are sampled; each is one of the process's, whatever parts run in it.
    pub fn metrics() -> impl Iterator<Item = &'static str> {
        SERIES.iter().flat_map(|series| [Some(series.metric), series.and]).flatten()
    }

    /// Takes a sample of the metrics.
    pub fn sample(&self) {
        let values = series::read(&self.registry.gather());
        let mut kept = self.kept();
        // Strictly later than the one before, also where the clock was set back: a reader asks for
        // what is newer than what it has.
        let after = kept.samples.last().map_or(0, |sample| sample.at_ms + 1);
        kept.samples.push(Sample { at_ms: now_ms().max(after), values });
    }

    /// Notes the users that `lookup` names.
    fn ask_for_users(&self, lookup: &dyn UserLookup) {
        match lookup.active(USERS) {
            Ok(active) => self.kept().active = active,
            Err(error) => tracing::debug!("no users to name: {error}"),
        }
    }

    /// Notes a snapshot that was put in force.
    pub(crate) fn in_force(&self, info: &ModelInfo) {
        let rolling = |name: &str| info.metrics.get("rolling").and_then(|means| means.get(name)?.as_f64());
        let mut kept = self.kept();
        let after = kept.snapshots.last().map_or(0, |snapshot| snapshot.in_force_ms + 1);
        kept.snapshots.push(InForce {
            version: info.version,
            created_ms: info.created_ms,
            in_force_ms: now_ms().max(after),
            step: info.step,
            items: info.items,
            loss: info.metrics.get("loss").and_then(Value::as_f64),
            hr10: rolling("model_hr"),
            hr10_popularity: rolling("popularity_hr"),
            ndcg10: rolling("model_ndcg"),
            ndcg10_popularity: rolling("popularity_ndcg"),
        });
    }

    /// Notes a user that was found. One that comes while another is noted is left out: no look-up waits.
    pub(crate) fn looked_up(&self, id: &Id) {
        let Ok(mut users) = self.looked_up.try_lock() else { return };
        if users.front() == Some(id) {
            return;
        }
        users.retain(|user| user != id);
        users.truncate(USERS - 1);
        users.push_front(id.clone());
    }

    /// Samples and snapshots later than `since`, in the process's own time, and the users.
    pub(crate) fn answer(&self, since: i64) -> ActivityAnswer {
        let users = self.looked_up.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let kept = self.kept();
        let samples: Vec<&Sample> = kept.samples.iter().filter(|sample| sample.at_ms > since).collect();
        let mut columns = Map::new();
        columns.insert("at_ms".to_owned(), samples.iter().map(|sample| sample.at_ms).collect());
        for (at, series) in SERIES.iter().enumerate() {
            // A part may have begun after the first sample.
            if samples.iter().any(|sample| sample.values[at].is_some()) {
                let column = samples.iter().map(|sample| sample.values[at].filter(|value| value.is_finite()));
                columns.insert(series.name.to_owned(), column.collect());
            }
        }
        // One that came within the millisecond of the newest sample is sent again rather than never.
        let snapshots = kept.snapshots.iter().filter(|snapshot| snapshot.in_force_ms >= since);
        ActivityAnswer {
            now_ms: now_ms(),
            started_ms: self.started_ms,
            sample_ms: INTERVAL.as_millis() as u64,
            samples: columns,
            snapshots: snapshots.cloned().collect(),
            users: UsersAnswer { looked_up: users, active: kept.active.clone() },
        }
    }

    /// Samples in a thread of its own until `stop` is set.
    ///
    /// # Errors
    /// [`Error::Io`] where the system gives no thread.
    pub fn spawn(
        self: &Arc<Self>,
        lookup: Arc<dyn UserLookup>,
        stop: Arc<AtomicBool>,
    ) -> Result<JoinHandle<()>, Error> {
        let activity = Arc::clone(self);
        std::thread::Builder::new()
            .name("hmisr-activity".to_owned())
            .spawn(move || activity.run(&*lookup, &stop))
            .map_err(|source| Error::Io { doing: "cannot start the thread that samples metrics", source })
    }

    fn run(&self, lookup: &dyn UserLookup, stop: &AtomicBool) {
        let mut until_users = 0;
        while !stop.load(Ordering::Relaxed) {
            let next = Instant::now() + INTERVAL;
            self.sample();
            if until_users == 0 {
                self.ask_for_users(lookup);
            }
            // Often at the start, when there are none yet.
            until_users = match self.kept().active.is_empty() {
                true => 0,
                false => (until_users + 1) % ASK_USERS,
            };
            while !stop.load(Ordering::Relaxed) && Instant::now() < next {
                std::thread::sleep(STOP_CHECK);
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Plain data: a panic elsewhere leaves nothing half done in it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_looked_up_are_a_short_list_the_newest_first() {
        let activity = Activity::new(Registry::new());
        for id in (0..40_u32).chain([35, 35, 39]) {
            activity.looked_up(&Id::from(id));
        }
        let users = activity.answer(-1).users.looked_up;
        let expected = [39, 35, 38, 37, 36, 34, 33, 32, 31, 30, 29, 28].map(|id: u32| Id::from(id));
        assert_eq!(users, expected);
    }

    #[test]
    fn what_a_reader_has_is_not_sent_again() {
        let activity = Activity::new(Registry::new());
        activity.sample();
        activity.sample();
        let times = |since: i64| {
            let answer = activity.answer(since).samples;
            let times = answer["at_ms"].as_array().unwrap().iter().map(|at| at.as_i64().unwrap());
            (times.collect::<Vec<_>>(), answer.len())
        };
        let (all, columns) = times(-1);
        assert!(all.len() == 2 && all[0] < all[1] && columns == 1, "nothing is registered: {all:?}");
        assert_eq!(times(all[0]).0, all[1..]);
        assert!(times(all[1]).0.is_empty());
    }
}
