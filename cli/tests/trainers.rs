//! One trainer learns from a topic: a second one is refused, and disturbs nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;
use std::process::Command;

use crate::common::{Running, SMALL, hmisr, metric, run, stdout};
use hmisr_testkit::until;

fn train(brokers: &str, snapshots: &Path) -> Command {
    let mut command = hmisr();
    command.args(["train", "--brokers", brokers, "--listen", "127.0.0.1:0", "--snapshots"]).arg(snapshots);
    command.args(SMALL).args(["--set", "kafka.session_timeout_ms=6000"]);
    command
}

/// How many partitions are another's; none where nobody answers.
fn missing(address: &str) -> Option<f64> {
    metric(&format!("http://{address}"), "hmisr_trainer_missing_partitions")
}

/// What a trainer says that is refused while `first` goes on.
fn refused(mut command: Command, first: &Running) -> String {
    let (code, text) = Running::start(&mut command).ended(|| format!("the first one: {}", first.printed()));
    assert_eq!(code, Some(2), "{text}");
    text
}

#[test]
fn a_second_trainer_is_refused_and_the_first_goes_on() {
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none");
    let (code, text) = Running::start(&mut train(brokers, &none)).ended(String::new);
    assert!(code == Some(2) && text.contains("topics create"), "{text}");
    assert!(!none.exists(), "what is refused leaves nothing");
    stdout(&run(&["topics", "create", "--brokers", brokers]));
    let mut first = Running::start(&mut train(brokers, &folder.path().join("one")));
    let address = first.address();
    until("all partitions", || missing(&address) == Some(0.0));

    let same = refused(train(brokers, &folder.path().join("one")), &first);
    let holder = format!("process {} on", first.child.id());
    assert!(same.contains("is written by another process") && same.contains(&holder), "{same}");
    assert_eq!(missing(&address), Some(0.0));

    let other = refused(train(brokers, &folder.path().join("two")), &first);
    assert!(
        other.contains("partitions of training-examples") && other.contains("stop the other one"),
        "{other}"
    );
    assert!(first.child.try_wait().unwrap().is_none(), "the first one still runs");
    until("all partitions again", || missing(&address) == Some(0.0));

    // One that was killed leaves its lock to the system and its partitions to the group's time limit.
    first.signal("KILL");
    first.child.wait().unwrap();
    let next = Running::start(&mut train(brokers, &folder.path().join("one")));
    let address = next.address();
    until("the next one", || missing(&address) == Some(0.0));
}
