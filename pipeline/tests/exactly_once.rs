//! Whatever goes wrong at a commit, the outputs are those of an undisturbed run: nothing lost,
//! nothing twice, nothing different.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeMap;

use crate::common::{Bench, OddSource, events};
use hmisr_pipeline::{Delivery, StateDirectory};
use hmisr_stream::contract::{Event, FeatureRecord, Id, topic};
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
    /// The log cannot be reached.
    Unreachable,
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

    fn produce(&mut self, record: &Outgoing) -> Result<()> {
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
            Fault::Unreachable => fail(ErrorKind::Unavailable),
            // The engine stops with the error, its memory and stores are dropped: as after a kill.
            Fault::CrashBefore => fail(ErrorKind::Corrupt),
            Fault::CrashBetween => self.inner.commit().and_then(|()| fail(ErrorKind::Corrupt)),
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
        Just(Fault::Unreachable),
        Just(Fault::CrashBefore),
        Just(Fault::CrashBetween),
    ]
}

/// Runs over the same events with the faults, started again after each crash. Returns how often it
/// was started, and the state at the end.
fn disturbed(bench: &Bench, plan: Vec<Fault>) -> (usize, StateDirectory) {
    let plan = std::sync::Mutex::new(plan.into_iter());
    for starts in 1.. {
        let sink = || FaultySink { inner: bench.sink(), plan: &plan };
        match bench.run_with(sink) {
            Ok(directory) => return (starts, directory),
            Err(error) => assert!(error.to_string().contains("injected"), "{error}"),
        }
    }
    unreachable!()
}

/// Each user's records, in their order: across users the order depends on the commits.
fn by_user(bench: &Bench, topic: &str) -> BTreeMap<Option<Vec<u8>>, Vec<Option<Vec<u8>>>> {
    let mut users: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (_, key, payload) in bench.contents(topic) {
        users.entry(key).or_default().push(payload);
    }
    users
}

fn assert_same(given: (&Bench, &StateDirectory), expected: (&Bench, &StateDirectory)) {
    for name in TOPICS {
        assert_eq!(by_user(given.0, name), by_user(expected.0, name), "{name}");
    }
    for user in (0..9).map(Id::from) {
        let state = |directory: &StateDirectory| format!("{:?}", directory.user(&user));
        assert_eq!(state(given.1), state(expected.1), "state of user {user}");
    }
}

fn both(partitions: i32, stream: &[Event]) -> (Bench, Bench) {
    let benches = (Bench::new(partitions), Bench::new(partitions));
    benches.0.send(stream);
    benches.1.send(stream);
    benches
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_faults(
        plan in prop::collection::vec(fault(), 0..20),
        seed in any::<u64>(),
        partitions in 1..4i32,
    ) {
        let (calm, stormy) = both(partitions, &events(seed, 300));
        let undisturbed = calm.run().unwrap();
        let crashes =
            plan.iter().filter(|fault| matches!(fault, Fault::CrashBefore | Fault::CrashBetween)).count();
        let (starts, state) = disturbed(&stormy, plan);
        prop_assert!(starts <= crashes + 1);
        assert_same((&stormy, &state), (&calm, &undisturbed));
    }
}

#[test]
fn a_crash_between_transaction_and_state_replays_muted() {
    let (calm, stormy) = both(1, &events(7, 200));
    let undisturbed = calm.run().unwrap();
    let plan = vec![Fault::None, Fault::CrashBetween, Fault::None, Fault::CrashBetween];
    let (starts, state) = disturbed(&stormy, plan);
    assert_eq!(starts, 3);
    assert_same((&stormy, &state), (&calm, &undisturbed));
}

#[test]
fn partitions_that_come_and_go_lose_and_repeat_nothing() {
    let (calm, mut rebalanced) = both(3, &events(5, 600));
    let undisturbed = calm.run().unwrap();
    // Long intervals, so that a transaction is open when a partition goes.
    rebalanced.pipeline.commit_interval_ms = 20;
    let plan = vec![(3, 6, 0), (9, 14, 1), (10, 12, 2), (17, 18, 0)];
    let source = OddSource { plan, ..OddSource::over(rebalanced.source()) };
    let state = rebalanced.run_over(source, || rebalanced.sink()).unwrap();
    assert_same((&rebalanced, &state), (&calm, &undisturbed));
}

#[test]
fn a_partition_that_waits_to_start_commits_nothing() {
    let (calm, mut waiting) = both(3, &events(5, 600));
    let undisturbed = calm.run().unwrap();
    // The transaction is open when partition 0 goes; partition 2 must then wait while 1 goes on.
    waiting.pipeline.commit_interval_ms = 100;
    let source = OddSource { plan: vec![(5, 12, 0)], unknown: 3, ..OddSource::over(waiting.source()) };
    let state = waiting.run_over(source, || waiting.sink()).unwrap();
    assert_same((&waiting, &state), (&calm, &undisturbed));
}

/// At which call of a transaction, and of which transaction, a successor takes over.
type Moment = (&'static str, usize);

/// A sink during one of whose calls another job with the same transactional id runs to the end.
struct Usurped<'a> {
    inner: LogSink,
    bench: &'a Bench,
    moment: Moment,
    transaction: usize,
}

impl Usurped<'_> {
    fn at(&self, call: &str) {
        if self.moment == (call, self.transaction) {
            let folder = self.bench.folder.path().join("successor");
            self.bench.run_in(&folder, self.bench.source(), || self.bench.sink()).unwrap();
        }
    }
}

