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
mod data;
mod deployments;
mod dlq;
mod eval;
mod feed;
mod fit;
mod guides;
mod kafka;
mod kafka_faults;
mod life_cycle;
mod missing_words;
mod monitoring;
mod outcomes;
mod owners;
mod page;
mod parity;
mod partitioner;
mod partitioner_kafka;
mod probe;
mod prometheus;
#[path = "../../stream/tests/kafka/proxy.rs"]
mod proxy;
mod recommend;
#[path = "../../stream/tests/kafka/segment.rs"]
mod segment;
mod state;
mod terminal;
mod trainers;
mod unreadable;
mod up;
