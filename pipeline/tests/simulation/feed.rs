//! What flows in: events, and what is none, in transactions that commit, abort, or stay open.

use hmisr_features::Id;
use hmisr_stream::contract::{Event, topic};
use hmisr_stream::memory::{Broker, MemorySink};
use hmisr_stream::{Outgoing, Sink, partition_for_key};
use hmisr_testkit::messages;

use super::random::Random;

pub struct Feed {
    broker: Broker,
    partitions: i32,
    users: u64,
    sink: Option<MemorySink>,
    sent: u64,
}

impl Feed {
    pub fn new(broker: &Broker, partitions: i32, users: u64) -> Self {
        Self { broker: broker.clone(), partitions, users, sink: None, sent: 0 }
    }

    fn record(&mut self, random: &mut Random) -> Outgoing {
        self.sent += 1;
        let user = Id::from(random.below(self.users) as u32);
        let item = random.below(12) as u32;
        let ts = 1_000_000 + self.sent as i64 * 10 - random.one_of(&[0, 0, 0, 15]);
        let action = if random.chance(200) { "skip" } else { "click" };
        let mut event = Event {
            action: action.into(),
            weight: random.chance(300).then(|| random.one_of(&[0.25, 2.0, -1.0])),
            event_id: random.chance(300).then(|| random.below(30).to_string()),
            is_tail: random.chance(50).then_some(true),
            ..messages::event(user.clone(), item, item % 7, ts)
        };
        let key = user.to_string().into_bytes();
        let partition = partition_for_key(&key, self.partitions);
        let payload = match random.below(40) {
            0 => Some(b"{".to_vec()),
            1 => None,
            2 => {
                event.ts = 1 << 41;
                Some(event.encode())
            }
            4 => {
                event.ts = random.one_of(&[-1, 999, 1_000, event.ts / 1_000]);
                Some(event.encode())
            }
            5 => {
                event.ts += random.one_of(&[-600_000, -1_000, 1_000, 900_000]);
                Some(event.encode())
            }
            3 => {
                event.user_id = Id::from(77);
                Some(event.encode())
            }
            _ => Some(event.encode()),
        };
        Outgoing { topic: topic::EVENTS, partition, key: Some(key), payload, headers: Vec::new() }
    }

    /// Sends a few records. Whatever goes wrong with them: the log says what there is.
    pub fn send(&mut self, random: &mut Random) {
        let records: Vec<Outgoing> = (0..=random.below(12)).map(|_| self.record(random)).collect();
        let kind = random.below(10);
        if kind < 3 {
            return self.broker.append(&records).unwrap();
        }
        if self.sink.is_none() {
            self.sink = MemorySink::new(&self.broker.connect(), "feeder").ok();
        }
        let Some(sink) = &mut self.sink else { return };
        let sent = records.iter().try_for_each(|record| sink.produce(record));
        let ended = match kind {
            3..7 => sent.and_then(|()| sink.commit()),
            7 => sink.abort(),
            _ => sent,
        };
        if ended.is_err() {
            self.sink = None;
        }
    }

    /// The last records come, and nothing is left open.
    pub fn end(&mut self, random: &mut Random) {
        MemorySink::new(&self.broker.connect(), "feeder").unwrap();
        let records: Vec<Outgoing> = (0..20).map(|_| self.record(random)).collect();
        self.broker.append(&records).unwrap();
    }
}
