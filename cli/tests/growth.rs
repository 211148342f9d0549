//! A topic that gets more partitions while the job runs on Apache Kafka.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

#[path = "../../stream/tests/kafka/broker.rs"]
mod broker;
mod common;

use common::{Running, hmisr, run, stdout};
use hmisr_stream::contract::topic;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;

#[test]
fn a_topic_that_grows_stops_the_job() {
    let Some(brokers) = broker::shared() else { return };
    stdout(&run(&["topics", "create", "--brokers", brokers]));
    let folder = tempfile::tempdir().unwrap();
    let job = || {
        let mut command = hmisr();
        command.args(["pipeline", "--brokers", brokers, "--listen", "127.0.0.1:0", "--state"]);
        command.arg(folder.path());
        // librdkafka asks every five minutes by default.
        command.args(["--set", "kafka.client.\"topic.metadata.refresh.interval.ms\"=\"500\""]);
        Running::start(&mut command)
    };
    let running = job();
    let address = running.address();
    while ureq::get(format!("http://{address}/readyz")).call().is_err() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let (more, options) = ([NewPartitions::new(topic::EVENTS, 6)], AdminOptions::new());
    let grow = admin.create_partitions(&more, &options);
    let grown = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(grow).unwrap();
    assert!(grown.iter().all(Result::is_ok), "{grown:?}");

    let (success, lines) = running.wait();
    assert!(!success);
    assert!(lines.iter().any(|line| line.contains("grown beyond its 4 partitions")), "{lines:#?}");
}
