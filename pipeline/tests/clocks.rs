//! A clock that is wrong spoils nobody but its own user.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{Bench, event};
use hmisr_features::FeatureSettings;
use hmisr_pipeline::StateDirectory;
use hmisr_pipeline::backfill::{Backfill, Line};
use hmisr_state::StateSettings;
use hmisr_stream::contract::{Event, FeatureRecord, Id, topic};
use proptest::prelude::*;

const DAY_MS: i64 = 86_400_000;
/// 2025-11-24T16:00:00Z.
const START_MS: i64 = 1_764_000_000_000;
/// The user whose clock is wrong.
const BOX: u32 = 1_000;

/// Twenty users, by whom the clock goes, with an event a minute among them.
fn good(count: i64) -> Vec<Event> {
    (0..count).map(|n| event((n * 7 % 20) as u32, 1 + (n % 6) as u32, START_MS + n * 60_000)).collect()
}

fn bench(history: &[Event]) -> (Bench, StateDirectory) {
    let mut bench = Bench::new(1);
    bench.features = FeatureSettings::default();
    bench.pipeline.max_future_ms = i64::MAX;
    bench.send(history);
    let directory = bench.run().unwrap();
    (bench, directory)
}

/// Every record of the good users, without its place in the log, which others' events move.
fn records(bench: &Bench) -> Vec<FeatureRecord> {
    let records = bench.read(topic::USER_FEATURES).into_iter();
    let records = records.map(|record| serde_json::from_slice(&record.payload.unwrap()).unwrap());
    let good = records.filter(|record: &FeatureRecord| record.user_id != Id::from(BOX));
    good.map(|record| FeatureRecord { offset: 0, partition: 0, ..record }).collect()
}

#[test]
fn one_device_far_ahead_changes_no_record_and_no_look_up() {
    let alone = good(600);
    let mut spoilt = alone.clone();
    // The year 2104, then any other, hundreds of times.
    for n in 0..300 {
        spoilt.insert(300 + n * 2, event(BOX, 3, 4_260_000_000_000 - n as i64 * 200 * DAY_MS));
    }
    let ((first, answers), (second, spoilt_answers)) = (bench(&alone), bench(&spoilt));
    assert_eq!(records(&first).len(), 600);
    assert_eq!(records(&second), records(&first));
    for user in 0..20 {
        let view = |directory: &StateDirectory| {
            directory.user(&Id::from(user)).unwrap().map(|it| (it.lifetime, it.visits))
        };
        assert!(view(&answers).is_some_and(|(lifetime, _)| lifetime.events > 1));
        assert_eq!(view(&answers), view(&spoilt_answers), "user {user}");
    }
}

#[test]
fn an_event_ahead_within_what_is_allowed_makes_no_later_one_late() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let mut bench = Bench::new(1);
    bench.features = FeatureSettings::default();
    // Record timestamps are those of the log, as with LogAppendTime.
    let mut stream: Vec<Event> = (0..201).map(|n| event(1, 1, now - (200 - n) * 10_000)).collect();
    stream[20].ts += 50 * 60_000;
    bench.send(&stream);
    bench.run().unwrap();
    assert_eq!(bench.read(topic::DEAD_LETTERS).len(), 0);
    assert_eq!(bench.read(topic::USER_FEATURES).len(), 201);
}

#[test]
fn an_implausible_time_says_what_it_would_be_in_other_units() {
    let mut bench = Bench::new(1);
    bench.features = FeatureSettings::default();
    bench.send(&[event(1, 1, 1_700_000_000), event(1, 1, 1_700_000_000_000_000), event(1, 1, START_MS)]);
    bench.run().unwrap();
    let letters = bench.read(topic::DEAD_LETTERS);
    assert_eq!((letters.len(), bench.read(topic::USER_FEATURES).len()), (2, 1));
    for (letter, unit) in letters.iter().zip(["seconds", "microseconds"]) {
        let header = |name: &str| {
            let header = letter.headers.iter().find(|header| header.name == name).unwrap();
            String::from_utf8(header.value.clone()).unwrap()
        };
        assert_eq!(header("hmisr-reason"), "implausible_time");
        let message = header("hmisr-message");
        assert!(message.contains(&format!("2023-11-14T22:13:20Z as {unit}")), "{message}");
    }
}

/// The lines of a backfill of `history` for the good users, without their offsets.
fn backfilled(history: &[Event]) -> Vec<FeatureRecord> {
    let folder = tempfile::tempdir().unwrap();
    let backfill = Backfill {
        features: FeatureSettings { dedup_events: 3, ..FeatureSettings::default() },
        pipeline: Bench::new(1).pipeline,
        state: StateSettings::default(),
        partitions: 1,
        partitioner: hmisr_stream::Partitioner::default(),
        folder: folder.path(),
    };
    let lines = history.iter().map(|event| {
        let key = Some(event.user_id.to_string().into_bytes());
        Ok::<_, std::io::Error>(Line { key, payload: event.encode(), written: None, place: "" })
    });
    let mut output = Vec::new();
    backfill.run(lines, &mut output, |_| ()).unwrap();
    let lines = std::str::from_utf8(&output).unwrap().lines().filter(|line| !line.contains("dead_letter"));
    let records = lines.map(|line| serde_json::from_str::<FeatureRecord>(line).unwrap());
    let good = records.filter(|record| record.user_id != Id::from(BOX));
    good.map(|record| FeatureRecord { offset: 0, ..record }).collect()
}

/// 1990 to 2200: what is read at all.
const PLAUSIBLE: std::ops::Range<i64> = 631_152_000_000..7_258_118_400_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn no_number_of_wrong_events_shows_in_a_backfill(
        wrong in prop::collection::vec((0..400usize, PLAUSIBLE, prop::bool::ANY), 0..500),
    ) {
        let alone = good(400);
        let mut spoilt = alone.clone();
        for (at, ts, positive) in wrong {
            let action = if positive { "click" } else { "impression" };
            spoilt.insert(at, Event { action: action.into(), ..event(BOX, 3, ts) });
        }
        prop_assert_eq!(backfilled(&spoilt), backfilled(&alone));
    }
}
