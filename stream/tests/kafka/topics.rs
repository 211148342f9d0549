//! Topics are made once and told apart.

use hmisr_stream::ErrorKind;
use hmisr_stream::Source;
use hmisr_stream::contract::topic as names;
use hmisr_stream::kafka::{Admin, KafkaSource, TopicSpec, standard_topics};

use crate::broker;
use crate::support::*;

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
