//! Engines over one broker in memory, on one thread, with everything that happens chosen by a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use hmisr_features::Id;
use hmisr_pipeline::engine::{Engine, Point, Setup, World};
use hmisr_pipeline::{Delivery, Error, ErrorKind, PipelineMetrics, PipelineProgress, StateDirectory};
use hmisr_state::StateSettings;
use hmisr_stream::contract::topic;
use hmisr_stream::memory::{Broker, Connection, MemorySink, MemorySource};
use hmisr_testkit::oracle::stored;

use super::feed::Feed;
use super::plan::{Mistake, Plan};
use super::random::Random;
use super::wrong::{Habits, JobSink, JobSource};

/// How deep engines may stand within each other's points.
const DEPTH: usize = 3;
/// Steps after the storm in which everything must be done.
const CALM: usize = 20_000;

/// A running instance of the job.
struct Job {
    engine: Engine<JobSource, JobSink>,
    connection: Connection,
    directory: StateDirectory,
    /// Where the process dies.
    fuse: Arc<Mutex<Option<Point>>>,
    /// The sink that it has, for a mistake.
    sink: Option<MemorySink>,
}

enum Slot {
    Down,
    Up(Box<Job>),
    /// It is being stepped, further up the stack.
    Busy,
}

pub struct Cluster {
    me: Weak<Cluster>,
    pub plan: Plan,
    pub broker: Broker,
    random: Arc<Mutex<Random>>,
    trace: Mutex<(DefaultHasher, u64, bool)>,
    slots: Vec<Mutex<Slot>>,
    feed: Mutex<Feed>,
    folder: tempfile::TempDir,
    pub habits: Habits,
    depth: AtomicUsize,
    refused: Mutex<Option<String>>,
}

/// One instance's clock and kill points.
struct JobWorld {
    cluster: Weak<Cluster>,
    slot: usize,
    connection: Connection,
    fuse: Arc<Mutex<Option<Point>>>,
}

impl World for JobWorld {
    fn now(&self) -> Duration {
        self.cluster.upgrade().map_or(Duration::ZERO, |cluster| cluster.broker.now())
    }

    fn wall_ms(&self) -> i64 {
        self.now().as_millis() as i64
    }

    fn sleep(&self, time: Duration) {
        if let Some(cluster) = self.cluster.upgrade() {
            cluster.broker.advance(time);
        }
    }

    fn reached(&self, point: Point) -> hmisr_pipeline::Result<()> {
        let Some(cluster) = self.cluster.upgrade() else { return Ok(()) };
        cluster.note(|| format!("{} {}", self.slot, point.name()));
        if *self.fuse.lock().unwrap() == Some(point) {
            self.connection.cut();
            cluster.habits.see(format!("killed at {}", point.name()));
            return Err(Error::input(false, std::io::Error::other("killed")));
        }
        cluster.interleave(point);
        Ok(())
    }
}

