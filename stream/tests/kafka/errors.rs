//! What goes wrong is said, soon, with its kind.

use hmisr_stream::kafka::{
    Admin, KafkaProducer, KafkaSettings, KafkaSink, KafkaSource, TopicSpec, read_committed,
};
use hmisr_stream::{Error, ErrorKind, Outgoing, Sink, Source};
use hmisr_testkit::{broker, free_address};

use super::support::*;

fn expect<T>(result: Result<T, Error>, kind: ErrorKind, words: &[&str]) {
    let Err(error) = result else { panic!("no error, where {kind:?} was expected") };
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{error:?} does not say {word}");
    }
}

#[test]
fn an_unreachable_broker_is_told() {
    let brokers = free_address();
    let settings = KafkaSettings { request_timeout_ms: 500, ..KafkaSettings::new(&brokers) };
    let words = [brokers.as_str(), "kafka.brokers"];
    expect(KafkaSource::new(&settings, "events"), ErrorKind::Unavailable, &words);
    expect(KafkaSink::new(&settings), ErrorKind::Unavailable, &words);
    expect(KafkaProducer::new(&settings), ErrorKind::Unavailable, &words);
    expect(Admin::new(&settings), ErrorKind::Unavailable, &words);
    expect(read_committed(&settings, "events", SOON), ErrorKind::Unavailable, &words);
}

#[test]
fn a_refused_property_is_told() {
    let mut settings = KafkaSettings::default();
    settings.client.insert("ssl.key.passwd".to_owned(), "hunter2".to_owned());
    let error = KafkaSource::new(&settings, "events").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("ssl.key.passwd"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn a_missing_topic_is_told() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let words = ["nowhere", brokers];
    expect(KafkaSource::new(&settings, "nowhere"), ErrorKind::MissingTopic, &words);
    expect(read_committed(&settings, "nowhere", SOON), ErrorKind::MissingTopic, &words);
    let mut producer = KafkaProducer::new(&settings).unwrap();
    expect(producer.produce(&outgoing("nowhere", 0, 1)), ErrorKind::MissingTopic, &words);
    let mut sink = KafkaSink::new(&settings).unwrap();
    sink.begin().unwrap();
    expect(sink.produce(&outgoing("nowhere", 0, 1)), ErrorKind::MissingTopic, &words);
    // Nothing was harmed.
    let topic = topic(&settings, 1);
    expect(sink.produce(&outgoing(topic, 1, 1)), ErrorKind::Configuration, &[topic, "partition 1"]);
    sink.produce(&outgoing(topic, 0, 1)).unwrap();
    sink.commit().unwrap();
    assert_eq!(read_committed(&settings, topic, SOON).unwrap().len(), 1);
}

#[test]
fn an_offset_outside_of_the_log_is_told_and_can_be_left() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, 1);
    write(&settings, topic, 0, 0..10);
    let mut source = joined(&settings, topic, 1);
    source.seek(0, 1_000).unwrap();
    let error = loop {
        match source.poll(LIMITS, SOON) {
            Ok(polled) => {
                assert!(matches!(polled, hmisr_stream::Polled::Records(records) if records.is_empty()))
            }
            Err(error) => break error,
        }
    };
    expect::<()>(Err(error), ErrorKind::OffsetOutOfRange, &[topic, "partition 0", "1000", "0 to 10"]);
    source.seek(0, 8).unwrap();
    assert_eq!(numbers(&read(&mut source, 2)), [8, 9]);
}

#[test]
fn an_oversized_record_is_told() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let oversized = |topic, bytes| Outgoing { payload: Some(vec![b'x'; bytes]), ..outgoing(topic, 0, 0) };
    let wide = topic(&settings, 1);
    let mut sink = KafkaSink::new(&settings).unwrap();
    sink.begin().unwrap();
    expect(
        sink.produce(&oversized(wide, 2_000_000)),
        ErrorKind::TooLarge,
        &[wide, "kafka.max_message_bytes"],
    );
    sink.produce(&outgoing(wide, 0, 1)).unwrap();
    sink.commit().unwrap();
    assert_eq!(numbers(&read_committed(&settings, wide, SOON).unwrap()), [1]);

    // A topic whose own limit is lower is told by the broker, when the batch arrives there.
    let narrow = unique("narrow");
    let spec = TopicSpec::new(narrow, 1).with("max.message.bytes", "2000");
    Admin::new(&settings).unwrap().create_topics(&[spec]).unwrap();
    let incompressible: Vec<u8> =
        (0..100_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let refused = Outgoing { payload: Some(incompressible), ..outgoing(narrow, 0, 0) };
    sink.begin().unwrap();
    sink.produce(&refused.clone()).unwrap();
    expect(sink.commit(), ErrorKind::Configuration, &[narrow, "max.message.bytes"]);
    drop(sink);
    let mut sink = KafkaSink::new(&settings).unwrap();
    sink.begin().unwrap();
    sink.produce(&outgoing(narrow, 0, 2)).unwrap();
    sink.commit().unwrap();
    assert_eq!(numbers(&read_committed(&settings, narrow, SOON).unwrap()), [2]);

    let mut producer = KafkaProducer::new(&settings).unwrap();
    producer.produce(&refused).unwrap();
    expect(producer.flush(), ErrorKind::TooLarge, &[narrow, "max.message.bytes"]);
}
