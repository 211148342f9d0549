//! What does not fit together is refused at the start, with the remedy.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use crate::common::{Bench, OddSource, events};
use hmisr_stream::contract::topic;
use hmisr_stream::log::{Log, LogSettings};

fn refusal(bench: &Bench) -> String {
    bench.run().err().unwrap().to_string()
}

#[test]
fn other_feature_settings() {
    let mut bench = Bench::new(1);
    bench.send(&events(1, 20));
    bench.run().unwrap();
    bench.features.window = 9;
    let text = refusal(&bench);
    assert!(
        text.contains("features") && text.contains("window=9") && text.contains("empty data folder"),
        "{text}"
    );
}

#[test]
fn a_log_that_was_made_anew() {
    let mut bench = Bench::new(1);
    bench.send(&events(1, 20));
    bench.run().unwrap();
    let fresh = Log::open(&bench.folder.path().join("other-log"), LogSettings::default()).unwrap();
    for name in [topic::EVENTS, topic::USER_FEATURES, topic::TRAINING_EXAMPLES, topic::DEAD_LETTERS] {
        fresh.create_topic(name, 1).unwrap();
    }
    bench.log = fresh;
    assert!(refusal(&bench).contains("topic"));
}

#[test]
fn a_group_without_its_offset() {
    let mut bench = Bench::new(1);
    bench.send(&events(1, 20));
    bench.run().unwrap();
    std::fs::rename(bench.state_folder(), bench.folder.path().join("kept")).unwrap();
    // The store is gone: everything is replayed from the log's start, outputs muted.
    let before = bench.contents(topic::USER_FEATURES);
    bench.run().unwrap();
    assert_eq!(bench.contents(topic::USER_FEATURES), before);
    bench.send(&events(2, 5));
    bench.pipeline.group = "another".into();
    let text = refusal(&bench);
    assert!(text.contains("group") && text.contains("another"), "{text}");
}

#[test]
fn a_store_whose_group_has_no_offset_until_it_is_adopted() {
    let mut bench = Bench::new(1);
    bench.send(&events(1, 20));
    bench.run().unwrap();
    let records = bench.contents(topic::USER_FEATURES);
    let without = |bench: &Bench| OddSource { forgets: true, ..OddSource::over(bench.source()) };
    let text = bench.run_over(without(&bench), || bench.sink()).err().unwrap().to_string();
    assert!(text.contains("no committed offset") && text.contains("--adopt-store-offset"), "{text}");
    bench.pipeline.adopt_store_offset = true;
    bench.send(&events(2, 5));
    bench.run_over(without(&bench), || bench.sink()).unwrap();
    assert_eq!(bench.contents(topic::USER_FEATURES)[..records.len()], records);
}

#[test]
fn a_missing_topic() {
    let mut bench = Bench::new(1);
    let empty = Log::open(&bench.folder.path().join("empty-log"), LogSettings::default()).unwrap();
    empty.create_topic(topic::EVENTS, 1).unwrap();
    bench.log = empty;
    let text = refusal(&bench);
    assert!(text.contains("user-features") && text.contains("hmisr topics create"), "{text}");
}

#[test]
fn a_setting_out_of_range() {
    let mut bench = Bench::new(1);
    bench.pipeline.batch_records = 0;
    assert!(refusal(&bench).contains("pipeline.batch_records = 0"));
    bench.pipeline.batch_records = 1;
    bench.pipeline.neutral_actions.push("click".into());
    assert!(refusal(&bench).contains("\"click\""));
}
