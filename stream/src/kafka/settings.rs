//! Where the brokers are, and how to speak with them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::member::Patience;
use crate::{Error, ErrorKind, Result};

/// librdkafka properties that the engine's promises rest on, and what to set instead.
const RESERVED: &[(&str, &str)] = &[
    ("bootstrap.servers", "brokers"),
    ("metadata.broker.list", "brokers"),
    ("group.id", "group_id"),
    ("group.instance.id", "group_instance_id"),
    ("transactional.id", "transactional_id"),
    ("session.timeout.ms", "session_timeout_ms"),
    ("heartbeat.interval.ms", "session_timeout_ms"),
    ("max.poll.interval.ms", "max_poll_interval_ms"),
    ("transaction.timeout.ms", "transaction_timeout_ms"),
    ("message.timeout.ms", "transaction_timeout_ms"),
    ("delivery.timeout.ms", "transaction_timeout_ms"),
    ("queued.max.messages.kbytes", "fetch_queue_bytes"),
    ("linger.ms", "linger_ms"),
    ("queue.buffering.max.ms", "linger_ms"),
    ("message.max.bytes", "max_message_bytes"),
    ("enable.auto.commit", ""),
    ("enable.auto.offset.store", ""),
    ("auto.commit.enable", ""),
    ("auto.offset.reset", ""),
    ("isolation.level", ""),
    ("partition.assignment.strategy", ""),
    ("group.protocol", "group_protocol"),
    ("group.remote.assignor", ""),
    ("enable.idempotence", ""),
    ("acks", ""),
    ("request.required.acks", ""),
    ("statistics.interval.ms", ""),
    ("allow.auto.create.topics", ""),
];

/// Silence of a reader that is always allowed, milliseconds.
const SILENCE_MS: u32 = 1_000;

/// How the members of a group find out who owns what. A partition moves alone in both: the others
/// are read on meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupProtocol {
    /// One member assigns the partitions (`cooperative-sticky`); every broker speaks it. A member
    /// with the `group_instance_id` of another takes its place.
    Classic,
    /// The brokers assign them (KIP-848), from Kafka 4.0 on. The session's length is the broker's
    /// (`group.consumer.session.timeout.ms`), not `session_timeout_ms`, and one that is too long is
    /// refused; so is a member with the `group_instance_id` of another that is there.
    Consumer,
}

/// Settings of every Kafka client here.
///
/// Values of `client` may be secrets: they are neither shown by `Debug` nor written by
/// `Serialize`, which put `***` in their place.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaSettings {
    /// `host:port` of one or more brokers, separated by commas.
    pub brokers: String,
    /// The consumer group; its committed offsets say where reading goes on. A source needs it.
    pub group_id: String,
    /// How the group's members share the partitions: `classic` or `consumer`.
    pub group_protocol: GroupProtocol,
    /// A name that this member keeps over restarts (static membership): within
    /// `session_timeout_ms` a restart moves no partition. None: a new member each time.
    pub group_instance_id: Option<String>,
    /// The name by which brokers fence an older producer; one per instance of the job. A sink needs
    /// it.
    pub transactional_id: String,
    /// How long a silent consumer keeps its partitions, milliseconds; 6,000 to 300,000. A tenth of
    /// it lies between two heartbeats. In the protocol `consumer`, where the brokers say how long:
    /// what they may say, if more than 30,000.
    pub session_timeout_ms: u32,
    /// How long a reader may be busy, without polling, before its partitions go to others,
    /// milliseconds; at least a second more than `session_timeout_ms` and `revoke_timeout_ms`
    /// together, at most 86,400,000.
    pub max_poll_interval_ms: u32,
    /// How long a member may take to commit and put away a partition that the group wants back,
    /// milliseconds; 100 to 3,600,000. After that it goes without.
    pub revoke_timeout_ms: u32,
    /// How long a transaction may be open before the broker aborts it, and how long a record may
    /// wait for its delivery, milliseconds; 1,000 to 900,000.
    pub transaction_timeout_ms: u32,
    /// How long a question to the brokers (metadata, offsets) may take, milliseconds; 100 to
    /// 60,000.
    pub request_timeout_ms: u32,
    /// How long a batch that cannot be read (an unknown codec, damaged bytes) is tried again before its
    /// partition counts as stuck, milliseconds; 1,000 to 3,600,000. Other partitions go on meanwhile.
    pub unreadable_timeout_ms: u32,
    /// Bytes that a consumer fetches ahead, all partitions together; 1 MiB to 2 GiB.
    pub fetch_queue_bytes: u32,
    /// How long a producer waits for more records before it sends a batch, milliseconds; 0 to
    /// 1,000.
    pub linger_ms: u32,
    /// The largest record that is written, bytes; 1,000,000 (dead letters need it) to 1,000,000,000.
    /// Topics and brokers have limits of their own (`max.message.bytes`).
    pub max_message_bytes: u32,
    /// More librdkafka properties, as they are: TLS (`security.protocol`, `ssl.*`), SASL
    /// (`sasl.*`), `fetch.min.bytes`, `compression.type`, `client.rack` and so on.
    #[serde(serialize_with = "without_values", deserialize_with = "as_text")]
    pub client: BTreeMap<String, String>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            group_id: "hmisr".to_owned(),
            group_protocol: GroupProtocol::Classic,
            group_instance_id: None,
            transactional_id: "hmisr".to_owned(),
            session_timeout_ms: 10_000,
            max_poll_interval_ms: 300_000,
            revoke_timeout_ms: 60_000,
            transaction_timeout_ms: 15_000,
            request_timeout_ms: 5_000,
            unreadable_timeout_ms: 30_000,
            fetch_queue_bytes: 64 << 20,
            linger_ms: 5,
            max_message_bytes: 1_000_000,
            client: BTreeMap::new(),
        }
    }
}

