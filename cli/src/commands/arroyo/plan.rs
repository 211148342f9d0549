//! What has to be done for a pipeline to be as it is wanted.

use super::api::{Job, Pipeline, Udf};
use super::texts::Wanted;

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
#[derive(Debug, Clone, Copy, Default)]
pub struct Tuning {
    pub parallelism: Option<u32>,
    pub interval_micros: Option<u64>,
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
    /// It runs.
    Keep { id: String },
    /// It runs, with another parallelism or checkpoint interval.
    Tune { id: String, parallelism: Option<u32>, interval_micros: Option<u64> },
    /// It was stopped: it goes on at its newest checkpoint.
    Start { id: String },
    /// It failed: it goes on at its newest checkpoint.
    Restart { id: String },
    /// There is none of this text.
    Create,
}

impl Plan {
    /// The steps from `found`, the pipelines of the wanted one's name.
    pub fn of(wanted: &Wanted, tuning: Tuning, found: &[Found]) -> Self {
        // The one that runs before one that does not, where an earlier deployment was cut off.
        let same = found.iter().filter(|found| found.is_same(wanted));
        let kept = same.min_by_key(|found| !found.job.as_ref().is_some_and(Job::is_running));
        let step = kept.map_or(Step::Create, |found| Self::step(found, tuning));
        let ids = found.iter().map(|found| &found.pipeline.id);
        let remove = ids.filter(|id| kept.is_none_or(|kept| kept.pipeline.id != **id)).cloned().collect();
        Self { step, remove }
    }

    fn step(found: &Found, tuning: Tuning) -> Step {
        let id = found.pipeline.id.clone();
        match found.job.as_ref().map(|job| (job.state.as_str(), job.running_desired)) {
            Some(("Failed", _)) => return Step::Restart { id },
            Some((_, false)) | Some(("Stopped", _)) => return Step::Start { id },
            _ => {}
        }
        let parallelism = tuning.parallelism.filter(|wanted| *wanted != found.pipeline.parallelism());
        let interval_micros =
            tuning.interval_micros.filter(|wanted| *wanted != found.pipeline.checkpoint_interval_micros);
        match parallelism.is_some() || interval_micros.is_some() {
            true => Step::Tune { id, parallelism, interval_micros },
            false => Step::Keep { id },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Wanted {
        super::super::texts::wanted(&["category_popularity".to_owned()], "k:9092", None, None)
            .unwrap()
            .remove(0)
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

    #[test]
    fn what_is_as_wanted_stays() {
        let wanted = wanted();
        let step = |state: &str, tuning| Plan::of(&wanted, tuning, &[found("pl_1", &wanted, state)]).step;
        let (id, as_is) = ("pl_1".to_owned(), Tuning::default());
        assert_eq!(step("Running", as_is), Step::Keep { id: id.clone() });
        assert_eq!(step("Scheduling", as_is), Step::Keep { id: id.clone() });
        assert_eq!(step("Stopped", as_is), Step::Start { id: id.clone() });
        assert_eq!(step("Failed", as_is), Step::Restart { id: id.clone() });
        let same = Tuning { parallelism: Some(4), interval_micros: Some(10_000_000) };
        assert_eq!(step("Running", same), Step::Keep { id: id.clone() });
        let wider = Tuning { parallelism: Some(8), ..same };
        assert_eq!(step("Running", wider), Step::Tune { id, parallelism: Some(8), interval_micros: None });
    }

    #[test]
    fn another_text_goes_when_the_new_one_runs() {
        let wanted = wanted();
        let mut old = wanted.clone();
        old.query.push_str("-- older");
        let plan = Plan::of(&wanted, Tuning::default(), &[found("pl_1", &old, "Running")]);
        assert_eq!(plan, Plan { step: Step::Create, remove: vec!["pl_1".to_owned()] });
        // A deployment that was cut off between the two.
        let both = [found("pl_1", &old, "Running"), found("pl_2", &wanted, "Running")];
        let plan = Plan::of(&wanted, Tuning::default(), &both);
        assert_eq!(
            plan,
            Plan { step: Step::Keep { id: "pl_2".to_owned() }, remove: vec!["pl_1".to_owned()] }
        );
        // Of two of the same text the one that runs stays.
        let twice = [found("pl_1", &wanted, "Failed"), found("pl_2", &wanted, "Running")];
        let plan = Plan::of(&wanted, Tuning::default(), &twice);
        assert_eq!(
            plan,
            Plan { step: Step::Keep { id: "pl_2".to_owned() }, remove: vec!["pl_1".to_owned()] }
        );
        // A changed function is a changed text.
        let mut other = wanted.clone();
        other.udfs.values_mut().for_each(|udf| udf.definition.push(' '));
        assert_ne!(other, wanted);
        let plan = Plan::of(&wanted, Tuning::default(), &[found("pl_1", &other, "Running")]);
        assert_eq!(plan.step, Step::Create);
    }
}
