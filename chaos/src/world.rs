//! A worker's world: it tells where the process is, dwells there at random, and stops at a point
//! where it is to be killed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hmisr_pipeline::Result;
use hmisr_pipeline::engine::{Point, SystemWorld, World};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// At one of so many points the engine stays for a while; and where the point comes with every output.
const DWELL_EVERY: (u32, u32) = (8, 1_000);
/// The longest stay at a point, microseconds.
const DWELL_US: u64 = 3_000;

/// The engine's clock goes so much faster than the machine's: the shortest interval between two
/// checkpoints, a second, is over within the life of a worker.
pub const SPEED: u64 = 5;

/// A point, and at which of its turns.
#[derive(Debug, Clone, Copy)]
pub struct KillAt {
    point: Point,
    turn: u32,
}

impl std::str::FromStr for KillAt {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, turn) = text.split_once(':').unwrap_or((text, "1"));
        let point = Point::ALL.into_iter().find(|point| point.name() == name);
        let names = || Point::ALL.map(Point::name).join(", ");
        Ok(Self {
            point: point.ok_or_else(|| format!("there is no point {name:?}; there are {}", names()))?,
            turn: turn.parse().map_err(|error| format!("{turn:?}: {error}"))?,
        })
    }
}

/// The world of a worker.
pub struct Killable {
    system: SystemWorld,
    kill_at: Option<KillAt>,
    turns: AtomicU32,
    /// Survives the process: the last point reached.
    trace: File,
    /// Draws where it dwells; without it, nowhere.
    dwells: Option<Mutex<ChaCha8Rng>>,
}

impl Killable {
    /// Writes the last point into the file `trace`; dwells where `rng` says so.
    pub fn new(trace: &Path, kill_at: Option<KillAt>, rng: Option<ChaCha8Rng>) -> std::io::Result<Self> {
        let (system, trace) = (SystemWorld::default(), File::create(trace)?);
        Ok(Self { system, kill_at, turns: AtomicU32::new(0), trace, dwells: rng.map(Mutex::new) })
    }

    /// How long to stay at a point.
    fn dwell(&self, point: Point) -> Option<Duration> {
        let often = matches!(point, Point::BeforeProduce | Point::AfterProduce);
        let every = if often { DWELL_EVERY.1 } else { DWELL_EVERY.0 };
        let mut rng = self.dwells.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        rng.random_ratio(1, every).then(|| Duration::from_micros(rng.random_range(0..DWELL_US)))
    }
}

/// The last point that a worker with this trace had reached; none before the first.
pub fn last_point(trace: &Path) -> Option<Point> {
    let at = *std::fs::read(trace).ok()?.first()?;
    Point::ALL.get(usize::from(at)).copied()
}

impl World for Killable {
    fn now(&self) -> Duration {
        self.system.now() * SPEED as u32
    }

    fn wall_ms(&self) -> i64 {
        self.system.wall_ms()
    }

    fn sleep(&self, time: Duration) {
        self.system.sleep(time);
    }

    fn reached(&self, point: Point) -> Result<()> {
        self.trace.write_all_at(&[point as u8], 0)?;
        if let Some(kill_at) = self.kill_at {
            let here = kill_at.point == point;
            if here && self.turns.fetch_add(1, Ordering::Relaxed) + 1 == kill_at.turn {
                println!("at {}", point.name());
                // Whoever reads that line kills this process.
                loop {
                    std::thread::park();
                }
            }
            return Ok(());
        }
        if let Some(dwell) = self.dwell(point) {
            self.system.sleep(dwell);
        }
        Ok(())
    }
}
