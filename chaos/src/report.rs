//! What a run has reached: kept in its data folder, and shown at the end.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::failure::{Failure, Result};
use crate::job::Killed;

/// Name of the file in the data folder.
const FILE: &str = "chaos.json";

/// What a resumed run needs of the one before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Progress {
    /// The seed.
    pub seed: u64,
    /// What carries the records: `log` or `kafka`.
    pub transport: String,
    /// Processes that share the partitions.
    pub instances: u8,
    /// Kills so far.
    pub kills: u64,
    /// Seconds of work so far, comparisons included.
    pub seconds: f64,
    /// Comparisons so far.
    pub comparisons: u64,
    /// Kills by the last point that the engine had reached, where that is known.
    pub points: BTreeMap<String, u64>,
    /// Kills before the engine had caught up.
    pub unready: u64,
    /// Kills that took the state folder too.
    pub disks_lost: u64,
    /// From start to having caught up, milliseconds, of each process that came so far.
    pub ready_ms: Vec<f64>,
}

impl Progress {
    /// Before the first kill.
    pub fn new(seed: u64, transport: &str, instances: u8) -> Self {
        Self {
            seed,
            transport: transport.to_owned(),
            instances,
            kills: 0,
            seconds: 0.0,
            comparisons: 0,
            points: BTreeMap::new(),
            unready: 0,
            disks_lost: 0,
            ready_ms: Vec::new(),
        }
    }

    /// Reads the progress of the run in `data`; none where there was none.
    pub fn load(data: &Path) -> Result<Option<Self>> {
        let path = data.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::user(format!("{}: {error}", path.display()))),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| Failure::user(format!("{}: {error}; use an empty folder", path.display())))
    }

    /// Keeps the progress in `data`.
    pub fn save(&self, data: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Failure::fault(error.to_string()))?;
        let (path, fresh) = (data.join(FILE), data.join("chaos.json.new"));
        std::fs::write(&fresh, text)?;
        Ok(std::fs::rename(fresh, path)?)
    }

    /// Counts a kill.
    pub fn add(&mut self, killed: &Killed) {
        self.kills += 1;
        self.disks_lost += u64::from(killed.lost_disk);
        if let Some(point) = killed.point {
            *self.points.entry(point.name().to_owned()).or_default() += 1;
        }
        match killed.ready {
            Some(ready) => self.ready_ms.push((ready.as_secs_f64() * 1e4).round() / 10.0),
            None => self.unready += 1,
        }
    }

    /// The figures of the run.
    pub fn report(&self, check: &Check) -> Report {
        let counts = &check.model.counts;
        let mut ready = self.ready_ms.clone();
        ready.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            ready.get(((ready.len() as f64 * share) as usize).min(ready.len().saturating_sub(1)))
        };
        Report {
            transport: self.transport.clone(),
            seed: self.seed,
            instances: self.instances,
            kills: self.kills,
            kills_before_ready: self.unready,
            disks_lost: self.disks_lost,
            kills_by_last_point: self.points.clone(),
            comparisons: self.comparisons,
            seconds: self.seconds.round(),
            events: counts.events,
            events_per_second: (counts.events as f64 / self.seconds.max(0.001)).round(),
            features: counts.features,
            examples: counts.examples,
            forgotten: counts.forgotten,
            neutral: counts.neutral,
            unknown_actions: counts.unknown_actions,
            dead_letters: counts
                .dead_letters
                .iter()
                .map(|(reason, count)| ((*reason).to_owned(), *count))
                .collect(),
            users: check.users,
            ready_ms_median: quantile(0.5).copied(),
            ready_ms_p95: quantile(0.95).copied(),
            ready_ms_max: ready.last().copied(),
        }
    }
}

/// The figures of a run in which nothing was lost, twice or different.
#[derive(Debug, Serialize)]
pub struct Report {
    transport: String,
    seed: u64,
    instances: u8,
    kills: u64,
    kills_before_ready: u64,
    disks_lost: u64,
    kills_by_last_point: BTreeMap<String, u64>,
    comparisons: u64,
    seconds: f64,
    events: u64,
    events_per_second: f64,
    features: u64,
    examples: u64,
    forgotten: u64,
    neutral: u64,
    unknown_actions: u64,
    dead_letters: BTreeMap<String, u64>,
    users: u64,
    ready_ms_median: Option<f64>,
    ready_ms_p95: Option<f64>,
    ready_ms_max: Option<f64>,
}

impl Report {
    /// Prints the figures, for people or as JSON.
    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            let text =
                serde_json::to_string_pretty(self).map_err(|error| Failure::fault(error.to_string()))?;
            println!("{text}");
            return Ok(());
        }
        let Self { transport, seed, instances, kills, comparisons, seconds, events, users, .. } = self;
        println!("nothing lost, nothing twice, nothing different");
        println!(
            "  {kills} kills over {transport}, {instances} instance(s), seed {seed}, {seconds} s, {comparisons} comparisons"
        );
        println!(
            "  {events} events ({}/s): {} features, {} examples, {} dead letters, {} users forgotten; {users} users compared",
            self.events_per_second,
            self.features,
            self.examples,
            self.dead_letters.values().sum::<u64>(),
            self.forgotten,
        );
        println!(
            "  killed before ready: {}; with the state folder: {}",
            self.kills_before_ready, self.disks_lost
        );
        if let (Some(median), Some(p95), Some(max)) =
            (self.ready_ms_median, self.ready_ms_p95, self.ready_ms_max)
        {
            println!("  ready after a kill: median {median} ms, 95 % {p95} ms, longest {max} ms");
        }
        if !self.kills_by_last_point.is_empty() {
            let points: Vec<String> =
                self.kills_by_last_point.iter().map(|(point, count)| format!("{point} {count}")).collect();
            println!("  kills by the last point: {}", points.join(", "));
        }
        Ok(())
    }
}
