//! What has to be done for a pipeline to be as it is wanted.

use crate::api::{Job, Pipeline, Udf};
use crate::texts::Wanted;

/// A pipeline of the cluster with its job.
#[derive(Debug, Clone)]
pub struct Found {
    pub pipeline: Pipeline,
    pub job: Option<Job>,
}

impl Found {
    /// Whether query and functions are those that are wanted, to the letter.
    pub fn is_same(&self, wanted: &Wanted) -> bool {
        let sorted = |mut udfs: Vec<Udf>| {
            udfs.sort();
            udfs
        };
        self.pipeline.query == wanted.query && sorted(self.pipeline.udfs.clone()) == sorted(wanted.udfs())
    }
}

/// What is asked for beside the text; what is not given stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tuning {
    /// Subtasks of every operator.
    pub parallelism: Option<u32>,
    /// Between two checkpoints, microseconds.
    pub interval_micros: Option<u64>,
}

impl Tuning {
    /// What of it `pipeline` lacks.
    fn lacking(self, pipeline: &Pipeline) -> Self {
        Self {
            parallelism: self.parallelism.filter(|wanted| *wanted != pipeline.parallelism()),
            interval_micros: self
                .interval_micros
                .filter(|wanted| *wanted != pipeline.checkpoint_interval_micros),
        }
    }

    /// What is not given from `pipeline`.
    fn or_of(self, pipeline: &Pipeline) -> Self {
        Self {
            parallelism: self.parallelism.or(Some(pipeline.parallelism())),
            interval_micros: self.interval_micros.or(Some(pipeline.checkpoint_interval_micros)),
        }
    }
}

/// The steps for one pipeline, in their order: `step`, wait until it runs, then `remove`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub step: Step,
    /// Pipelines of the name with another text, by id. They go when the new one runs: a new text
    /// that does not start takes nothing away. While both run, each writes its rows, which are named by
    /// key and window and computed from the window's events alone, so the later is as good as the first.
    pub remove: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// There is one of this text: `tuning` is what it lacks, `ended` why it does not run.
    Keep { id: String, tuning: Tuning, ended: Option<Ended> },
    /// There is none of this text. What is not given is as it was with the text before.
    Create { tuning: Tuning },
}

/// Why a job does not run. Made to, it goes on at its newest checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Stopped,
    Failed,
}

impl Plan {
    /// The steps from `found`, the pipelines of the wanted one's name.
    pub fn of(wanted: &Wanted, tuning: Tuning, found: &[Found]) -> Self {
        // The one that runs before one that does not, where an earlier deployment was cut off.
        let same = found.iter().filter(|found| found.is_same(wanted));
        let kept = same.min_by_key(|found| !found.job.as_ref().is_some_and(Job::is_running));
        let step = match kept {
            Some(found) => Step::Keep {
                id: found.pipeline.id.clone(),
                tuning: tuning.lacking(&found.pipeline),
                ended: found.job.as_ref().and_then(Ended::of),
            },
            None => {
                let before =
                    found.iter().min_by_key(|found| !found.job.as_ref().is_some_and(Job::is_running));
                Step::Create { tuning: before.map_or(tuning, |before| tuning.or_of(&before.pipeline)) }
            }
        };
        let ids = found.iter().map(|found| &found.pipeline.id);
        let remove = ids.filter(|id| kept.is_none_or(|kept| kept.pipeline.id != **id)).cloned().collect();
        Self { step, remove }
    }
}

impl Ended {
    fn of(job: &Job) -> Option<Self> {
        match (job.state.as_str(), job.running_desired) {
            ("Failed", _) => Some(Self::Failed),
            ("Stopped", _) | (_, false) => Some(Self::Stopped),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Wanted {
        crate::texts::wanted(&["category_popularity".to_owned()], "k:9092", None, None).unwrap().remove(0)
    }

    fn found(id: &str, wanted: &Wanted, state: &str) -> Found {
        let pipeline = json!({
            "id": id, "name": wanted.name, "query": wanted.query, "udfs": wanted.udfs(),
            "checkpointIntervalMicros": 10_000_000, "graph": {"nodes": [{"parallelism": 4}], "edges": []},
        });
        let job = json!({"id": "job_1", "state": state, "runningDesired": state != "Stopped"});
        Found {
            pipeline: serde_json::from_value(pipeline).unwrap(),
            job: Some(serde_json::from_value(job).unwrap()),
        }
    }

    fn kept(id: &str) -> Step {
        Step::Keep { id: id.to_owned(), tuning: Tuning::default(), ended: None }
    }

    #[test]
    fn what_is_as_wanted_stays() {
        let wanted = wanted();
        let step = |state: &str, tuning| Plan::of(&wanted, tuning, &[found("pl_1", &wanted, state)]).step;
        let ends = |state: &str, tuning| match step(state, tuning) {
            Step::Keep { tuning, ended, .. } => (tuning, ended),
            Step::Create { .. } => panic!("{state}: made anew"),
        };
        let as_is = Tuning::default();
        assert_eq!(step("Running", as_is), kept("pl_1"));
        assert_eq!(ends("Scheduling", as_is), (as_is, None));
        assert_eq!(ends("Stopped", as_is), (as_is, Some(Ended::Stopped)));
        assert_eq!(ends("Failed", as_is), (as_is, Some(Ended::Failed)));
        let same = Tuning { parallelism: Some(4), interval_micros: Some(10_000_000) };
        assert_eq!(ends("Running", same), (as_is, None));
        let wider = Tuning { parallelism: Some(8), ..same };
        let lacking = Tuning { parallelism: Some(8), interval_micros: None };
        assert_eq!(ends("Running", wider), (lacking, None));
        assert_eq!(ends("Stopped", wider), (lacking, Some(Ended::Stopped)));
    }

    #[test]
    fn another_text_goes_when_the_new_one_runs() {
        let wanted = wanted();
        let mut old = wanted.clone();
        old.query.push_str("-- older");
        let plan = Plan::of(&wanted, Tuning::default(), &[found("pl_1", &old, "Running")]);
        // What is not given stays.
        let as_before = Tuning { parallelism: Some(4), interval_micros: Some(10_000_000) };
        let create = Step::Create { tuning: as_before };
        assert_eq!(plan, Plan { step: create.clone(), remove: vec!["pl_1".to_owned()] });
        // A deployment that was cut off between the two.
        let both = [found("pl_1", &old, "Running"), found("pl_2", &wanted, "Running")];
        let plan = Plan::of(&wanted, Tuning::default(), &both);
        assert_eq!(plan, Plan { step: kept("pl_2"), remove: vec!["pl_1".to_owned()] });
        // Of two of the same text the one that runs stays.
        let twice = [found("pl_1", &wanted, "Failed"), found("pl_2", &wanted, "Running")];
        let plan = Plan::of(&wanted, Tuning::default(), &twice);
        assert_eq!(plan, Plan { step: kept("pl_2"), remove: vec!["pl_1".to_owned()] });
        // A changed function is a changed text.
        let mut other = wanted.clone();
        other.udfs.values_mut().for_each(|udf| udf.definition.push(' '));
        assert_ne!(other, wanted);
        let plan = Plan::of(&wanted, Tuning::default(), &[found("pl_1", &other, "Running")]);
        assert_eq!(plan.step, create);
        assert_eq!(
            Plan::of(&wanted, Tuning::default(), &[]).step,
            Step::Create { tuning: Tuning::default() }
        );
    }
}
