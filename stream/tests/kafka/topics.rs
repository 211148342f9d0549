//! Topics are made once and told apart.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hmisr_stream::ErrorKind;
use hmisr_stream::Source;
use hmisr_stream::contract::topic as names;
use hmisr_stream::kafka::{
    Admin, GroupProtocol, KafkaSettings, KafkaSource, Severity, TopicSpec, standard_topics,
};
use hmisr_testkit::broker;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;

use super::support::*;

#[test]
fn making_topics_twice_is_making_them_once() {
    let Some(brokers) = broker::shared() else { return };
    let admin = Admin::new(&settings(brokers)).unwrap();
    let mut made = admin.create_topics(&standard_topics(4)).unwrap();
    made.sort();
    let mut wanted = [
        names::EVENTS,
        names::USER_FEATURES,
        names::TRAINING_EXAMPLES,
        names::DEAD_LETTERS,
        names::SNAPSHOTS,
        names::STATE_OWNERS,
    ];
    wanted.sort_unstable();
    assert_eq!(made, wanted);
    assert_eq!(admin.create_topics(&standard_topics(4)).unwrap(), Vec::<String>::new());

    let error = admin.create_topics(&standard_topics(5)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    for word in [names::EVENTS, "4 partitions", "5 are asked for"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(admin.describe(names::SNAPSHOTS).unwrap().unwrap().partitions, 1);
    let configs = admin.configs(names::SNAPSHOTS).unwrap();
    assert_eq!((configs["retention.ms"].as_str(), configs["cleanup.policy"].as_str()), ("-1", "delete"));
    assert_eq!(admin.configs(names::STATE_OWNERS).unwrap()["cleanup.policy"], "compact");
    assert_eq!(admin.configs(names::USER_FEATURES).unwrap()["cleanup.policy"], "delete");
    assert_eq!(admin.configs(names::EVENTS).unwrap()["message.timestamp.type"], "LogAppendTime");
}

#[test]
fn a_refused_topic_is_told() {
    let Some(brokers) = broker::shared() else { return };
    let admin = Admin::new(&settings(brokers)).unwrap();
    for spec in [
        TopicSpec { replication: 3, ..TopicSpec::new("copied", 1) },
        TopicSpec::new("spaces are refused", 1),
        TopicSpec::new("policy", 1).with("cleanup.policy", "perhaps"),
        TopicSpec::new("none", 0),
    ] {
        let error = admin.create_topics(std::slice::from_ref(&spec)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(error.to_string().contains(&spec.name), "{error}");
    }
}

#[test]
fn a_topic_made_anew_has_another_id() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, 2);
    let admin = Admin::new(&settings).unwrap();
    let first = admin.describe(topic).unwrap().unwrap();
    assert_eq!(KafkaSource::new(&settings, topic).unwrap().topic(), &first);
    assert_ne!(first.id, topic);
    admin.delete_topics(&[topic, "never-there"]).unwrap();
    assert_eq!(admin.describe(topic).unwrap(), None);
    admin.create_topics(&[TopicSpec::new(topic, 2)]).unwrap();
    let second = admin.describe(topic).unwrap().unwrap();
    assert_eq!((&second.name, second.partitions), (&first.name, first.partitions));
    assert_ne!(second.id, first.id);
}

#[test]
fn what_is_wrong_with_a_topic_is_found() {
    let Some(brokers) = broker::shared() else { return };
    let admin = Admin::new(&settings(brokers)).unwrap();
    let check = |spec: &TopicSpec, asked: &TopicSpec| {
        admin.create_topics(std::slice::from_ref(spec)).unwrap();
        admin.check(asked, 1_000_000).unwrap()
    };
    let of = |state: &hmisr_stream::kafka::TopicState, severity| -> Vec<String> {
        state.findings.iter().filter(|f| f.severity == severity).map(|f| f.text.clone()).collect()
    };

    let good = TopicSpec::new(unique("good"), 2);
    let state = check(&good, &good);
    assert_eq!((state.partitions, state.replication, state.min_insync_replicas), (Some(2), Some(1), Some(1)));
    assert_eq!(state.cleanup_policy.as_deref(), Some("delete"));
    assert_eq!(of(&state, Severity::Change), Vec::<String>::new());
    // One broker has room for one copy.
    assert!(of(&state, Severity::Warning)[0].contains("one copy"), "{state:?}");
    let more = check(&good, &TopicSpec { partitions: 3, ..good.clone() });
    assert!(of(&more, Severity::Warning)[0].contains("topics.partitions to 2"), "{more:?}");

    let copies = check(&good, &TopicSpec { replication: 3, ..good.clone() });
    assert!(of(&copies, Severity::Warning)[0].contains("topics.replication = 3"), "{copies:?}");
    let clock = check(&good, &good.clone().with("message.timestamp.type", "LogAppendTime"));
    assert!(of(&clock, Severity::Warning)[0].contains("pipeline.max_future_ms"), "{clock:?}");

    let missing = admin.check(&TopicSpec::new("missing", 1), 1).unwrap();
    let text = &of(&missing, Severity::Change)[0];
    assert!(
        text.ends_with("`hmisr topics create`, or as missing: 1 partitions, cleanup.policy=delete"),
        "{text}"
    );

    let bad = TopicSpec::new(unique("bad"), 1)
        .with("cleanup.policy", "compact")
        .with("max.message.bytes", "999999")
        .with("min.insync.replicas", "2");
    let state = check(&bad, &bad);
    let found = of(&state, Severity::Change);
    for word in ["cleanup.policy is compact", "max.message.bytes is 999999", "min.insync.replicas is 2"] {
        assert!(found.iter().any(|text| text.contains(word)), "{word}: {found:?}");
    }
}

#[test]
fn a_topic_that_grows_is_refused() {
    let Some(brokers) = broker::shared() else { return };
    for group_protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let mut settings = KafkaSettings { group_protocol, ..settings(brokers) };
        settings.client.insert("topic.metadata.refresh.interval.ms".to_owned(), "500".to_owned());
        let topic = topic(&settings, 2);
        let mut source = joined(&settings, topic, 2);
        grow(brokers, topic, 3);
        let deadline = Instant::now() + SOON;
        let error = loop {
            assert!(Instant::now() < deadline, "it is not noticed");
            if let Err(error) = source.poll(LIMITS, Duration::from_millis(100)) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        for word in [topic, "partition 2", "the 2 that it had", "a new topic"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}

/// Adds partitions to a topic.
fn grow(brokers: &str, topic: &str, partitions: usize) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let wanted = [NewPartitions::new(topic, partitions)];
    let options = AdminOptions::new();
    let mut growing = std::pin::pin!(admin.create_partitions(&wanted, &options));
    let mut context = Context::from_waker(Waker::noop());
    let results = loop {
        if let Poll::Ready(results) = growing.as_mut().poll(&mut context) {
            break results.unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    results[0].as_ref().unwrap();
}
