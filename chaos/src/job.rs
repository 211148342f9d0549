//! What the loop asks of the job that it kills.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hmisr_pipeline::engine::Point;
use hmisr_stream::Record;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::failure::{Failure, Result};

/// A job over a log, to be killed and looked at.
pub trait Job {
    /// Runs it, feeds it, and kills a process of it at the moment that `rng` draws.
    fn kill(&mut self, rng: &mut ChaCha8Rng) -> Result<Killed>;
    /// Runs it until everything is processed, and stops it in order.
    fn drain(&mut self) -> Result<()>;
    /// The committed records of `topic` from these offsets on, by partition and offset.
    fn records(&mut self, topic: &str, from: &BTreeMap<i32, i64>) -> Result<Vec<Record>>;
    /// The folders with partition stores; the newest store of a partition is in force.
    fn stores(&self) -> Vec<PathBuf>;
}

/// What is known of a killed process.
#[derive(Debug, Default)]
pub struct Killed {
    /// From its start until it had caught up with what was committed; none where it had not.
    pub ready: Option<Duration>,
    /// Where the engine was, where that is known.
    pub point: Option<Point>,
    /// Whether its state folder was lost with it.
    pub lost_disk: bool,
}

/// Of so many kills one takes the state folder too, as if the machine had gone: its state comes
/// back from a checkpoint and by replay.
const LOSES_EVERY: u32 = 16;

/// Draws whether a kill takes the folder `state` too.
///
/// # Errors
/// Where the folder cannot be removed; and where a start has set a store aside, since none may
/// ever be ahead of what its group has committed.
pub fn lose_disk(rng: &mut ChaCha8Rng, state: &Path) -> Result<bool> {
    let aside = state.join(".aside");
    if aside.exists() {
        let text = format!("{}: a start has set a store aside, which did not fit", aside.display());
        return Err(Failure::fault(text));
    }
    let lost = rng.random_ratio(1, LOSES_EVERY) && state.exists();
    if lost {
        std::fs::remove_dir_all(state)?;
    }
    Ok(lost)
}

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// So long after its start: while it starts, recovers or runs.
    AfterStart(Duration),
    /// So long after it has caught up: while it runs.
    AfterReady(Duration),
}

impl Moment {
    /// Half of the moments count from the start and come at the shorter times the more often,
    /// half from when the process has caught up; `longest` in either case.
    pub fn draw(rng: &mut ChaCha8Rng, longest: Duration) -> Self {
        let longest = longest.as_secs_f64();
        let shortest: f64 = 0.002;
        if rng.random_bool(0.5) {
            let power = rng.random::<f64>();
            Self::AfterStart(Duration::from_secs_f64(shortest * (longest / shortest).powf(power)))
        } else {
            Self::AfterReady(Duration::from_secs_f64(longest / 2.0 * rng.random::<f64>()))
        }
    }
}
