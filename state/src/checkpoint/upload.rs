//! From a local checkpoint to the object store.

use std::fs::File;
use std::path::Path;

use object_store::PutMode;
use sha2::{Digest, Sha256};

use super::manifest::{self, FILES, LATEST, Latest, Manifest, StoredFile};
use super::objects::Written;
use super::{PartitionCheckpoints, hex, local};
use crate::{Error, ErrorKind, Result};

/// Tries to move `latest` while others move it.
const TRIES: usize = 10;

/// What an upload carried.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// The checkpoint, not yet published.
    pub manifest: Manifest,
    /// Bytes that were not there before.
    pub bytes: u64,
}

impl PartitionCheckpoints {
    /// Stores the files of the local checkpoint in `folder` that are not there yet. `previous` is
    /// the newest checkpoint that was made of, or restored into, the same store: its table files
    /// are not read again. `stopped` is asked before each file.
    ///
    /// # Errors
    /// Kind `Unavailable`, also where `stopped` said so; what was stored is used by the next try.
    pub fn upload(
        &self,
        folder: &Path,
        next_offset: i64,
        previous: Option<&Manifest>,
        stopped: impl Fn() -> bool,
    ) -> Result<Uploaded> {
        let there = self.objects.list(FILES)?;
        let (mut files, mut bytes) = (Vec::new(), 0);
        for name in names(folder)? {
            if stopped() {
                return Err(Error::new(ErrorKind::Unavailable, "the upload of a checkpoint was stopped"));
            }
            let path = folder.join(&name);
            let length = path.metadata().map_err(|error| local(&path, error))?.len();
            // A store never uses the name of a table file again.
            let known = previous
                .filter(|_| name.ends_with(".sst"))
                .and_then(|manifest| manifest.files.iter().find(|file| file.name == name))
                .filter(|file| file.bytes == length);
            let sha256 = match known {
                Some(file) => file.sha256.clone(),
                None => hash_file(&path)?,
            };
            let file = StoredFile { name, bytes: length, sha256 };
            if there.get(&file.sha256) != Some(&length) {
                self.objects.upload(&file.object(), &path)?;
                bytes += length;
            }
            files.push(file);
        }
        Ok(Uploaded { manifest: Manifest::new(self.identity.clone(), next_offset, files), bytes })
    }

    /// Makes an uploaded checkpoint one that can be restored, and moves `latest` to it. Answers
    /// false where `latest` names a later checkpoint: another writer has gone on, and nothing of
    /// its may be deleted.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn publish(&self, manifest: &Manifest) -> Result<bool> {
        let next_offset = manifest.next_offset;
        self.objects.write(&manifest::object(next_offset), manifest.encode(), PutMode::Overwrite)?;
        let latest = serde_json::to_vec(&Latest::of(next_offset)).unwrap_or_default();
        for _ in 0..TRIES {
            let mode = match self.objects.read(LATEST)? {
                None => PutMode::Create,
                Some((found, version)) => match serde_json::from_slice::<Latest>(&found) {
                    Ok(found) if found.next_offset > next_offset => return Ok(false),
                    _ => PutMode::Update(version),
                },
            };
            if self.objects.write(LATEST, latest.clone(), mode)? == Written::Yes {
                return Ok(true);
            }
        }
        let message = format!("checkpoint {}: other writers move it all the time", self.objects.show(LATEST));
        Err(Error::new(ErrorKind::Unavailable, message))
    }

    /// The offset of the checkpoint that `latest` names; none before the first.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn latest(&self) -> Result<Option<i64>> {
        let found = self.objects.read(LATEST)?;
        Ok(found
            .and_then(|(bytes, _)| serde_json::from_slice::<Latest>(&bytes).ok())
            .map(|it| it.next_offset))
    }
}

/// The files of a local checkpoint, in their order.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|error| local(folder, error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| local(folder, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Locks and RocksDB's own log say nothing about the state.
        if entry.path().is_file() && name != "LOCK" && !name.starts_with("LOG") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn hash_file(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path).map_err(|error| local(path, error))?;
    std::io::copy(&mut file, &mut hash).map_err(|error| local(path, error))?;
    Ok(hex(hash.finalize()))
}
