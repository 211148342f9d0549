//! Apache Kafka, through librdkafka.
//!
//! * [`KafkaSettings`]: where the brokers are, and how to speak with them.
//! * [`Kafka`]: makes sources and sinks there.
//! * [`KafkaSource`] and [`KafkaSink`]: the crate's two traits; a sink is a transactional producer.
//! * [`KafkaProducer`]: plain idempotent writing, for whoever feeds events.
//! * [`Admin`]: topics are made and described.
//! * [`read_committed`]: what stands in a topic, for tools and tests; [`sample_keys`]: where its keys lie.
//!
//! Every call has a time limit: an unreachable broker or a missing topic is an error within
//! [`KafkaSettings::request_timeout_ms`], never an endless wait.

mod admin;
mod batch;
mod batch_end;
mod check;
mod client;
mod errors;
mod ffi;
mod group;
mod member;
mod producer;
mod queue;
mod reader;
mod rebalance;
mod sample;
mod session;
mod settings;
mod sink;
mod source;
mod stuck;
mod transport;
mod unjoined;
mod watch;
mod writer;

pub use admin::{Admin, TopicSpec, standard_topics};
pub use check::{Finding, Severity, TopicState};
pub use producer::KafkaProducer;
pub use rdkafka::consumer::ConsumerGroupMetadata;
pub use reader::{read_committed, read_committed_up_to};
pub use sample::sample_keys;
pub use settings::{GroupProtocol, KafkaSettings};
pub use sink::KafkaSink;
pub use source::KafkaSource;
pub use transport::Kafka;
