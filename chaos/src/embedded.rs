//! A job over the embedded log: one process owns log and state, is fed and read within.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hmisr_pipeline::engine::Point;
use hmisr_stream::log::Log;
use hmisr_stream::{Limits, Polled, Record, Source};
use rand_chacha::ChaCha8Rng;

use crate::failure::{Failure, Result};
use crate::job::{Job, Killed, Moment, lose_disk};
use crate::process::Process;
use crate::worker::{TRACE, open_log};
use crate::world::last_point;

/// The longest life of a worker that has caught up is half of this.
const LIFE: Duration = Duration::from_millis(500);
/// How long a worker may take to do what it does at once, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// Workers over a data folder.
pub struct Embedded {
    data: PathBuf,
    seed: u64,
    rate: f64,
    swap: bool,
    starts: u64,
}

impl Embedded {
    /// Over the folder `data`; `rate`: events per second; `starts`: how many workers there were.
    pub fn new(data: &Path, seed: u64, rate: f64, swap: bool, starts: u64) -> Self {
        Self { data: data.to_owned(), seed, rate, swap, starts }
    }

    fn start(&mut self, more: &[&str]) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("worker").arg("--data").arg(&self.data);
        command.args(["--seed", &self.seed.to_string(), "--start", &self.starts.to_string()]);
        command.args(["--rate", &self.rate.to_string()]).args(more);
        if self.swap {
            command.arg("--swap");
        }
        self.starts += 1;
        drop(std::fs::remove_file(self.data.join(TRACE)));
        Process::start(&mut command, &self.data.join("worker.log"))
    }

    /// Runs a worker until it comes to a point for the `turn`-th time, and kills it there.
    pub fn kill_at(&mut self, point: Point, turn: u32) -> Result<Killed> {
        let mut worker = self.start(&["--kill-at", &format!("{}:{turn}", point.name())])?;
        let mut ready = None;
        loop {
            match worker.line(PATIENCE.saturating_sub(worker.began.elapsed()))? {
                Some(line) if line.starts_with("at ") => break,
                Some(line) if line == "ready" => ready = Some(worker.began.elapsed()),
                Some(_) => {}
                None => return Err(Failure::fault(format!("{} was not reached {turn} times", point.name()))),
            }
        }
        worker.kill()?;
        // Another thread may have come to another point since.
        Ok(Killed { ready, point: Some(point), lost_disk: false })
    }
}

impl Job for Embedded {
    fn kill(&mut self, rng: &mut ChaCha8Rng) -> Result<Killed> {
        let moment = Moment::draw(rng, LIFE);
        let mut worker = self.start(&[])?;
        let mut ready = None;
        loop {
            let until = match (moment, ready) {
                (Moment::AfterStart(time), _) => time,
                (Moment::AfterReady(time), Some(ready)) => ready + time,
                (Moment::AfterReady(_), None) => PATIENCE,
            };
            let left = until.saturating_sub(worker.began.elapsed());
            if left.is_zero() {
                break;
            }
            if worker.line(left)?.is_some_and(|line| line == "ready") {
                ready = Some(worker.began.elapsed());
            }
        }
        if let (Moment::AfterReady(_), None) = (moment, ready) {
            let text = format!("a worker has not caught up within {} s", PATIENCE.as_secs());
            return Err(Failure::fault(text));
        }
        worker.kill()?;
        let lost_disk = lose_disk(rng, &self.data.join("state"))?;
        Ok(Killed { ready, point: last_point(&self.data.join(TRACE)), lost_disk })
    }

    fn drain(&mut self) -> Result<()> {
        self.start(&["--drain"])?.finish(PATIENCE)
    }

    fn records(&mut self, topic: &str, from: &BTreeMap<i32, i64>) -> Result<Vec<Record>> {
        read_log(&open_log(&self.data)?, topic, from)
    }

    fn stores(&self) -> Vec<PathBuf> {
        vec![self.data.join("state")]
    }
}

fn read_log(log: &Log, topic: &str, from: &BTreeMap<i32, i64>) -> Result<Vec<Record>> {
    let mut source = log.source(topic, "chaos-check")?;
    let mut records = Vec::new();
    loop {
        match source.poll(Limits { records: 10_000, bytes: 64 << 20 }, Duration::ZERO)? {
            Polled::Assigned(partitions) => {
                for partition in partitions {
                    source.seek(partition, from.get(&partition).copied().unwrap_or(0))?;
                }
            }
            Polled::Records(more) if more.is_empty() => break,
            Polled::Records(more) => records.extend(more),
            Polled::Revoked(_) => {}
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}
