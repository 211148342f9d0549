//! The Kafka side against a real Apache Kafka, which the tests start themselves; without Java or
//! Kafka's jars they are skipped, loudly (`make test` fetches both where it can).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

#[path = "kafka/broker.rs"]
mod broker;
#[path = "kafka/doubt.rs"]
mod doubt;
#[path = "kafka/errors.rs"]
mod errors;
#[path = "kafka/groups.rs"]
mod groups;
#[path = "kafka/outage.rs"]
mod outage;
#[path = "kafka/plain.rs"]
mod plain;
#[path = "kafka/proxy.rs"]
mod proxy;
#[path = "kafka/round_trip.rs"]
mod round_trip;
#[path = "kafka/security.rs"]
mod security;
#[path = "kafka/support.rs"]
mod support;
#[path = "kafka/topics.rs"]
mod topics;
#[path = "kafka/transactions.rs"]
mod transactions;
