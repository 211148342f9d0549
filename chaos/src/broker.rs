//! A broker of the run's own, and what the job's group has committed on a broker.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hmisr_stream::contract::topic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::failure::{Failure, Result};
use crate::settings::PARTITIONS;

/// How long a question to the broker may take.
const QUESTION: Duration = Duration::from_secs(5);
/// How long it keeps the partitions of a dead member of the protocol `consumer`; its own 45 s the job refuses.
const SESSION_MS: &str = "10000";

/// An Apache Kafka, started by scripts/kafka and stopped at the end.
pub struct Broker {
    /// `host:port`.
    pub address: String,
    dir: PathBuf,
}

impl Broker {
    /// Starts one on a free port, or again on the port and the data that `dir` has.
    pub fn start(dir: &Path) -> Result<Self> {
        let port = match std::fs::read_to_string(dir.join("port")) {
            Ok(port) => port.trim().to_owned(),
            Err(_) => TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string(),
        };
        script("start", dir, &["--port", &port, "--session-ms", SESSION_MS])?;
        Ok(Self { address: format!("127.0.0.1:{port}"), dir: dir.to_owned() })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(script("stop", &self.dir, &[]));
    }
}

fn script(action: &str, dir: &Path, more: &[&str]) -> Result<()> {
    // Cargo tells tests where they are; the program alone goes by where it was built.
    let built = || env!("CARGO_MANIFEST_DIR").into();
    let path =
        Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(built)).join("../scripts/kafka");
    let output = Command::new(&path).arg(action).arg("--dir").arg(dir).args(more).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = format!("{} {action} failed; --brokers names a Kafka that runs already", path.display());
    Err(Failure::user(text).with(String::from_utf8_lossy(&output.stderr)))
}

/// The job's group, looked at without joining it.
pub struct Group {
    consumer: BaseConsumer,
}

impl Group {
    /// The group `name` at `brokers`.
    pub fn new(brokers: &str, name: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("group.id", name)
            .set("isolation.level", "read_committed");
        Ok(Self { consumer: config.create().map_err(asking)? })
    }

    /// The offset after the last record of `events`, per partition.
    pub fn ends(&self) -> Result<Vec<i64>> {
        (0..PARTITIONS).map(|partition| self.end(partition)).collect()
    }

    /// A topic that was just made has no leader for a moment.
    fn end(&self, partition: i32) -> Result<i64> {
        let deadline = Instant::now() + QUESTION;
        loop {
            match self.consumer.fetch_watermarks(topic::EVENTS, partition, QUESTION) {
                Ok((_, end)) => return Ok(end),
                Err(error) if Instant::now() >= deadline => return Err(asking(error)),
                Err(_) => std::thread::sleep(QUESTION / 100),
            }
        }
    }

    /// The committed next offset per partition, 0 where there is none; nothing where the broker
    /// does not say, as while a transaction is open.
    pub fn committed(&self) -> Result<Option<Vec<i64>>> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic::EVENTS, 0, PARTITIONS - 1);
        let Ok(list) = self.consumer.committed_offsets(list, QUESTION) else { return Ok(None) };
        let offset =
            |partition| match list.find_partition(topic::EVENTS, partition).map(|found| found.offset()) {
                Some(Offset::Offset(offset)) => offset,
                _ => 0,
            };
        Ok(Some((0..PARTITIONS).map(offset).collect()))
    }
}

fn asking(error: KafkaError) -> Failure {
    Failure::fault(format!("asking the broker: {error}"))
}
