//! What one instance of the job remembers, in memory and on disk.

use crate::broker::{Fold, PARTITIONS};
use crate::recovery::{Situation, Start};

/// Where an instance stands in its loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It is not running.
    Dead,
    /// It polls and processes.
    Running,
    /// The transaction holds its offsets.
    OffsetsSent,
    /// The commit is on its way.
    Committing,
    /// The commit was acknowledged; some stores may be written, others not yet.
    Writing,
    /// The sink was dropped; a new one is to be made.
    WithoutSink,
}

/// A partition's store on disk: what one `WriteBatch` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Store {
    /// The next offset.
    pub next: u8,
    /// The state.
    pub state: Fold,
}

/// A partition in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Partition {
    /// Whether position and cache agree with the store's offset and the group's.
    pub started: bool,
    /// The next offset to process.
    pub position: u8,
    /// Outputs of events before it are not written.
    pub mute_until: u8,
    /// The write-back cache.
    pub cache: Fold,
}

/// An instance of the job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instance {
    /// Where it stands.
    pub phase: Phase,
    /// Its producer's epoch.
    pub epoch: u8,
    /// The group's generation as it knows it.
    pub generation: u8,
    /// Its partitions, as it knows them.
    pub partitions: [Option<Partition>; PARTITIONS],
    /// Its disk; none where nothing was ever committed.
    pub stores: [Option<Store>; PARTITIONS],
    /// Whether events were processed since the last commit.
    pub dirty: bool,
    /// Whether a transaction was begun.
    pub open: bool,
    /// Whether `recovery` refused to start.
    pub refused: bool,
}

impl Instance {
    /// One that is not running and has an empty disk.
    pub fn new() -> Self {
        Self {
            phase: Phase::Dead,
            epoch: 0,
            generation: 0,
            partitions: [None; PARTITIONS],
            stores: [None; PARTITIONS],
            dirty: false,
            open: false,
            refused: false,
        }
    }

    /// The process ends: only the disk is left.
    pub fn die(&mut self) {
        *self = Self { stores: self.stores, refused: self.refused, ..Self::new() };
    }

    /// Drops everything uncommitted; every partition is then started as after a crash.
    pub fn restart(&mut self) {
        (self.dirty, self.open, self.phase) = (false, false, Phase::Running);
        self.partitions.iter_mut().flatten().for_each(|partition| partition.started = false);
    }

    /// What the job decides from its store's offset and the group's.
    pub fn decide(&self, partition: usize, committed: Option<u8>, end: u8) -> crate::Result<Start> {
        Situation {
            partition: partition as i32,
            store: self.stores[partition].map(|store| i64::from(store.next)),
            committed: committed.map(i64::from),
            log_start: 0,
            log_end: i64::from(end),
            adopt_store_offset: false,
        }
        .start()
    }

    /// The offsets that a commit sends: those of started partitions that are not replaying.
    pub fn offsets(&self) -> [Option<u8>; PARTITIONS] {
        self.partitions.map(|partition| {
            partition
                .filter(|partition| partition.started && partition.position > partition.mute_until)
                .map(|partition| partition.position)
        })
    }

    /// The first partition whose store a commit has to write.
    pub fn unwritten(&self) -> Option<usize> {
        (0..PARTITIONS).find(|&number| {
            let next = self.stores[number].map_or(0, |store| store.next);
            self.partitions[number].is_some_and(|partition| partition.started && partition.position > next)
        })
    }

    /// Writes one store, and ends the commit with the last one.
    pub fn write(&mut self) {
        let number = self.unwritten();
        if let Some((number, partition)) = number.and_then(|number| Some((number, self.partitions[number]?)))
        {
            self.stores[number] = Some(Store { next: partition.position, state: partition.cache });
        }
        if self.unwritten().is_none() {
            (self.dirty, self.open, self.phase) = (false, false, Phase::Running);
        }
    }
}

impl Default for Instance {
    fn default() -> Self {
        Self::new()
    }
}
