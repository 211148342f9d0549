//! Names, folders, and writing so that a crash leaves the old or the new, never a mixture.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind as Io, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::FileEntry;
use crate::plain;
use crate::{Error, ErrorKind, Result};

pub(super) const POINTER: &str = "LATEST";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const MODEL: &str = "model.safetensors";
pub(super) const OPTIMIZER: &str = "optimizer.safetensors";
pub(super) const CATALOGUE: &str = "catalogue.json";
pub(super) const TRAINER: &str = "trainer.json";
pub(super) const SEEN: &str = "seen.bin";

/// The longest pointer that is read, bytes: a folder's name and a line's end.
const POINTER_BYTES: u64 = 256;
/// The longest manifest, bytes: an offset a partition, for hundreds of thousands of them.
pub(super) const MANIFEST_BYTES: u64 = 16 << 20;

/// The version's folder name.
pub(super) fn folder_name(version: u64) -> String {
    format!("v{version:08}")
}

/// The version of a folder name.
pub(super) fn version_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix('v')?;
    (digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// The newest published version below `root`; none where there is none. One small read: cheap
/// enough to ask every second.
///
/// # Errors
/// [`ErrorKind::Io`], and [`ErrorKind::Corrupt`] where the pointer does not name a version.
pub fn latest_version(root: &Path) -> Result<Option<u64>> {
    let path = root.join(POINTER);
    match plain::read(&path, POINTER_BYTES) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            version_of(text.trim()).map(Some).ok_or_else(|| {
                Error::new(
                    ErrorKind::Corrupt,
                    format!(
                        "{}: {:?} is not a version's folder name such as v00000012; write the newest one's name into it",
                        path.display(),
                        text.chars().take(40).collect::<String>()
                    ),
                )
            })
        }
        // A crash between the first version's rename and its pointer; a folder under its own name
        // is complete.
        Err(error) if error.kind() == Io::NotFound => Ok(versions(root)?.last().copied()),
        Err(error) => Err(Error::io("read", &path, error)),
    }
}

/// Versions whose folders lie below `root`, ascending.
pub(super) fn versions(root: &Path) -> Result<Vec<u64>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == Io::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", root, error)),
    };
    let mut versions = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("list", root, error))?;
        versions.extend(entry.file_name().to_str().and_then(version_of));
    }
    versions.sort_unstable();
    Ok(versions)
}

/// Writes and syncs a file that is not there yet; what the manifest says of it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<FileEntry> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| Error::io("create", path, error))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| Error::io("write", path, error))?;
    Ok(entry_of(bytes))
}

/// Replaces a file at once.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = PathBuf::from(format!("{}.tmp", path.display()));
    // What was left there goes unopened: a FIFO would wait for a reader.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != Io::NotFound => return Err(Error::io("remove", &beside, error)),
        _ => {}
    }
    write(&beside, bytes)?;
    fs::rename(&beside, path).map_err(|error| Error::io("rename to", path, error))
}

/// Syncs a folder, so that its renames last.
pub(super) fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Error::io("sync", folder, error))
}

/// Length and checksum of a file's bytes.
pub(super) fn entry_of(bytes: &[u8]) -> FileEntry {
    let digest = Sha256::digest(bytes);
    let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    FileEntry { bytes: bytes.len() as u64, sha256 }
}

/// A file that is not what was written.
pub(super) fn corrupt(path: &Path, problem: impl std::fmt::Display) -> Error {
    let text = format!(
        "snapshot file {}: {problem}; restore it from a copy, or name an older version's folder in {POINTER} (the \
         examples since then are read again), or empty the snapshot folder to learn anew",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, text)
}
