//! One trainer a topic: of two in one consumer group each would learn from a part of the examples.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hmisr_stream::{Condition, Limits, Polled, Source, TopicInfo};

use super::Progress;
use crate::{Error, ErrorKind, Metrics, Result};

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(50);
/// Pause after a source that cannot be reached.
const PAUSE: Duration = Duration::from_millis(500);

/// A source that has all partitions of its topic.
#[derive(Debug)]
pub struct Alone<S> {
    source: S,
    /// The partitions, until they are told.
    gained: Vec<i32>,
}

/// Waits until `source` has all partitions of its topic; none where `stop` is set before. Nothing is read
/// meanwhile, and nobody who has partitions is disturbed but by the group's own rebalance: make what fences
/// others, such as the sink, only after this.
///
/// A reader that ended without leaving keeps its partitions for the group's session timeout, so `patience` must
/// be longer. It counts from when the log was last out of reach.
///
/// # Errors
/// [`ErrorKind::Busy`] where others have partitions for longer than `patience`; those of the source.
pub fn alone<S: Source>(
    mut source: S,
    patience: Duration,
    metrics: &Metrics,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Option<Alone<S>>> {
    let all = source.topic().partitions;
    let mut gained = BTreeSet::new();
    let mut since = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        match source.poll(Limits { records: 1, bytes: 1 }, POLL) {
            Ok(Polled::Assigned(partitions)) => gained.extend(partitions),
            Ok(Polled::Revoked(partitions)) => gained.retain(|partition| !partitions.contains(partition)),
            Ok(Polled::Records(_)) => {}
            Err(error) if error.kind() == hmisr_stream::ErrorKind::Unavailable => {
                since = Instant::now();
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
        progress.look(&source, gained.len(), metrics);
        if gained.len() as i32 == all {
            // What fences others is still to be made, and the model to be read.
            let name = &source.topic().name;
            progress.waits.set(vec![format!("all partitions of {name} are here: the loop is being begun")]);
            return Ok(Some(Alone { source, gained: gained.into_iter().collect() }));
        }
        if source.condition().silence.is_some() {
            since = Instant::now();
        } else if since.elapsed() > patience {
            return Err(busy(&source, gained.len(), patience));
        }
    }
    Ok(None)
}

fn busy<S: Source>(source: &S, here: usize, patience: Duration) -> Error {
    let TopicInfo { name, partitions, .. } = source.topic();
    let text = format!(
        "{here} of {partitions} partitions of {name} are this trainer's after {} s: another trainer is in the consumer group \
         {:?} and reads the others, so neither would learn from everything; one trainer learns from a topic at a time, stop \
         the other one",
        patience.as_secs(),
        source.group_id(),
    );
    Error::new(ErrorKind::Busy, text)
}

impl<S: Source> Source for Alone<S> {
    type Group = S::Group;

    fn topic(&self) -> &TopicInfo {
        self.source.topic()
    }

    fn group_id(&self) -> &str {
        self.source.group_id()
    }

    fn group(&self) -> Self::Group {
        self.source.group()
    }

    fn poll(&mut self, limits: Limits, timeout: Duration) -> hmisr_stream::Result<Polled> {
        if self.gained.is_empty() {
            return self.source.poll(limits, timeout);
        }
        Ok(Polled::Assigned(std::mem::take(&mut self.gained)))
    }

    fn seek(&mut self, partition: i32, offset: i64) -> hmisr_stream::Result<()> {
        self.source.seek(partition, offset)
    }

    fn committed(&mut self, partition: i32) -> hmisr_stream::Result<Option<i64>> {
        self.source.committed(partition)
    }

    fn bounds(&mut self, partition: i32) -> hmisr_stream::Result<(i64, i64)> {
        self.source.bounds(partition)
    }

    fn commit(&mut self, offsets: &[(i32, i64)]) -> hmisr_stream::Result<()> {
        self.source.commit(offsets)
    }

    fn known_end(&self, partition: i32) -> Option<i64> {
        self.source.known_end(partition)
    }

    fn condition(&self) -> Condition {
        self.source.condition()
    }

    fn end_of_batch(&mut self, partition: i32, offset: i64) -> hmisr_stream::Result<i64> {
        self.source.end_of_batch(partition, offset)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use hmisr_stream::Silence;

    use super::*;

    /// A group's say, one word a poll, and then nothing.
    #[derive(Debug)]
    struct Group {
        topic: TopicInfo,
        silence: Option<Silence>,
        words: VecDeque<hmisr_stream::Result<Polled>>,
    }

    fn group(words: impl IntoIterator<Item = hmisr_stream::Result<Polled>>) -> Group {
        let topic = TopicInfo { name: "training-examples".to_owned(), id: "one".to_owned(), partitions: 4 };
        Group { topic, silence: None, words: words.into_iter().collect() }
    }

    impl Source for Group {
        type Group = ();

        fn topic(&self) -> &TopicInfo {
            &self.topic
        }

        fn group_id(&self) -> &str {
            "hmisr-trainer"
        }

        fn group(&self) {}

        fn poll(&mut self, _: Limits, _: Duration) -> hmisr_stream::Result<Polled> {
            self.words.pop_front().unwrap_or_else(|| Ok(Polled::Records(Vec::new())))
        }

        fn seek(&mut self, _: i32, _: i64) -> hmisr_stream::Result<()> {
            Ok(())
        }

        fn committed(&mut self, _: i32) -> hmisr_stream::Result<Option<i64>> {
            Ok(None)
        }

        fn bounds(&mut self, _: i32) -> hmisr_stream::Result<(i64, i64)> {
            Ok((0, 0))
        }

        fn commit(&mut self, _: &[(i32, i64)]) -> hmisr_stream::Result<()> {
            Ok(())
        }

        fn known_end(&self, _: i32) -> Option<i64> {
            None
        }

        fn condition(&self) -> Condition {
            Condition { topic_lag: Some(7), silence: self.silence.clone(), ..Condition::default() }
        }

        fn end_of_batch(&mut self, _: i32, offset: i64) -> hmisr_stream::Result<i64> {
            Ok(offset + 3)
        }
    }

    const LONG: Duration = Duration::from_secs(600);

    fn metrics() -> Metrics {
        Metrics::new(&prometheus::Registry::new()).unwrap()
    }

    #[test]
    fn all_partitions_are_told_at_once_when_the_last_one_came() {
        let unreachable = hmisr_stream::Error::new(hmisr_stream::ErrorKind::Unavailable, "no route");
        let words = [
            Ok(Polled::Assigned(vec![0, 2])),
            Ok(Polled::Revoked(vec![2])),
            Err(unreachable),
            Ok(Polled::Assigned(vec![1, 3])),
            Ok(Polled::Assigned(vec![2])),
        ];
        let mut source = alone(group(words), LONG, &metrics(), &Progress::default(), &AtomicBool::new(false))
            .unwrap()
            .unwrap();
        let limits = Limits { records: 1, bytes: 1 };
        let Polled::Assigned(told) = source.poll(limits, POLL).unwrap() else { panic!("nothing was told") };
        assert_eq!(told, [0, 1, 2, 3]);
        assert!(matches!(source.poll(limits, POLL).unwrap(), Polled::Records(_)));
        // What it says of itself is not lost behind the wait.
        assert_eq!((source.condition().topic_lag, source.end_of_batch(0, 4).unwrap()), (Some(7), 7));
    }

    #[test]
    fn who_has_a_part_only_is_refused_with_what_to_do() {
        let words = [Ok(Polled::Assigned(vec![1, 3]))];
        let metrics = metrics();
        let progress = Progress::default();
        let error =
            alone(group(words), Duration::ZERO, &metrics, &progress, &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert_eq!(metrics.missing_partitions.get(), 2);
        let waits = progress.waits.check().unwrap_err();
        assert!(waits.contains("2 of 4 partitions of training-examples are this trainer's"), "{waits}");
        for part in ["2 of 4 partitions of training-examples", "\"hmisr-trainer\"", "stop the other one"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn brokers_that_are_away_are_no_other_trainer() {
        let silence = Some(Silence { lasting: Duration::from_secs(20), brokers: "k:9092".to_owned() });
        let last = [Ok(Polled::Assigned(vec![0, 1, 2])), Ok(Polled::Assigned(vec![3]))];
        let (metrics, progress) = (metrics(), Progress::default());
        let source = Group { silence, ..group(last) };
        let found = alone(source, Duration::from_nanos(1), &metrics, &progress, &AtomicBool::new(false));
        assert!(found.unwrap().is_some());
        assert_eq!(metrics.silent_seconds.get(), 20);
        assert!(progress.waits.check().unwrap_err().contains("all partitions of training-examples are here"));
    }

    #[test]
    fn a_stop_ends_the_wait() {
        assert!(
            alone(group([]), LONG, &metrics(), &Progress::default(), &AtomicBool::new(true))
                .unwrap()
                .is_none()
        );
    }
}
