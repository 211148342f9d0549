//! Fits that are stopped, that fail, and that are of odd data.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::dataset;
use hmisr_model::backend;
use hmisr_model::random::SplitMix;
use hmisr_model::{Architecture, ModelSettings};
use hmisr_offline::fit::{FitSettings, Neural, Outcome, Progress, Run, Watch, fit};
use hmisr_offline::{Dataset, EvaluateOptions, Protocol, Query, Result, Scorer, Split, evaluate};
use safetensors::SafeTensors;

/// Users who walk in circles over sixteen items of four categories, some stretches longer than others.
fn circles(users: u32, events: u32) -> Dataset {
    let walk = |user: u32| {
        let events = events + 3 * (user % 4);
        (0..events).map(move |at| ((user + at + at / 5) % 16, i64::from(at * 1_000 + user))).collect()
    };
    let users: Vec<Vec<(u32, i64)>> = (0..users).map(walk).collect();
    let categories: Vec<[u32; 1]> = (0..16).map(|item| [item / 4]).collect();
    let mut data = dataset(&users, &categories.iter().map(|one| &one[..]).collect::<Vec<_>>());
    data.repeats = true;
    data
}

fn split(users: u32, events: u32) -> Split {
    Split::new(Protocol::O1, circles(users, events)).unwrap()
}

fn settings(architecture: Architecture, stages: [usize; 3]) -> FitSettings {
    let model = ModelSettings {
        architecture,
        width: 8,
        layers: 1,
        feed_forward: 16,
        max_len: 8,
        memory: usize::from(architecture == Architecture::Hmisr),
        interests: 2,
        ..ModelSettings::default()
    };
    FitSettings { model, batch_events: 64, rate: 5e-3, stages, patience: 100, ..FitSettings::default() }
}

/// Sets a flag at a step, counted over the whole call.
struct StopAt<'a> {
    step: usize,
    seen: usize,
    stop: &'a AtomicBool,
}

