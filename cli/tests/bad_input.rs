//! What a user gets wrong is told with field, value, place and remedy, and exit code 2.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use crate::common::{hmisr, run};

/// The error text of a command that must fail with the exit code.
fn refused(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn settings() {
    for (setting, expected) in [
        ("features.window=0", "features.window = 0"),
        ("features.windw=8", "did you mean features.window?"),
        ("pipeline.emit=sometimes", "every_event"),
        ("topics.partitions=0", "topics.partitions = 0"),
        ("trainer.model.heads=3", "heads"),
        ("serving.listen=8080", "listen"),
        ("kafka.client.acks=1", "acks"),
        ("serving.tls_certificate=a.pem", "setting `serving.tls_key`: missing"),
    ] {
        let text = refused(&["config", "--set", setting], 2);
        assert!(text.contains(expected), "{setting}: {text}");
    }
    assert!(refused(&["config", "--config", "/nowhere.toml"], 2).contains("hmisr config --defaults"));
    for (variable, expected) in [
        (
            "HMISR__FEATURES__WINDW",
            "the environment variable HMISR__FEATURES__WINDW; did you mean HMISR__FEATURES__WINDOW?",
        ),
        ("HMISR__FEATURE__WINDOW", "did you mean HMISR__FEATURES__WINDOW?"),
        (
            "HMISR_FEATURES_WINDOW",
            "HMISR_FEATURES_WINDOW sets nothing; did you mean HMISR__FEATURES__WINDOW?",
        ),
    ] {
        let output = hmisr().arg("config").env(variable, "8").output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected) && !text.contains("default."), "{variable}: {text}");
    }
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    let ratings = folder.path().join("ratings.dat");
    std::fs::write(&ratings, "1::2::3::978300760\n1::x\n1::y\n").unwrap();
    std::fs::write(folder.path().join("movies.dat"), "2::A::Drama\n").unwrap();
    let output = folder.path().join("out.jsonl");
    let output = output.to_str().unwrap();
    let backfill = |input: &str, format: &str| {
        refused(&["backfill", "--input", input, "--output", output, "--format", format], 2)
    };
    assert!(backfill(empty.to_str().unwrap(), "jsonl").contains("empty.jsonl"));
    assert!(backfill("/nowhere.jsonl", "jsonl").contains("/nowhere.jsonl"));
    let text = backfill(folder.path().to_str().unwrap(), "movielens");
    assert!(text.contains("ratings.dat:2"), "{text}");
    let data = folder.path().join("data");
    let text = refused(&["up", "--data", data.to_str().unwrap(), "--events", "/nowhere.jsonl"], 2);
    assert!(text.contains("/nowhere.jsonl"), "{text}");
    let text = refused(&["state", "export", "--state", folder.path().to_str().unwrap()], 2);
    assert!(text.contains("partition store"), "{text}");
}

#[test]
fn an_unreachable_broker_and_a_taken_port() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("kafka");
    let data = data.to_str().unwrap();
    let embedded = folder.path().join("embedded");
    let arguments = ["up", "--data", embedded.to_str().unwrap(), "--generate", "10", "--listen", &taken];
    let text = refused(&arguments, 2);
    assert!(text.contains(&taken), "{text}");
    assert!(!embedded.exists(), "nothing is left behind");
    let trained = folder.path().join("trained");
    let text = refused(&["train", "--snapshots", trained.to_str().unwrap(), "--listen", &taken], 2);
    assert!(text.contains(&taken) && !trained.exists(), "{text}");
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let state = folder.path().join("state");
    for arguments in [
        vec!["pipeline", "--brokers", &closed, "--listen", "127.0.0.1:0", "--state", state.to_str().unwrap()],
        vec![
            "train",
            "--brokers",
            &closed,
            "--listen",
            "127.0.0.1:0",
            "--snapshots",
            trained.to_str().unwrap(),
        ],
        vec!["topics", "list", "--brokers", &closed],
        vec!["up", "--brokers", &closed, "--listen", "127.0.0.1:0", "--data", data],
    ] {
        let text = refused(&arguments, 1);
        assert!(text.contains(&closed), "{text}");
    }
    assert!(!folder.path().join("kafka").exists(), "nothing is left behind");
}

#[test]
fn folders_that_nobody_has_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let output = hmisr().args(arguments).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let text = refused(&["state", "inspect"]);
    assert!(text.contains("(hmisr-data/state is the default of --state)"), "{text}");
    let text = refused(&["dlq", "list"]);
    assert!(text.contains("(hmisr-data is the default of --data)"), "{text}");
    let input = folder.path().join("events.jsonl");
    std::fs::write(&input, crate::common::events(3)).unwrap();
    let output = hmisr()
        .args(["backfill", "--output", "/dev/null", "--input", input.to_str().unwrap()])
        .env("TMPDIR", "/nowhere")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("TMPDIR") && !text.contains("/nowhere/"), "{text}");
}

#[test]
fn a_data_folder_of_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    std::fs::write(folder.path().join("hmisr.json"), r#"{"layout": 2, "brokers": null}"#).unwrap();
    let text = refused(&["up", "--data", data], 2);
    assert!(text.contains("layout 2") && text.contains("--data"), "{text}");
    std::fs::write(folder.path().join("hmisr.json"), r#"{"layout": 1, "brokers": "other:9092"}"#).unwrap();
    let text = refused(&["up", "--data", data], 2);
    assert!(text.contains("other:9092"), "{text}");
    let text = refused(&["up", "--data", data, "--until-drained"], 2);
    assert!(text.contains("--generate"), "{text}");
}

#[test]
fn a_backfill_over_its_own_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    std::fs::write(&file, crate::common::events(10)).unwrap();
    let name = file.to_str().unwrap();
    let text = refused(&["backfill", "--input", name, "--output", name], 2);
    assert!(text.contains("is the input"), "{text}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), crate::common::events(10));
}

#[test]
fn a_snapshot_that_was_truncated() {
    let folder = tempfile::tempdir().unwrap();
    crate::common::up(folder.path(), &["--generate", "3000"]);
    let snapshots = folder.path().join("snapshots");
    let version = std::fs::read_to_string(snapshots.join("LATEST")).unwrap();
    let weights = snapshots.join(version.trim()).join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let data = folder.path().to_str().unwrap();
    let mut arguments =
        vec!["up", "--data", data, "--generate", "3500", "--until-drained", "--listen", "127.0.0.1:0"];
    arguments.extend(crate::common::SMALL);
    let text = refused(&arguments, 2);
    assert!(text.contains("model.safetensors"), "{text}");
}

#[test]
fn help_teaches() {
    let output = hmisr().arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["up", "pipeline", "train", "serve", "backfill", "config", "--set"] {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn a_training_benchmark() {
    let small = ["bench", "train", "--batch", "2", "--len", "4", "--items", "9", "--width", "8"];
    let text = |more: &[&str]| refused(&[&small, more].concat(), 2);
    assert!(text(&["--model", "sasrek"]).contains("sasrec"));
    assert!(text(&["--model", "hmisr", "--twin", "python3"]).contains("--model sasrec"));
    assert!(text(&["--twin", "/nowhere/python"]).contains("/nowhere/python"));
    assert!(text(&["--twin", "true"]).contains("pip install torch"));
    assert!(text(&["--steps", "0"]).contains("--steps"));
}
