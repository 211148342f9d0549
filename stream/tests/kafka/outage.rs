//! A broker that goes away and comes back.

use std::time::Duration;

use hmisr_stream::kafka::{KafkaSettings, KafkaSink, read_committed};
use hmisr_stream::{ErrorKind, Polled, Sink, Source};
use hmisr_testkit::broker;

use super::support::*;

#[test]
fn reading_goes_on_and_no_commit_is_doubtful_for_ever() {
    let Some(own) = broker::start() else { return };
    let settings =
        KafkaSettings { transaction_timeout_ms: 3_000, request_timeout_ms: 10_000, ..settings(&own.address) };
    let topic = topic(&settings, 1);
    let mut source = joined(&settings, topic, 1);
    source.seek(0, 0).unwrap();
    let mut sink = KafkaSink::new(&settings).unwrap();
    sink.begin().unwrap();
    sink.produce(&outgoing(topic, 0, 1)).unwrap();
    sink.commit().unwrap();
    assert_eq!(numbers(&read(&mut source, 1)), [1]);

    sink.begin().unwrap();
    sink.produce(&outgoing(topic, 0, 2)).unwrap();
    own.stop();
    // An outage is not an error to a reader, which waits.
    let waited = source.poll(LIMITS, Duration::from_millis(500)).unwrap();
    assert!(matches!(waited, Polled::Records(records) if records.is_empty()));
    // A commit of offsets alone has a time limit too.
    assert_eq!(source.commit(&[(0, 1)]).unwrap_err().kind(), ErrorKind::Unavailable);
    let error = sink.commit().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Aborted | ErrorKind::UnknownOutcome), "{error}");
    assert_eq!(sink.abort().unwrap_err().kind(), ErrorKind::UnknownOutcome);
    drop(sink);

    own.start_again();
    let mut sink = KafkaSink::new(&settings).unwrap();
    sink.begin().unwrap();
    sink.produce(&outgoing(topic, 0, 3)).unwrap();
    sink.commit().unwrap();
    let written = read_committed(&settings, topic, SOON).unwrap();
    let mut came = Vec::new();
    poll_until(&mut source, |source, polled| {
        match polled {
            Polled::Records(records) => came.extend(records),
            // The session may have ended meanwhile: reading goes on after the last record.
            Polled::Assigned(_) => source.seek(0, written[0].offset + 1 + came.len() as i64).unwrap(),
            Polled::Revoked(_) => {}
        }
        came.last().is_some_and(|record| numbers(std::slice::from_ref(record)) == [3])
    });
    assert_eq!(came, written[1..]);

    // Leaving the group of a broker that is not there does not hang.
    own.stop();
    drop(source);
    drop(sink);
}
