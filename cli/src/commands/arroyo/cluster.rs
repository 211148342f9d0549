//! What the cluster has by a pipeline's name, and waiting for its jobs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::api::{Api, Change, Job, StopMode};
use super::plan::Found;
use crate::failure::Failure;

/// How often a job that is waited for is asked about.
const POLL: Duration = Duration::from_millis(500);
/// How long a job may stay in the state in which it ended before that is its answer to a start.
const SETTLED: Duration = Duration::from_secs(10);
/// Errors of a job that are shown.
const SHOWN: usize = 3;

/// A cluster, and how long its jobs are waited for.
pub struct Cluster<'a> {
    pub api: Api,
    pub timeout: Duration,
    pub stop: &'a AtomicBool,
}

impl Cluster<'_> {
    /// Whether the user has asked for the end.
    pub fn is_interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// All pipelines with their jobs.
    pub fn found(&self) -> Result<Vec<Found>, Failure> {
        let pipelines = self.api.pipelines()?.into_iter();
        pipelines.map(|pipeline| Ok(Found { job: self.api.job(&pipeline.id)?, pipeline })).collect()
    }

    /// Waits until the pipeline's job runs.
    ///
    /// # Errors
    /// Where it fails, with what it says, or is not there in time.
    pub fn until_running(&self, name: &str, id: &str) -> Result<Job, Failure> {
        let begun = Instant::now();
        let mut moved = false;
        self.wait(name, id, "Running", |job| match job.state.as_str() {
            "Running" if job.running_desired => Some(Ok(())),
            // A job that is to start again is for a moment in the state in which it ended.
            "Failed" | "Finished" => (moved || begun.elapsed() > SETTLED).then_some(Err(())),
            "Stopped" => None,
            _ => {
                moved = true;
                None
            }
        })
    }

    /// Stops the pipeline's job and waits for its end; one that has ended is let be.
    pub fn stop(&self, name: &str, id: &str, mode: StopMode) -> Result<(), Failure> {
        match self.api.job(id)? {
            None => return Ok(()),
            Some(job) if job.has_ended() => return Ok(()),
            Some(_) => self.api.change(id, &Change { stop: Some(mode), ..Change::default() })?,
        }
        self.wait(name, id, "Stopped", |job| job.has_ended().then_some(Ok(()))).map(drop)
    }

    /// Stops and deletes a pipeline.
    pub fn remove(&self, name: &str, id: &str, mode: StopMode) -> Result<(), Failure> {
        self.stop(name, id, mode)?;
        self.api.delete(id)
    }

    fn wait(
        &self,
        name: &str,
        id: &str,
        wanted: &str,
        mut reached: impl FnMut(&Job) -> Option<Result<(), ()>>,
    ) -> Result<Job, Failure> {
        let deadline = Instant::now() + self.timeout;
        let mut before = String::new();
        loop {
            let job = self.api.job(id)?.ok_or_else(|| {
                Failure::found(format!(
                    "{name} ({id}): Arroyo has made no job for it; its controller's log says why"
                ))
            })?;
            match reached(&job) {
                Some(Ok(())) => return Ok(job),
                Some(Err(())) => return Err(self.explained(name, id, &job)),
                None => {}
            }
            if job.state != before {
                eprintln!("{name}: {}", job.state);
                before.clone_from(&job.state);
            }
            if self.is_interrupted() {
                return Err(Failure::found(format!(
                    "{name} ({id}): stopped while it was {}; Arroyo goes on with it, and the same command \
                     takes up from there",
                    job.state
                )));
            }
            if Instant::now() >= deadline {
                let why = self.said(id, &job);
                return Err(Failure::found(format!(
                    "{name} ({id}): still {} after {} s, expected {wanted}{why}; see that the cluster has free slots, \
                     or give more with --timeout",
                    job.state,
                    self.timeout.as_secs()
                )));
            }
            std::thread::sleep(POLL);
        }
    }

    fn explained(&self, name: &str, id: &str, job: &Job) -> Failure {
        Failure::found(format!("{name} ({id}): the job is {}{}", job.state, self.said(id, job)))
    }

    /// What a job says of its failure.
    fn said(&self, id: &str, job: &Job) -> String {
        let mut said: Vec<String> = job.failure_message.iter().cloned().collect();
        // Where the errors cannot be had the failure is told all the same.
        for error in self.api.errors(id, &job.id).unwrap_or_default().into_iter().rev().take(SHOWN) {
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
