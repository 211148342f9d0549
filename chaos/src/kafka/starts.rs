//! `hmisr-chaos starts`: whoever is killed in the middle of a rebalance, no partition stands still.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::{Kafka, TICK};
use crate::args::StartsArgs;
use crate::check::Check;
use crate::events::rng;
use crate::failure::{Failure, Result};
use crate::job::Job;
use crate::run::Data;

/// Between two looks at the committed offsets.
const LOOK: Duration = Duration::from_millis(500);
/// The longest time from a change of the group to the kill: a session and a rebalance.
const MOMENT: Duration = Duration::from_secs(9);
/// One kill of so many takes both instances.
const BOTH_EVERY: u32 = 4;
/// One victim of so many comes back under another name.
const MOVES_EVERY: u32 = 4;

/// What was seen.
#[derive(Debug, Serialize)]
struct Report {
    seed: u64,
    membership: &'static str,
    starts: u64,
    both: u64,
    moved: u64,
    seconds: f64,
    /// The longest time for which a partition with records to read was not read on.
    longest_still_s: f64,
    /// The same, of each start, the middle one.
    median_still_s: f64,
    /// Events that were compared at the end.
    events: u64,
}

/// Partitions and since when nothing was committed of them though there was something.
struct Still {
    committed: Vec<i64>,
    since: Vec<Instant>,
    longest: Duration,
    looked: Instant,
}

impl Still {
    fn new(partitions: usize) -> Self {
        let now = Instant::now();
        Self {
            committed: vec![-1; partitions],
            since: vec![now; partitions],
            longest: Duration::ZERO,
            looked: now,
        }
    }

    /// Looks, once in a while; returns whether every partition has gone on since `after`.
    fn look(&mut self, job: &Kafka, after: Instant, limit: Duration) -> Result<bool> {
        if self.looked.elapsed() < LOOK {
            return Ok(false);
        }
        self.looked = Instant::now();
        if let Some(committed) = job.group.committed()? {
            let now = Instant::now();
            for (partition, offset) in committed.into_iter().enumerate() {
                if std::mem::replace(&mut self.committed[partition], offset) != offset {
                    self.longest = self.longest.max(now - self.since[partition]);
                    self.since[partition] = now;
                }
            }
        }
        let still: Vec<usize> =
            (0..self.since.len()).filter(|partition| self.since[*partition].elapsed() > limit).collect();
        if still.is_empty() {
            return Ok(self.since.iter().all(|since| *since > after));
        }
        Err(Failure::fault(format!(
            "partitions {still:?} have stood still for more than {} s, at {:?}, though they are fed",
            limit.as_secs(),
            self.committed
        )))
    }
}

/// Runs it.
pub fn starts(args: &StartsArgs) -> Result<()> {
    let data = Data::new(args.data.as_deref())?;
    let again = format!(
        "hmisr-chaos starts --seed {} --starts {} --membership {}",
        args.seed,
        args.starts,
        args.membership.name()
    );
    let busy = busy(args.busy);
    let ended = data.kept_on_failure(&again, |path| {
        let mut job = Kafka::start(&args.run(), path)?;
        let began = Instant::now();
        let limit = Duration::from_secs(args.limit_s);
        let (mut both, mut moved, mut each) = (0, 0, Vec::new());
        for start in 0..args.starts {
            let mut rng = rng(args.seed, u64::MAX - start);
            let done = job
                .start_in_the_middle(&mut rng, limit)
                .map_err(|failure| failure.with(format!("at start {}", start + 1)))?;
            both += u64::from(done.both);
            moved += u64::from(done.moved);
            each.push(done.longest.as_secs_f64());
            if !args.json {
                eprintln!("start {}: {:.1} s", start + 1, done.longest.as_secs_f64());
            }
        }
        let mut check = Check::new();
        job.drain().and_then(|()| check.compare(&mut job))?;
        each.sort_by(f64::total_cmp);
        let report = Report {
            seed: args.seed,
            membership: args.membership.name(),
            starts: args.starts,
            both,
            moved,
            seconds: began.elapsed().as_secs_f64(),
            longest_still_s: each.last().copied().unwrap_or_default(),
            median_still_s: each.get(each.len() / 2).copied().unwrap_or_default(),
            events: check.model.counts.events,
        };
        if args.json {
            let text =
                serde_json::to_string(&report).map_err(|error| Failure::fault(error.to_string()))?;
            println!("{text}");
        } else {
            println!(
                "{} starts in {:.0} s ({both} of both instances, {moved} under another name): a partition stood \
                 still for {:.1} s at most, {:.1} s in the middle; {} events: equal",
                report.starts,
                report.seconds,
                report.longest_still_s,
                report.median_still_s,
                report.events
            );
        }
        Ok(())
    });
    drop(busy);
    ended
}

/// Threads that do nothing, with all their might, until this is dropped.
fn busy(threads: u16) -> impl Drop {
    struct Busy(std::sync::Arc<std::sync::atomic::AtomicBool>);
    impl Drop for Busy {
        fn drop(&mut self) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let busy = Busy(std::sync::Arc::default());
    for _ in 0..threads {
        let stop = busy.0.clone();
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
    }
    busy
}

/// What one start was like.
struct Done {
    both: bool,
    moved: bool,
    longest: Duration,
}

impl Kafka {
    /// One instance goes and comes back under another name, so that partitions move; the other, or both, are
    /// killed in the middle of that and started again. Waits until every partition goes on.
    fn start_in_the_middle(&mut self, rng: &mut ChaCha8Rng, limit: Duration) -> Result<Done> {
        self.start_instances()?;
        let mut still = Still::new(crate::settings::PARTITIONS as usize);
        self.until_all_go_on(&mut still, Instant::now(), limit)?;
        let (mover, victim) = if rng.random_bool(0.5) { (0, 1) } else { (1, 0) };
        let both = rng.random_ratio(1, BOTH_EVERY);
        let moved = rng.random_ratio(1, MOVES_EVERY);
        self.instances[mover].kill()?;
        self.instances[mover].member += 1;
        self.start_instances()?;
        let moment = Instant::now() + MOMENT.mul_f64(rng.random::<f64>());
        while Instant::now() < moment {
            self.tick(true)?;
            still.look(self, moment, limit)?;
            std::thread::sleep(TICK);
        }
        self.instances[victim].kill()?;
        if both {
            self.instances[mover].kill()?;
        }
        if moved {
            self.instances[victim].member += 1;
        }
        self.start_instances()?;
        self.until_all_go_on(&mut still, Instant::now(), limit)?;
        Ok(Done { both, moved, longest: still.longest })
    }

    fn until_all_go_on(&mut self, still: &mut Still, after: Instant, limit: Duration) -> Result<()> {
        loop {
            self.tick(true)?;
            if still.look(self, after, limit)? {
                return Ok(());
            }
            std::thread::sleep(TICK);
        }
    }
}
