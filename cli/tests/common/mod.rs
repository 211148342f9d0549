//! The built program, as a user starts it.

#![allow(dead_code, clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use hmisr_feed::Format;
use hmisr_stream::contract::topic;
use hmisr_stream::kafka::{KafkaProducer, KafkaSettings};
use hmisr_stream::{Outgoing, partition_for_key};
use hmisr_testkit::messages::unkeyed;
use hmisr_testkit::random;
use serde_json::Value;

/// A model small enough for tests.
pub const SMALL: [&str; 10] = [
    "--set",
    "trainer.model.width=16",
    "--set",
    "trainer.model.feed_forward=32",
    "--set",
    "trainer.model.max_len=20",
    "--set",
    "trainer.batch_examples=256",
    "--set",
    "trainer.snapshot_every_s=1",
];

pub fn hmisr() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hmisr"));
    command.stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

/// Runs to the end.
pub fn run(arguments: &[&str]) -> Output {
    hmisr().args(arguments).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// `hmisr up … --until-drained --json` with a small model and a free port; returns the summary.
pub fn up(data: &Path, arguments: &[&str]) -> Value {
    let output = hmisr()
        .args(["up", "--until-drained", "--json", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(SMALL)
        .args(arguments)
        .output()
        .unwrap();
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// A program that runs on, killed at the end where it still does.
pub struct Running {
    pub child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let stdout = BufReader::new(child.stdout.take().unwrap());
        for reader in [Box::new(stderr) as Box<dyn BufRead + Send>, Box::new(stdout)] {
            let send = send.clone();
            std::thread::spawn(move || {
                reader.lines().map_while(Result::ok).for_each(|line| drop(send.send(line)));
            });
        }
        Self { child, lines }
    }

    /// The first line that holds `text`.
    pub fn line_with(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no line with {text:?} in {seen:#?}"),
            }
        }
    }

    /// The address of the HTTP server.
    pub fn address(&self) -> String {
        let line = self.line_with("address=");
        let address = line.split("address=").nth(1).unwrap().split_whitespace().next().unwrap();
        // Colours of a log line are not part of it.
        address.trim_end_matches("\u{1b}[0m").to_owned()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// What was printed since the last look.
    pub fn printed(&self) -> String {
        self.lines.try_iter().map(|line| line + "\n").collect()
    }

    /// Waits for the end, not for ever: the exit code, and what was printed; `more` is told where it does not come.
    pub fn ended(mut self, more: impl Fn() -> String) -> (Option<i32>, String) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), self.lines.iter().map(|line| line + "\n").collect());
            }
            assert!(Instant::now() < deadline, "it runs on:\n{}{}", self.printed(), more());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for the end: whether it was a success, and what was printed since the last look.
    pub fn wait(mut self) -> (bool, Vec<String>) {
        let status = self.child.wait().unwrap();
        (status.success(), self.lines.iter().collect())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Events of a few users as JSON lines, in time order, some of them late or bad.
pub fn events(count: usize) -> String {
    let mut random = random(7);
    let mut lines = String::new();
    for n in 0..count {
        let (user, item) = (random(40), random(120));
        // More than a day.
        let late = if random(50) == 0 { 100_000_000 } else { 0 };
        let ts = 1_600_000_000_000 + n as u64 * 1_000 - late;
        lines.push_str(&match random(200) {
            0 => "{\"user_id\": 1, nonsense\n".to_owned(),
            1 => format!("{{\"user_id\": {user}, \"item_id\": -1, \"category\": 1, \"action\": \"click\", \"ts\": {ts}}}\n"),
            _ => format!(
                "{{\"user_id\": {user}, \"item_id\": {item}, \"category\": \"c{}\", \"action\": \"click\", \"ts\": {ts}}}\n",
                item % 7
            ),
        });
    }
    lines
}

/// Writes lines of a file to the topic `events`, of the standard four partitions, as a producer would.
pub fn produce(to: &KafkaSettings, file: &Path, lines: Range<usize>) {
    let mut producer = KafkaProducer::new(to).unwrap();
    let mut source = hmisr_feed::open(file, Format::Jsonl, &Default::default()).unwrap();
    let mut number = 0;
    while let Some(line) = source.next() {
        let line = line.unwrap();
        if lines.contains(&number) {
            let partition = partition_for_key(line.key.as_deref().unwrap_or(&line.payload), 4);
            let record = Outgoing { key: line.key, ..unkeyed(topic::EVENTS, partition, line.payload) };
            producer.produce(&record).unwrap();
        }
        number += 1;
    }
    producer.flush().unwrap();
}

/// A backfill of `input` over so many partitions: its summary, and the export of its state.
pub fn backfill(input: &Path, partitions: usize) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let output = hmisr()
        .args(["backfill", "--json", "--partitions", &partitions.to_string(), "--input"])
        .arg(input)
        .arg("--output")
        .arg(folder.path().join("features.jsonl"))
        .arg("--state-out")
        .arg(&state)
        .output()
        .unwrap();
    (serde_json::from_str(&stdout(&output)).unwrap(), export(&state))
}

/// `hmisr state export`.
pub fn export(state: &Path) -> String {
    stdout(&hmisr().args(["state", "export", "--state"]).arg(state).output().unwrap())
}

/// Status and text of an answer; 0 and nothing where there is none.
pub fn get(url: &str) -> (u16, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let Ok(answer) = agent.get(url).call() else { return (0, String::new()) };
    let status = answer.status().as_u16();
    answer.into_body().read_to_string().map_or_else(|_| (0, String::new()), |text| (status, text))
}

/// The answer of status 200, as JSON.
pub fn get_json(url: &str) -> Option<Value> {
    let (status, text) = get(url);
    if status == 200 { serde_json::from_str(&text).ok() } else { None }
}

/// What a server says of a metric, named with its labels; none where it says nothing of it.
pub fn metric(url: &str, name: &str) -> Option<f64> {
    let (_, text) = get(&format!("{url}/metrics"));
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// A shop of 30 items in which everyone buys the next item after each.
pub fn shop(folder: &Path) -> String {
    let mut rows = "shopper,thing,at,kind\n".to_owned();
    for shopper in 0..60 {
        for at in 0..12 {
            let thing = (shopper + at) % 30;
            rows += &format!("s{shopper},{thing},{},k{}\n", 1_700_000_000 + at * 100 + shopper, thing % 4);
        }
    }
    let path = folder.join("shop.csv");
    std::fs::write(&path, rows).unwrap();
    path.to_str().unwrap().to_owned()
}

/// How its columns are called.
pub const COLUMNS: [&str; 8] = [
    "--user-column",
    "shopper",
    "--item-column",
    "thing",
    "--time-column",
    "at",
    "--category-column",
    "kind",
];
