//! Delivery at least once: records first, then offsets, without transactions.

use hmisr_stream::kafka::{Admin, KafkaSettings, KafkaSink, TopicSpec, read_committed};
use hmisr_stream::{ErrorKind, Outgoing, Sink, Source};
use hmisr_testkit::broker;

use super::support::*;

#[test]
fn a_commit_ends_when_everything_is_stored() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let (input, output) = (topic(&settings, 2), topic(&settings, 2));
    let mut source = joined(&settings, input, 2);
    let mut sink = KafkaSink::plain(&settings).unwrap();
    sink.begin().unwrap();
    for number in 0..2_000 {
        sink.produce(&outgoing(output, number as i32 % 2, number)).unwrap();
    }
    assert_eq!(
        sink.send_offsets(&source.group(), input, &[(0, 1)]).unwrap_err().kind(),
        ErrorKind::Configuration
    );
    sink.commit().unwrap();
    source.commit(&[(0, 5), (1, 7)]).unwrap();
    let written = numbers(&read_committed(&settings, output, SOON).unwrap());
    let expected: Vec<usize> = (0..2_000).step_by(2).chain((1..2_000).step_by(2)).collect();
    assert_eq!(written, expected);
    assert_eq!((source.committed(0).unwrap(), source.committed(1).unwrap()), (Some(5), Some(7)));

    // An abort takes nothing back that is sent, and the sink goes on.
    sink.begin().unwrap();
    sink.produce(&outgoing(output, 0, 1)).unwrap();
    sink.abort().unwrap();
    sink.begin().unwrap();
    sink.produce(&outgoing(output, 0, 9_999)).unwrap();
    sink.commit().unwrap();
    assert!(numbers(&read_committed(&settings, output, SOON).unwrap()).contains(&9_999));
}

#[test]
fn a_record_that_is_not_stored_fails_the_commit() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let narrow = unique("narrow");
    let spec = TopicSpec::new(narrow, 1).with("max.message.bytes", "2000");
    Admin::new(&settings).unwrap().create_topics(&[spec]).unwrap();
    let incompressible: Vec<u8> =
        (0..10_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let mut sink = KafkaSink::plain(&settings).unwrap();
    sink.begin().unwrap();
    sink.produce(&Outgoing { payload: Some(incompressible), ..outgoing(narrow, 0, 0) }).unwrap();
    let error = sink.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert!(error.to_string().contains("max.message.bytes"), "{error}");
}

#[test]
fn an_outage_leaves_the_commit_doubtful() {
    let Some(own) = broker::start() else { return };
    let settings = KafkaSettings { transaction_timeout_ms: 1_000, ..settings(&own.address) };
    let output = topic(&settings, 1);
    let mut sink = KafkaSink::plain(&settings).unwrap();
    sink.begin().unwrap();
    sink.produce(&outgoing(output, 0, 1)).unwrap();
    own.stop();
    let error = sink.commit().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Aborted | ErrorKind::UnknownOutcome), "{error}");
}
