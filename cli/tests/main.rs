//! The tests of this crate as one program, which links its libraries once.

mod arroyo;
mod backfill;
mod bad_input;
mod bench_train;
mod bind;
mod bridge_kafka;
#[path = "../../stream/tests/kafka/broker.rs"]
mod broker;
mod common;
mod deployments;
mod dlq;
mod eval;
mod feed;
mod fit;
mod guides;
mod kafka;
mod kafka_faults;
mod missing_words;
mod owners;
mod page;
mod partitioner;
mod partitioner_kafka;
mod probe;
mod prometheus;
#[path = "../../stream/tests/kafka/proxy.rs"]
mod proxy;
mod state;
mod up;