impl Watch for StopAt<'_> {
    fn step(&mut self, _step: usize, _steps: usize, _loss: f64) {
        self.seen += 1;
        if self.seen == self.step {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

fn go(folder: &Path, settings: &FitSettings, split: &Split, stop_at: usize) -> Result<Outcome> {
    let run = Run::open(folder, settings, split)?;
    let stop = AtomicBool::new(false);
    let mut watch = StopAt { step: stop_at, seen: 0, stop: &stop };
    fit(&run, split, &backend::device().unwrap(), &stop, &mut watch)
}

/// The progress without times.
fn progress(folder: &Path) -> Progress {
    let mut progress = Run::find(folder).unwrap().unwrap().progress().unwrap();
    progress.seconds = 0.0;
    progress.evaluations.iter_mut().for_each(|evaluation| evaluation.seconds = 0.0);
    progress
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

/// Stops wherever chance says, again and again, and compares with a fit that was never stopped.
fn stopped_is_as_whole(architecture: Architecture, stages: [usize; 3]) {
    let (split, settings) = (split(24, 20), settings(architecture, stages));
    let folder = tempfile::tempdir().unwrap();
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    assert_eq!(go(&whole, &settings, &split, usize::MAX).unwrap(), Outcome::Done);
    let mut random = SplitMix::new(7);
    let mut stops = 0;
    // An epoch has about eight steps, so that some stops lose a part of one and others of several.
    while go(&stopped, &settings, &split, 1 + random.below(20) as usize).unwrap() == Outcome::Stopped {
        stops += 1;
        assert!(stops < 100);
    }
    assert!(stops >= 2, "{stops}");
    assert_eq!(progress(&stopped), progress(&whole));
    assert_eq!(progress(&whole).epoch, settings.epochs());
    let state = state(settings.epochs());
    for name in [state.as_str(), "best.safetensors", "items.json", "run.json"] {
        assert!(read(&stopped, name) == read(&whole, name), "{name}");
    }
    // Done stays done.
    assert_eq!(go(&whole, &settings, &split, 1).unwrap(), Outcome::Done);
}

#[test]
fn hmisr_resumes_through_its_stages() {
    stopped_is_as_whole(Architecture::Hmisr, [2, 2, 2]);
}

#[test]
fn sasrec_resumes() {
    stopped_is_as_whole(Architecture::Sasrec, [2, 2, 1]);
}

/// The file of an epoch's state.
fn state(epoch: usize) -> String {
    format!("state-{epoch}.safetensors")
}

#[test]
fn a_crash_before_the_progress_is_written_costs_an_epoch() {
    let (split, settings) = (split(24, 20), settings(Architecture::Sasrec, [1, 1, 1]));
    let folder = tempfile::tempdir().unwrap();
    let (whole, crashed) = (folder.path().join("whole"), folder.path().join("crashed"));
    go(&whole, &settings, &split, usize::MAX).unwrap();
    let run = Run::open(&crashed, &settings, &split).unwrap();
    let until = |epoch: usize| {
        let stop = AtomicBool::new(false);
        fit(&run, &split, &backend::device().unwrap(), &stop, &mut StopAfter(epoch, &stop)).unwrap();
    };
    until(1);
    let before = [state(1), "progress.json".to_owned()].map(|name| (name.clone(), read(&crashed, &name)));
    until(2);
    assert!(!crashed.join(state(1)).exists());
    // As it was when the second epoch's weights were written and its progress was not.
    for (name, bytes) in before {
        std::fs::write(crashed.join(name), bytes).unwrap();
    }
    assert_eq!(go(&crashed, &settings, &split, usize::MAX).unwrap(), Outcome::Done);
    for name in [state(3).as_str(), "best.safetensors"] {
        assert!(read(&crashed, name) == read(&whole, name), "{name}");
    }
}

fn tensor(folder: &Path, name: &str) -> Vec<u8> {
    let bytes = read(folder, &state(progress(folder).epoch));
    SafeTensors::deserialize(&bytes).unwrap().tensor(name).unwrap().data().to_vec()
}

/// Ends after an epoch.
struct StopAfter<'a>(usize, &'a AtomicBool);

impl Watch for StopAfter<'_> {
    fn epoch(&mut self, progress: &Progress) {
        self.1.store(progress.epoch >= self.0, Ordering::Relaxed);
    }
}

#[test]
fn the_coarse_basis_is_frozen_in_the_second_stage_alone() {
    let (split, settings) = (split(24, 20), settings(Architecture::Hmisr, [1, 2, 1]));
    let folder = tempfile::tempdir().unwrap();
    let run = Run::open(folder.path(), &settings, &split).unwrap();
    let mut after = Vec::new();
    for epoch in 1..=4 {
        let stop = AtomicBool::new(false);
        fit(&run, &split, &backend::device().unwrap(), &stop, &mut StopAfter(epoch, &stop)).unwrap();
        let moving = tensor(folder.path(), "items.weights");
        after.push((tensor(folder.path(), "coarse.basis"), moving));
    }
    assert!(after[0].0 == after[1].0 && after[1].0 == after[2].0, "frozen");
    assert!(after[2].0 != after[3].0, "trained again");
    assert!(after.windows(2).all(|pair| pair[0].1 != pair[1].1), "the items are trained throughout");
}

/// Overwrites the first value of a tensor in a file of weights.
fn poison(path: &Path, name: &str) {
    let mut bytes = std::fs::read(path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let at = header + metadata.info(name).unwrap().data_offsets.0;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn nan_ends_the_fit_and_keeps_the_last_good_weights() {
    let (split, settings) = (split(24, 20), settings(Architecture::Hmisr, [1, 1, 1]));
    let folder = tempfile::tempdir().unwrap();
    let run = Run::open(folder.path(), &settings, &split).unwrap();
    let stop = AtomicBool::new(false);
    fit(&run, &split, &backend::device().unwrap(), &stop, &mut StopAfter(2, &stop)).unwrap();
    poison(&folder.path().join(state(2)), "coarse.basis");
    let (before, best) = (read(folder.path(), &state(2)), read(folder.path(), "best.safetensors"));
    let error = go(folder.path(), &settings, &split, usize::MAX).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    let step = progress(folder.path()).step + 1;
    for part in
        [&format!("step {step} (epoch 3)"), "the loss is", "runs of users", "keeps the weights of epoch 2"]
    {
        assert!(source.contains(part), "{part}: {source}");
    }
    assert!(!error.is_users());
    assert!(read(folder.path(), &state(2)) == before && read(folder.path(), "best.safetensors") == best);
    let mut best = Neural::load(&run, &split, backend::device().unwrap()).unwrap();
    evaluate(&split, &split.test, &mut best, EvaluateOptions::default(), |_, _| {}).unwrap();
}

#[test]
fn a_folder_of_another_fit_is_refused() {
    let (same, first) = (split(12, 12), settings(Architecture::Sasrec, [1, 0, 0]));
    let folder = tempfile::tempdir().unwrap();
    go(folder.path(), &first, &same, usize::MAX).unwrap();
    let refused = |settings: &FitSettings, split: &Split, expected: &str| {
        let error = Run::open(folder.path(), settings, split).unwrap_err();
        assert!(error.is_users() && error.to_string().contains(expected), "{error}");
    };
    refused(&FitSettings { rate: 1e-3, ..first.clone() }, &same, "with other settings: rate = 0.005");
    refused(&settings(Architecture::Hmisr, [1, 0, 0]), &same, "a fit of sasrec, not of hmisr");
    refused(&first, &split(13, 12), "to other data (small)");
    let other = Split::new(Protocol::O2, circles(12, 12)).unwrap();
    refused(&first, &other, "under protocol o1, not o2");
    // What only HMISR has is nothing to a fit of SASRec.
    let mut elsewhere = first.clone();
    elsewhere.model.hmisr.own_state = 0.25;
    Run::open(folder.path(), &elsewhere, &same).unwrap();
    // A file that was cut off.
    let path = folder.path().join("best.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let run = Run::open(folder.path(), &first, &same).unwrap();
    let error = Neural::load(&run, &same, backend::device().unwrap()).unwrap_err();
    assert!(error.to_string().contains("best.safetensors: not a whole file"), "{error}");
    // A setting out of range is the user's.
    let error = FitSettings { rate: f32::NAN, ..first }.validate().unwrap_err();
    assert!(error.is_users());
}

#[test]
fn one_user_is_enough_and_pairs_are_needed() {
    let settings = settings(Architecture::Hmisr, [1, 1, 1]);
    let folder = tempfile::tempdir().unwrap();
    let one = split(1, 30);
    assert_eq!(go(&folder.path().join("one"), &settings, &one, usize::MAX).unwrap(), Outcome::Done);
    assert_eq!(one.test.len(), 1);
    // Three events each: one to learn from, which foretells none.
    let three: Vec<Vec<(u32, i64)>> =
        (0..9).map(|user| (0..3).map(|at| ((user + at) % 4, i64::from(at))).collect()).collect();
    let short = Split::new(Protocol::O1, dataset(&three, &[&[0], &[0], &[1], &[1]])).unwrap();
    let error = go(&folder.path().join("short"), &settings, &short, usize::MAX).unwrap_err();
    assert!(
        error.is_users() && error.to_string().contains("no user has two events in the training part"),
        "{error}"
    );
    let lonely = dataset(&[vec![(0, 1), (0, 2), (0, 3), (0, 4)]], &[&[0]]);
    let error = Split::new(Protocol::O1, lonely).unwrap_err();
    assert!(error.to_string().contains("a catalogue of 1 item cannot be ranked"), "{error}");
}

#[test]
fn items_without_a_category_share_one() {
    let rows: String = (0..20)
        .flat_map(|user| (0..9).map(move |at| (user, at)))
        .map(|(user, at)| {
            let item = (user + at) % 6;
            let kind = if item % 2 == 0 { "even" } else { "" };
            format!("{user},{item},{},{kind}\n", 1_700_000_000 + at * 60 + user)
        })
        .collect();
    let files =
        crate::common::folder(&[("x.csv", format!("user,item,timestamp,category\n{rows}").as_bytes())]);
    let data = crate::common::load(files.path());
    assert_eq!((data.notes.items_without_category, data.categories.len()), (3, 2));
    let split = Split::new(Protocol::O1, data).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(Architecture::Hmisr, [0, 0, 2]);
    go(folder.path(), &settings, &split, usize::MAX).unwrap();
    let run = Run::open(folder.path(), &settings, &split).unwrap();
    let mut neural = Neural::load(&run, &split, backend::device().unwrap()).unwrap();
    let answers = evaluate(&split, &split.test, &mut neural, EvaluateOptions::default(), |_, _| {}).unwrap();
    assert!(
        answers
            .results
            .iter()
            .all(|result| result.diversity.is_some_and(|score| (0.0..=1.0).contains(&score)))
    );
}

#[test]
fn of_a_long_history_the_newest_events_are_read() {
    let (split, settings) = (split(12, 40), settings(Architecture::Sasrec, [1, 0, 0]));
    let folder = tempfile::tempdir().unwrap();
    go(folder.path(), &settings, &split, usize::MAX).unwrap();
    let run = Run::open(folder.path(), &settings, &split).unwrap();
    let mut neural = Neural::load(&run, &split, backend::device().unwrap()).unwrap();
    let history = split.query(split.test[0]).history;
    let mut score = |history| neural.score(&[Query { user: 0, history, now_ms: 0 }]).unwrap();
    let newest = &history[history.len() - settings.model.max_len..];
    assert_eq!(score(history), score(newest));
    assert_ne!(score(history), score(&newest[1..]));
}