impl Cluster {
    pub fn new(plan: Plan, show: bool) -> Arc<Self> {
        let broker = Broker::new(plan.timeouts());
        broker.create_topic(topic::EVENTS, plan.partitions);
        broker.create_topic(topic::USER_FEATURES, 3);
        broker.create_topic(topic::TRAINING_EXAMPLES, 2);
        broker.create_topic(topic::DEAD_LETTERS, 1);
        let random = Arc::new(Mutex::new(Random::new(plan.seed ^ 0x5eed)));
        let habits = Habits::new(plan.mistake);
        // Memory where there is a file system of it: the state's durability is not what is tried here.
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            slots: (0..plan.instances).map(|_| Mutex::new(Slot::Down)).collect(),
            feed: Mutex::new(Feed::new(&broker, plan.partitions, plan.users)),
            plan,
            broker,
            random,
            trace: Mutex::new((DefaultHasher::new(), 0, show)),
            folder: folder.unwrap(),
            habits,
            depth: AtomicUsize::new(0),
            refused: Mutex::new(None),
        })
    }

    fn below(&self, bound: usize) -> usize {
        self.random.lock().unwrap().below(bound as u64) as usize
    }

    fn chance(&self, per_mille: u64) -> bool {
        self.random.lock().unwrap().chance(per_mille)
    }

    /// Everything that happens goes into the trace.
    fn note(&self, what: impl FnOnce() -> String) {
        let (hasher, number, show) = &mut *self.trace.lock().unwrap();
        let text = what();
        text.hash(hasher);
        *number += 1;
        if *show {
            println!("{number:6} {:>9.3?} {text}", self.broker.now());
        }
    }

    /// A number that stands for all that has happened.
    pub fn trace(&self) -> u64 {
        self.trace.lock().unwrap().0.finish()
    }

    /// What no job may be told; none where all was well.
    pub fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap().clone()
    }

    fn folder(&self, slot: usize) -> PathBuf {
        self.folder.path().join(format!("instance-{slot}"))
    }

    fn id(&self, slot: usize) -> String {
        format!("job-{}", if self.plan.same_id && slot == 1 { 0 } else { slot })
    }

    fn sink(&self, connection: &Connection, slot: usize) -> hmisr_stream::Result<MemorySink> {
        match self.plan.pipeline.delivery {
            Delivery::ExactlyOnce => MemorySink::new(connection, &self.id(slot)),
            Delivery::AtLeastOnce => Ok(MemorySink::plain(connection)),
        }
    }

    fn launch(&self, slot: usize) {
        if !matches!(*self.slots[slot].lock().unwrap(), Slot::Down) {
            return;
        }
        let connection = self.broker.connect();
        let made = self.start(&connection, slot);
        self.note(|| format!("{slot} launched: {}", made.is_ok()));
        match made {
            Ok(job) => *self.slots[slot].lock().unwrap() = Slot::Up(Box::new(job)),
            Err(error) => self.ended(&error),
        }
    }

    fn start(&self, connection: &Connection, slot: usize) -> hmisr_pipeline::Result<Job> {
        let Plan { features, pipeline, .. } = self.plan.clone();
        let sink = self.sink(connection, slot)?;
        let source = MemorySource::new(connection, topic::EVENTS, &pipeline.group)?;
        let source = JobSource {
            inner: source,
            broker: self.broker.clone(),
            habits: self.habits.clone(),
            sought: BTreeSet::new(),
        };
        let fuse = Arc::new(Mutex::new(None));
        let directory = StateDirectory::new(features.clone());
        let world =
            JobWorld { cluster: self.me.clone(), slot, connection: connection.clone(), fuse: fuse.clone() };
        let setup = Setup {
            features,
            pipeline,
            state: StateSettings { memory_bytes: 8 << 20, cache_bytes: 8 << 20, ..StateSettings::default() },
            folder: self.folder(slot),
            metrics: PipelineMetrics::new(&prometheus::Registry::new()).unwrap(),
            directory: directory.clone(),
            progress: Arc::new(PipelineProgress::default()),
            world: Arc::new(world),
        };
        let kept = self.habits.makes(Mistake::KeepsProducer).then(|| sink.clone());
        let engine =
            Engine::new(setup, source, JobSink { inner: sink, habits: self.habits.clone(), owed: false })?;
        Ok(Job { engine, connection: connection.clone(), directory, fuse, sink: kept })
    }

    /// A job has ended by itself. Only one that is told to change something is a failure: the rest
    /// is started again.
    fn ended(&self, error: &Error) {
        self.note(|| format!("ended: {:?}", error.kind()));
        self.habits.see(format!("a job ended: {:?}", error.kind()));
        if error.kind() == ErrorKind::Refused {
            self.refused.lock().unwrap().get_or_insert_with(|| error.to_string());
        }
    }

    fn step(&self, slot: usize) {
        let taken = std::mem::replace(&mut *self.slots[slot].lock().unwrap(), Slot::Busy);
        let left = match taken {
            Slot::Up(mut job) => {
                let (connection, kept) = (job.connection.clone(), job.sink.clone());
                let mut new_sink = || {
                    let inner = match &kept {
                        Some(kept) if !self.habits.is_calm() => kept.clone(),
                        _ => self.sink(&connection, slot)?,
                    };
                    Ok(JobSink { inner, habits: self.habits.clone(), owed: false })
                };
                match job.engine.step(&mut new_sink) {
                    Ok(()) => Slot::Up(job),
                    Err(error) => {
                        self.ended(&error);
                        Slot::Down
                    }
                }
            }
            other => other,
        };
        *self.slots[slot].lock().unwrap() = left;
    }

    /// Now and then, others go on while an instance stands at a point.
    fn interleave(&self, point: Point) {
        if self.habits.is_calm() || self.depth.load(Ordering::Relaxed) >= DEPTH {
            return;
        }
        // Outputs pass many points; between the offsets and the state is where it matters.
        let weight = match point {
            Point::BeforeProduce | Point::AfterProduce => 1,
            _ => 5,
        };
        if self.chance(self.plan.interleaving * weight) {
            self.depth.fetch_add(1, Ordering::Relaxed);
            for _ in 0..=self.below(6) {
                self.act();
            }
            self.depth.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// One thing happens.
    fn act(&self) {
        let slot = self.below(self.slots.len());
        match self.below(100) {
            0..55 => self.step(slot),
            55..72 => {
                self.note(|| "feed".into());
                // Its own choices: its requests may go wrong, which is a choice as well.
                let mut random = Random::new(self.random.lock().unwrap().next());
                self.feed.lock().unwrap().send(&mut random);
            }
            72..80 => self.launch(slot),
            80..82 => self.stop(slot),
            82..86 => {
                let point = Point::ALL[self.below(Point::ALL.len())];
                if let Slot::Up(job) = &*self.slots[slot].lock().unwrap() {
                    self.note(|| format!("{slot} dies {}", point.name()));
                    *job.fuse.lock().unwrap() = Some(point);
                }
            }
            86..90 => {
                let first = self.chance(500);
                self.note(|| format!("eviction {first}"));
                self.broker.evict(&self.plan.pipeline.group, first);
                // Others have the time to take over what the evicted one still works on.
                (0..self.below(24)).for_each(|_| self.step(self.below(self.slots.len())));
            }
            90..93 => self.deliver_late(),
            93..97 => self.wait(300),
            97 => self.wait(15_000),
            _ => self.lose_disk(slot),
        }
    }

    /// A process ends in good order.
    fn stop(&self, slot: usize) {
        let mut held = self.slots[slot].lock().unwrap();
        if matches!(*held, Slot::Up(_)) {
            self.note(|| format!("{slot} stopped"));
            *held = Slot::Down;
        }
    }

    fn deliver_late(&self) {
        let late = self.broker.late();
        if late > 0 {
            let done = self.broker.deliver_late(self.below(late)).is_ok();
            self.note(|| format!("a late end of a transaction: {done}"));
            self.habits.see(format!("a late end of a transaction, taken: {done}"));
        }
    }

    fn wait(&self, most_ms: usize) {
        let time = Duration::from_millis(self.below(most_ms) as u64);
        self.note(|| format!("{time:?} pass"));
        self.broker.advance(time);
    }

    fn lose_disk(&self, slot: usize) {
        if matches!(*self.slots[slot].lock().unwrap(), Slot::Down) && self.folder(slot).exists() {
            self.note(|| format!("{slot} loses its disk"));
            std::fs::remove_dir_all(self.folder(slot)).unwrap();
        }
    }

    /// The storm: as many actions as the plan has.
    pub fn storm(&self) {
        let (plan, random) = (self.plan.clone(), self.random.clone());
        self.broker.set_faults(Some(Box::new(move |call| plan.fault(&mut random.lock().unwrap(), call))));
        (0..self.slots.len()).for_each(|slot| self.launch(slot));
        for _ in 0..self.plan.actions {
            self.act();
        }
        self.broker.set_faults(None);
        self.habits.calm_down();
    }

    /// Nothing goes wrong any more; some instances go on until every event is committed and stored.
    /// False when they do not get there.
    pub fn calm(&self, ends: impl FnOnce() -> BTreeMap<i32, i64>) -> bool {
        self.feed.lock().unwrap().end(&mut Random::new(self.plan.seed));
        while self.broker.late() > 0 {
            self.deliver_late();
        }
        let stay = if self.plan.same_id { 1 } else { 1 + self.below(self.slots.len()) };
        for slot in 0..self.slots.len() {
            match &*self.slots[slot].lock().unwrap() {
                Slot::Up(job) => *job.fuse.lock().unwrap() = None,
                Slot::Down | Slot::Busy => {}
            }
            if slot >= stay {
                self.stop(slot);
            }
        }
        let ends = ends();
        for _ in 0..CALM {
            for slot in 0..stay {
                self.launch(slot);
                self.step(slot);
            }
            if self.refused().is_some() {
                return false;
            }
            if self.is_done(&ends) {
                // What the dead left open ends, and hides no output behind it any more.
                self.broker.advance(self.plan.timeouts().transaction * 2);
                return true;
            }
        }
        false
    }

    /// Whether offsets and the stores in which look-ups would be made have come to the end.
    fn is_done(&self, ends: &BTreeMap<i32, i64>) -> bool {
        let end = |partition| ends.get(&partition).copied();
        let mut wanted: Vec<i64> = (0..self.plan.partitions).map(|number| end(number).unwrap_or(0)).collect();
        let readers = self.up(|job| job.directory.readers()).into_iter().flatten();
        let mut stored: Vec<i64> = readers.map(|reader| reader.next_offset().unwrap()).collect();
        wanted.sort_unstable();
        stored.sort_unstable();
        let committed = |partition| self.broker.committed(&self.plan.pipeline.group, partition);
        stored == wanted && (0..self.plan.partitions).all(|number| committed(number) == end(number))
    }

    fn up<T>(&self, mut of: impl FnMut(&Job) -> T) -> Vec<T> {
        let each = self.slots.iter().filter_map(|slot| match &*slot.lock().unwrap() {
            Slot::Up(job) => Some(of(job)),
            Slot::Down | Slot::Busy => None,
        });
        each.collect()
    }

    /// The stored form of each user, of the partitions that are owned.
    pub fn users(&self) -> BTreeMap<Id, Vec<u8>> {
        let mut users = BTreeMap::new();
        for reader in self.up(|job| job.directory.readers()).into_iter().flatten() {
            let visit = reader.for_each_user(|id, user| {
                assert_eq!(users.insert(id, stored(user)), None, "a user in two stores");
                Ok::<(), hmisr_state::Error>(())
            });
            visit.unwrap();
        }
        users
    }
}
