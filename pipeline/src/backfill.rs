//! The processor over a file: one JSON line out for every event in.
//!
//! Partitions are those that the producer would choose, so the lines equal the records of a run
//! over as many partitions. The state lives in the same stores as the job's, so a history larger
//! than memory can be processed.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use hmisr_features::FeatureSettings;
use hmisr_state::{FORMAT_VERSION, Identity, PartitionStore, Resources, StateSettings};
use hmisr_stream::contract::{Example, Reason, Rejections, Written, topic};
use hmisr_stream::{Partitioner, Record};

use crate::processor::{Outcome, Processor};
use crate::{Error, PipelineSettings, Result};

/// Lines that are processed together.
const CHUNK: usize = 4_096;

/// What a backfill did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Lines read.
    pub lines: u64,
    /// Events applied.
    pub applied: u64,
    /// Of them those whose action is not positive, or whose weight is negative, for which no line is
    /// written.
    pub neutral: u64,
    /// Dead letters written.
    pub dead_letters: u64,
    /// Events left out as duplicates.
    pub duplicates: u64,
    /// The dead letters by reason, with an example of each.
    #[serde(skip)]
    pub rejections: Rejections,
}

/// A line to be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<P> {
    /// The text of the event's `user_id`, where the payload tells it.
    pub key: Option<Vec<u8>>,
    /// The event as JSON.
    pub payload: Vec<u8>,
    /// The line as its source has it, where its time was written anew; it is shown in the payload's place.
    pub written: Option<Written>,
    /// Where it stands, for people; it is only shown where the line is rejected.
    pub place: P,
}

/// What people are shown of a line that is rejected.
struct Shown<P> {
    place: P,
    written: Option<Written>,
}

impl<P: Display> Shown<P> {
    fn example(&self, payload: &[u8], reason: Reason, message: &str) -> Example {
        let place = self.place.to_string();
        match &self.written {
            Some(written) => written.example(place, reason, message),
            None => Example::at(place, payload, message),
        }
    }
}

/// How to run a backfill.
pub struct Backfill<'a> {
    /// What the features are.
    pub features: FeatureSettings,
    /// Actions, limits and the group to which the state will belong.
    pub pipeline: PipelineSettings,
    /// How state is kept.
    pub state: StateSettings,
    /// Partitions.
    pub partitions: i32,
    /// How events are spread over them.
    pub partitioner: Partitioner,
    /// Folder of the stores, empty or absent at the start.
    pub folder: &'a Path,
}

