//! The feeder waits for its readers, keeps its rate, stops when told, and counts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::common::{MemoryLog, folder, metrics, same_truth};
use hmisr_feed::{EventLine, EventWriter, Fed, Feeder, Generator, GeneratorSettings, GroundTruth, Settings};
use hmisr_stream::Result as LogResult;

fn generator(events: u64) -> Generator {
    Generator::new(GeneratorSettings { events: Some(events), ..GeneratorSettings::default() }).unwrap()
}

#[test]
fn readers_bound_how_far_it_runs_ahead() {
    const AHEAD: u64 = 20;
    /// Tells how many records are in the log, and how many that was ahead of the readers at most.
    struct Watched(MemoryLog, Arc<AtomicU64>, Arc<AtomicU64>, u64);
    impl EventWriter for Watched {
        fn ends(&mut self) -> LogResult<Vec<i64>> {
            self.0.ends()
        }
        fn write(&mut self, partition: i32, line: EventLine) -> LogResult<()> {
            self.0.write(partition, line)
        }
        fn flush(&mut self) -> LogResult<()> {
            self.0.flush()?;
            let end = self.0.log.iter().map(|log| log.len() as u64).sum();
            self.1.store(end, Relaxed);
            self.3 = self.3.max(end - self.2.load(Relaxed));
            Ok(())
        }
    }
    let (end, consumed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let mut log = Watched(MemoryLog::new(3), Arc::clone(&end), Arc::clone(&consumed), 0);
    let mut asked = 0;
    let mut may_send = || {
        asked += 1;
        // Now and then the readers get seven further.
        if asked % 3 == 0 {
            consumed.store((consumed.load(Relaxed) + 7).min(end.load(Relaxed)), Relaxed);
        }
        AHEAD - (end.load(Relaxed) - consumed.load(Relaxed))
    };
    let metrics = metrics();
    let mut feeder = Feeder::new(&Settings::default(), metrics.clone()).unwrap();
    let fed = feeder.run(&mut generator(100), &mut log, &mut may_send, &AtomicBool::new(false)).unwrap();
    assert_eq!(fed, Fed { fed: 100, skipped: 0, finished: true });
    assert_eq!(log.3, AHEAD);
    assert!(metrics.backpressure.get() > 0.0);
}

#[test]
fn it_stops_while_it_waits_and_goes_on_later() {
    let mut log = MemoryLog::new(2);
    let stop = AtomicBool::new(false);
    let mut granted = Some(30);
    let mut may_send = || {
        granted.take().unwrap_or_else(|| {
            stop.store(true, Relaxed);
            0
        })
    };
    let mut settings = Settings::default();
    settings.batch.events = 10;
    let mut feeder = Feeder::new(&settings, metrics()).unwrap();
    let fed = feeder.run(&mut generator(100), &mut log, &mut may_send, &stop).unwrap();
    assert_eq!(fed, Fed { fed: 30, skipped: 0, finished: false });
    assert!(!feeder.progress().is_done());
    // A rate so low that the next event would be an hour away.
    settings.rate_per_second = 1e-9;
    let mut feeder = Feeder::new(&settings, metrics()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    let progress = feeder.progress();
    let watcher = std::thread::spawn(move || {
        while progress.fed() == 0 {
            std::thread::yield_now();
        }
        stopper.store(true, Relaxed);
    });
    let fed = feeder.run(&mut generator(100), &mut log, &mut || u64::MAX, &stop).unwrap();
    watcher.join().unwrap();
    assert_eq!(fed, Fed { fed: 1, skipped: 30, finished: false });
    settings.rate_per_second = 1e6;
    let mut feeder = Feeder::new(&settings, metrics()).unwrap();
    let never = AtomicBool::new(false);
    let fed = feeder.run(&mut generator(100), &mut log, &mut || u64::MAX, &never).unwrap();
    assert_eq!(fed, Fed { fed: 69, skipped: 31, finished: true });
}

#[test]
fn progress_metrics_and_truth_tell_what_happened() {
    let folder = folder(&[]);
    let truth = folder.path().join("truth.json");
    let registry = prometheus::Registry::new();
    let metrics = hmisr_feed::FeedMetrics::new(&registry).unwrap();
    assert!(hmisr_feed::FeedMetrics::new(&registry).is_err());
    let mut feeder =
        Feeder::new(&Settings::default(), metrics.clone()).unwrap().with_truth_file(truth.clone());
    let progress = feeder.progress();
    assert_eq!((progress.total(), progress.share_read(), progress.is_done()), (None, None, false));
    let mut log = MemoryLog::new(4);
    let never = AtomicBool::new(false);
    for (events, total_fed, skipped) in [(1_500, 1_500, 0), (2_000, 2_000, 1_500)] {
        let mut source = generator(events);
        feeder.run(&mut source, &mut log, &mut || u64::MAX, &never).unwrap();
        assert_eq!(progress.fed() + progress.skipped(), events);
        assert_eq!((progress.total(), progress.share_read()), (Some(events), Some(1.0)));
        assert!(progress.is_done());
        assert_eq!((metrics.events.get(), metrics.skipped.get()), (total_fed, skipped));
        assert!(same_truth(&GroundTruth::read(&truth).unwrap(), source.ground_truth()));
    }
    let bytes: usize =
        log.log.iter().flatten().map(|l| l.payload.len() + l.key.as_ref().unwrap().len()).sum();
    assert_eq!(metrics.bytes.get(), bytes as u64);
    assert_eq!((metrics.keyless.get(), metrics.done.get()), (0, 1));
    let names: Vec<String> = registry.gather().iter().map(|family| family.name().to_owned()).collect();
    assert!(names.iter().all(|name| name.starts_with("hmisr_feed_")), "{names:?}");
}
