//! A study makes what is missing, and only that.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::common::dataset;
use hmisr_model::{Architecture, ModelSettings};
use hmisr_offline::fit::{FitSettings, Watch};
use hmisr_offline::report::AssembleOptions;
use hmisr_offline::study::{AskOptions, Counting, Findings, Job, Plan, Study, Subject, Watcher};
use hmisr_offline::{CaseSet, Error, Protocol, Split};

/// What was asked, and where it stopped.
#[derive(Default)]
struct Seen {
    asked: Vec<String>,
    stopped: Option<String>,
}

impl Watch for Seen {}

impl Watcher for Seen {
    fn asked(&mut self, model: &str, seed: u64, set: CaseSet, done: usize, _: usize) {
        if done == 0 {
            self.asked.push(format!("{model} {seed} {}", set.as_str()));
        }
    }

    fn stopped(&mut self, model: &str, seed: u64) {
        self.stopped = Some(format!("{model} {seed}"));
    }
}

fn split() -> Split {
    let users: Vec<Vec<(u32, i64)>> = (0..12)
        .map(|user| (0..8).map(|at| ((user + at) % 10, i64::from(user + at * 10))).collect())
        .collect();
    let categories: Vec<[u32; 1]> = (0..10).map(|item| [item / 5]).collect();
    Split::new(Protocol::O1, dataset(&users, &categories.iter().map(|one| &one[..]).collect::<Vec<_>>()))
        .unwrap()
}

fn jobs(split: &Split, subjects: &[Subject], runs: Option<&Path>) -> Result<Vec<Job>, Error> {
    let plan = Plan {
        subjects: subjects.to_vec(),
        published: Vec::new(),
        seeds: &[1, 2],
        runs,
        with_counts: false,
        ablate: false,
    };
    plan.jobs(split, |_, _| Ok(FitSettings::default()))
}

const COUNTING: [Subject; 2] = [Subject::Counting(Counting::Markov), Subject::Counting(Counting::Trinity)];

#[test]
fn what_is_answered_is_not_asked_again() {
    let (folder, split) = (tempfile::tempdir().unwrap(), split());
    let stop = AtomicBool::new(false);
    let options = AskOptions { successive_cases: 10, ask_again: false };
    let study = Study { split: &split, options, stop: &stop };
    let all = jobs(&split, &COUNTING, Some(folder.path())).unwrap();
    let run = || {
        let mut seen = Seen::default();
        let findings = study.run(&all, &mut seen).unwrap().unwrap();
        (findings.report(String::new(), &split, AssembleOptions::default()).unwrap(), seen.asked)
    };
    let (first, asked) = run();
    let tests: Vec<&String> = asked.iter().filter(|asked| asked.ends_with("test")).collect();
    assert_eq!(
        tests,
        ["markov 1 test", "trinity 1 test", "trinity 2 test"],
        "what is not random has one seed"
    );
    let (again, asked) = run();
    assert_eq!((asked.len(), first.models.len()), (0, 2), "{asked:?}");
    assert_eq!(again.models[0].test.figures["NDCG@10"], first.models[0].test.figures["NDCG@10"]);
    let mut found = Findings::default();
    found.take_in(folder.path()).unwrap();
    let found = found.report(String::new(), &split, AssembleOptions::default()).unwrap();
    assert_eq!(found.models[1].test.figures["NDCG@10"], first.models[1].test.figures["NDCG@10"]);
    assert!(Findings::default().take_in(&folder.path().join("none")).unwrap_err().is_users());
}

#[test]
fn one_that_is_asked_to_stop_says_where() {
    let split = split();
    let stop = AtomicBool::new(true);
    let options = AskOptions { successive_cases: 0, ask_again: false };
    let mut seen = Seen::default();
    let all = jobs(&split, &COUNTING, None).unwrap();
    assert!(Study { split: &split, options, stop: &stop }.run(&all, &mut seen).unwrap().is_none());
    assert_eq!((seen.stopped.as_deref(), seen.asked.len()), (Some("markov 1"), 0));
}

#[test]
fn a_network_needs_a_folder() {
    let split = split();
    let network = [Subject::Network(Architecture::Sasrec)];
    let error = jobs(&split, &network, None).unwrap_err();
    assert!(error.is_users() && error.to_string().contains("sasrec is a network"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let all = jobs(&split, &network, Some(folder.path())).unwrap();
    let named: Vec<(&str, u64)> = all.iter().map(|job| (job.name(), job.seed())).collect();
    assert_eq!(named, [("sasrec", 1), ("sasrec", 2)]);
}

#[test]
fn a_network_is_asked_beside_counts_where_that_is_wanted() {
    let (folder, split) = (tempfile::tempdir().unwrap(), split());
    let plan = Plan {
        subjects: vec![Subject::Network(Architecture::Recurrence), COUNTING[0]],
        published: Vec::new(),
        seeds: &[1, 2],
        runs: Some(folder.path()),
        with_counts: true,
        ablate: false,
    };
    let model =
        ModelSettings { architecture: Architecture::Recurrence, width: 8, ..ModelSettings::default() };
    let settings = FitSettings { model, stages: [0, 0, 1], batch_events: 64, ..FitSettings::default() };
    let all = plan.jobs(&split, |_, seed| {
        Ok::<_, Error>(FitSettings {
            model: ModelSettings { seed, ..settings.model.clone() },
            ..settings.clone()
        })
    });
    let all = all.unwrap();
    let named: Vec<(&str, u64)> = all.iter().map(|job| (job.name(), job.seed())).collect();
    let expected = [
        ("recurrence", 1),
        ("recurrence", 2),
        ("recurrence+counts", 1),
        ("recurrence+counts", 2),
        ("markov", 1),
    ];
    assert_eq!(named, expected);
    let (stop, options) = (AtomicBool::new(false), AskOptions { successive_cases: 0, ask_again: false });
    let study = Study { split: &split, options, stop: &stop };
    let mut seen = Seen::default();
    let findings = study.run(&all, &mut seen).unwrap().unwrap();
    let report = findings.report(String::new(), &split, AssembleOptions::default()).unwrap();
    let beside = report.models.iter().find(|model| model.name == "recurrence+counts").unwrap();
    assert!(beside.sources.contains_key("network") && beside.sources.contains_key("popularity"));
    // The run is one: what is asked otherwise is fitted once.
    let runs =
        |name: &str| folder.path().join("small-o1").join(name).join("seed-1/best.safetensors").exists();
    assert!(!runs("recurrence+counts"));
}
