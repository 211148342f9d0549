//! What a cluster runs, and stopping it.

use serde::Serialize;

use crate::api::StopMode;
use crate::cluster::Cluster;
use crate::error::Result;
use crate::plan::Found;
use crate::texts::Wanted;

/// What a pipeline of the cluster does.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// None where the cluster has no such pipeline.
    pub id: Option<String>,
    /// The job's state in Arroyo's words.
    pub state: Option<String>,
    /// Subtasks of the job.
    pub tasks: Option<u64>,
    /// Subtasks of its widest operator.
    pub parallelism: Option<u32>,
    /// How often the job has been scheduled; more with each crash.
    pub runs: Option<u64>,
    /// When the job began, microseconds since 1970.
    pub start_time: Option<u64>,
    /// When its newest whole checkpoint ended, microseconds since 1970.
    pub checkpoint_time: Option<u64>,
    /// Whether query and functions are the ones that would be deployed.
    pub current: bool,
    /// What the job says of its failure.
    pub failure: Option<String>,
}

/// Every wanted pipeline, and what the cluster has by its name.
///
/// # Errors
/// Where the cluster does not answer.
pub fn statuses(cluster: &Cluster<'_>, wanted: &[Wanted]) -> Result<Vec<Status>> {
    let found = cluster.found()?;
    let mut statuses = Vec::new();
    for pipeline in wanted {
        let of_name = found.iter().filter(|found| found.pipeline.name == pipeline.name);
        let of_name: Vec<&Found> = of_name.collect();
        if of_name.is_empty() {
            statuses.push(Status::absent(&pipeline.name));
        }
        for found in of_name {
            statuses.push(Status::of(cluster, pipeline, found)?);
        }
    }
    Ok(statuses)
}

impl Status {
    fn absent(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: None,
            state: None,
            tasks: None,
            parallelism: None,
            runs: None,
            start_time: None,
            checkpoint_time: None,
            current: false,
            failure: None,
        }
    }

    fn of(cluster: &Cluster<'_>, wanted: &Wanted, found: &Found) -> Result<Self> {
        let pipeline = &found.pipeline;
        let mut status = Self {
            id: Some(pipeline.id.clone()),
            parallelism: Some(pipeline.parallelism()),
            current: found.is_same(wanted),
            ..Self::absent(&pipeline.name)
        };
        if let Some(job) = &found.job {
            status.state = Some(job.state.clone());
            status.tasks = job.tasks;
            status.runs = Some(job.run_id);
            status.start_time = job.start_time;
            status.failure.clone_from(&job.failure_message);
            status.checkpoint_time = cluster.checkpoint(&pipeline.id, job)?;
        }
        Ok(status)
    }
}

/// What was done to a pipeline.
#[derive(Debug, Serialize)]
pub struct Stopped {
    /// Its name.
    pub name: String,
    /// Its id on the cluster.
    pub id: String,
    /// Whether it was deleted as well.
    pub deleted: bool,
}

/// Stops the pipelines of these names, and deletes them where that is asked for; those that have ended are let be.
///
/// # Errors
/// Where the cluster does not answer, or a job does not end in time.
pub fn stop(cluster: &Cluster<'_>, names: &[String], mode: StopMode, delete: bool) -> Result<Vec<Stopped>> {
    let found = cluster.found()?;
    let mut stopped = Vec::new();
    for name in names {
        for found in found.iter().filter(|found| found.pipeline.name == *name) {
            let id = &found.pipeline.id;
            match delete {
                true => cluster.remove(name, id, mode)?,
                false => cluster.stop(name, id, mode)?,
            }
            stopped.push(Stopped { name: name.clone(), id: id.clone(), deleted: delete });
        }
    }
    Ok(stopped)
}
