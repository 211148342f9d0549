//! What users have seen, in bytes: per user, oldest touch first, key length (u16), key, next
//! position (u64), touch (u64), rows (u32), and the rows (u32 each); all little-endian.

use hmisr_stream::contract::Id;

use super::users::{self, take};
use crate::seen::{Seen, SeenUser};

pub(super) fn encode(seen: &Seen) -> Vec<u8> {
    let mut by_touch: Vec<(&Id, &SeenUser)> = seen.users.iter().collect();
    by_touch.sort_unstable_by_key(|(_, user)| user.touched);
    let mut bytes = Vec::with_capacity(seen.entries * 4 + by_touch.len() * 32);
    for (id, user) in by_touch {
        users::put(&mut bytes, id);
        bytes.extend_from_slice(&user.next.to_le_bytes());
        bytes.extend_from_slice(&user.touched.to_le_bytes());
        bytes.extend_from_slice(&(user.rows.len() as u32).to_le_bytes());
        bytes.extend(user.rows.iter().flat_map(|row| row.to_le_bytes()));
    }
    bytes
}

/// The users; an error names the byte where the file stops making sense.
pub(super) fn decode(bytes: &[u8]) -> Result<Seen, String> {
    let mut seen = Seen::default();
    users::each(bytes, read, |id, user| {
        seen.entries += user.rows.len();
        seen.users.insert(id, user);
    })?;
    Ok(seen)
}

fn read(rest: &mut &[u8]) -> Option<SeenUser> {
    let next = u64::from_le_bytes(*take::<8>(rest)?);
    let touched = u64::from_le_bytes(*take::<8>(rest)?);
    let count = u32::from_le_bytes(*take::<4>(rest)?) as usize;
    let (rows, after) = rest.split_at_checked(count.checked_mul(4)?)?;
    *rest = after;
    let rows = rows.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Some(SeenUser::restored(next, touched, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_read_back_and_a_cut_is_noticed() {
        let mut seen = Seen::default();
        seen.note(&Id::text("ü").unwrap(), 3, &[1, 2, 3], 4);
        seen.note(&Id::from(7), 1, &[9], 8);
        let bytes = encode(&seen);
        let back = decode(&bytes).unwrap();
        assert_eq!(back.users, seen.users);
        assert_eq!(back.entries(), 6);
        for cut in 1..bytes.len() {
            // A cut between two users leaves whole users; the checksum is there for that.
            let whole = encode(&seen).len() - 2 - 9 - 8 - 8 - 4 - 8;
            assert!(decode(&bytes[..cut]).is_err() || cut == whole, "{cut}");
        }
    }
}
