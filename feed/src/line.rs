//! One event on its way to the log, and where it will lie there.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hmisr_stream::Partitioner;
use hmisr_stream::contract::Written;

use crate::{FeedError, GroundTruth};

/// What goes to the topic `events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLine {
    /// The text of the event's `user_id`; none where the payload does not tell it.
    pub key: Option<Vec<u8>>,
    /// The event as JSON, or whatever stood in its place.
    pub payload: Vec<u8>,
}

/// The longest payload that a source gives, in bytes: with key and headers it fits into the log
/// and, with default settings, into Kafka. Of a longer line only its beginning is given, so that it
/// keeps its place and becomes a dead letter.
pub const MAX_EVENT_BYTES: usize = 900_000;

/// An event that was longer than [`MAX_EVENT_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Where it stands: file and line.
    pub place: String,
    /// Its length, in bytes.
    pub bytes: usize,
}

/// Where an event stands in its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// The line, counted from 1.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A stream of events, the same ones in the same order whenever it is opened.
pub trait EventSource: Send {
    /// The next event; none at the end. After an error there is nothing more.
    fn next(&mut self) -> Option<Result<EventLine, FeedError>>;

    /// Events in all; none where that is not known, or where there is no end.
    fn total(&self) -> Option<u64>;

    /// The share that was read, 0 to 1; none where there is no end.
    fn share_read(&self) -> Option<f64>;

    /// A text that is equal for the same stream: a restart with another one is refused.
    fn fingerprint(&self) -> String;

    /// The source in a few words, for people.
    fn describe(&self) -> String;

    /// Where the event stands that came last; none where the source does not keep it.
    fn place(&self) -> Option<Place> {
        None
    }

    /// The event that came last as its source has it, where its time was written anew.
    fn written(&self) -> Option<Written> {
        None
    }

    /// What was cut from the event that came last; none where it is whole.
    fn cut(&self) -> Option<Cut> {
        None
    }

    /// How the source was understood and what of it is no event, where it is of files; where every line
    /// is passed on as it stands, none is counted.
    fn summary(&self) -> Option<hmisr_datasets::Summary> {
        None
    }

    /// What is true of the users up to here, where the source knows it.
    fn truth(&self) -> Option<GroundTruth> {
        None
    }
}

/// The partition of a line: by its key, as the topic's partitioner decides it; a line without a key
/// goes by its payload, so that it lies in the same place each time.
pub fn partition_of(line: &EventLine, partitions: i32, partitioner: Partitioner) -> i32 {
    partitioner.choose(line.key.as_ref().unwrap_or(&line.payload), partitions)
}

/// A line with the place that it has in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedLine {
    /// The partition.
    pub partition: i32,
    /// The line's index within its partition, counted from 0: its offset in a log that holds
    /// nothing else. A malformed line takes one, a blank line does not.
    pub offset: i64,
    /// The line.
    pub line: EventLine,
}

/// Gives each line of a source its partition and offset.
pub struct Numbered<'a> {
    source: &'a mut dyn EventSource,
    next_offsets: Vec<i64>,
    partitioner: Partitioner,
}

impl<'a> Numbered<'a> {
    /// Numbers a source that was not read from yet, over `partitions` (at least one is taken).
    pub fn new(source: &'a mut dyn EventSource, partitions: i32, partitioner: Partitioner) -> Self {
        let partitions = usize::try_from(partitions).unwrap_or(0).max(1);
        Self { source, next_offsets: vec![0; partitions], partitioner }
    }

    /// Lines seen so far, per partition.
    pub fn counts(&self) -> &[i64] {
        &self.next_offsets
    }

    /// The source.
    pub fn source(&self) -> &dyn EventSource {
        self.source
    }
}

impl Iterator for Numbered<'_> {
    type Item = Result<NumberedLine, FeedError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.source.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        let partitions = i32::try_from(self.next_offsets.len()).unwrap_or(i32::MAX);
        // Within 0..partitions.
        let partition = partition_of(&line, partitions, self.partitioner);
        let next = &mut self.next_offsets[usize::try_from(partition).unwrap_or(0)];
        let offset = *next;
        *next += 1;
        Some(Ok(NumberedLine { partition, offset, line }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Three(u8);

    impl EventSource for Three {
        fn next(&mut self) -> Option<Result<EventLine, FeedError>> {
            self.0 += 1;
            (self.0 <= 3).then(|| {
                let key = (self.0 != 2).then(|| b"42".to_vec());
                Ok(EventLine { key, payload: b"nonsense".to_vec() })
            })
        }
        fn total(&self) -> Option<u64> {
            Some(3)
        }
        fn share_read(&self) -> Option<f64> {
            None
        }
        fn fingerprint(&self) -> String {
            String::new()
        }
        fn describe(&self) -> String {
            String::new()
        }
    }

    #[test]
    fn offsets_count_within_each_partition() {
        let partitions = 1_000;
        for partitioner in Partitioner::KNOWN.into_iter().chain([Partitioner::Any]) {
            let place = |key: &[u8]| partitioner.choose(key, partitions);
            let (keyed, plain) = (place(b"42"), place(b"nonsense"));
            assert_ne!(keyed, plain);
            let mut source = Three(0);
            let places: Vec<_> = Numbered::new(&mut source, partitions, partitioner)
                .map(|line| line.unwrap())
                .map(|line| (line.partition, line.offset))
                .collect();
            assert_eq!(places, [(keyed, 0), (plain, 0), (keyed, 1)]);
        }
        let mut source = Three(0);
        let numbered = Numbered::new(&mut source, 1, Partitioner::Murmur2);
        let offsets: Vec<_> = numbered.map(|line| line.unwrap().offset).collect();
        assert_eq!(offsets, [0, 1, 2]);
    }
}
