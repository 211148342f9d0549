//! A feed that is cut off anywhere goes on as if it had not been.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::sync::atomic::AtomicBool;

use crate::common::{MemoryLog, folder, metrics, open};
use hmisr_feed::{FeedError, Feeder, Format, Settings};
use proptest::prelude::*;

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => (0_u8..20, any::<u16>()).prop_map(|(user, item)| format!("{{\"user_id\":{user},\"item_id\":{item}}}\n")),
        1 => "[a-z{]{0,6}\n",
    ];
    proptest::collection::vec(line, 1..200)
        .prop_map(|lines| lines.concat().into_bytes())
        .prop_filter("an event", |text| !text.trim_ascii().is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cut_and_go_on_equals_one_run(
        text in lines(),
        partitions in 1_usize..5,
        batch in 1_u64..20,
        cuts in proptest::collection::vec((0_usize..60, any::<u8>()), 0..8),
    ) {
        let folder = folder(&[("events.jsonl", &text)]);
        if let Err(refused) = open(folder.path(), Format::Jsonl) {
            // An object that does not end in its line looks like JSON over several lines.
            let first = text.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap();
            prop_assert!(first.starts_with(b"{") && !first.ends_with(b"}"), "{}", refused);
            return Ok(());
        }
        let mut settings = Settings::default();
        settings.batch.events = batch;
        let never = AtomicBool::new(false);
        let run = |log: &mut MemoryLog| {
            let mut source = open(folder.path(), Format::Jsonl).unwrap();
            Feeder::new(&settings, metrics()).unwrap().run(&mut *source, log, &mut || u64::MAX, &never)
        };
        let mut whole = MemoryLog::new(partitions);
        let fed = run(&mut whole).unwrap();
        let in_log: usize = whole.log.iter().map(Vec::len).sum();
        prop_assert_eq!((fed.fed, fed.skipped, fed.finished), (in_log as u64, 0, true));

        let mut cut = MemoryLog::new(partitions);
        for (writes, kept) in cuts {
            cut.writes_left = writes;
            match run(&mut cut) {
                Err(FeedError::Write(_)) => cut.crash(|open| usize::from(kept) % (open + 1)),
                ended => prop_assert!(ended.unwrap().finished),
            }
        }
        cut.writes_left = usize::MAX;
        let before: usize = cut.log.iter().map(Vec::len).sum();
        let fed = run(&mut cut).unwrap();
        prop_assert_eq!(fed.skipped, before as u64);
        prop_assert_eq!(fed.fed + fed.skipped, in_log as u64);
        prop_assert_eq!(&cut.log, &whole.log);
    }
}
