//! The guides of `docs/` do what they say: their commands are run, one after the other, on an Apache Kafka
//! of their own.
//!
//! Every block of `sh` is run, but one below a comment that begins `<!-- not run:`. A block of `text`
//! right after one that was run is what that one prints, to the letter.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::io::Write;
use std::path::Path;
use std::process::Command;

use hmisr_testkit::free_address;

/// Commands of a guide, and what it says that they print.
struct Block {
    line: usize,
    commands: String,
    prints: Option<String>,
}

/// The blocks of a guide that are run.
fn blocks(guide: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut lines, mut left_out, mut follows) = (guide.lines().enumerate(), false, false);
    while let Some((number, line)) = lines.next() {
        let is_sh = line == "```sh";
        if is_sh || line == "```text" {
            let text: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            let text = text.join("\n");
            match blocks.last_mut() {
                Some(block) if !is_sh && follows => block.prints = Some(text),
                _ if is_sh && !left_out => {
                    blocks.push(Block { line: number + 1, commands: text, prints: None });
                }
                _ => {}
            }
            follows = is_sh && !left_out;
            left_out = false;
        } else if !line.is_empty() {
            left_out = line.starts_with("<!-- not run:");
            follows = false;
        }
    }
    blocks
}

/// Runs a guide in an empty folder, and compares what it prints.
fn follow(name: &str) {
    for tool in ["kcat", "jq", "curl", "prometheus", "promtool"] {
        if Command::new(tool).arg("-h").output().is_err() {
            // Not eprintln!, which the test harness keeps to itself.
            let _ = writeln!(std::io::stderr(), "THE GUIDE {name} IS NOT FOLLOWED: {tool} is not installed");
            assert!(std::env::var("HMISR_KAFKA_TESTS").as_deref() != Ok("require"), "{tool} is needed");
            return;
        }
    }
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..");
    let guide = std::fs::read_to_string(root.join("docs").join(name)).unwrap();
    let blocks = blocks(&guide);
    let mut script = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n".to_owned();
    for (number, block) in blocks.iter().enumerate() {
        script += &format!("printf '@@%s\\n' {number}\n{}\n", block.commands);
    }
    let folder = tempfile::tempdir().unwrap();
    let hmisr = Path::new(env!("CARGO_BIN_EXE_hmisr")).parent().unwrap();
    let path = format!("{}:{}", hmisr.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("timeout");
    command.args(["300", "bash", "-euo", "pipefail", "-c", &script]).current_dir(folder.path());
    command.env("PATH", path).env("BROKERS", &broker.address).env_remove("RUST_LOG");
    for listen in ["LISTEN", "LISTEN_2", "PROMETHEUS"] {
        command.env(listen, free_address());
    }
    let output = command.output().unwrap();
    let (printed, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut logs = String::new();
    for entry in std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "log") {
            logs += &format!("{}:\n{}\n", entry.display(), std::fs::read_to_string(&entry).unwrap());
        }
    }
    let parts: Vec<&str> = printed.split("@@").skip(1).collect();
    for (number, block) in blocks.iter().enumerate() {
        let place = format!("docs/{name}, line {}", block.line);
        let part = parts.get(number).unwrap_or_else(|| {
            panic!("{place}: not reached ({:?})\n{printed}\n{told}\n{logs}", output.status)
        });
        let part = part.split_once('\n').map_or("", |(_, rest)| rest).trim();
        if let Some(expected) = &block.prints {
            assert_eq!(part, expected.trim(), "{place} prints something else\n{told}\n{logs}");
        }
    }
    assert!(output.status.success(), "docs/{name}: {:?}\n{printed}\n{told}\n{logs}", output.status);
    assert!(blocks.iter().any(|block| block.prints.is_some()), "docs/{name} says nothing of what is printed");
}

#[test]
fn from_a_topic_to_features() {
    follow("quickstart-kafka.md");
}

#[test]
fn runbooks() {
    follow("runbooks.md");
}

#[test]
fn blocks_are_told_apart() {
    let guide = "words\n```sh\none\n```\n\n```text\nprinted\n```\n<!-- not run: why -->\n\n```sh\ntwo\n```\n\
                 ```text\nnot of one\n```\n```sh\nthree\nfour\n```\nwords\n```text\nno output\n```\n";
    let found: Vec<(usize, String, Option<String>)> =
        blocks(guide).into_iter().map(|block| (block.line, block.commands, block.prints)).collect();
    let printed = Some("printed".to_owned());
    assert_eq!(found, [(2, "one".to_owned(), printed), (17, "three\nfour".to_owned(), None)]);
}
