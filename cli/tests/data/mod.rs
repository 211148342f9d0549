//! The page "Bringing your data": each command of its table over a few rows of that layout, and the
//! stream reads what `eval` reads.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod fixtures;

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{hmisr, run, stdout};
use hmisr_datasets::{Format, Options};
use hmisr_offline::Dataset;
use hmisr_stream::contract::Event;
use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/data.md");

/// The words of a command, as a shell would cut them.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for char in command.chars() {
        match char {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words
}

#[test]
fn every_command_of_the_table_reads_its_layout() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::lay_out(folder.path());
    let commands: Vec<&str> = PAGE
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|code| code.starts_with("hmisr "))
        .collect();
    assert_eq!(commands.len(), 50, "{commands:?}");
    for command in commands {
        let words = words(command);
        let output = hmisr().current_dir(folder.path()).args(&words[1..]).arg("--json").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {text}");
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let events = match &words[1][..] {
            "eval" => &found["data"]["reading"]["events"],
            _ => &found["applied"],
        };
        assert_eq!(events.as_u64(), Some(fixtures::EVENTS), "{command}: {found}\n{text}");
    }
}

/// `user item category ts` of every event in the order of user and time.
fn of_stream(path: &Path, options: &Options) -> Vec<String> {
    let mut source = hmisr_feed::open(path, Format::Auto, options).unwrap();
    let mut events: Vec<(String, i64, String, String)> = Vec::new();
    while let Some(line) = source.next() {
        let event = Event::decode(&line.unwrap().payload).unwrap();
        events.push((
            event.user_id.to_string(),
            event.ts,
            event.item_id.to_string(),
            event.category.to_string(),
        ));
    }
    events.sort();
    events.into_iter().map(|(user, ts, item, category)| format!("{user} {item} {category} {ts}")).collect()
}

fn of_eval(path: &Path, options: &Options) -> Vec<String> {
    let data = Dataset::load(path, Format::Auto, options).unwrap();
    let mut events = Vec::new();
    for (user, of_user) in data.users.iter().zip(&data.events) {
        for event in of_user {
            let item = event.item as usize;
            let category = &data.categories[data.item_categories[item][0] as usize];
            events.push((user.to_string(), event.ts_ms, data.items[item].to_string(), category.clone()));
        }
    }
    events.sort();
    events.into_iter().map(|(user, ts, item, category)| format!("{user} {item} {category} {ts}")).collect()
}

#[test]
fn the_stream_reads_what_eval_reads() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::lay_out(folder.path());
    for (path, options) in fixtures::paths() {
        let path = folder.path().join(path);
        let (stream, eval) = (of_stream(&path, &options), of_eval(&path, &options));
        assert_eq!(stream, eval, "{}", path.display());
        assert_eq!(stream.len() as u64, fixtures::EVENTS, "{}", path.display());
    }
}

#[test]
fn a_data_set_without_positive_actions_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let rows: String = (0..12).map(|at| format!("{},{at},{}\n", at % 2, 1_701_429_304 + at)).collect();
    let rows = format!("user,item,ts,action\n{}", rows.replace('\n', ",looked\n"));
    std::fs::write(path("seen.csv"), rows).unwrap();
    let told = |arguments: &[&str]| {
        let ended = run(arguments);
        let text = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{arguments:?}: {text}");
        text
    };
    let (seen, output, out) = (path("seen.csv"), path("out.jsonl"), path("run"));
    let backfill = ["backfill", "--input", &seen, "--output", &output];
    let fit = ["fit", "--data", &seen, "--out", &out, "--model", "sasrec", "--epochs", "1", "--core", "1"];
    for arguments in [&backfill[..], &fit] {
        let text = told(arguments);
        let warning = "warning: no event has one of pipeline.positive_actions, so a job learns from none of them; there are 12 looked; say to the job which count, such as --set 'pipeline.positive_actions=[\"looked\"]'";
        assert!(text.contains(warning), "{arguments:?}: {text}");
    }
    let set = ["--set", "pipeline.positive_actions=[\"looked\"]"];
    assert!(!told(&[&set[..], &backfill].concat()).contains("warning"));
}