/// Property names, with `***` for each value.
struct Hidden<'a>(&'a BTreeMap<String, String>);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.keys().map(|key| (key, "***"))).finish()
    }
}

fn without_values<S: Serializer>(
    client: &BTreeMap<String, String>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(client.keys().map(|key| (key, "***")))
}

/// A property as people write it. An error of reading it does not show it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Property {
    Text(String),
    Number(i64),
    Switch(bool),
}

fn as_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<BTreeMap<String, String>, D::Error> {
    let properties = BTreeMap::<String, Property>::deserialize(deserializer)?;
    let text = |property| match property {
        Property::Text(text) => text,
        Property::Number(number) => number.to_string(),
        Property::Switch(on) => on.to_string(),
    };
    Ok(properties.into_iter().map(|(key, property)| (key, text(property))).collect())
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("group_id", &self.group_id)
            .field("group_protocol", &self.group_protocol)
            .field("group_instance_id", &self.group_instance_id)
            .field("transactional_id", &self.transactional_id)
            .field("session_timeout_ms", &self.session_timeout_ms)
            .field("max_poll_interval_ms", &self.max_poll_interval_ms)
            .field("revoke_timeout_ms", &self.revoke_timeout_ms)
            .field("transaction_timeout_ms", &self.transaction_timeout_ms)
            .field("request_timeout_ms", &self.request_timeout_ms)
            .field("unreadable_timeout_ms", &self.unreadable_timeout_ms)
            .field("fetch_queue_bytes", &self.fetch_queue_bytes)
            .field("linger_ms", &self.linger_ms)
            .field("max_message_bytes", &self.max_message_bytes)
            .field("client", &Hidden(&self.client))
            .finish()
    }
}

