//! `--history`: a loop that begins with nothing begins with a fit.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::path::Path;

use crate::common::{COLUMNS, run, shop, stdout};
use hmisr_recommend::artifact::FolderLock;
use serde_json::Value;

/// The loop over the shop's events, of which the history is, too: the summary, and what was said beside it.
fn up(data: &Path, events: &str, more: &[&str]) -> (Value, String) {
    let data = data.to_str().unwrap();
    let arguments = [
        &["up", "--until-drained", "--json", "--listen", "127.0.0.1:0", "--data", data][..],
        &["--events", events, "--history", events, "--set", "trainer.keep_snapshots=50"],
        &COLUMNS,
        more,
    ];
    let output = run(&arguments.concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_str(&stdout(&output)).unwrap(), said)
}

fn show(snapshots: &Path, version: &str) -> Value {
    let place = snapshots.to_str().unwrap();
    serde_json::from_str(&stdout(&run(&["model", "show", version, "--json", "--snapshots", place]))).unwrap()
}

#[test]
fn a_fit_comes_first_and_the_trainer_goes_on_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let events = shop(folder.path());
    let (data, fitted) = (folder.path().join("data"), folder.path().join("fitted"));
    let snapshots = data.join("snapshots");
    let (summary, said) = up(&data, &events, &[]);
    assert!(said.contains("published as version 1: the trainer goes on from it"), "{said}");
    assert!(summary["snapshot_version"].as_u64() > Some(1), "{summary}");
    let (first, newest) = (show(&snapshots, "1"), show(&snapshots, &summary["snapshot_version"].to_string()));
    for version in [&first, &newest] {
        assert_eq!((&version["fitted"]["data"], &version["model"]["memory"]), (&"shop".into(), &24.into()));
        assert_eq!(version["lessons"][0]["stage"], "coarse");
    }
    assert_eq!((&first["examples"], &newest["examples"]), (&0.into(), &summary["examples_learnt"]));

    // The very version that the command of its own publishes.
    let (out, place) = (folder.path().join("run"), fitted.to_str().unwrap());
    let fit = ["fit", "--data", &events, "--out", out.to_str().unwrap(), "--no-eval", "--publish", place];
    stdout(&run(&[&fit[..], &COLUMNS].concat()));
    let weights = |root: &Path| std::fs::read(root.join("v00000001/model.safetensors")).unwrap();
    assert!(weights(&snapshots) == weights(&fitted));

    // A version is there now.
    let (again, said) = up(&data, &events, &[]);
    assert!(said.contains("is left alone: version"), "{said}");
    assert_eq!(again["snapshot_version"], summary["snapshot_version"], "nothing new to learn from");
}

#[test]
fn a_model_that_is_set_is_the_fits_too() {
    let folder = tempfile::tempdir().unwrap();
    let events = shop(folder.path());
    let data = folder.path().join("data");
    let model = ["--set", "trainer.model.width=8", "--set", "trainer.model.feed_forward=16"];
    let (summary, said) = up(&data, &events, &model);
    let snapshots = data.join("snapshots");
    let (first, newest) = (show(&snapshots, "1"), show(&snapshots, &summary["snapshot_version"].to_string()));
    assert_eq!((&first["model"]["width"], &first["model"]["memory"]), (&8.into(), &0.into()));
    assert_eq!(newest["model"]["width"], 8);
    assert!(!said.contains("of another network"), "{said}");
}

#[test]
fn a_history_that_is_not_there_is_told_before_anything_is_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let (data, missing) = (folder.path().join("data"), folder.path().join("no.csv"));
    let (data, missing) = (data.to_str().unwrap(), missing.to_str().unwrap());
    let common = ["--listen", "127.0.0.1:0", "--history", missing];
    let up = [&["up", "--data", data, "--generate", "10", "--until-drained"][..], &common].concat();
    let train = [&["train", "--snapshots", data][..], &common].concat();
    for command in [up, train] {
        let output = run(&command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("no.csv"), "{said}");
    }
    let output = run(&["train", "--snapshots", data, "--user-column", "shopper"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--history: options about the layout"));
}

#[test]
fn a_folder_or_an_address_that_another_one_has_is_told_before_the_fit() {
    let folder = tempfile::tempdir().unwrap();
    let events = shop(folder.path());
    let snapshots = folder.path().join("snapshots");
    let refused = |listen: &str| {
        let place = snapshots.to_str().unwrap();
        let train = ["train", "--snapshots", place, "--listen", listen, "--history", &events];
        let output = run(&[&train[..], &COLUMNS].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!snapshots.join("history").exists(), "nothing was fitted: {said}");
        said
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let said = refused(&taken.local_addr().unwrap().to_string());
    assert!(said.contains("cannot listen"), "{said}");
    let _held = FolderLock::take(&snapshots).unwrap();
    let said = refused("127.0.0.1:0");
    assert!(said.contains("is written by another process"), "{said}");
}
