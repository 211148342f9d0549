//! Where the newest keys of a topic lie.

use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::message::Message;

use super::KafkaSettings;
use super::unjoined::{self, Reading};
use crate::{KeySample, Result};

/// Records that are looked at, at most, over all partitions; but ten of each.
const RECORDS: i64 = 20_000;

/// A sample of the keys of a topic's newest records, without a group. It ends when it is full, when a
/// bounded number of records was read, or after `within` with what there is then.
///
/// Tombstones are left out: a request to forget a user goes to every partition.
///
/// # Errors
/// Kinds `MissingTopic`, `Configuration`, `Unavailable`.
pub fn sample_keys(settings: &KafkaSettings, topic: &str, within: Duration) -> Result<KeySample> {
    unjoined::with(settings, |consumer| {
        let reading = Reading::of(consumer, settings, topic)?;
        let mut sample = KeySample::new(reading.partitions);
        if reading.partitions < 2 {
            return Ok(sample);
        }
        let of_each = (RECORDS / i64::from(reading.partitions)).max(10);
        let mut left = of_each * i64::from(reading.partitions);
        reading.from(Offset::OffsetTail(of_each), within, |message| {
            if let (Some(key), Some(_)) = (message.key(), message.payload()) {
                sample.add(key, message.partition());
            }
            left -= 1;
            Ok(match sample.is_full() || left == 0 {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        })?;
        Ok(sample)
    })
}
