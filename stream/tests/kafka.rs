//! The Kafka side against a real Apache Kafka, which the tests start themselves; without Java or
//! Kafka's jars they are skipped, loudly (`make test` fetches both where it can).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

mod codecs;
mod doubt;
mod errors;
mod groups;
mod outage;
mod partitioners;
mod plain;
mod round_trip;
mod security;
mod support;
mod topics;
mod transactions;
mod unowned;
mod unreadable;
