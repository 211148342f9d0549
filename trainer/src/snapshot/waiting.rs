//! Whose DiversityScore waits for its label, in bytes: per user key length (u16), key, position (u64), and what was
//! read of the user (f64 each); all little-endian.

use hmisr_recommend::Inputs;

use super::users::{self, take};
use crate::waiting::{Waiting, Waits};

pub(super) fn encode(waiting: &Waiting) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(waiting.0.len() * 128);
    for ((_, id), Waits { position, before }) in &waiting.0 {
        users::put(&mut bytes, id);
        bytes.extend_from_slice(&position.to_le_bytes());
        bytes.extend(before.to_bytes());
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
    Some(Waits { position, before: Inputs::take(rest)? })
}

#[cfg(test)]
mod tests {
    use hmisr_features::{Diversity, Features};
    use hmisr_recommend::Catalogue;
    use hmisr_stream::contract::Id;

    use super::*;

    #[test]
    fn users_read_back_and_a_cut_is_noticed() {
        let window = Diversity { events: 4, entropy: 2.0 / 3.0, evenness: 2.0 / 7.0, ..Diversity::default() };
        let features = Features { window, recent_diversity: 0.1, ..Features::default() };
        let before = Inputs::of(&Catalogue::default(), &[], &features);
        let mut waiting = Waiting::default();
        for (id, position) in [(Id::text("ü").unwrap(), 3), (Id::from(7), 1 << 40)] {
            waiting.keep(&id, Waits { position, before });
        }
        let bytes = encode(&waiting);
        assert_eq!(decode(&bytes).unwrap(), waiting);
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
    }
}