impl Backfill<'_> {
    /// Processes `lines` in their order and writes a line for each event whose action is positive: the
    /// feature record, or `{"dead_letter": reason, "offset": n}` in its place.
    ///
    /// # Errors
    /// Where a line cannot be read, the output not be written, or the store fails.
    pub fn run<E, P: Display>(
        &self,
        lines: impl Iterator<Item = std::result::Result<Line<P>, E>>,
        output: &mut impl Write,
        mut progress: impl FnMut(&Summary),
    ) -> Result<Summary>
    where
        Error: From<E>,
    {
        self.features.validate().map_err(|error| Error::refused(error.to_string()))?;
        self.pipeline.validate().map_err(Error::refused)?;
        self.state.validate().map_err(Error::refused)?;
        if !(1..=1_000).contains(&self.partitions) {
            return Err(Error::refused(format!("--partitions {}: expected 1 to 1000", self.partitions)));
        }
        let pipeline = PipelineSettings { training_examples: false, ..self.pipeline.clone() };
        let processor = Processor::new(self.features.clone(), pipeline);
        let mut stores = self.open()?;
        let mut offsets = vec![0_i64; stores.len()];
        let mut summary = Summary::default();
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut shown = Vec::with_capacity(CHUNK);
        let mut lines = lines.peekable();
        while lines.peek().is_some() {
            for line in lines.by_ref().take(CHUNK) {
                let Line { key, payload, written, place } = line?;
                let partition = self.partitioner.choose(key.as_deref().unwrap_or(&payload), self.partitions);
                let offset = offsets[partition as usize];
                offsets[partition as usize] += 1;
                // A file's events have no timestamp but their own.
                let timestamp_ms = -1;
                let payload = Some(payload);
                shown.push(Shown { place, written });
                chunk.push(Record { partition, offset, timestamp_ms, key, payload, headers: Vec::new() });
            }
            for line in self.apply(&processor, &mut stores, &chunk, &shown, &mut summary)? {
                if !line.is_empty() {
                    output.write_all(&line)?;
                    output.write_all(b"\n")?;
                }
            }
            for (store, offset) in
                stores.iter_mut().zip(&offsets).filter(|(store, end)| store.next_offset() < **end)
            {
                store.commit(*offset, self.state.cache_bytes / self.partitions as usize)?;
            }
            chunk.clear();
            shown.clear();
            progress(&summary);
        }
        output.flush()?;
        Ok(summary)
    }

    /// The lines of a chunk's records, in the chunk's order; empty for none.
    fn apply(
        &self,
        processor: &Processor,
        stores: &mut [PartitionStore],
        chunk: &[Record],
        shown: &[Shown<impl Display>],
        summary: &mut Summary,
    ) -> Result<Vec<Vec<u8>>> {
        let mut lines = vec![Vec::new(); chunk.len()];
        let mut of_partition: Vec<Vec<usize>> = vec![Vec::new(); stores.len()];
        for (at, record) in chunk.iter().enumerate() {
            of_partition[record.partition as usize].push(at);
        }
        for (partition, (store, ats)) in stores.iter_mut().zip(&of_partition).enumerate() {
            let mut next = ats.iter();
            let records = ats.iter().map(|at| &chunk[*at]);
            processor.apply_all(store, partition as i32, records, |record, outcome| {
                summary.lines += 1;
                let at = next.next().copied();
                let line = match outcome {
                    Outcome::Applied { features, .. } => {
                        summary.applied += 1;
                        serde_json::to_vec(features).unwrap_or_default()
                    }
                    Outcome::DeadLetter(reason, message) => {
                        summary.dead_letters += 1;
                        summary.rejections.add(reason.as_str(), || {
                            let payload = record.payload.as_deref().unwrap_or_default();
                            match at.and_then(|at| shown.get(at)) {
                                Some(shown) => shown.example(payload, reason, &message),
                                None => Example::at(String::new(), payload, &message),
                            }
                        });
                        dead_letter_line(reason, record.offset)
                    }
                    Outcome::Duplicate => {
                        summary.duplicates += 1;
                        serde_json::json!({"duplicate": true, "offset": record.offset})
                            .to_string()
                            .into_bytes()
                    }
                    Outcome::Noted { .. } => {
                        summary.applied += 1;
                        summary.neutral += 1;
                        Vec::new()
                    }
                    Outcome::Forgotten { .. } => Vec::new(),
                };
                if let Some(at) = at {
                    lines[at] = line;
                }
                Ok(())
            })?;
        }
        Ok(lines)
    }

    fn open(&self) -> Result<Vec<PartitionStore>> {
        let resources = Resources::new(self.state.clone());
        let open = |partition: i32| {
            let path = self.folder.join(format!("partition-{partition:05}"));
            std::fs::create_dir_all(&path)?;
            let identity = Identity {
                format: FORMAT_VERSION,
                topic: topic::EVENTS.to_owned(),
                group: self.pipeline.group.clone(),
                partition,
                partitions: self.partitions,
                features: self.pipeline.definition(&self.features),
                visits_kept: self.pipeline.visits_kept(),
            };
            let store = PartitionStore::open(&path, &identity, &self.features, &resources)?;
            if !store.is_new()? {
                return Err(Error::refused(format!(
                    "{}: holds state already; a backfill starts from nothing: give it an empty folder",
                    path.display()
                )));
            }
            Ok(store)
        };
        (0..self.partitions).map(open).collect()
    }
}

fn dead_letter_line(reason: Reason, offset: i64) -> Vec<u8> {
    serde_json::json!({"dead_letter": reason.as_str(), "offset": offset}).to_string().into_bytes()
}
