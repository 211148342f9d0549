//! What the job writes: features as the backfill's, examples without a leak, dead letters whole.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use crate::common::{Bench, event, events, outgoing};
use hmisr_pipeline::Emit;
use hmisr_pipeline::backfill::{Backfill, Line};
use hmisr_state::StateSettings;
use hmisr_stream::contract::{FeatureRecord, Id, TrainingExample, topic};

#[test]
fn features_and_state_equal_the_backfill() {
    let bench = Bench::new(4);
    let stream = events(11, 700);
    bench.send(&stream);
    let directory = bench.run().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let backfill = Backfill {
        partitioner: Default::default(),
        features: bench.features.clone(),
        pipeline: bench.pipeline.clone(),
        state: StateSettings::default(),
        partitions: 4,
        folder: folder.path(),
    };
    let lines = stream.iter().enumerate().map(|(place, event)| {
        let key = Some(event.user_id.to_string().into_bytes());
        Ok::<_, std::io::Error>(Line { key, payload: event.encode(), written: None, place })
    });
    let mut output = Vec::new();
    let summary = backfill.run(lines, &mut output, |_| ()).unwrap();
    let output = String::from_utf8(output).unwrap();
    assert_eq!(summary.lines, 700);
    assert!(summary.dead_letters > 0 && summary.neutral > 0, "{summary:?}");
    assert_eq!(output.lines().count() as u64, 700 - summary.neutral);

    let mut expected: Vec<FeatureRecord> = output
        .lines()
        .filter(|line| !line.contains("dead_letter"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut given: Vec<FeatureRecord> = bench
        .read(topic::USER_FEATURES)
        .iter()
        .map(|record| {
            let features: FeatureRecord = serde_json::from_slice(record.payload.as_ref().unwrap()).unwrap();
            assert_eq!(record.key.as_deref(), Some(features.user_id.to_string().as_bytes()));
            features
        })
        .collect();
    assert_eq!(given.len() as u64, summary.applied - summary.neutral);
    for records in [&mut expected, &mut given] {
        records.sort_by_key(|record| (record.partition, record.offset));
    }
    assert_eq!(given, expected);

    for user in 0..9 {
        let last = given
            .iter()
            .rev()
            .filter(|record| record.user_id == Id::from(user))
            .max_by_key(|r| r.offset)
            .unwrap();
        let view = directory.user(&Id::from(user)).unwrap().unwrap();
        // serde_json reads a float to the last bit but one.
        let close = |given: f64, expected: f64| (given - expected).abs() < 1e-12;
        for (given, expected) in [(view.lifetime, last.lifetime), (view.window, last.window)] {
            assert_eq!(given.events, expected.events);
            assert!(close(given.entropy, expected.entropy) && close(given.evenness, expected.evenness));
            assert!(
                close(given.switch_rate, expected.switch_rate)
                    && close(given.tail_ratio, expected.tail_ratio)
            );
        }
        assert!(close(view.recent_diversity, last.recent_diversity));
        // Every action is among the visits, in the order of arrival.
        let mut clicks = view.visits.iter().filter(|visit| visit.action == "click");
        let skips = view.visits.iter().filter(|visit| visit.action == "skip").count();
        assert_eq!((view.partition, clicks.clone().count() as u64), (last.partition, last.lifetime.events));
        assert!(skips > 0 && skips + clicks.clone().count() == view.visits.len());
        let newest = clicks.next_back().unwrap();
        assert_eq!((&newest.item_id, newest.ts, newest.tail), (&last.item_id, last.ts, last.tail));
    }
    assert_eq!(directory.user(&Id::from(99)).unwrap(), None);
}

#[test]
fn an_example_never_sees_its_target_or_later() {
    let bench = Bench::new(1);
    let stream: Vec<_> = (0..20).map(|n| event(1, n + 1, 1_000 + i64::from(n))).collect();
    bench.send(&stream);
    bench.run().unwrap();
    let examples: Vec<_> = bench
        .read(topic::TRAINING_EXAMPLES)
        .iter()
        .map(|record| TrainingExample::read(record.payload.as_ref().unwrap()).unwrap())
        .collect();
    // The first event has no history; multiples of 7 are not positive.
    assert_eq!(examples.len(), 20 - 1 - 2);
    for example in examples {
        let target = example.item.as_int().unwrap();
        let expected: Vec<u64> = (target.saturating_sub(5).max(1)..target).collect();
        let opened = example.history.open();
        let history: Vec<u64> = opened.visits().map(|visit| visit.item.as_int().unwrap()).collect();
        assert_eq!(history, expected, "every action before {target}, positive or not, and nothing else");
        assert_eq!(example.position, target - 1);
        let times: Vec<i64> = opened.visits().map(|visit| visit.ts).collect();
        assert_eq!(times, expected.iter().map(|item| 999 + *item as i64).collect::<Vec<_>>());
        // What was done is told apart, and the features are those of the choices before.
        let is_skip = |item: &u64| item.is_multiple_of(7);
        let skips: Vec<u64> = expected.iter().copied().filter(is_skip).collect();
        let told = opened.visits().filter(|visit| visit.action != example.action);
        assert_eq!(told.map(|visit| visit.item.as_int().unwrap()).collect::<Vec<_>>(), skips);
        let chosen = (1..target).filter(|item| !is_skip(item)).count() as u64;
        assert_eq!(
            (example.features.lifetime.events, example.features.window.events),
            (chosen, chosen.min(8))
        );
    }
}

#[test]
fn bad_input_is_a_dead_letter_with_the_bytes_untouched() {
    let bench = Bench::new(1);
    let good = event(1, 2, 5_000);
    let late = event(1, 3, 4_999);
    let future = event(2, 2, 4_102_444_800_000);
    let long = format!(r#"{{"user_id": 1, "pad": "{}"}}"#, "x".repeat(70_000));
    let cases: [(&[u8], &[u8], &str, &str); 8] = [
        (b"1", b"{nonsense", "malformed", "key must be a string"),
        (b"1", b"\xff\xfe", "malformed", "expected value"),
        (b"1", br#"{"user_id": 1}"#, "invalid", "`item_id`"),
        (b"1", br#"{"user_id": 1.5, "ts": 1}"#, "invalid", "`user_id`"),
        (b"7", &good.encode(), "key_mismatch", "`7`"),
        (b"1", &late.encode(), "late", "4999"),
        (b"2", &future.encode(), "future", "max_future_ms"),
        (b"1", long.as_bytes(), "too_large", "max_event_bytes"),
    ];
    bench.send(std::slice::from_ref(&good));
    let records: Vec<_> =
        cases.iter().map(|(key, payload, ..)| outgoing(0, Some(key), Some(payload))).collect();
    bench.log.append(&records).unwrap();
    bench.log.append(&[outgoing(0, None, Some(&good.encode())), outgoing(0, None, None)]).unwrap();
    bench.run().unwrap();
    assert_eq!(bench.read(topic::USER_FEATURES).len(), 1, "only the good one counts");
    let letters = bench.read(topic::DEAD_LETTERS);
    assert_eq!(letters.len(), cases.len() + 2);
    for (at, ((key, payload, reason, message), letter)) in cases.iter().zip(&letters).enumerate() {
        let header = |name: &str| {
            let header = letter.headers.iter().find(|header| header.name == name).unwrap();
            String::from_utf8(header.value.clone()).unwrap()
        };
        assert_eq!((letter.key.as_deref(), letter.payload.as_deref()), (Some(*key), Some(*payload)));
        assert_eq!(header("hmisr-reason"), *reason);
        assert!(header("hmisr-message").contains(message), "{}", header("hmisr-message"));
        assert_eq!(
            (header("hmisr-topic").as_str(), header("hmisr-offset")),
            ("events", (at + 1).to_string())
        );
    }
}

#[test]
fn a_user_has_a_bounded_number_of_categories() {
    let mut bench = Bench::new(1);
    bench.pipeline.max_user_categories = 3;
    bench.send(&(0..20).map(|n| event(1, n, 1_000 + i64::from(n))).collect::<Vec<_>>());
    let directory = bench.run().unwrap();
    // Categories 1, 2, 3, 4, 0 come in turn: the last two are refused, the others go on. Items 0, 7 and 14
    // are skipped: their categories count for no feature, and are taken in.
    assert_eq!(bench.read(topic::DEAD_LETTERS).len(), 6);
    let user = directory.user(&Id::from(1)).unwrap().unwrap();
    assert_eq!((user.lifetime.events, user.visits.len()), (11, 14));
}

#[test]
fn a_tombstone_forgets_the_user() {
    for training_examples in [true, false] {
        let mut bench = Bench::new(1);
        bench.pipeline.training_examples = training_examples;
        bench.send(&[event(1, 2, 10), event(2, 2, 10)]);
        bench.log.append(&[outgoing(0, Some(b"1"), None)]).unwrap();
        let directory = bench.run().unwrap();
        assert_eq!(directory.user(&Id::from(1)).unwrap(), None);
        assert!(directory.user(&Id::from(2)).unwrap().is_some());
        let last = |topic| bench.read(topic).into_iter().rfind(|record| record.key.as_deref() == Some(b"1"));
        assert_eq!(last(topic::USER_FEATURES).unwrap().payload, None);
        assert_eq!(
            last(topic::TRAINING_EXAMPLES).map(|record| record.payload),
            training_examples.then_some(None)
        );
    }
}

#[test]
fn per_commit_writes_the_newest_of_each_user() {
    let mut bench = Bench::new(1);
    bench.pipeline.emit = Emit::PerCommit;
    bench.pipeline.batch_records = 1_000;
    let stream: Vec<_> = (0..60).map(|n| event(n % 3, 1, 1_000 + i64::from(n))).collect();
    bench.send(&stream);
    bench.run().unwrap();
    let records = bench.read(topic::USER_FEATURES);
    let events: Vec<u64> = records
        .iter()
        .map(|record| {
            serde_json::from_slice::<FeatureRecord>(record.payload.as_ref().unwrap()).unwrap().lifetime.events
        })
        .collect();
    assert_eq!(events, [20, 20, 20]);
}
