//! What the cluster has by a pipeline's name, and waiting for its jobs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::api::{Api, Change, Job, StopMode};
use crate::error::{Error, Result};
use crate::plan::Found;

/// How often a job that is waited for is asked about.
const POLL: Duration = Duration::from_millis(500);
/// How long a job may stay in the state in which it ended before that is its answer to a start.
const SETTLED: Duration = Duration::from_secs(10);
/// How long a job that makes no checkpoint meanwhile has to run before it counts as running.
const STEADY: Duration = Duration::from_secs(30);
/// How often a job may be started anew meanwhile: Arroyo itself starts a job that crashes twenty times over.
const CRASHES: u64 = 3;
/// Errors of a job that are shown.
const SHOWN: usize = 3;

/// What a look at a job that is waited for says.
enum Seen {
    Reached,
    Failed,
    NotYet,
}

/// How jobs are waited for.
pub struct Waiting<'a> {
    /// How long one may take to run, or to stop.
    pub timeout: Duration,
    /// Set where the user asks for the end.
    pub stop: &'a AtomicBool,
    /// Told of every step, and of every state that a job comes to.
    pub tell: &'a dyn Fn(&str),
}

/// A cluster, and how its jobs are waited for.
pub struct Cluster<'a> {
    pub(crate) api: Api,
    waiting: Waiting<'a>,
}

impl<'a> Cluster<'a> {
    /// The cluster whose API is at `url`, `http[s]://host[:port][/path]`; `token` is sent to it as a bearer token,
    /// and an answer may take `within`.
    ///
    /// # Errors
    /// Where `url` is none, or nothing answers there as Arroyo does.
    pub fn connect(url: &str, token: Option<String>, within: Duration, waiting: Waiting<'a>) -> Result<Self> {
        let api = Api::new(url, token, within)?;
        api.ping()?;
        Ok(Self { api, waiting })
    }

    /// Tells the user.
    pub(crate) fn tell(&self, text: &str) {
        (self.waiting.tell)(text);
    }