impl KafkaSettings {
    /// The defaults, with these brokers.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), ..Self::default() }
    }

    /// Says the first field that is out of its range.
    ///
    /// # Errors
    /// Kind `Configuration`.
    pub fn validate(&self) -> Result<()> {
        let refuse = |text: String| Err(Error::new(ErrorKind::Configuration, text));
        if self.brokers.split(',').any(|broker| !is_host_and_port(broker.trim())) {
            return refuse(format!(
                "kafka.brokers is {:?}: it must be host:port, or several of them separated by commas",
                self.brokers
            ));
        }
        for (field, value, low, high) in [
            ("session_timeout_ms", self.session_timeout_ms, 6_000, 300_000),
            ("revoke_timeout_ms", self.revoke_timeout_ms, 100, 3_600_000),
            (
                "max_poll_interval_ms",
                self.max_poll_interval_ms,
                self.rebalance_timeout_ms() + SILENCE_MS,
                86_400_000,
            ),
            ("transaction_timeout_ms", self.transaction_timeout_ms, 1_000, 900_000),
            ("request_timeout_ms", self.request_timeout_ms, 100, 60_000),
            ("unreadable_timeout_ms", self.unreadable_timeout_ms, 1_000, 3_600_000),
            ("fetch_queue_bytes", self.fetch_queue_bytes, 1 << 20, 2 << 30),
            ("linger_ms", self.linger_ms, 0, 1_000),
            ("max_message_bytes", self.max_message_bytes, 1_000_000, 1_000_000_000),
        ] {
            if !(low..=high).contains(&value) {
                return refuse(format!("kafka.{field} is {value}: it must be {low} to {high}"));
            }
        }
        for key in self.client.keys() {
            match RESERVED.iter().find(|(reserved, _)| reserved == key) {
                Some((_, "")) => {
                    return refuse(format!(
                        "kafka.client.{key} cannot be set: delivering exactly once depends on it"
                    ));
                }
                Some((_, field)) => {
                    return refuse(format!("kafka.client.{key} cannot be set: set kafka.{field} instead"));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// How long a question to the brokers may take.
    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms.into())
    }

    /// How long a transaction may be open.
    pub(super) fn transaction_timeout(&self) -> Duration {
        Duration::from_millis(self.transaction_timeout_ms.into())
    }

    /// How long the group waits for this member in a rebalance, milliseconds.
    fn rebalance_timeout_ms(&self) -> u32 {
        self.session_timeout_ms.saturating_add(self.revoke_timeout_ms).min(i32::MAX as u32)
    }

    /// Whether a member joins once more after its first assignment, see [`super::rebalance`].
    pub(super) fn rejoins(&self) -> bool {
        self.group_protocol == GroupProtocol::Classic && self.group_instance_id.is_some()
    }

    /// How long a batch that cannot be read is tried again before its partition counts as stuck.
    pub(super) fn unreadable_timeout(&self) -> Duration {
        Duration::from_millis(self.unreadable_timeout_ms.into())
    }

    /// The time limits of a membership.
    pub(super) fn patience(&self) -> Patience {
        let silence_ms = self.max_poll_interval_ms.saturating_sub(self.rebalance_timeout_ms());
        Patience {
            revoke: Duration::from_millis(self.revoke_timeout_ms.into()),
            silence: Duration::from_millis(silence_ms.into()),
        }
    }

    /// What every client has in common.
    pub(super) fn common(&self) -> Result<ClientConfig> {
        self.validate()?;
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "hmisr")
            .set("allow.auto.create.topics", "false")
            .set("reconnect.backoff.max.ms", "2000")
            // How soon a topic that has grown is noticed.
            .set("topic.metadata.refresh.interval.ms", "30000");
        Ok(config)
    }

    /// What every producer has in common.
    pub(super) fn for_producer(&self) -> Result<ClientConfig> {
        let mut config = self.common()?;
        config
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", self.linger_ms.to_string())
            .set("message.max.bytes", self.max_message_bytes.to_string())
            .set("message.timeout.ms", self.transaction_timeout_ms.to_string())
            // Records wait in memory until the broker has them: 64 MiB at most.
            .set("queue.buffering.max.kbytes", "65536")
            .extend(self.client.clone());
        Ok(config)
    }

    /// What a sink needs.
    pub(super) fn for_sink(&self) -> Result<ClientConfig> {
        named("transactional_id", &self.transactional_id)?;
        let mut config = self.for_producer()?;
        config
            .set("transactional.id", &self.transactional_id)
            .set("transaction.timeout.ms", self.transaction_timeout_ms.to_string());
        Ok(config)
    }

    /// What a source needs.
    pub(super) fn for_source(&self) -> Result<ClientConfig> {
        named("group_id", &self.group_id)?;
        let mut config = self.common()?;
        config
            .set("group.id", &self.group_id)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            // An offset that is not in the log is an error to act on, never a silent jump.
            .set("auto.offset.reset", "error")
            // The reader's silence is watched here; this is the rest of it, see `patience`.
            .set("max.poll.interval.ms", self.rebalance_timeout_ms().to_string())
            // librdkafka waits a second by default once its queue was full; see its issue 2879.
            .set("fetch.queue.backoff.ms", "50")
            .set("queued.max.messages.kbytes", (self.fetch_queue_bytes >> 10).to_string())
            .set("check.crcs", "true")
            .set("statistics.interval.ms", "1000");
        match self.group_protocol {
            GroupProtocol::Classic => config
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", self.session_timeout_ms.to_string())
                // A member learns of a rebalance by its next heartbeat.
                .set("heartbeat.interval.ms", (self.session_timeout_ms / 10).to_string()),
            GroupProtocol::Consumer => config.set("group.protocol", "consumer"),
        };
        if let Some(instance) = &self.group_instance_id {
            config.set("group.instance.id", instance);
        }
        config.extend(self.client.clone());
        Ok(config)
    }
}

