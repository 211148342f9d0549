//! `hmisr state`: what it shows, checks, moves and refuses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};

use crate::common::{events, run, stdout};
use serde_json::Value;

/// State of 2,000 events in two partitions.
fn built(folder: &Path) -> PathBuf {
    let (input, state) = (folder.join("events.jsonl"), folder.join("state"));
    std::fs::write(&input, events(2_000)).unwrap();
    let output = folder.join("features.jsonl");
    let output = run(&[
        "backfill",
        "--input",
        input.to_str().unwrap(),
        "--output",
        output.to_str().unwrap(),
        "--partitions",
        "2",
        "--state-out",
        state.to_str().unwrap(),
    ]);
    stdout(&output);
    state
}

/// Runs a `hmisr state` command on a folder; answers exit code, standard output and error.
fn state(command: &str, folder: &Path, more: &[&str]) -> (i32, String, String) {
    let mut arguments = vec!["state", command, "--state", folder.to_str().unwrap()];
    arguments.extend(more);
    said(&arguments)
}

fn said(arguments: &[&str]) -> (i32, String, String) {
    let output = run(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(said: (i32, String, String)) -> Vec<Value> {
    assert_eq!(said.0, 0, "{}", said.2);
    serde_json::from_str(&said.1).unwrap()
}

fn sum(found: &[Value], field: &str) -> u64 {
    found.iter().map(|one| one[field].as_u64().unwrap()).sum()
}

#[test]
fn a_checkpoint_moves_state_to_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    let here = built(folder.path());
    let url = format!("file://{}/checkpoints", folder.path().display());
    let inspected = json(state("inspect", &here, &["--json"]));
    assert_eq!((inspected.len(), sum(&inspected, "next_offset")), (2, 2_000));
    assert_eq!(inspected[0]["identity"]["topic"], "events");
    let verified = json(state("verify", &here, &["--json"]));
    assert_eq!(sum(&verified, "faults"), 0);
    assert_eq!(sum(&verified, "users"), sum(&inspected, "users"));

    let made = json(state("checkpoint", &here, &["--checkpoints", &url, "--json"]));
    assert_eq!(sum(&made, "next_offset"), 2_000);
    let again = json(state("checkpoint", &here, &["--checkpoints", &url, "--json"]));
    assert!(sum(&again, "uploaded_bytes") < sum(&made, "uploaded_bytes"), "tables are there already");

    let listed = said(&["state", "inspect", "--checkpoints", &url]);
    assert!(listed.0 == 0 && listed.1.matches("latest").count() == 2, "{listed:?}");
    let verified = json(said(&["state", "verify", "--checkpoints", &url, "--json"]));
    assert_eq!((verified.len(), sum(&verified, "faults")), (2, 0));

    let there = folder.path().join("there");
    json(state("restore", &there, &["--checkpoints", &url, "--json"]));
    assert_eq!(state("export", &there, &[]).1, state("export", &here, &[]).1);
    let (code, _, error) = state("restore", &there, &["--checkpoints", &url]);
    assert!(code == 2 && error.contains("is there already; move it away"), "{error}");
    let one = folder.path().join("one");
    let end = inspected[1]["next_offset"].as_i64().unwrap();
    let restored =
        json(state("restore", &one, &["--checkpoints", &url, "--offset", &format!("1={end}"), "--json"]));
    assert_eq!((restored.len(), &restored[0]["partition"]), (1, &Value::from(1)));
    let (code, _, error) =
        state("restore", &folder.path().join("none"), &["--checkpoints", &url, "--offset", "1=5"]);
    assert!(code == 2 && error.contains("no usable checkpoint at or before offset 5"), "{error}");
}

#[test]
fn damage_is_found_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let here = built(folder.path());
    let url = format!("file://{}/checkpoints", folder.path().display());
    json(state("checkpoint", &here, &["--checkpoints", &url, "--json"]));
    spoil(&here);
    let (code, said_, error) = state("verify", &here, &[]);
    assert!(code == 1 && said_.contains("checksum"), "{said_} {error}");
    assert!(error.contains("restore an older checkpoint"), "{error}");
    spoil(&folder.path().join("checkpoints"));
    let (code, said_, _) = said(&["state", "verify", "--checkpoints", &url]);
    assert!(code == 1 && said_.contains("has another content"), "{said_}");
}

/// Changes a bit early in the largest table of a store, or stored file, below a folder.
fn spoil(folder: &Path) {
    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }
    let is_content = |path: &PathBuf| match path.extension() {
        Some(end) => end == "sst",
        None => path.parent().unwrap().ends_with("files"),
    };
    let size = |path: &PathBuf| path.metadata().unwrap().len();
    let path = files(folder).into_iter().filter(is_content).max_by_key(size).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_cannot_be_done_is_said_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let here = built(folder.path());
    for (command, more, expected) in [
        ("verify", vec!["--set", "features.window=9"], "set the former with --set or --config"),
        ("checkpoint", vec![], "state.checkpoints is not set either"),
        ("checkpoint", vec!["--checkpoints", "nowhere"], "expected such as file:///"),
        ("restore", vec!["--checkpoints", "file:///nonexistent/hmisr"], "there are checkpoints of group"),
        ("bind", vec!["--offset", "1"], "expected partition=offset"),
        ("bind", vec![], "--offset"),
    ] {
        let (code, _, error) = state(command, &here, &more);
        assert!(code == 2 && error.contains(expected), "{command} {more:?}: {error}");
    }
    let (code, _, error) = state("inspect", &folder.path().join("nothing"), &[]);
    assert!(code == 2 && error.contains("name the folder that holds partition-00000"), "{error}");
}
