//! `hmisr recommend`: lists of many users, from a stopped job's state and from files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::common::{Running, SMALL, events, get_json, hmisr, run, stdout, up};
use serde_json::Value;

/// A model, state and the events that both come of.
struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("events.jsonl");
        std::fs::write(&input, events(3_000)).unwrap();
        up(&folder.path().join("data"), &["--events", input.to_str().unwrap(), "--filter-seen", "true"]);
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn recommend(&self, arguments: &[&str]) -> Output {
        let snapshots = self.path("data/snapshots");
        let output = self.path("recs.jsonl");
        hmisr()
            .args([
                "recommend",
                "--snapshots",
                snapshots.to_str().unwrap(),
                "--output",
                output.to_str().unwrap(),
            ])
            .args(SMALL)
            .args(arguments)
            .output()
            .unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        read(&self.path("recs.jsonl"))
    }
}

fn read(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn refused(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    told
}

fn by_user(lines: &[Value]) -> BTreeMap<String, Vec<Value>> {
    lines
        .iter()
        .map(|line| (line["user_id"].to_string(), line["items"].as_array().unwrap().clone()))
        .collect()
}

#[test]
fn all_users_are_recommended_what_a_server_recommends() {
    let made = Made::new();
    let state = made.path("data/state");
    let state = state.to_str().unwrap();
    let output = made.recommend(&["--all", "--state", state, "-k", "5", "--json"]);
    let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let lines = made.lines();
    assert_eq!((&summary["users"], lines.len()), (&40.into(), 40), "{summary}");
    assert!(summary["by_model"].as_u64().unwrap() > 30, "{summary}");
    for line in &lines {
        assert_eq!(line["model_version"], summary["model_version"]);
        let items = line["items"].as_array().unwrap();
        assert!(items.len() <= 5 && items.iter().all(|item| item.as_object().unwrap().len() == 3), "{line}");
    }
    assert!(!made.path("recs.jsonl.unfinished").exists());

    // The same lists as of a server over the same state.
    let mut serving = hmisr();
    serving.args(["up", "--listen", "127.0.0.1:0", "--filter-seen", "true", "--data"]).arg(made.path("data"));
    serving
        .arg("--events")
        .arg(made.path("events.jsonl"))
        .args(SMALL)
        .args(["--set", "trainer.snapshot_every_s=3600"]);
    let mut serving = Running::start(&mut serving);
    let address = serving.address();
    let ask = |user: &str| -> Option<Value> {
        get_json(&format!("http://{address}/v1/recommend?user_id={user}&k=5"))
    };
    for line in &lines {
        let user = line["user_id"].to_string();
        let answer = loop {
            // Until it has caught up; a model that has learnt more is another.
            match ask(&user) {
                Some(answer) if answer["known_user"] == true => break answer,
                _ => std::thread::sleep(std::time::Duration::from_millis(50)),
            }
        };
        assert_eq!(answer["model_version"], line["model_version"]);
        assert_eq!((&answer["source"], &answer["lambda"]), (&line["source"], &line["lambda"]), "user {user}");
        assert_eq!(answer.get("diversity_score"), line.get("diversity_score"), "user {user}");
        let shown = |item: &Value| (item["item_id"].clone(), item["category"].clone(), item["score"].clone());
        let of = |value: &Value| value["items"].as_array().unwrap().iter().map(shown).collect::<Vec<_>>();
        assert_eq!(of(&answer), of(line), "user {user}");
    }
    drop(serving.child.kill());
}

#[test]
fn users_of_a_file_are_answered_in_its_order_and_bad_lines_told() {
    let made = Made::new();
    let (users, events) = (made.path("users.txt"), made.path("events.jsonl"));
    let (users, events) = (users.to_str().unwrap(), events.to_str().unwrap());
    let long = "x".repeat(10_000);
    std::fs::write(users, format!("7\nnobody\n\n{long}\n 3 \n7\n{}\n", "y".repeat(129))).unwrap();
    let output = made.recommend(&["--users", users, "--events", events, "--lambda", "0"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = stdout(&output);
    assert!(printed.contains("for 3 users") && printed.contains("1 of them unknown"), "{printed}");
    assert!(told.contains("2 lines of users were not read") && told.contains("users.txt:4"), "{told}");
    assert!(told.contains("events were not read"), "bad events are told: {told}");
    let lines = made.lines();
    let ids: Vec<String> = lines.iter().map(|line| line["user_id"].to_string()).collect();
    assert_eq!(ids, ["7", "\"nobody\"", "3"]);
    assert_eq!((&lines[0]["source"], &lines[0]["lambda"]), (&"model".into(), &0.0.into()));
    assert_eq!(lines[1]["source"], "popularity");
    // Seen or not.
    let seen = by_user(&lines);
    stdout(&made.recommend(&["--users", users, "--events", events, "--exclude-seen", "false", "-k", "1000"]));
    assert!(made.lines()[0]["items"].as_array().unwrap().len() > seen["7"].len());
}

#[test]
fn what_cannot_be_done_is_told_and_leaves_the_output_as_it_was() {
    let made = Made::new();
    let (output, users, events) =
        (made.path("recs.jsonl"), made.path("users.txt"), made.path("events.jsonl"));
    let (users, events) = (users.to_str().unwrap(), events.to_str().unwrap());
    std::fs::write(&output, "before\n").unwrap();
    for (arguments, named) in [
        (&["--all"][..], "--state <DIR>"),
        (&["--events", events], "--all"),
        (&["--users", users, "--events", events], "users.txt: No such file"),
        (&["--all", "--events", "nowhere.jsonl"], "nowhere.jsonl"),
        (&["--all", "--state", "nowhere"], "--state nowhere"),
        (&["--all", "--events", events, "-k", "0"], "1 to 1000"),
        (&["--all", "--events", events, "--lambda", "2"], "from 0"),
    ] {
        let told = refused(&made.recommend(arguments));
        assert!(told.contains(named), "{arguments:?}: {told}");
    }
    std::fs::write(users, "\n\n").unwrap();
    assert!(refused(&made.recommend(&["--users", users, "--events", events])).contains("names nobody"));
    for (snapshots, named) in [("nowhere", "holds no version yet"), ("nowhere@x", "is no version")] {
        let told = refused(&run(&[
            "recommend",
            "--all",
            "--events",
            events,
            "--output",
            output.to_str().unwrap(),
            "--snapshots",
            snapshots,
        ]));
        assert!(told.contains(named), "{told}");
    }
    let there = format!("{}@999", made.path("data/snapshots").display());
    let missing = run(&[
        "recommend",
        "--all",
        "--events",
        events,
        "--output",
        output.to_str().unwrap(),
        "--snapshots",
        &there,
    ]);
    assert!(refused(&missing).contains("999"));
    let itself = run(&[
        "recommend",
        "--all",
        "--events",
        events,
        "--output",
        events,
        "--snapshots",
        made.path("data/snapshots").to_str().unwrap(),
    ]);
    assert!(refused(&itself).contains("is the input"));
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "before\n");
}

#[test]
fn a_run_that_is_stopped_leaves_no_half_file() {
    let made = Made::new();
    // So many that it is not at its end before the signal comes.
    let users = made.path("users.txt");
    let ids: String = (0..400_000).map(|id| format!("{id}\n")).collect();
    std::fs::write(&users, ids).unwrap();
    let output = made.path("recs.jsonl");
    std::fs::write(&output, "before\n").unwrap();
    let mut command = hmisr();
    command
        .args(["recommend", "-k", "1000", "--users"])
        .arg(&users)
        .arg("--events")
        .arg(made.path("events.jsonl"));
    command.arg("--snapshots").arg(made.path("data/snapshots")).arg("--output").arg(&output);
    let running = Running::start(&mut command);
    let unfinished = made.path("recs.jsonl.unfinished");
    let give_up = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !unfinished.exists() {
        assert!(std::time::Instant::now() < give_up, "it never began: {}", running.printed());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    running.signal("INT");
    let (code, printed) = running.ended(String::new);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("stopped after") && printed.contains("is as it was"), "{printed}");
    assert!(!unfinished.exists());
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "before\n");
}
