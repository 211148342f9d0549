//! Letters of a bridge's topic go through its mapping again.

use hmisr_feed::{BridgeSettings, Mapping};
use hmisr_stream::contract::{DeadLetter, Letter, REPLAYED_FROM, topic};
use hmisr_stream::{Header, Outgoing, Record};

use super::args::DlqReplayArgs;
use super::list::place;
use crate::config::Config;
use crate::failure::Failure;

/// The topic that a bridge reads, and its mapping.
pub struct Through {
    pub topic: String,
    mapping: Mapping,
}

/// What became of a letter.
pub enum Again {
    /// Its events; none where the filter leaves it out.
    Events(Vec<Outgoing>),
    /// It is refused again: the letter that takes its place.
    Letter(Outgoing),
}

impl Through {
    /// What was asked for; none where letters of `events` are replayed.
    pub fn read(config: &Config, args: &DlqReplayArgs) -> Result<Option<Self>, Failure> {
        let Some(topic) = &args.topic else {
            return match args.mapping.is_empty() {
                true => Ok(None),
                false => Err(Failure::user(
                    "a mapping is given, and letters of `events` need none: name the topic that the bridge reads, --from TOPIC",
                )),
            };
        };
        let mut settings = BridgeSettings { topic: topic.clone(), ..config.bridge.clone() };
        args.mapping.over(&mut settings)?;
        let mapping = Mapping::new(&settings)?.with_min_ts_ms(config.features.min_ts_ms);
        Ok(Some(Self { topic: topic.clone(), mapping }))
    }

    /// Learns how the times are written, where the settings leave it open.
    pub fn learn(&mut self, letters: &[Letter<'_>]) -> Result<(), Failure> {
        let records: Vec<Record> = letters.iter().map(original).collect();
        let told = |text| Failure::user(format!("the times of {}: {text}", self.topic));
        self.mapping.learn(&records).map(drop).map_err(told)
    }

    /// The letter's record through the mapping. Partitions are the sender's to set.
    pub fn again(&self, letter: &Letter<'_>) -> Again {
        let record = original(letter);
        match self.mapping.outgoing(&record, |_| 0) {
            Ok((_, events)) => Again::Events(events),
            Err((reason, message)) => {
                let letter = DeadLetter { record: &record, topic: &self.topic, reason, message: &message };
                Again::Letter(letter.outgoing(topic::DEAD_LETTERS, i32::MAX))
            }
        }
    }
}

/// The record as it came, with a header that names its letter.
fn original(letter: &Letter<'_>) -> Record {
    let from = place(topic::DEAD_LETTERS, letter.record.partition, letter.record.offset);
    let originals = letter.original_headers().iter().filter(|header| header.name != REPLAYED_FROM);
    Record {
        partition: letter.partition,
        offset: letter.offset,
        timestamp_ms: letter.timestamp_ms,
        key: letter.record.key.clone(),
        payload: letter.record.payload.clone(),
        headers: originals.cloned().chain([Header::new(REPLAYED_FROM, from)]).collect(),
    }
}
