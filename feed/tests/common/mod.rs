//! What several tests need.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};

use hmisr_feed::{EventLine, EventSource, EventWriter, FeedError, FeedMetrics, Format, GroundTruth, Options};
use hmisr_stream::contract::Event;
use hmisr_stream::{Error, ErrorKind, Result as LogResult};
use tempfile::TempDir;

/// A folder with the given files.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// Everything that a source gives.
pub fn drain(source: &mut dyn EventSource) -> Result<Vec<EventLine>, FeedError> {
    std::iter::from_fn(|| source.next()).collect()
}

/// Opens a file or folder without any option.
pub fn open(path: &Path, format: Format) -> Result<Box<dyn EventSource>, FeedError> {
    hmisr_feed::open(path, format, &Options::default())
}

/// The same, of times that are small numbers of seconds.
pub fn open_seconds(path: &Path, format: Format) -> Box<dyn EventSource> {
    let seconds = Options { time_unit: Some("s".to_owned()), ..Options::default() };
    hmisr_feed::open(path, format, &seconds).unwrap()
}

pub fn read_seconds(path: &Path, format: Format) -> Vec<EventLine> {
    drain(&mut *open_seconds(path, format)).unwrap()
}

pub fn read(path: &Path, format: Format) -> Result<Vec<EventLine>, FeedError> {
    drain(&mut *open(path, format)?)
}

/// Events as `user item category action ts weight`; each key must be its user's.
pub fn events(lines: &[EventLine]) -> Vec<String> {
    let text = |line: &EventLine| {
        let event = Event::decode(&line.payload).unwrap();
        assert_eq!(line.key.as_deref(), Some(event.user_id.to_string().as_bytes()));
        let Event { user_id, item_id, category, action, ts, weight, .. } = event;
        let weight = weight.map_or(String::new(), |weight| format!(" {weight}"));
        format!("{user_id} {item_id} {category} {action} {ts}{weight}")
    };
    lines.iter().map(text).collect()
}

pub fn error(path: &Path, format: Format) -> String {
    match read(path, format) {
        Ok(lines) => panic!("{} lines were read", lines.len()),
        Err(error) => {
            assert!(error.is_users(), "{error}");
            error.to_string()
        }
    }
}

/// A data set in the folder that `HMISR_DATA_DIR` names; says so where it is absent.
pub fn data(name: &str) -> Option<PathBuf> {
    let Some(data) = std::env::var_os("HMISR_DATA_DIR") else {
        eprintln!("SKIPPED: {name} is looked for in HMISR_DATA_DIR, which is not set");
        return None;
    };
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..").join(data).join(name);
    if !path.exists() {
        eprintln!("SKIPPED: HMISR_DATA_DIR holds no {name}: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// Whether two truths are the same, but for the last bit of a number that was read from JSON.
pub fn same_truth(one: &GroundTruth, other: &GroundTruth) -> bool {
    let plain = |truth: &GroundTruth| {
        let mut truth = truth.clone();
        let round = |value: &mut f64| *value = (*value * 1e12).round();
        for user in &mut truth.users {
            round(&mut user.diversity);
            let interests = user.periods.iter_mut().flat_map(|period| &mut period.interests);
            interests.for_each(|interest| round(&mut interest.weight));
        }
        truth
    };
    plain(one) == plain(other)
}

pub fn metrics() -> FeedMetrics {
    FeedMetrics::new(&prometheus::Registry::new()).unwrap()
}

/// A log in memory that loses what is not flushed, and may fail after a number of writes.
pub struct MemoryLog {
    pub log: Vec<Vec<EventLine>>,
    pub open: Vec<Vec<EventLine>>,
    pub writes_left: usize,
    pub flushes: usize,
}

impl MemoryLog {
    pub fn new(partitions: usize) -> Self {
        let empty = || vec![Vec::new(); partitions];
        Self { log: empty(), open: empty(), writes_left: usize::MAX, flushes: 0 }
    }

    /// Ends the process: of each partition's open records, the first few are in the log.
    pub fn crash(&mut self, mut kept: impl FnMut(usize) -> usize) {
        for (log, open) in self.log.iter_mut().zip(&mut self.open) {
            let keep = kept(open.len());
            log.extend(open.drain(..).take(keep));
        }
    }
}

impl EventWriter for MemoryLog {
    fn ends(&mut self) -> LogResult<Vec<i64>> {
        Ok(self.log.iter().map(|log| log.len() as i64).collect())
    }

    fn write(&mut self, partition: i32, line: EventLine) -> LogResult<()> {
        if self.writes_left == 0 {
            return Err(Error::new(ErrorKind::Unavailable, "the log is gone"));
        }
        self.writes_left -= 1;
        self.open[partition as usize].push(line);
        Ok(())
    }

    fn flush(&mut self) -> LogResult<()> {
        self.flushes += 1;
        self.crash(|open| open);
        Ok(())
    }
}
