//! State that was built from history is bound to the live topic that goes on from there.

use std::path::Path;

use rocksdb::{WriteBatch, WriteOptions};

use crate::codec::encode_progress;
use crate::store::{IDENTITY, META, PROGRESS};
use crate::store::{family, open, read_progress, stored_identity};
use crate::{Error, ErrorKind, Identity, Resources, Result};

/// Binds the store in `path`, whose `topic` is still the one that `unbound` names, to another
/// topic and group: from now on it holds all events before `next_offset` of the topic in
/// `identity`. Binding it again to the same topic and group changes the offset alone.
///
/// # Errors
/// Kind `Foreign` where the store differs from `identity` in more than topic and group, or is
/// bound to another topic already; `UnknownFormat`, `Unavailable`.
pub fn bind(
    path: &Path,
    unbound: &str,
    identity: &Identity,
    next_offset: i64,
    resources: &Resources,
) -> Result<()> {
    can_bind(path, unbound, identity, resources)?;
    let db = open(path, resources, false, None)?;
    let mut progress = read_progress(&db, &db.snapshot())?.unwrap_or_default();
    progress.next_offset = next_offset;
    let mut value = Vec::new();
    encode_progress(&progress, &mut value);
    let mut batch = WriteBatch::default();
    let meta = family(&db, META)?;
    batch.put_cf(meta, IDENTITY, serde_json::to_vec_pretty(identity).unwrap_or_default());
    batch.put_cf(meta, PROGRESS, value);
    let mut options = WriteOptions::default();
    options.set_sync(true);
    db.write_opt(batch, &options).map_err(|error| Error::disk("binding", error))
}

/// Whether [`bind`] would refuse, without any change.
///
/// # Errors
/// As [`bind`].
pub fn can_bind(path: &Path, unbound: &str, identity: &Identity, resources: &Resources) -> Result<()> {
    let found = stored_identity(&open(path, resources, false, None)?, path)?.ok_or_else(|| {
        let text = format!("state store {}: has no identity: nothing was written to it", path.display());
        Error::new(ErrorKind::UnknownFormat, text)
    })?;
    let same = found.topic == identity.topic && found.group == identity.group;
    if found.topic != unbound && !same {
        return Err(Error::new(
            ErrorKind::Foreign,
            format!(
                "state store {}: is bound to topic `{}` of group `{}`; only state that a backfill built can be bound",
                path.display(),
                found.topic,
                found.group
            ),
        ));
    }
    let rebound = Identity { topic: identity.topic.clone(), group: identity.group.clone(), ..found };
    identity.check(&rebound, &path.display().to_string())
}
