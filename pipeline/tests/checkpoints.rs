//! A lost disk costs nothing: state comes back from a checkpoint, and the outputs are those of an
//! undisturbed run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::common::{Bench, Content, OddSource, events};
use hmisr_pipeline::engine::{Engine, Point, Setup, World};
use hmisr_pipeline::{Error, PipelineMetrics, StateDirectory};
use hmisr_state::StateSettings;
use hmisr_stream::contract::{Event, Id, topic};
use hmisr_stream::log::{Log, LogSettings};
use hmisr_stream::{Sink, Source};
use prometheus::Registry;

const POINTS: [Point; 4] = [
    Point::BeforeCheckpointUpload,
    Point::AfterCheckpointUpload,
    Point::BeforeCheckpointRename,
    Point::AfterCheckpointRename,
];

/// A clock that goes on by a second whenever it is asked, and an end at a point.
#[derive(Default)]
struct Clock {
    now_s: AtomicU64,
    /// The point at which the engine ends, after it was passed so often.
    end: Mutex<Option<(Point, usize)>>,
}

impl World for Clock {
    fn now(&self) -> Duration {
        Duration::from_secs(self.now_s.fetch_add(1, Ordering::Relaxed))
    }

    fn wall_ms(&self) -> i64 {
        0
    }

    fn sleep(&self, _: Duration) {}