    /// Whether the user has asked for the end.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.waiting.stop.load(Ordering::Relaxed)
    }

    /// All pipelines with their jobs.
    pub(crate) fn found(&self) -> Result<Vec<Found>> {
        let pipelines = self.api.pipelines()?.into_iter();
        pipelines.map(|pipeline| Ok(Found { job: self.api.job(&pipeline.id)?, pipeline })).collect()
    }

    /// When the newest whole checkpoint of the pipeline's job ended.
    pub(crate) fn checkpoint(&self, id: &str, job: &Job) -> Result<Option<u64>> {
        Ok(self.api.checkpoint(id, &job.id)?.and_then(|checkpoint| checkpoint.finish_time))
    }

    /// Waits until the pipeline's job runs, in a run later than `after_run`, and has shown it by a checkpoint
    /// that this run made: a job that crashes at its first record is `Running` for a moment, again and again.
    ///
    /// # Errors
    /// Where it fails, with what it says, or is not there in time.
    pub(crate) fn until_sound(&self, name: &str, id: &str, after_run: u64) -> Result<Job> {
        let begun = Instant::now();
        let (mut moved, mut first_run) = (false, None);
        // Run, since when, and the newest checkpoint then: stopping makes one as well.
        let mut seen: Option<(u64, Instant, Option<u64>)> = None;
        self.wait(name, id, "Running with a checkpoint", |job| {
            let crashes = job.run_id.saturating_sub(*first_run.get_or_insert(job.run_id));
            // One of them is the start that was asked for.
            if crashes > CRASHES {
                return Ok(Seen::Failed);
            }
            match job.state.as_str() {
                "Running" if job.running_desired && job.run_id > after_run => {
                    let checkpoint = self.checkpoint(id, job)?;
                    let (_, since, first) = match seen {
                        Some(seen) if seen.0 == job.run_id => seen,
                        _ => *seen.insert((job.run_id, Instant::now(), checkpoint)),
                    };
                    let sound = since.elapsed() > STEADY || checkpoint > first;
                    return Ok(if sound { Seen::Reached } else { Seen::NotYet });
                }
                "Running" if job.running_desired => {}
                // A job that is to start again is for a moment in the state in which it ended.
                "Failed" | "Finished" if moved || begun.elapsed() > SETTLED => return Ok(Seen::Failed),
                "Failed" | "Finished" | "Stopped" => {}
                _ => moved = true,
            }
            Ok(Seen::NotYet)
        })
    }

    /// Waits until the pipeline's job, which has not been touched, runs.
    ///
    /// # Errors
    /// As [`Cluster::until_sound`].
    pub(crate) fn until_running(&self, name: &str, id: &str) -> Result<Job> {
        self.wait(name, id, "Running", |job| {
            Ok(match job.state.as_str() {
                "Running" => Seen::Reached,
                "Failed" | "Finished" | "Stopped" => Seen::Failed,
                _ => Seen::NotYet,
            })
        })
    }

    /// Stops the pipeline's job and waits for its end; one that has ended is let be.
    pub(crate) fn stop(&self, name: &str, id: &str, mode: StopMode) -> Result<()> {
        match self.api.job(id)? {
            None => return Ok(()),
            Some(job) if job.has_ended() => return Ok(()),
            Some(_) => self.api.change(id, &Change { stop: Some(mode), ..Change::default() })?,
        }
        let ended = |job: &Job| Ok(if job.has_ended() { Seen::Reached } else { Seen::NotYet });
        self.wait(name, id, "Stopped", ended).map(drop)
    }

    /// Stops and deletes a pipeline.
    pub(crate) fn remove(&self, name: &str, id: &str, mode: StopMode) -> Result<()> {
        self.stop(name, id, mode)?;
        self.api.delete(id)
    }

    fn wait(
        &self,
        name: &str,
        id: &str,
        wanted: &str,
        mut see: impl FnMut(&Job) -> Result<Seen>,
    ) -> Result<Job> {
        let deadline = Instant::now() + self.waiting.timeout;
        let mut before = String::new();
        loop {
            let job = self.api.job(id)?.ok_or_else(|| {
                Error::failed(format!(
                    "{name} ({id}): Arroyo has made no job for it; its controller's log says why"
                ))
            })?;
            match see(&job)? {
                Seen::Reached => return Ok(job),
                Seen::Failed => return Err(self.explained(name, id, &job)),
                Seen::NotYet => {}
            }
            if job.state != before {
                self.tell(&format!("{name}: {}", job.state));
                before.clone_from(&job.state);
            }
            if self.is_interrupted() {
                return Err(Error::failed(format!(
                    "{name} ({id}): stopped while it was {}; Arroyo goes on with it, and the same command \
                     takes up from there",
                    job.state
                )));
            }
            if Instant::now() >= deadline {
                let why = self.said(id, &job);
                return Err(Error::failed(format!(
                    "{name} ({id}): still {} after {} s, expected {wanted}{why}; see that the cluster has free slots, \
                     or give more with --timeout",
                    job.state,
                    self.waiting.timeout.as_secs()
                )));
            }
            std::thread::sleep(POLL);
        }
    }

    fn explained(&self, name: &str, id: &str, job: &Job) -> Error {
        let why = match self.said(id, job) {
            said if said.is_empty() => "; the workers' logs say why".to_owned(),
            said => said,
        };
        let runs = if job.run_id > 1 { format!(" in run {}", job.run_id) } else { String::new() };
        Error::failed(format!("{name} ({id}): the job is {}{runs}{why}", job.state))
    }

    /// What a job says of its failure.
    fn said(&self, id: &str, job: &Job) -> String {
        let mut said: Vec<String> = job.failure_message.iter().cloned().collect();
        // Where the errors cannot be had the failure is told all the same.
        for error in self.api.errors(id, &job.id).unwrap_or_default().into_iter().take(SHOWN) {
            let line = format!("{} {}", error.message, error.details);
            if !said.contains(&line) {
                said.push(line.trim_end().to_owned());
            }
        }
        match said.is_empty() {
            true => String::new(),
            false => format!(": {}", said.join("; ")),
        }
    }
}
