//! Whatever goes wrong at a commit, the outputs are those of an undisturbed run: nothing lost,
//! nothing twice, nothing different.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

mod common;

use common::{Bench, events};
use hmisr_stream::contract::{FeatureRecord, topic};
use hmisr_stream::log::LogSink;
use hmisr_stream::{Error, ErrorKind, Outgoing, Result, Sink};
use proptest::prelude::*;

const TOPICS: [&str; 3] = [topic::USER_FEATURES, topic::TRAINING_EXAMPLES, topic::DEAD_LETTERS];

/// What happens at one commit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The transaction is refused and the engine told so.
    Aborted,
    /// It took effect, but the answer was lost.
    CommittedUnknown,
    /// It did not, and the answer was lost too.
    LostUnknown,
    /// The process dies before the transaction commits.
    CrashBefore,
    /// The process dies between the transaction and the state's WriteBatch.
    CrashBetween,
}

struct FaultySink<'a> {
    inner: LogSink,
    plan: &'a std::sync::Mutex<std::vec::IntoIter<Fault>>,
}

impl Sink for FaultySink<'_> {
    type Group = String;

    fn begin(&mut self) -> Result<()> {
        self.inner.begin()
    }

    fn produce(&mut self, record: Outgoing) -> Result<()> {
        self.inner.produce(record)
    }

    fn send_offsets(&mut self, group: &String, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        self.inner.send_offsets(group, topic, offsets)
    }

    fn commit(&mut self) -> Result<()> {
        let fail = |kind| Err(Error::new(kind, "injected"));
        match self.plan.lock().unwrap().next().unwrap_or(Fault::None) {
            Fault::None => self.inner.commit(),
            Fault::Aborted => fail(ErrorKind::Aborted),
            Fault::CommittedUnknown => self.inner.commit().and_then(|()| fail(ErrorKind::UnknownOutcome)),
            Fault::LostUnknown => fail(ErrorKind::UnknownOutcome),
            // The engine stops with the error, its memory and stores are dropped: as after a kill.
            Fault::CrashBefore => fail(ErrorKind::Unavailable),
            Fault::CrashBetween => self.inner.commit().and_then(|()| fail(ErrorKind::Unavailable)),
        }
    }

    fn abort(&mut self) -> Result<()> {
        self.inner.abort()
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        self.inner.partitions(topic)
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::None),
        Just(Fault::Aborted),
        Just(Fault::CommittedUnknown),
        Just(Fault::LostUnknown),
        Just(Fault::CrashBefore),
        Just(Fault::CrashBetween),
    ]
}

/// Runs over the same events with the faults, started again after each crash, and returns how
/// often it was started.
fn disturbed(bench: &Bench, plan: Vec<Fault>) -> usize {
    let plan = std::sync::Mutex::new(plan.into_iter());
    for starts in 1.. {
        let sink = || FaultySink { inner: bench.sink(), plan: &plan };
        match bench.run_with(sink) {
            Ok(_) => return starts,
            Err(error) => assert!(error.to_string().contains("injected"), "{error}"),
        }
    }
    unreachable!()
}

fn assert_same_outputs(given: &Bench, expected: &Bench) {
    for name in TOPICS {
        assert_eq!(given.contents(name), expected.contents(name), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_faults(plan in prop::collection::vec(fault(), 0..20), seed in any::<u64>()) {
        let stream = events(seed, 300);
        let (calm, stormy) = (Bench::new(1), Bench::new(1));
        calm.send(&stream);
        stormy.send(&stream);
        calm.run().unwrap();
        let crashes =
            plan.iter().filter(|fault| matches!(fault, Fault::CrashBefore | Fault::CrashBetween)).count();
        prop_assert_eq!(disturbed(&stormy, plan), crashes + 1);
        assert_same_outputs(&stormy, &calm);
    }
}

#[test]
fn a_crash_between_transaction_and_state_replays_muted() {
    let (calm, stormy) = (Bench::new(1), Bench::new(1));
    let stream = events(7, 200);
    calm.send(&stream);
    stormy.send(&stream);
    calm.run().unwrap();
    assert_eq!(
        disturbed(&stormy, vec![Fault::None, Fault::CrashBetween, Fault::None, Fault::CrashBetween]),
        3
    );
    assert_same_outputs(&stormy, &calm);
}

#[test]
fn restarts_in_the_middle_change_nothing() {
    let (calm, restarted) = (Bench::new(4), Bench::new(4));
    let stream = events(3, 900);
    calm.send(&stream);
    calm.run().unwrap();
    for part in stream.chunks(250) {
        restarted.send(part);
        restarted.run().unwrap();
    }
    let sorted = |bench: &Bench| {
        let mut records: Vec<FeatureRecord> = bench
            .read(topic::USER_FEATURES)
            .iter()
            .map(|record| serde_json::from_slice(record.payload.as_ref().unwrap()).unwrap())
            .collect();
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    };
    assert_eq!(sorted(&restarted), sorted(&calm));
}

#[test]
fn too_many_failed_commits_stop_the_job() {
    let bench = Bench::new(1);
    bench.send(&events(1, 50));
    let plan = std::sync::Mutex::new(vec![Fault::Aborted; 100].into_iter());
    let error = bench.run_with(|| FaultySink { inner: bench.sink(), plan: &plan }).err().unwrap();
    assert!(error.to_string().contains("injected"), "{error}");
    assert_eq!(bench.contents(topic::USER_FEATURES).len(), 0);
    bench.run().unwrap();
    assert_ne!(bench.contents(topic::USER_FEATURES).len(), 0);
}