#[test]
fn events_of_which_none_counts_are_told_in_every_layout() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let event = |at: u32, action: &str, weight: i32| {
        let ts = 1_701_429_304_000_i64 + i64::from(at);
        format!(
            r#"{{"user_id":1,"item_id":{at},"category":"c","action":"{action}","ts":{ts},"weight":{weight}}}"#
        ) + "\n"
    };
    let lines = |action: &str, weight: i32| (0..12).map(|at| event(at, action, weight)).collect::<String>();
    std::fs::write(path("view.jsonl"), lines("view", 1)).unwrap();
    std::fs::write(path("back.jsonl"), lines("click", -1)).unwrap();
    std::fs::write(path("one.jsonl"), lines("view", 1) + &event(20, "click", 1)).unwrap();
    let rows: String = (0..12).map(|at| format!("1,{at},{},-1\n", 1_701_429_304 + at)).collect();
    std::fs::write(path("back.csv"), format!("user,item,ts,weight\n{rows}")).unwrap();
    let told = |command: &str, name: &str| {
        let (input, output, data) = (path(name), path("out.jsonl"), path(&format!("data-{name}")));
        let ended = match command {
            "up" => {
                let up =
                    ["up", "--until-drained", "--listen", "127.0.0.1:0", "--data", &data, "--events", &input];
                run(&[&up[..], &crate::common::SMALL].concat())
            }
            _ => run(&["backfill", "--input", &input, "--output", &output]),
        };
        let text = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{command} {name}: {text}");
        text.contains("warning: none of 12 events counts: each has an action that is not one of pipeline.positive_actions, or a weight below 0")
    };
    for name in ["view.jsonl", "back.jsonl", "back.csv"] {
        assert!(told("backfill", name), "{name}");
    }
    assert!(told("up", "view.jsonl") && told("up", "back.csv"));
    assert!(!told("backfill", "one.jsonl"), "one of them counts");
}

fn words_of(event: &str) -> Vec<&str> {
    event.split(' ').collect()
}

#[test]
fn the_public_data_sets_are_the_same_events_both_ways() {
    for name in ["ml-100k", "taobao"] {
        let Some(data) = std::env::var_os("HMISR_DATA_DIR") else {
            eprintln!("SKIPPED: {name} is looked for in HMISR_DATA_DIR, which is not set");
            return;
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(data).join(name);
        if !path.exists() {
            eprintln!("SKIPPED: HMISR_DATA_DIR holds no {name}");
            continue;
        }
        let (stream, eval) = (of_stream(&path, &Options::default()), of_eval(&path, &Options::default()));
        assert_eq!(stream.len(), eval.len(), "{name}");
        let differ: Vec<_> = stream.iter().zip(&eval).filter(|(stream, eval)| stream != eval).collect();
        // Each row of Taobao tells a category: one item has two, of which an event has its row's, and an
        // experiment the first.
        let items: BTreeSet<&str> = differ.iter().map(|(stream, _)| words_of(stream)[1]).collect();
        assert!(items.len() <= usize::from(name == "taobao"), "{name}: {differ:?}");
        for (stream, eval) in differ {
            let (stream, eval) = (words_of(stream), words_of(eval));
            assert_eq!((stream[0], stream[1], stream[3]), (eval[0], eval[1], eval[3]), "{name}");
        }
    }
}

#[test]
fn the_same_data_in_any_unit_and_delimiter_give_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    let mut figures = Vec::new();
    for (name, content) in fixtures::in_any_form() {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let path = path.to_str().unwrap();
        let found: Value =
            serde_json::from_str(&stdout(&run(&["eval", "--data", path, "--models", "markov", "--json"])))
                .unwrap();
        assert_eq!(found["data"]["reading"]["columns"]["time"], "timestamp");
        assert!(
            found["data"]["reading"]["first"].as_str().unwrap().starts_with("2023-11-14T22:13:20"),
            "{found}"
        );
        figures.push((
            name,
            found["models"]["markov"]["HR@10"].clone(),
            found["data"]["train_events"].clone(),
        ));
    }
    for (name, hr, train) in &figures {
        assert_eq!((hr, train), (&figures[0].1, &figures[0].2), "{name}");
    }
}

#[test]
fn what_cannot_be_read_ends_with_2_and_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let utf16: Vec<u8> = "user_id,item_id,ts\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let output = folder.path().join("out.jsonl");
    let output = output.to_str().unwrap();
    for (path, told) in [
        (write("array.json", br#"[{"user_id": 1}, {"user_id": 2}]"#), "jq -c '.[]'"),
        (write("wide.csv", &utf16), "iconv -f UTF-16LE"),
        (write("small.csv", b"user,item,ts\n1,2,5\n1,3,6\n"), "--time-unit"),
        (write("two.csv", b"user,user_id,item,ts\n1,1,2,1701429304\n"), "--user-column"),
        (write("plain.csv", b"1,2,0.5,1701429304\n1,3,0.5,1701429305\n"), "--no-header"),
        (
            write("nobody.csv", b"user,item,ts\nNULL,2,1701429304\nNULL,3,1701429305\n"),
            "2 missing_user, as nobody.csv:2",
        ),
        (write("cut.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0"), "breaks off"),
    ] {
        for arguments in [
            vec!["eval", "--data", &path],
            vec!["fit", "--data", &path, "--out", output],
            vec!["backfill", "--input", &path, "--output", output],
            vec!["up", "--events", &path, "--until-drained", "--data", output],
        ] {
            let ended = run(&arguments);
            let text = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {text}");
            assert!(text.contains(told), "{arguments:?}: {told:?} is not in {text}");
        }
    }
    let ended = run(&["up", "--format", "csv", "--generate", "5", "--until-drained", "--data", output]);
    assert!(
        String::from_utf8(ended.stderr).unwrap().contains("--events: options about the layout are given")
    );
}
