//! The events of the benchmark.

use hmisr_feed::{EventLine, EventWriter};
use hmisr_stream::partition_for_key;

use crate::failure::Failure;

/// Items of the catalogue, and categories that they fall into.
const ITEMS: u64 = 10_000;
pub const CATEGORIES: u64 = 40;
/// The first event's time, epoch milliseconds; one event a millisecond.
pub const START_MS: i64 = 1_600_000_000_000;

/// A stream of uniformly drawn users, skewed items and the actions of a shop; the same for the
/// same seed.
pub struct Events {
    state: u64,
    users: u64,
    made: i64,
}

impl Events {
    pub fn new(users: u64) -> Self {
        Self { state: 1, users, made: 0 }
    }

    /// splitmix64.
    fn random(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    /// User, item and category of the next event.
    pub fn draw(&mut self) -> (u64, u64, u64) {
        let user = self.random(self.users);
        // Squared, so that low items are the popular ones.
        let item = self.random(ITEMS) * self.random(ITEMS) / ITEMS;
        (user, item, item % CATEGORIES)
    }

    pub fn line(&mut self, partitions: i32) -> (i32, EventLine) {
        let (user, item, category) = self.draw();
        let action = if self.random(4) == 0 { "impression" } else { "click" };
        let ts = START_MS + self.made;
        self.made += 1;
        let payload = format!(
            "{{\"user_id\": {user}, \"item_id\": {item}, \"category\": {category}, \"action\": \"{action}\", \"ts\": {ts}}}"
        );
        let key = user.to_string().into_bytes();
        let partition = partition_for_key(&key, partitions);
        (partition, EventLine { key: Some(key), payload: payload.into_bytes() })
    }
}

/// Writes the first `count` events.
pub fn write(writer: &mut dyn EventWriter, count: u64, users: u64, partitions: i32) -> Result<(), Failure> {
    let mut events = Events::new(users);
    for at in 1..=count {
        let (partition, line) = events.line(partitions);
        writer.write(partition, line)?;
        if at % 10_000 == 0 {
            writer.flush()?;
        }
    }
    Ok(writer.flush()?)
}