    fn reached(&self, point: Point) -> hmisr_pipeline::Result<()> {
        let mut end = self.end.lock().unwrap();
        match &mut *end {
            Some((at, 0)) if *at == point => {
                *end = None;
                Err(Error::input(false, std::io::Error::other("injected")))
            }
            Some((at, left)) if *at == point => {
                *left -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// An engine's surroundings whose disk can be lost, and whose log keeps only what is not read.
struct Machine {
    bench: Bench,
    settings: StateSettings,
    clock: Arc<Clock>,
    registry: Registry,
    /// Turns of the engine after everything was processed.
    idle: usize,
}

impl Machine {
    fn new(partitions: i32) -> Self {
        let mut bench = Bench::new(partitions);
        let nothing =
            LogSettings { sync: false, retention_ms: 0, retention_margin_ms: 0, ..LogSettings::default() };
        bench.log = Log::open(&bench.folder.path().join("short-log"), nothing).unwrap();
        bench.log.create_topic(topic::EVENTS, partitions).unwrap();
        for name in [topic::USER_FEATURES, topic::TRAINING_EXAMPLES, topic::DEAD_LETTERS] {
            bench.log.create_topic(name, 2).unwrap();
            // A group that has read nothing keeps everything.
            bench.log.source(name, "keeper").unwrap();
        }
        let settings = StateSettings {
            memory_bytes: 8 << 20,
            cache_bytes: 8 << 20,
            checkpoints: format!("file://{}", bench.folder.path().join("checkpoints").display()),
            ..StateSettings::default()
        };
        Self { bench, settings, clock: Arc::default(), registry: Registry::new(), idle: 0 }
    }

    /// Processes all input and stops in order.
    fn run(&mut self) -> hmisr_pipeline::Result<StateDirectory> {
        let source = self.bench.source();
        self.run_over(source)
    }

    fn run_over<S: Source<Group = String>>(&mut self, source: S) -> hmisr_pipeline::Result<StateDirectory> {
        let (setup, progress, directory) = self.bench.setup(&self.bench.state_folder());
        self.registry = Registry::new();
        let setup = Setup {
            state: self.settings.clone(),
            world: self.clock.clone(),
            metrics: PipelineMetrics::new(&self.registry).unwrap(),
            ..setup
        };
        let mut engine = Engine::new(setup, source, self.bench.sink())?;
        let mut new_sink = || Ok(self.bench.sink());
        let ends = self.bench.log.ends(topic::EVENTS).unwrap();
        let is_done = |done: BTreeMap<i32, i64>| (0..).zip(&ends).all(|(at, end)| done.get(&at) == Some(end));
        while !is_done(progress.next_offsets()) {
            engine.step(&mut new_sink)?;
        }
        for _ in 0..self.idle {
            engine.step(&mut new_sink)?;
        }
        engine.run(&AtomicBool::new(true), new_sink)?;
        Ok(directory)
    }

    fn lose_disk(&self) {
        std::fs::remove_dir_all(self.bench.state_folder()).unwrap();
    }

    /// The log forgets what the group has read.
    fn trim(&self) {
        let read: Vec<_> = self.bench.log.ends(topic::EVENTS).unwrap();
        while self.log_start() == 0 {
            self.bench.log.retain().unwrap();
        }
        assert!(read.iter().all(|end| *end > 1));
    }

    fn log_start(&self) -> i64 {
        self.bench.source().bounds(0).unwrap().0
    }

    fn count(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == format!("hmisr_pipeline_{name}"));
        family.unwrap().get_metric()[0].get_counter().get_value()
    }

    fn manifests(&self, partition: i32) -> Vec<PathBuf> {
        let mut found = files(&self.bench.folder.path().join("checkpoints"));
        let folder = format!("partition-{partition:05}/manifests/");
        found.retain(|path| path.to_string_lossy().contains(&folder));
        found.sort();
        found
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn by_user(bench: &Bench, topic: &str) -> BTreeMap<Option<Vec<u8>>, Vec<Option<Vec<u8>>>> {
    let mut users: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let contents: Vec<Content> = bench.contents(topic);
    for (_, key, payload) in contents {
        users.entry(key).or_default().push(payload);
    }
    users
}

/// The outputs and the state are those of a run in one go over `stream`.
fn assert_undisturbed(machine: &Machine, state: &StateDirectory, stream: &[Event], partitions: i32) {
    let calm = Bench::new(partitions);
    calm.send(stream);
    let expected = calm.run().unwrap();
    for name in [topic::USER_FEATURES, topic::TRAINING_EXAMPLES, topic::DEAD_LETTERS] {
        assert_eq!(by_user(&machine.bench, name), by_user(&calm, name), "{name}");
    }
    for user in (0..9).map(Id::from) {
        let view = |directory: &StateDirectory| format!("{:?}", directory.user(&user));
        assert_eq!(view(state), view(&expected), "state of user {user}");
    }
}

#[test]
fn a_lost_disk_is_restored_though_the_log_forgot_the_beginning() {
    let (mut machine, stream) = (Machine::new(2), events(1, 600));
    machine.bench.send(&stream[..200]);
    machine.run().unwrap();
    machine.trim();
    // The checkpoint is older than the committed offset: the gap is replayed, muted.
    machine.bench.send(&stream[200..400]);
    let end = machine.settings.checkpoint_on_revoke_ms;
    machine.settings.checkpoint_on_revoke_ms = 0;
    machine.run().unwrap();
    machine.settings.checkpoint_on_revoke_ms = end;
    machine.lose_disk();
    machine.bench.send(&stream[400..]);
    let state = machine.run().unwrap();
    assert_eq!(machine.count("checkpoints_restored_total"), 2.0);
    assert_eq!(machine.count("replayed_total"), 200.0);
    assert_undisturbed(&machine, &state, &stream, 2);
}

#[test]
fn without_a_checkpoint_a_lost_disk_and_a_trimmed_log_are_refused() {
    let mut machine = Machine::new(1);
    machine.settings.checkpoints = String::new();
    machine.bench.send(&events(1, 100));
    machine.run().unwrap();
    machine.trim();
    machine.lose_disk();
    let error = machine.run().err().unwrap().to_string();
    assert!(error.contains("the log begins at") && error.contains("restore a newer checkpoint"), "{error}");
}

#[test]
fn a_group_that_lost_its_offsets_does_not_begin_anew_where_checkpoints_are() {
    let mut machine = Machine::new(1);
    machine.bench.send(&events(1, 100));
    machine.run().unwrap();
    machine.lose_disk();
    let forgetful =
        |machine: &Machine| OddSource { forgets: true, ..OddSource::over(machine.bench.source()) };
    let source = forgetful(&machine);
    let error = machine.run_over(source).err().unwrap().to_string();
    assert!(error.contains("checkpoints") && error.contains("--adopt-store-offset"), "{error}");
    machine.bench.pipeline.adopt_store_offset = true;
    let written = machine.bench.contents(topic::USER_FEATURES).len();
    let source = forgetful(&machine);
    machine.run_over(source).unwrap();
    assert_eq!(machine.bench.contents(topic::USER_FEATURES).len(), written);
}

#[test]
fn a_job_that_has_had_no_event_leaves_no_checkpoint_and_starts_again() {
    let (mut machine, stream) = (Machine::new(2), events(2, 100));
    machine.settings.checkpoint_interval_s = 1;
    machine.idle = 40;
    machine.run().unwrap();
    assert_eq!(machine.count("checkpoints_total"), 0.0);
    // Neither the group nor the store has anything: with a checkpoint this would be refused.
    machine.lose_disk();
    machine.run().unwrap();
    machine.bench.send(&stream);
    let state = machine.run().unwrap();
    assert!(!machine.manifests(0).is_empty() && !machine.manifests(1).is_empty());
    assert_undisturbed(&machine, &state, &stream, 2);
}

#[test]
fn checkpoints_come_at_their_interval_and_old_ones_go() {
    let (mut machine, stream) = (Machine::new(2), events(2, 900));
    machine.settings.checkpoint_interval_s = 30;
    machine.settings.keep_checkpoints = 2;
    let mut last = None;
    for part in stream.chunks(300) {
        machine.bench.send(part);
        drop(last.take());
        last = Some(machine.run().unwrap());
        // Two at the end, the others on the way.
        assert!(machine.count("checkpoints_total") > 2.0);
        assert_eq!(machine.count("checkpoint_failures_total"), 0.0);
    }
    for partition in 0..2 {
        assert_eq!(machine.manifests(partition).len(), 2);
    }
    assert_undisturbed(&machine, &last.unwrap(), &stream, 2);
}

#[test]
fn an_end_at_any_moment_of_a_checkpoint_costs_nothing() {
    for point in POINTS {
        for passes in [0, 1, 3] {
            let (mut machine, stream) = (Machine::new(2), events(3, 500));
            machine.settings.checkpoint_interval_s = 20;
            machine.bench.send(&stream[..300]);
            *machine.clock.end.lock().unwrap() = Some((point, passes));
            let ended = machine.run();
            if let Err(error) = &ended {
                assert!(error.to_string().contains("injected"), "{point:?}: {error}");
            }
            assert!(ended.is_err() || passes > 0, "{point:?} was not reached");
            machine.run().unwrap();
            machine.trim();
            machine.lose_disk();
            machine.bench.send(&stream[300..]);
            // The end comes in the restore, too.
            *machine.clock.end.lock().unwrap() = Some((point, 0));
            let again = machine.run();
            let state = again.or_else(|_| machine.run()).or_else(|_| machine.run()).unwrap();
            assert_undisturbed(&machine, &state, &stream, 2);
        }
    }
}

#[test]
fn a_damaged_checkpoint_makes_the_restore_go_further_back() {
    let (mut machine, stream) = (Machine::new(1), events(4, 400));
    machine.bench.send(&stream[..150]);
    machine.run().unwrap();
    machine.trim();
    machine.bench.send(&stream[150..300]);
    machine.run().unwrap();
    let [_, newest] = &machine.manifests(0)[..] else { panic!("{:?}", machine.manifests(0)) };
    let text = std::fs::read_to_string(newest).unwrap();
    std::fs::write(newest, &text[..text.len() / 2]).unwrap();
    machine.lose_disk();
    machine.bench.send(&stream[300..]);
    let state = machine.run().unwrap();
    assert_eq!(machine.count("checkpoint_damaged_total"), 1.0);
    assert_eq!(machine.count("replayed_total"), 150.0);
    assert_undisturbed(&machine, &state, &stream, 1);
}

#[test]
fn with_nothing_but_damaged_checkpoints_the_log_is_replayed() {
    let (mut machine, stream) = (Machine::new(1), events(5, 200));
    machine.bench.send(&stream[..150]);
    machine.run().unwrap();
    std::fs::write(&machine.manifests(0)[0], "{").unwrap();
    machine.lose_disk();
    machine.bench.send(&stream[150..]);
    let state = machine.run().unwrap();
    assert_eq!(machine.count("replayed_total"), 150.0);
    assert_undisturbed(&machine, &state, &stream, 1);
}

#[test]
fn a_store_ahead_of_the_group_gives_way_to_an_older_checkpoint() {
    let (mut machine, stream) = (Machine::new(1), events(6, 300));
    machine.bench.send(&stream[..100]);
    machine.run().unwrap();
    machine.bench.send(&stream[100..]);
    machine.run().unwrap();
    // The group is sent back, and so must the state be.
    let group = machine.bench.pipeline.group.clone();
    let mut sink = machine.bench.log.sink("operator");
    sink.begin().unwrap();
    sink.send_offsets(&group, topic::EVENTS, &[(0, 120)]).unwrap();
    sink.commit().unwrap();
    let before = machine.bench.contents(topic::USER_FEATURES);
    machine.run().unwrap();
    assert_eq!(machine.count("checkpoints_restored_total"), 1.0);
    let after = machine.bench.contents(topic::USER_FEATURES);
    // From the offset on everything comes again, the same.
    let features = |contents: &[Content]| -> Vec<serde_json::Value> {
        let read = |content: &Content| serde_json::from_slice(content.2.as_ref().unwrap()).unwrap();
        let mut features: Vec<serde_json::Value> = contents.iter().map(read).collect();
        features.sort_by_key(|record| record["offset"].as_i64());
        features
    };
    let (mut expected, all) = (features(&before), features(&after));
    let again: Vec<_> =
        expected.iter().filter(|record| record["offset"].as_i64() >= Some(120)).cloned().collect();
    assert!(!again.is_empty());
    expected.extend(again);
    expected.sort_by_key(|record| record["offset"].as_i64());
    assert_eq!(all, expected);
    assert!(machine.bench.state_folder().join(".aside/partition-00000/CURRENT").exists());
}

#[test]
fn a_partition_that_is_given_up_leaves_a_checkpoint_for_the_next_owner() {
    let (mut machine, stream) = (Machine::new(2), events(7, 400));
    machine.settings.checkpoint_interval_s = 0;
    machine.bench.send(&stream);
    let plan = vec![(12, 14, 1)];
    let source = OddSource { plan, ..OddSource::over(machine.bench.source()) };
    let state = machine.run_over(source).unwrap();
    // One when the partition went, one at the end.
    assert_eq!(machine.manifests(1).len(), 2);
    assert_eq!(machine.manifests(0).len(), 1);
    assert_undisturbed(&machine, &state, &stream, 2);
}
