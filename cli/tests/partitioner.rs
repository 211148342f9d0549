//! `topics.partitioner` without a Kafka: what is fed, backfilled and verified under it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};

use crate::common::{events, export, run, stdout, up};
use hmisr_stream::Partitioner;
use serde_json::Value;

const PARTITIONS: i32 = 4;

/// State of these events over four partitions, with more of `hmisr backfill`.
fn built(folder: &Path, name: &str, input: &Path, more: &[&str]) -> PathBuf {
    let (state, output) = (folder.join(name), folder.join(format!("{name}.jsonl")));
    let mut arguments = vec!["backfill", "--partitions", "4", "--input", input.to_str().unwrap()];
    arguments.extend(["--output", output.to_str().unwrap(), "--state-out", state.to_str().unwrap()]);
    arguments.extend(more);
    stdout(&run(&arguments));
    state
}

fn input(folder: &Path) -> PathBuf {
    let input = folder.join("events.jsonl");
    std::fs::write(&input, events(2_000)).unwrap();
    input
}

/// Each user's partition, by user.
fn places(state: &Path) -> Vec<(String, i32)> {
    let user = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let id = line["user_id"].as_str().map_or_else(|| line["user_id"].to_string(), str::to_owned);
        (id, line["partition"].as_i64().unwrap() as i32)
    };
    export(state).lines().map(user).collect()
}

#[test]
fn a_backfill_spreads_events_as_the_partitioner_would() {
    let folder = tempfile::tempdir().unwrap();
    let input = input(folder.path());
    for partitioner in Partitioner::KNOWN {
        let name = partitioner.as_str();
        let state = built(folder.path(), name, &input, &["--partitioner", name]);
        let places = places(&state);
        assert!(places.len() > 30);
        for (user, partition) in places {
            assert_eq!(partitioner.of(user.as_bytes(), PARTITIONS), Some(partition), "{name}: {user}");
        }
        // The setting does the same.
        let setting = format!("topics.partitioner={name}");
        let configured = built(folder.path(), &format!("{name}-set"), &input, &["--set", &setting]);
        assert_eq!(export(&configured), export(&state));
    }
    let refused = run(&["backfill", "--input", "a", "--output", "b", "--partitioner", "sticky"]);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && error.contains("crc32 (librdkafka, kcat)"), "{error}");
    let refused = run(&["config", "--set", "topics.partitioner=sticky"]);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && error.contains("fnv1a_masked"), "{error}");
}

#[test]
fn what_is_fed_lies_where_the_setting_says_and_a_data_folder_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let input = input(folder.path());
    let data = folder.path().join("data");
    let (events, setting) = (input.to_str().unwrap(), "topics.partitioner=crc32");
    let summary = up(&data, &["--events", events, "--set", setting]);
    assert!(summary["events_applied"].as_u64().unwrap() > 1_500, "{summary}");
    let state = built(folder.path(), "backfilled", &input, &["--partitioner", "crc32"]);
    assert_eq!(export(&data.join("state")), export(&state));
    // Under another one, each line would have another place in the log.
    let data = data.to_str().unwrap();
    let other = run(&["up", "--until-drained", "--data", data, "--events", events]);
    let error = String::from_utf8(other.stderr).unwrap();
    assert!(other.status.code() == Some(2) && error.contains("4 partitions by crc32"), "{error}");
}

#[test]
fn users_in_several_partitions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let input = input(folder.path());
    let murmur2 = built(folder.path(), "murmur2", &input, &[]);
    let crc32 = built(folder.path(), "crc32", &input, &["--partitioner", "crc32"]);
    let verify = |state: &Path, more: &[&str]| {
        let mut arguments = vec!["state", "verify", "--state", state.to_str().unwrap()];
        arguments.extend(more);
        let output = run(&arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(verify(&murmur2, &[]).0, Some(0));
    // Whole, and said to lie elsewhere than configured.
    let (code, _, error) = verify(&crc32, &[]);
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains("users lie in another partition") && error.contains("crc32"), "{error}");
    let (code, _, error) = verify(&crc32, &["--set", "topics.partitioner=crc32"]);
    assert!(code == Some(0) && !error.contains("lie in another"), "{error}");

    // Half of one and half of the other, as when producers differ.
    let mixed = folder.path().join("mixed");
    std::fs::create_dir(&mixed).unwrap();
    for partition in 0..PARTITIONS {
        let name = format!("partition-{partition:05}");
        let from = if partition < 2 { &murmur2 } else { &crc32 };
        std::fs::rename(from.join(&name), mixed.join(&name)).unwrap();
    }
    let mut users = places(&mixed);
    users.sort();
    let split: Vec<_> = users.windows(2).filter(|two| two[0].0 == two[1].0).collect();
    assert!(!split.is_empty());
    let (code, text, error) = verify(&mixed, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(error.contains(&format!("{} users have state in several partitions", split.len())), "{error}");
    for two in &split {
        let [(user, first), (_, second)] = two else { panic!("{two:?}") };
        for (partition, other) in [(first, second), (second, first)] {
            let store = text.split("partition-").find(|store| store.starts_with(&format!("{partition:05}")));
            let named = format!("user {user}: is in partition {other} too");
            assert!(store.unwrap().contains(&named), "{named}\n{text}");
        }
    }
    let (_, json, _) = verify(&mixed, &["--json"]);
    let json: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert!(json.iter().any(|store| store["split_users"].as_u64() > Some(0)), "{json:?}");

    // The same as two instances have it, one of which keeps an older store of a partition that it gave away: built
    // under murmur2, it has users of every other partition of today.
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for (instance, partitions) in [(&one, 0..2), (&two, 2..PARTITIONS)] {
        std::fs::create_dir(instance).unwrap();
        for name in partitions.map(|partition| format!("partition-{partition:05}")) {
            std::fs::rename(mixed.join(&name), instance.join(&name)).unwrap();
        }
    }
    let few = folder.path().join("few-events.jsonl");
    std::fs::write(&few, events(200)).unwrap();
    std::fs::rename(
        built(folder.path(), "few", &few, &[]).join("partition-00002"),
        one.join("partition-00002"),
    )
    .unwrap();
    let verify = |more: &[&str]| {
        let output = run(&[&["state", "verify"], more].concat());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let count = format!("{} users have state in several partitions", split.len());
    let places = ["--state", one.to_str().unwrap(), "--state", two.to_str().unwrap()];
    let (code, text, error) = verify(&places);
    assert!(code == Some(1) && error.contains(&count), "{error}");
    assert_eq!(text.matches("a newer one of its partition is there").count(), 1, "{text}");

    // And as their checkpoints have it, older ones beside.
    let url = format!("file://{}/checkpoints", folder.path().display());
    for instance in [&one, &two] {
        stdout(&run(&["state", "checkpoint", "--state", instance.to_str().unwrap(), "--checkpoints", &url]));
    }
    let (code, text, error) = verify(&["--checkpoints", &url]);
    assert!(code == Some(1) && error.contains(&count), "{text} {error}");
}