impl Sink for Usurped<'_> {
    type Group = String;

    fn begin(&mut self) -> Result<()> {
        self.transaction += 1;
        self.at("begin");
        self.inner.begin()
    }

    fn produce(&mut self, record: &Outgoing) -> Result<()> {
        self.inner.produce(record)
    }

    fn send_offsets(&mut self, group: &String, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        self.at("send_offsets");
        self.inner.send_offsets(group, topic, offsets)
    }

    fn commit(&mut self) -> Result<()> {
        self.at("commit");
        self.inner.commit()
    }

    fn abort(&mut self) -> Result<()> {
        self.inner.abort()
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        self.inner.partitions(topic)
    }
}

#[test]
fn a_successor_fences_the_job_wherever_it_is() {
    let (calm, _) = both(2, &events(9, 300));
    let undisturbed = calm.run().unwrap();
    for moment in [("begin", 1), ("begin", 4), ("send_offsets", 3), ("commit", 1), ("commit", 5)] {
        let (_, bench) = both(2, &events(9, 300));
        let usurped = || Usurped { inner: bench.sink(), bench: &bench, moment, transaction: 0 };
        let error = bench.run_with(usurped).err().unwrap();
        assert_eq!(error.kind(), hmisr_pipeline::ErrorKind::Fenced, "{moment:?}: {error}");
        // The one that was fenced comes back to its own state, far behind.
        let state = bench.run().unwrap();
        assert_same((&bench, &state), (&calm, &undisturbed));
    }
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
    let mut bench = Bench::new(1);
    bench.pipeline.max_failed_commits = 5;
    bench.send(&events(1, 50));
    let plan = std::sync::Mutex::new(vec![Fault::Aborted; 100].into_iter());
    let error = bench.run_with(|| FaultySink { inner: bench.sink(), plan: &plan }).err().unwrap();
    assert!(error.to_string().contains("injected"), "{error}");
    assert_eq!(bench.contents(topic::USER_FEATURES).len(), 0);
    bench.run().unwrap();
    assert_ne!(bench.contents(topic::USER_FEATURES).len(), 0);
}

/// The feature records, each (partition, offset) once, and how many there were.
fn distinct_features(bench: &Bench) -> (BTreeMap<(i32, i64), FeatureRecord>, usize) {
    let records = bench.read(topic::USER_FEATURES);
    let read = |payload: &Vec<u8>| serde_json::from_slice::<FeatureRecord>(payload).unwrap();
    let mut distinct = BTreeMap::new();
    for record in records.iter().map(|record| read(record.payload.as_ref().unwrap())) {
        let same = distinct.insert((record.partition, record.offset), record.clone());
        assert!(same.is_none_or(|same| same == record), "a repeated record is the same one");
    }
    (distinct, records.len())
}

#[test]
fn at_least_once_repeats_outputs_and_nothing_else() {
    let (calm, mut stormy) = both(2, &events(13, 400));
    let undisturbed = calm.run().unwrap();
    stormy.pipeline.delivery = Delivery::AtLeastOnce;
    let plan = [Fault::None, Fault::CrashBetween, Fault::CommittedUnknown, Fault::LostUnknown];
    let (_, state) = disturbed(&stormy, plan.repeat(3));
    let (given, written) = distinct_features(&stormy);
    let (expected, once) = distinct_features(&calm);
    assert_eq!(given, expected);
    assert_eq!(once, expected.len());
    assert!(written > once, "outputs of what was committed without its offsets come again");
    for user in (0..9).map(Id::from) {
        let of = |directory: &StateDirectory| format!("{:?}", directory.user(&user));
        assert_eq!(of(&state), of(&undisturbed), "state of user {user}");
    }
}

#[test]
fn an_event_that_comes_twice_counts_once_whatever_fails() {
    let named: Vec<Event> = events(17, 300)
        .into_iter()
        .enumerate()
        .map(|(at, event)| Event { event_id: Some(format!("event-{at}")), ..event })
        .collect();
    // A producer that sends a part again, as after an answer that was lost.
    let repeated: Vec<Event> = named.chunks(20).flat_map(|part| [part, part].concat()).collect();
    let (mut once, mut twice) = (Bench::new(2), Bench::new(2));
    for bench in [&mut once, &mut twice] {
        bench.features.dedup_events = 20;
    }
    once.send(&named);
    twice.send(&repeated);
    let undisturbed = once.run().unwrap();
    let plan = [Fault::None, Fault::Aborted, Fault::CrashBetween, Fault::CommittedUnknown];
    let (_, state) = disturbed(&twice, plan.repeat(3));
    let content = |bench: &Bench| {
        let (records, written) = distinct_features(bench);
        assert_eq!(records.len(), written);
        let content = |record: FeatureRecord| (record.partition, record.user_id, record.ts, record.lifetime);
        records.into_values().map(content).collect::<Vec<_>>()
    };
    assert_eq!(content(&twice), content(&once));
    for user in (0..9).map(Id::from) {
        let visits = |directory: &StateDirectory| directory.user(&user).unwrap().map(|view| view.visits);
        assert_eq!(visits(&state), visits(&undisturbed), "visits of user {user}");
    }
    let late = once.contents(topic::DEAD_LETTERS).len();
    assert!(
        late > 0 && twice.contents(topic::DEAD_LETTERS).len() == 2 * late,
        "what was refused is refused again"
    );
}
