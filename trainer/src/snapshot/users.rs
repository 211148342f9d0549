//! What is kept of each user, in bytes: key length (u16), key, and what is kept; all little-endian.

use hmisr_stream::contract::Id;

pub(super) fn put(bytes: &mut Vec<u8>, id: &Id) {
    let key = id.key();
    bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&key);
}

/// Visits the users, each with what `read` makes of the bytes behind its key; an error names the
/// byte where the file stops making sense.
pub(super) fn each<T>(
    bytes: &[u8],
    read: impl Fn(&mut &[u8]) -> Option<T>,
    mut visit: impl FnMut(Id, T),
) -> Result<(), String> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let user = id(&mut rest).and_then(|id| Some((id, read(&mut rest)?)));
        let (id, kept) = user.ok_or_else(|| format!("no user at byte {at} of {}", bytes.len()))?;
        visit(id, kept);
    }
    Ok(())
}

fn id(rest: &mut &[u8]) -> Option<Id> {
    let len = u16::from_le_bytes(*take::<2>(rest)?);
    let (key, after) = rest.split_at_checked(len as usize)?;
    *rest = after;
    Id::from_key(key)
}

pub(super) fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(taken)
}
