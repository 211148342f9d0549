//! Studies: models with several seeds, fitted and asked, and what is reported of them all.
//!
//! * A [`Plan`] says which models; its [`Job`]s are a model with a seed each, with folders of their own, so that a
//!   study that was stopped goes on from there, and one that has more models makes only what is missing.
//! * [`Study::run`] does them, and [`Findings`] are what came of it, with answers that others stored beside them.
//! * [`Findings::report`] measures; [`ablation_section`] and [`reference_section`] compare, [`write`] leaves files.
//!
//! [`Questions`] and [`train`] are the two halves of a job, for whoever has one model only.

mod ablation;
mod counting;
mod findings;
mod job;
mod plan;
mod questions;
mod sections;
mod watcher;

use std::sync::atomic::AtomicBool;

use crate::error::Result;
use crate::report::FitSummary;
use crate::split::Split;

pub use counting::Counting;
pub use findings::Findings;
pub use job::{Job, Ranked, train};
pub use plan::{Plan, Subject};
pub use questions::{AskOptions, Built, Questions};
pub use sections::{ablation_section, reference_section, write};
pub use watcher::Watcher;

/// What all jobs of a study share.
#[derive(Debug, Clone, Copy)]
pub struct Study<'a> {
    /// The data.
    pub split: &'a Split,
    /// Which cases are asked.
    pub options: AskOptions,
    /// Whether to end, after the step or the set of cases that is under way.
    pub stop: &'a AtomicBool,
}

impl Study<'_> {
    /// Fits what is not fitted yet and asks what is not answered yet, job by job. None where it was asked to stop:
    /// the same jobs go on from there.
    ///
    /// # Errors
    /// Those of fits and models, and where a job's folder is not the job's.
    pub fn run(&self, jobs: &[Job], watcher: &mut dyn Watcher) -> Result<Option<Findings>> {
        let mut findings = Findings::default();
        for job in jobs {
            let Some(answers) = job.answers(self, watcher)? else {
                watcher.stopped(job.name(), job.seed());
                return Ok(None);
            };
            findings.answers.extend(answers);
            if let Some(folder) = job.run() {
                findings.fits.extend(FitSummary::read(job.name(), folder)?);
            }
        }
        Ok(Some(findings))
    }
}
