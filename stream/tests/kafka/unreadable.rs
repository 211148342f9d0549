//! A batch that cannot be read holds up its partition, and no other; nothing behind it is taken for what
//! stands in it.

use std::time::{Duration, Instant};

use hmisr_stream::kafka::{KafkaSettings, KafkaSource};
use hmisr_stream::{Polled, Source};
use hmisr_testkit::broker;
use hmisr_testkit::segment::{Damage, damage};

use super::support::*;

/// Numbers that a source returns of each of two partitions until `done`.
fn read_until(
    source: &mut KafkaSource,
    mut done: impl FnMut(&KafkaSource, &[Vec<usize>; 2]) -> bool,
) -> [Vec<usize>; 2] {
    let mut came = [Vec::new(), Vec::new()];
    let deadline = Instant::now() + SOON;
    while !done(source, &came) {
        assert!(Instant::now() < deadline, "{came:?}; {:?}", source.condition());
        match source.poll(LIMITS, Duration::from_millis(50)).unwrap() {
            Polled::Records(records) => {
                for record in records {
                    came[record.partition as usize].extend(numbers(&[record]));
                }
            }
            change => panic!("{change:?}"),
        }
    }
    came
}

#[test]
fn what_cannot_be_read_is_told_and_skipped_only_by_who_says_so() {
    let kinds =
        [(Damage::Byte, "failed CRC32C check"), (Damage::Codec, "codec 0x6"), (Damage::Compression, "")];
    for (how, says) in kinds {
        let Some(own) = broker::start() else { return };
        let client = [("compression.type".to_owned(), "gzip".to_owned())].into();
        let settings = KafkaSettings { client, unreadable_timeout_ms: 2_000, ..settings(&own.address) };
        let topic = topic(&settings, 2);
        // Three batches; one producer each.
        for part in [0..4, 4..40, 40..60] {
            write(&settings, topic, 0, part);
        }
        write(&settings, topic, 1, 0..10);
        own.stop();
        let (offset, end) = damage(&own.dir, topic, 0, 1, how);
        assert_eq!((offset, end), (4, 40), "{how:?}");
        own.start_again();

        let mut source = joined(&settings, topic, 2);
        source.seek(0, 0).unwrap();
        source.seek(1, 0).unwrap();
        let came = read_until(&mut source, |source, _| !source.condition().stuck.is_empty());
        assert_eq!(came, [Vec::from_iter(0..4), Vec::from_iter(0..10)], "{how:?}");
        let stuck = source.condition().stuck;
        assert_eq!((stuck.len(), stuck[0].partition, stuck[0].offset), (1, 0, 4), "{how:?}: {stuck:?}");
        let place = format!("offset 4 of {topic} [0]");
        assert!(stuck[0].message.contains(&place) && stuck[0].message.contains(says), "{stuck:?}");

        assert_eq!(
            source.bounds(0).unwrap(),
            (0, 60),
            "{how:?}: the lag is what cannot be read, and what is behind"
        );

        // The other partition goes on.
        write(&settings, topic, 1, 10..12);
        let came = read_until(&mut source, |_, came| came[1].len() == 2);
        assert_eq!(came, [vec![], vec![10, 11]], "{how:?}");

        assert_eq!(source.end_of_batch(0, 4).unwrap(), 40, "{how:?}");
        source.seek(0, 40).unwrap();
        let came = read_until(&mut source, |_, came| came[0].len() == 20);
        assert_eq!(came, [Vec::from_iter(40..60), vec![]], "{how:?}");
        assert_eq!(source.condition().stuck, []);
    }
}
