//! Checkpoints of partition stores in an object store: state that can move to another machine.
//!
//! ```text
//! <base>/<group>/<topic id>/<definition>/partition-00003/files/<sha-256>
//!                                                       /manifests/<next offset>.json
//!                                                       /latest
//! ```
//!
//! A file is stored under the hash of its content, so a checkpoint stores only the files that the
//! ones before it did not. A [`Manifest`] names every file of one checkpoint. It is written after
//! the files, and `latest`, which names the newest manifest, after it: what a manifest names is
//! there. `<definition>` is a digest of everything else in the [`Identity`], so that a checkpoint
//! of other features or another format is never mistaken for one of these.
//!
//! Two writers of one partition do no harm. State at an offset is a function of the input up to
//! it, so whoever writes a manifest of that offset writes the same state. `latest` only goes
//! forward, and only who moved it deletes anything ([`PartitionCheckpoints::retain`]).

mod manifest;
mod objects;
mod restore;
mod retain;
mod upload;

use std::path::Path;

use sha2::{Digest, Sha256};

use self::manifest::MANIFESTS;
pub use self::manifest::{Manifest, StoredFile};
use self::objects::Objects;
pub use self::restore::put_in_place;
pub use self::retain::Condemned;
pub use self::upload::Uploaded;
use crate::{Error, ErrorKind, Identity, Result};

/// Where checkpoints are kept. Clones share the connection.
#[derive(Clone)]
pub struct CheckpointStore {
    objects: Objects,
}

/// The checkpoints of one partition's store.
#[derive(Clone)]
pub struct PartitionCheckpoints {
    objects: Objects,
    identity: Identity,
}

impl CheckpointStore {
    /// Opens the place that `url` names: `file:///…`, or `s3://…`, `gs://…`, `az://…` where the
    /// program was built for it. Credentials come from the environment, as with the provider's
    /// own tools.
    ///
    /// # Errors
    /// Kind `Setting` where the URL names nothing that can be used.
    pub fn open(url: &str) -> Result<Self> {
        Ok(Self { objects: Objects::open(url)? })
    }

    /// The same over an object store of the caller's.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn over(store: std::sync::Arc<dyn object_store::ObjectStore>) -> Result<Self> {
        Ok(Self { objects: Objects::over(store, object_store::path::Path::ROOT, "memory")? })
    }

    /// The checkpoints of the store with this identity.
    pub fn partition(&self, identity: &Identity) -> PartitionCheckpoints {
        let objects = self
            .objects
            .below(&identity.group)
            .below(&identity.topic)
            .below(&definition(identity))
            .below(&format!("partition-{:05}", identity.partition));
        PartitionCheckpoints { objects, identity: identity.clone() }
    }

    /// The checkpoints of every partition that has one, by group, topic, definition and partition.
    ///
    /// # Errors
    /// Kinds `Unavailable`, or `Corrupt` where none of a partition's manifests can be read.
    pub fn partitions(&self) -> Result<Vec<PartitionCheckpoints>> {
        let mut level = vec![self.objects.clone()];
        for _ in ["group", "topic", "definition", "partition"] {
            let mut next = Vec::new();
            for objects in &level {
                next.extend(objects.folders()?);
            }
            level = next;
        }
        let mut found = Vec::new();
        for objects in level {
            if let Some(identity) = identity_of(&objects)? {
                found.push(PartitionCheckpoints { objects, identity });
            }
        }
        Ok(found)
    }
}

impl PartitionCheckpoints {
    /// What the store belongs to.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The next offsets of the checkpoints, newest first.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn offsets(&self) -> Result<Vec<i64>> {
        offsets(&self.objects)
    }

    /// The manifest of the checkpoint at `next_offset`.
    ///
    /// # Errors
    /// Kind `Corrupt` where it is missing, cannot be read or is another store's.
    pub fn manifest(&self, next_offset: i64) -> Result<Manifest> {
        let name = manifest::object(next_offset);
        let manifest = read_manifest(&self.objects, next_offset)?;
        if manifest.identity != self.identity || manifest.next_offset != next_offset {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("checkpoint {}: belongs to another store or offset", self.objects.show(&name)),
            ));
        }
        Ok(manifest)
    }

    /// Where they are, for messages.
    pub fn describe(&self) -> String {
        self.objects.show("")
    }
}

fn read_manifest(objects: &Objects, next_offset: i64) -> Result<Manifest> {
    let name = manifest::object(next_offset);
    let damaged =
        |what: &str| Error::new(ErrorKind::Corrupt, format!("checkpoint {}: {what}", objects.show(&name)));
    let bytes = objects.read(&name)?.ok_or_else(|| damaged("its manifest is missing"))?.0;
    Manifest::decode(&bytes).map_err(|what| damaged(&what))
}

fn identity_of(objects: &Objects) -> Result<Option<Identity>> {
    let mut unreadable = None;
    for offset in offsets(objects)? {
        match read_manifest(objects, offset) {
            Ok(manifest) => return Ok(Some(manifest.identity)),
            Err(error) if error.kind() == ErrorKind::Corrupt => unreadable = Some(error),
            Err(error) => return Err(error),
        }
    }
    unreadable.map_or(Ok(None), Err)
}

fn offsets(objects: &Objects) -> Result<Vec<i64>> {
    let names = objects.list(MANIFESTS)?;
    let mut offsets: Vec<i64> = names.keys().filter_map(|name| manifest::offset(name)).collect();
    offsets.sort_unstable_by(|a, b| b.cmp(a));
    Ok(offsets)
}

/// A digest of what the identity says besides group, topic and partition.
fn definition(identity: &Identity) -> String {
    let Identity { format, partitions, features, visits_kept, topic: _, group: _, partition: _ } = identity;
    hash(format!("format={format} partitions={partitions} visits_kept={visits_kept} {features}").as_bytes())
        [..16]
        .to_owned()
}

fn hash(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

fn hex(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An error of the local file system, with the path.
fn local(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(path.display(), error)
}
