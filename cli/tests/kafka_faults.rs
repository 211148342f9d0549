//! `hmisr pipeline` over a real Apache Kafka that fails under it: nothing is lost, nothing stands
//! twice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::{Running, backfill, events, get, hmisr, metric, produce, run, stdout};
use hmisr_stream::contract::{FeatureRecord, topic};
use hmisr_stream::kafka::{KafkaSettings, read_committed};
use hmisr_testkit::proxy::{Fault, Proxy};

const PARTITIONS: i32 = 4;
const EVENTS: usize = 6_000;
/// Long enough for anything that happens at all.
const SOON: Duration = Duration::from_secs(180);

/// A job and what it is fed with.
struct Job<'a> {
    brokers: &'a str,
    folder: &'a Path,
    running: Running,
}

impl<'a> Job<'a> {
    fn new(brokers: &'a str, folder: &'a Path) -> Self {
        stdout(&run(&["topics", "create", "--brokers", brokers]));
        Self { brokers, folder, running: Self::start(brokers, folder) }
    }

    fn start(brokers: &str, folder: &Path) -> Running {
        let mut command = hmisr();
        command.args(["pipeline", "--brokers", brokers, "--listen", "127.0.0.1:0", "--state"]);
        command.arg(folder.join("state"));
        // Many small transactions, and soon an end of those that nobody ends.
        for setting in [
            "pipeline.batch_records=50",
            "pipeline.commit_interval_ms=20",
            "kafka.transaction_timeout_ms=3000",
            "kafka.session_timeout_ms=6000",
        ] {
            command.args(["--set", setting]);
        }
        Running::start(&mut command)
    }

    /// Writes lines of the input as a producer would.
    fn feed(&self, input: &Path, lines: std::ops::Range<usize>) {
        // A new leader may take its time where the brokers share a busy machine.
        let settings = KafkaSettings { transaction_timeout_ms: 60_000, ..KafkaSettings::new(self.brokers) };
        produce(&settings, input, lines);
    }

    /// Waits until so many feature records stand; a job that ends with code 1 is started again.
    fn wait_for(&mut self, records: usize) -> Vec<FeatureRecord> {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.running.child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(1), "starting again must help");
                self.running = Self::start(self.brokers, self.folder);
            }
            let features = read_committed(&KafkaSettings::new(self.brokers), topic::USER_FEATURES, SOON);
            if let Ok(features) = &features
                && features.len() >= records
            {
                let parse = |record: &hmisr_stream::Record| {
                    serde_json::from_slice(record.payload.as_ref().unwrap()).unwrap()
                };
                return features.iter().map(parse).collect();
            }
            // Whether the job or the reading of it stands still is what one wants to know.
            let stand = features.map(|features| features.len());
            assert!(Instant::now() < deadline, "{records} records did not come, but {stand:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Feeds one half, lets `disturb` do its work, feeds the other, and counts.
fn survives(brokers: &str, disturb: impl FnOnce(&mut Job<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("events.jsonl");
    std::fs::write(&input, events(EVENTS)).unwrap();
    let (expected, _) = backfill(&input, PARTITIONS as usize);
    let expected = expected["applied"].as_u64().unwrap() as usize;
    let mut job = Job::new(brokers, folder.path());
    job.feed(&input, 0..EVENTS / 2);
    job.wait_for(1);
    disturb(&mut job);
    job.feed(&input, EVENTS / 2..EVENTS);
    let features = job.wait_for(expected);
    job.running.signal("TERM");
    assert!(job.running.wait().0);
    let mut places: Vec<_> = features.iter().map(|record| (record.partition, record.offset)).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!((features.len(), places.len()), (expected, expected), "records, and distinct ones");
}

#[test]
fn a_broker_that_restarts() {
    let Some(own) = hmisr_testkit::broker::start() else { return };
    survives(&own.address, |_| {
        own.stop();
        own.start_again();
    });
}

#[test]
fn parts_are_not_ready_while_no_broker_answers_and_say_which() {
    let Some(own) = hmisr_testkit::broker::start() else { return };
    let brokers = own.address.as_str();
    let folder = tempfile::tempdir().unwrap();
    stdout(&run(&["topics", "create", "--brokers", brokers, "--also", "clicks=2"]));
    let state = folder.path().join("state").display().to_string();
    let snapshots = folder.path().join("snapshots").display().to_string();
    let mapping = ["--field", "user_id=user", "--field", "item_id=item", "--field", "ts=ts"];
    let parts = [
        ("pipeline", vec!["--state", &state]),
        (
            "bridge",
            [&["--from", "clicks", "--default", "category=all", "--default", "action=click"], &mapping[..]]
                .concat(),
        ),
        ("train", vec!["--snapshots", &snapshots]),
    ];
    let mut running: Vec<(&str, Running, String)> = Vec::new();
    for (part, arguments) in parts {
        let mut command = hmisr();
        command.args([part, "--brokers", brokers, "--listen", "127.0.0.1:0"]).args(arguments);
        command.args(["--set", "kafka.session_timeout_ms=6000"]);
        let started = Running::start(&mut command);
        let url = format!("http://{}", started.address());
        running.push((part, started, url));
    }
    let all = |what: &str, is_so: &dyn Fn(&str, &str) -> bool| {
        for (part, started, url) in &running {
            let deadline = Instant::now() + SOON;
            while !is_so(part, url) {
                let told = || (get(&format!("{url}/readyz")), started.printed());
                assert!(Instant::now() < deadline, "{what}, but {part}: {:?}", told());
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    };
    all("all ready", &|_, url| get(&format!("{url}/readyz")).0 == 200);
    own.stop();
    let silent = format!("no broker at {brokers} has answered for");
    all("none ready, for that reason", &|_, url| {
        let (status, text) = get(&format!("{url}/readyz"));
        status == 503 && text.contains(&silent)
    });
    all("it is counted", &|part, url| {
        let part = if part == "train" { "trainer" } else { part };
        metric(url, &format!("hmisr_{part}_brokers_silent_seconds")) >= Some(15.0)
    });
    for (_, started, _) in &running {
        assert!(started.line_with(&silent).contains("not ready for"));
    }
    own.start_again();
    all("all ready again", &|_, url| get(&format!("{url}/readyz")).0 == 200);
    for (part, started, _) in running {
        started.signal("TERM");
        assert!(started.wait().0, "{part}");
    }
}

#[test]
fn one_broker_of_three_that_is_killed() {
    let Some(own) = hmisr_testkit::broker::start_with(3, |_| Vec::new()) else { return };
    survives(&own.address, |_| own.kill(2));
}

#[test]
fn lost_ends_of_transactions() {
    let mut proxy = Proxy::bind();
    let port = proxy.port.to_string();
    let own = hmisr_testkit::broker::start_with(1, |broker| {
        proxy.serve(broker);
        vec!["--advertise".to_owned(), port]
    });
    let Some(own) = own else { return };
    survives(&own.address, |job| {
        for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::LoseAnswer] {
            let before = proxy.lost();
            proxy.set(fault);
            // Something to commit.
            let line = job.folder.join("one.jsonl");
            std::fs::write(&line, "{\"not\": \"an event\"}\n").unwrap();
            job.feed(&line, 0..1);
            let deadline = Instant::now() + SOON;
            while proxy.lost() == before {
                assert!(Instant::now() < deadline, "no transaction ends");
                std::thread::sleep(Duration::from_millis(20));
            }
            proxy.set(Fault::None);
        }
    });
}
