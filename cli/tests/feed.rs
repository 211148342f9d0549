//! `hmisr feed` writes each event once, over restarts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use crate::common::{hmisr, run, stdout};
use hmisr_stream::contract::topic;
use hmisr_stream::kafka::{KafkaSettings, read_committed};

fn feed(brokers: &str, data: &Path, arguments: &[&str]) -> Output {
    hmisr().args(["feed", "--brokers", brokers, "--data"]).arg(data).args(arguments).output().unwrap()
}

#[test]
fn a_second_run_goes_on_where_the_first_ended() {
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    stdout(&run(&["topics", "create", "--brokers", brokers]));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("feed");
    let first = stdout(&feed(brokers, &data, &["--generate", "700"]));
    assert_eq!(first, "700 events were written, 0 were there before\n");
    let again = stdout(&feed(brokers, &data, &["--generate", "700"]));
    assert_eq!(again, "0 events were written, 700 were there before\n");
    let events =
        read_committed(&KafkaSettings::new(brokers), topic::EVENTS, Duration::from_secs(60)).unwrap();
    assert_eq!(events.len(), 700);
    assert!(data.join("ground-truth.json").exists());
    // Another input would be mixed into it.
    let other = feed(brokers, &folder.path().join("other"), &["--generate", "700"]);
    assert_eq!(other.status.code(), Some(2), "{}", String::from_utf8_lossy(&other.stderr));
}
