//! Events that a job must survive: the n-th is a function of the seed and n alone.

use hmisr_stream::contract::topic;
use hmisr_stream::{Outgoing, partition_for_key};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::settings::PARTITIONS;

/// Time of the first event, epoch milliseconds.
const START_MS: i64 = 1_600_000_000_000;
/// Event time between two events, milliseconds.
const GAP_MS: i64 = 10;
/// Users with most of the events, and all of them.
const USERS: (u32, u32) = (40, 2_000);

/// Randomness of one purpose: the seed's stream of this number.
pub fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// The n-th record: most are events in their order, some are late, ahead, broken, too long, sent twice,
/// of the future, of another unit of time, of another key, of an unknown action, or ask for their user to be forgotten.
pub fn event(seed: u64, n: u64) -> Outgoing {
    let mut rng = rng(seed, n);
    let user = match rng.random_bool(0.6) {
        true => rng.random_range(0..USERS.0),
        false => rng.random_range(USERS.0..USERS.1),
    };
    let (id, key) = id(user, rng.random_bool(0.5));
    let now = START_MS.saturating_add(GAP_MS.saturating_mul(n.cast_signed())) + rng.random_range(0..200);
    let popular = rng.random_range(0..400_u32);
    let mut event = json!({
        "user_id": id,
        "item_id": rng.random_range(0..=popular),
        // Each category is half as frequent as the one before it.
        "category": format!("c{}", rng.random::<u32>().trailing_zeros().min(11)),
        "action": match rng.random_range(0..100) {
            0..70 => "click",
            70..80 => "purchase",
            80..90 => "impression",
            90..95 => "skip",
            _ => "stare",
        },
        "ts": now,
    });
    if rng.random_bool(0.1) {
        event["weight"] = json!(rng.random_range(-1..10) as f32 / 2.0);
    }
    if rng.random_bool(0.05) {
        event["is_tail"] = json!(rng.random_bool(0.5));
    }
    match rng.random_range(0..1000) {
        0..10 => {
            let text = event.to_string();
            outgoing(Some(key), Some(text[..rng.random_range(0..text.len())].to_owned()), n)
        }
        10..20 => {
            event["item_id"] = [json!(-1), json!(1.5), json!(""), Value::Null][rng.random_range(0..4)].take();
            outgoing(Some(key), Some(event.to_string()), n)
        }
        20..25 => outgoing(Some(format!("not-{key}")), Some(event.to_string()), n),
        25..27 => {
            event["note"] = json!("x".repeat(3_000));
            outgoing(Some(key), Some(event.to_string()), n)
        }
        27..37 => outgoing(Some(key), None, n),
        37..39 => outgoing(None, None, n),
        39..45 => {
            event["ts"] = json!(7_000_000_000_000_i64);
            outgoing(Some(key), Some(event.to_string()), n)
        }
        45..75 => {
            event["ts"] = json!(now - rng.random_range(0..60_000));
            outgoing(Some(key), Some(event.to_string()), n)
        }
        85..88 => {
            // Seconds where milliseconds are meant.
            event["ts"] = json!(now / 1_000);
            outgoing(Some(key), Some(event.to_string()), n)
        }
        88..96 => {
            // A clock that is ahead, by minutes or months.
            event["ts"] = json!(
                now + rng.random_range(0..if n.is_multiple_of(2) { 600_000 } else { 10_000_000_000_i64 })
            );
            outgoing(Some(key), Some(event.to_string()), n)
        }
        75..85 if n > 0 => self::event(seed, n - 1),
        _ => outgoing(Some(key), Some(event.to_string()), n),
    }
}

/// A user's id as JSON, and the key that belongs to it.
fn id(user: u32, quoted: bool) -> (Value, String) {
    match user % 3 {
        0 => (json!(format!("u{user}")), format!("u{user}")),
        // An integer in quotes is the same user.
        1 if quoted => (json!(user.to_string()), user.to_string()),
        _ => (json!(user), user.to_string()),
    }
}

fn outgoing(key: Option<String>, payload: Option<String>, n: u64) -> Outgoing {
    let partition = match &key {
        Some(key) => partition_for_key(key.as_bytes(), PARTITIONS),
        None => (n % PARTITIONS.unsigned_abs() as u64) as i32,
    };
    let (key, payload) = (key.map(String::into_bytes), payload.map(String::into_bytes));
    Outgoing { topic: topic::EVENTS, partition, key, payload, headers: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_function_of_seed_and_number() {
        let events = |seed| (0..2_000).map(|n| event(seed, n)).collect::<Vec<_>>();
        assert_eq!(events(7), events(7));
        assert_ne!(events(7), events(8));
    }
}
