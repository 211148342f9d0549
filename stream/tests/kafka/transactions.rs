//! Records and offsets of a transaction appear together, or not at all.

use hmisr_stream::kafka::{KafkaSettings, KafkaSink, read_committed};
use hmisr_stream::{ErrorKind, Sink, Source};
use hmisr_testkit::broker;

use super::support::*;

#[test]
fn a_commit_shows_records_and_offsets_together() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let (input, output) = (topic(&settings, 2), topic(&settings, 1));
    write(&settings, input, 1, 0..10);
    let mut source = joined(&settings, input, 2);
    let mut sink = KafkaSink::new(&settings).unwrap();
    assert_eq!(sink.partitions(output).unwrap(), Some(1));
    assert_eq!(sink.partitions("no-such-topic").unwrap(), None);

    sink.begin().unwrap();
    for number in 0..500 {
        sink.produce(&outgoing(output, 0, number)).unwrap();
    }
    sink.send_offsets(&source.group(), input, &[(1, 7)]).unwrap();
    assert_eq!(read_committed(&settings, output, SOON).unwrap(), []);
    sink.commit().unwrap();
    assert_eq!(numbers(&read_committed(&settings, output, SOON).unwrap()), (0..500).collect::<Vec<_>>());
    assert_eq!(source.committed(1).unwrap(), Some(7));
    assert_eq!(source.committed(0).unwrap(), None);

    // A transaction of offsets alone, and one of nothing.
    sink.begin().unwrap();
    sink.send_offsets(&source.group(), input, &[(0, 0), (1, 10)]).unwrap();
    sink.commit().unwrap();
    assert_eq!((source.committed(0).unwrap(), source.committed(1).unwrap()), (Some(0), Some(10)));
    sink.begin().unwrap();
    sink.commit().unwrap();
}

#[test]
fn an_abort_leaves_no_trace() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let (input, output) = (topic(&settings, 1), topic(&settings, 1));
    let source = joined(&settings, input, 1);
    let mut sink = KafkaSink::new(&settings).unwrap();
    let commit = |sink: &mut KafkaSink, number: usize| {
        sink.begin().unwrap();
        sink.produce(&outgoing(output, 0, number)).unwrap();
        sink.send_offsets(&source.group(), input, &[(0, number as i64)]).unwrap();
        sink.commit().unwrap();
    };
    commit(&mut sink, 1);
    for number in 100..110 {
        sink.begin().unwrap();
        for _ in 0..50 {
            sink.produce(&outgoing(output, 0, number)).unwrap();
        }
        // Once with everything on its way, once with nothing delivered yet.
        if number % 2 == 0 {
            sink.send_offsets(&source.group(), input, &[(0, number as i64)]).unwrap();
        }
        sink.abort().unwrap();
    }
    commit(&mut sink, 2);
    sink.begin().unwrap();
    sink.abort().unwrap();

    let mut source = source;
    assert_eq!(source.committed(0).unwrap(), Some(2));
    assert_eq!(numbers(&read_committed(&settings, output, SOON).unwrap()), [1, 2]);
}

#[test]
fn markers_do_not_keep_a_reader_from_the_end() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let output = topic(&settings, 1);
    let mut sink = KafkaSink::new(&settings).unwrap();
    for (number, committed) in [(1, true), (2, true), (3, false)] {
        sink.begin().unwrap();
        sink.produce(&outgoing(output, 0, number)).unwrap();
        // Delivered, so that an abort leaves a marker behind it.
        std::thread::sleep(std::time::Duration::from_millis(200));
        if committed { sink.commit().unwrap() } else { sink.abort().unwrap() }
    }
    let mut reader = joined(&settings, output, 1);
    let (low, end) = reader.bounds(0).unwrap();
    assert_eq!(low, 0);
    assert!(end > 3, "the markers are counted until they were read over: {end}");
    reader.seek(0, 0).unwrap();
    let records = read(&mut reader, 2);
    assert_eq!(numbers(&records), [1, 2]);
    let position = records[1].offset + 1;
    poll_until(&mut reader, |reader, _| reader.known_end(0) == Some(position));
    assert_eq!(reader.bounds(0).unwrap(), (0, position));

    // What is written then is lag again, and is read.
    sink.begin().unwrap();
    sink.produce(&outgoing(output, 0, 4)).unwrap();
    sink.commit().unwrap();
    assert!(reader.bounds(0).unwrap().1 > position);
    assert_eq!(numbers(&read(&mut reader, 1)), [4]);
}

#[test]
fn a_second_sink_fences_the_first() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let output = topic(&settings, 1);
    let mut first = KafkaSink::new(&settings).unwrap();
    first.begin().unwrap();
    first.produce(&outgoing(output, 0, 1)).unwrap();
    let mut second = KafkaSink::new(&settings).unwrap();
    let error = first.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    assert!(error.to_string().contains(&settings.transactional_id), "{error}");
    assert_eq!(first.begin().unwrap_err().kind(), ErrorKind::Fenced);

    second.begin().unwrap();
    second.produce(&outgoing(output, 0, 2)).unwrap();
    second.commit().unwrap();
    assert_eq!(numbers(&read_committed(&settings, output, SOON).unwrap()), [2]);
}

#[test]
fn a_transaction_that_stays_open_is_ended_by_the_broker() {
    let Some(brokers) = broker::shared() else { return };
    let settings = KafkaSettings { transaction_timeout_ms: 1_000, ..settings(brokers) };
    let output = topic(&settings, 1);
    let mut sink = KafkaSink::new(&settings).unwrap();
    sink.begin().unwrap();
    sink.produce(&outgoing(output, 0, 1)).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(4));
    let error = sink.commit().unwrap_err();
    // The broker answers as it does to a sink that was replaced.
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    assert!(error.to_string().contains("kafka.transaction_timeout_ms"), "{error}");
    assert_eq!(read_committed(&settings, output, SOON).unwrap(), []);
}

#[test]
fn committed_offsets_wait_for_an_open_transaction() {
    let Some(brokers) = broker::shared() else { return };
    let settings = KafkaSettings { request_timeout_ms: 2_000, ..settings(brokers) };
    let input = topic(&settings, 1);
    let mut source = joined(&settings, input, 1);
    let mut sink = KafkaSink::new(&settings).unwrap();
    sink.begin().unwrap();
    sink.send_offsets(&source.group(), input, &[(0, 3)]).unwrap();
    let error = source.committed(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("open transaction"), "{error}");
    sink.commit().unwrap();
    assert_eq!(source.committed(0).unwrap(), Some(3));
}
