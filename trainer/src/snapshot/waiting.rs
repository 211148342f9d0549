//! Whose DiversityScore waits for its label, in bytes: per user key length (u16), key, position (u64), row (u32),
//! positive events of lifetime and window (u64 each), and nine habits (f64 each); all little-endian.

use hmisr_features::{Diversity, Features, HABITS};

use super::users::{self, take};
use crate::waiting::{Waiting, Waits};

pub(super) fn encode(waiting: &Waiting) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(waiting.0.len() * 128);
    for ((_, id), Waits { position, target, features }) in &waiting.0 {
        users::put(&mut bytes, id);
        bytes.extend_from_slice(&position.to_le_bytes());
        bytes.extend_from_slice(&target.to_le_bytes());
        for events in [features.lifetime.events, features.window.events] {
            bytes.extend_from_slice(&events.to_le_bytes());
        }
        features.habits().iter().for_each(|habit| bytes.extend_from_slice(&habit.to_le_bytes()));
    }
    bytes
}

/// The users; an error names the byte where the file stops making sense.
pub(super) fn decode(bytes: &[u8]) -> Result<Waiting, String> {
    let mut waiting = Waiting::default();
    users::each(bytes, read, |id, waits| waiting.keep(&id, waits))?;
    Ok(waiting)
}

fn read(rest: &mut &[u8]) -> Option<Waits> {
    let position = u64::from_le_bytes(*take::<8>(rest)?);
    let target = u32::from_le_bytes(*take::<4>(rest)?);
    let (lifetime, window) = (u64::from_le_bytes(*take::<8>(rest)?), u64::from_le_bytes(*take::<8>(rest)?));
    let mut habits = [0.0; HABITS];
    for habit in &mut habits {
        *habit = Some(f64::from_le_bytes(*take::<8>(rest)?)).filter(|habit| habit.is_finite())?;
    }
    let run = |events: u64, habits: &[f64]| Diversity {
        events,
        entropy: habits[0],
        evenness: habits[1],
        switch_rate: habits[2],
        tail_ratio: habits[3],
    };
    let features = Features {
        tail: false,
        lifetime: run(lifetime, &habits[..4]),
        window: run(window, &habits[4..8]),
        recent_diversity: habits[8],
    };
    Some(Waits { position, target, features })
}

#[cfg(test)]
mod tests {
    use hmisr_stream::contract::Id;

    use super::*;

    #[test]
    fn users_read_back_and_a_cut_is_noticed() {
        let run = |events: u64, by: f64| Diversity {
            events,
            entropy: by / 3.0,
            evenness: by / 7.0,
            switch_rate: by / 11.0,
            tail_ratio: by / 13.0,
        };
        let features =
            Features { tail: false, lifetime: run(9, 1.0), window: run(4, 2.0), recent_diversity: 0.1 };
        let mut waiting = Waiting::default();
        for (id, position) in [(Id::text("ü").unwrap(), 3), (Id::from(7), 1 << 40)] {
            waiting.keep(&id, Waits { position, target: 5, features });
        }
        let bytes = encode(&waiting);
        assert_eq!(decode(&bytes).unwrap(), waiting);
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
    }
}