fn named(field: &str, value: &str) -> Result<()> {
    if value.trim().is_empty() {
        return Err(Error::new(ErrorKind::Configuration, format!("kafka.{field} is empty: give it a name")));
    }
    Ok(())
}

fn is_host_and_port(broker: &str) -> bool {
    // A listener's name may stand before the address, as in SASL_SSL://host:9092.
    let address = broker.split_once("://").map_or(broker, |(_, address)| address);
    address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_client(key: &str, value: &str) -> KafkaSettings {
        let client = [(key.to_owned(), value.to_owned())].into();
        KafkaSettings { client, ..KafkaSettings::default() }
    }

    #[test]
    fn the_defaults_are_valid() {
        KafkaSettings::default().validate().unwrap();
    }

    #[test]
    fn both_protocols_make_a_client() {
        for group_protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
            let settings = KafkaSettings { group_protocol, ..KafkaSettings::default() };
            settings.for_source().unwrap().create::<rdkafka::consumer::BaseConsumer>().unwrap();
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = with_client("sasl.password", "hunter2");
        let written = serde_json::to_string(&settings).unwrap();
        for text in [format!("{settings:?}"), written] {
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.contains("sasl.password"), "{text}");
        }
    }

    #[test]
    fn client_properties_reach_every_client() {
        let settings = with_client("security.protocol", "ssl");
        for config in [settings.for_source().unwrap(), settings.for_producer().unwrap()] {
            assert_eq!(config.get("security.protocol"), Some("ssl"));
        }
    }

    #[test]
    fn what_the_promises_rest_on_cannot_be_set() {
        for (key, _) in RESERVED {
            let error = with_client(key, "x").validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(key), "{error}");
        }
    }

    #[test]
    fn errors_name_field_value_and_range() {
        let out_of_range = KafkaSettings { linger_ms: 5_000, ..KafkaSettings::default() };
        assert_eq!(
            out_of_range.validate().unwrap_err().to_string(),
            "kafka.linger_ms is 5000: it must be 0 to 1000"
        );
        let impatient = KafkaSettings { max_poll_interval_ms: 70_000, ..KafkaSettings::default() };
        assert_eq!(
            impatient.validate().unwrap_err().to_string(),
            "kafka.max_poll_interval_ms is 70000: it must be 71000 to 86400000"
        );
        for brokers in ["", "localhost", "localhost:", "localhost:x", ":9092", "a:1,,b:2", "a:0"] {
            let error = KafkaSettings::new(brokers).validate().unwrap_err();
            assert!(error.to_string().contains("kafka.brokers"), "{error}");
        }
        for brokers in ["a:1", "a:1, b:2", "[::1]:9092", "SASL_SSL://broker.example:9094"] {
            KafkaSettings::new(brokers).validate().unwrap();
        }
    }

    #[test]
    fn names_are_needed_where_they_are_used() {
        let nameless = KafkaSettings {
            group_id: String::new(),
            transactional_id: " ".to_owned(),
            ..KafkaSettings::default()
        };
        nameless.for_producer().unwrap();
        assert!(nameless.for_source().unwrap_err().to_string().contains("kafka.group_id"));
        assert!(nameless.for_sink().unwrap_err().to_string().contains("kafka.transactional_id"));
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(serde_json::from_str::<KafkaSettings>(r#"{"broker": "a:1"}"#).is_err());
        let settings: KafkaSettings = serde_json::from_str(r#"{"brokers": "a:1"}"#).unwrap();
        assert_eq!(settings, KafkaSettings::new("a:1"));
    }
}
