//! The topic `state-owners`: a job says which partitions it serves, and servers read it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmisr_pipeline::StateDirectory;
use hmisr_stream::contract::{Owners, PartitionOwner, topic};
use hmisr_stream::kafka::{KafkaProducer, KafkaSettings, read_committed_up_to};
use hmisr_stream::{Outgoing, Result};

/// How often the owned partitions are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Pause after the topic could not be written.
const PAUSE: Duration = Duration::from_secs(2);
/// This long after the last change all is said once more: a predecessor that was slow to say that
/// it gave a partition up shall not have the last word, which is all that compaction keeps.
const SETTLED: Duration = Duration::from_secs(10);
/// How long reading the topic may take.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// How much of the topic is read; a record has some 150 bytes, and compaction leaves one a partition.
const READ_BYTES: usize = 32 << 20;

/// Announces the partitions of `directory` as they come and go, until `stop` is set. Look-ups are
/// found without it as well, by asking everybody: a failure is told and tried again.
pub fn announce(
    kafka: KafkaSettings,
    url: String,
    directory: StateDirectory,
    stop: Arc<AtomicBool>,
) -> std::io::Result<JoinHandle<()>> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let generation = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let mut announcer =
        Announcer { kafka, url, generation, producer: None, said: BTreeSet::new(), partitions: 0 };
    std::thread::Builder::new().name("owners".into()).spawn(move || {
        let mut unsettled: Option<Instant> = None;
        while !stop.load(Ordering::Relaxed) {
            let (owned, partitions) = directory.owned();
            let owned: BTreeSet<i32> = owned.into_iter().collect();
            if partitions > 0 {
                announcer.partitions = partitions;
            }
            let again = unsettled.is_some_and(|changed| changed.elapsed() >= SETTLED);
            let changed = owned != announcer.said;
            if changed || again {
                if let Err(error) = announcer.say(&owned, again) {
                    tracing::warn!(%error, "the partitions served cannot be announced; it is tried again");
                    announcer.producer = None;
                    std::thread::sleep(PAUSE);
                    continue;
                }
                unsettled = changed.then(Instant::now);
            }
            std::thread::sleep(LOOK);
        }
        if let Err(error) = announcer.say(&BTreeSet::new(), false) {
            tracing::warn!(%error, "that no partition is served any more could not be announced");
        }
    })
}

struct Announcer {
    kafka: KafkaSettings,
    url: String,
    generation: i64,
    producer: Option<KafkaProducer>,
    /// The partitions that were announced as owned.
    said: BTreeSet<i32>,
    partitions: i32,
}

impl Announcer {
    /// Announces what was lost and gained, or all of it.
    fn say(&mut self, owned: &BTreeSet<i32>, all: bool) -> Result<()> {
        let lost = self.said.difference(owned).map(|partition| (*partition, false));
        let gained = owned.iter().filter(|partition| all || !self.said.contains(partition));
        let changes: Vec<(i32, bool)> = lost.chain(gained.map(|partition| (*partition, true))).collect();
        if changes.is_empty() {
            return Ok(());
        }
        let producer = match &mut self.producer {
            Some(producer) => producer,
            none => none.insert(KafkaProducer::new(&self.kafka)?),
        };
        for (partition, is_owned) in changes {
            let owner = PartitionOwner {
                partition,
                partitions: self.partitions,
                url: is_owned.then(|| self.url.clone()),
                generation: self.generation,
            };
            producer.produce(&Outgoing {
                topic: topic::STATE_OWNERS,
                partition: 0,
                key: Some(partition.to_string().into_bytes()),
                payload: Some(serde_json::to_vec(&owner).unwrap_or_default()),
                headers: Vec::new(),
            })?;
        }
        producer.flush()?;
        self.said.clone_from(owned);
        Ok(())
    }
}

/// The owners, as the topic says them now.
pub fn read(kafka: &KafkaSettings) -> std::result::Result<Owners, String> {
    let records = read_committed_up_to(kafka, topic::STATE_OWNERS, READ_WITHIN, READ_BYTES)
        .map_err(|error| error.to_string())?;
    let mut owners = Owners::default();
    for record in records {
        match serde_json::from_slice::<PartitionOwner>(record.payload.as_deref().unwrap_or_default()) {
            Ok(owner) => owners.apply(owner),
            Err(error) => tracing::warn!(offset = record.offset, %error, "not a record of state-owners"),
        }
    }
    Ok(owners)
}
