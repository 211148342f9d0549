//! What stands in the way is told; a batch that cannot be read is never skipped without a word, and once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::time::{Duration, Instant};

use crate::common::{Bench, OddSource, event, outgoing};
use hmisr_pipeline::PipelineProgress;
use hmisr_pipeline::engine::Engine;
use hmisr_stream::contract::{Id, Letter, Reason, topic};

const PARTITIONS: i32 = 2;
/// In partition 0.
const HOLE: std::ops::Range<i64> = 20..30;
const EVENTS: i64 = 50;
const TS: i64 = 1_700_000_000_000;

/// A log of which one batch cannot be read.
fn source(bench: &Bench) -> OddSource {
    OddSource { hole: HOLE, ..OddSource::over(bench.source()) }
}

/// Events of one user in each partition.
fn filled() -> Bench {
    let bench = Bench::new(PARTITIONS);
    let records: Vec<_> = (0..EVENTS)
        .flat_map(|at| {
            (0..PARTITIONS).map(move |partition| {
                let user = partition as u32;
                let payload = event(user, 7 * at as u32 + 1, TS + at).encode();
                outgoing(partition, Some(user.to_string().as_bytes()), Some(&payload))
            })
        })
        .collect();
    bench.log.append(&records).unwrap();
    bench
}

/// Runs the job until it has come to the batch and everything else is committed.
fn until_stuck(bench: &Bench) -> std::sync::Arc<PipelineProgress> {
    let (setup, progress, _) = bench.setup(&bench.state_folder());
    let mut engine = Engine::new(setup, source(bench), bench.sink()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let done = |progress: &PipelineProgress| {
        let offsets = progress.next_offsets();
        !progress.waits().is_empty()
            && offsets.get(&0) == Some(&HOLE.start)
            && offsets.get(&1) == Some(&EVENTS)
    };
    while !done(&progress) {
        assert!(Instant::now() < deadline, "{:?}, {:?}", progress.next_offsets(), progress.waits());
        engine.step(&mut || Ok(bench.sink())).unwrap();
    }
    // What waits would be skipped at the next look.
    let later = Instant::now() + Duration::from_millis(500);
    while Instant::now() < later {
        engine.step(&mut || Ok(bench.sink())).unwrap();
    }
    assert!(done(&progress));
    progress
}

#[test]
fn it_is_told_and_nothing_is_skipped_without_a_word_in_a_replay_either() {
    let mut bench = filled();
    let progress = until_stuck(&bench);
    let waits = progress.waits();
    assert!(waits.len() == 1 && waits[0].contains("--skip-unreadable 0:20"), "{waits:?}");
    assert!(!progress.ready());
    assert!(bench.contents(topic::DEAD_LETTERS).is_empty());

    bench.pipeline.skip_unreadable = vec!["0:20".parse().unwrap()];
    let view = bench.run_over(source(&bench), || bench.sink()).unwrap().user(&Id::from(0)).unwrap().unwrap();
    assert_eq!((view.partition, view.next_offset), (0, EVENTS));
    let letters = bench.read(topic::DEAD_LETTERS);
    let letter = Letter::read(&letters[0]).unwrap();
    assert_eq!((letters.len(), letter.reason, letter.offset), (1, Reason::Unreadable, HOLE.start));
    assert!(letter.message.contains("offsets 20 to 29"), "{}", letter.message);
    let outputs = bench.contents(topic::USER_FEATURES);

    // The state is lost, and the group has read it all: was the batch whole, the first time?
    std::fs::remove_dir_all(bench.state_folder()).unwrap();
    let skip = std::mem::take(&mut bench.pipeline.skip_unreadable);
    until_stuck(&bench);
    bench.pipeline.skip_unreadable = skip;
    let replayed = bench.run_over(source(&bench), || bench.sink()).unwrap().user(&Id::from(0)).unwrap();
    assert_eq!(replayed.unwrap(), view);
    assert_eq!(bench.contents(topic::USER_FEATURES), outputs);
    assert_eq!(bench.read(topic::DEAD_LETTERS).len(), 1);
}

#[test]
fn what_a_start_waits_for_is_told() {
    let bench = filled();
    let (setup, progress, _) = bench.setup(&bench.state_folder());
    // Partition 0 goes, which starts the other anew, whose offset a peer's transaction holds for a while.
    let source = OddSource { plan: vec![(5, 30, 0)], unknown: 10, ..OddSource::over(bench.source()) };
    let mut engine = Engine::new(setup, source, bench.sink()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut told, mut ready) = (false, false);
    while !told || !ready {
        assert!(Instant::now() < deadline, "told: {told}, then ready: {ready}");
        engine.step(&mut || Ok(bench.sink())).unwrap();
        let waits = progress.waits();
        told |= waits.iter().any(|text| {
            text.contains("partition 1 of events waits to be started")
                && text.contains("a peer's transaction is open")
                && !progress.ready()
        });
        ready = told && progress.ready() && waits.is_empty();
    }
}

#[test]
fn partitions_that_nobody_reads_are_told() {
    let bench = filled();
    let (setup, progress, _) = bench.setup(&bench.state_folder());
    let source = OddSource { unowned: vec![3, 5], ..source(&bench) };
    let mut engine = Engine::new(setup, source, bench.sink()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let of = |waits: Vec<String>| waits.into_iter().find(|text| text.contains("[3, 5]"));
    let told = loop {
        assert!(Instant::now() < deadline, "{:?}", progress.waits());
        engine.step(&mut || Ok(bench.sink())).unwrap();
        if let Some(text) = of(progress.waits()) {
            break text;
        }
    };
    assert!(told.contains("nobody in the group reads") && told.contains("Stable with 2 members"), "{told}");
    engine.step(&mut || Ok(bench.sink())).unwrap();
    assert!(!progress.ready());
}
