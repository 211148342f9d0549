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
pub(super) const CATALOGUE: &str = "catalogue.json";
pub(super) const COUNTS: &str = "counts.bin";

/// The longest pointer that is read, bytes: a folder's name and a line's end.
pub(super) const POINTER_BYTES: u64 = 256;
/// The longest manifest, bytes: an offset a partition, for hundreds of thousands of them.
pub(super) const MANIFEST_BYTES: u64 = 16 << 20;

/// The version's folder name.
pub(crate) fn folder_name(version: u64) -> String {
    format!("v{version:08}")
}

/// The version of a folder name.
pub(super) fn version_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix('v')?;
    (digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// Writes and syncs a file that is not there yet; what the manifest says of it.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<FileEntry> {
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
    write_new(&beside, bytes)?;
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

/// A file of at most `most` bytes whose length and checksum are what `expected` says.
///
/// # Errors
/// [`ErrorKind::Corrupt`] names the file and what is wrong with it.
pub fn read_checked(path: &Path, expected: &FileEntry, most: u64) -> Result<Vec<u8>> {
    let other_length = |found: u64| corrupt(path, format!("{found} bytes, expected {}", expected.bytes));
    // By its length alone, before any of it is read.
    let length =
        plain::open(path).and_then(|file| file.metadata()).map_err(|error| unreadable(path, &error))?.len();
    if length != expected.bytes {
        return Err(other_length(length));
    }
    let bytes = plain::read(path, most).map_err(|error| unreadable(path, &error))?;
    let found = entry_of(&bytes);
    if found.bytes != expected.bytes {
        return Err(other_length(found.bytes));
    }
    if found.sha256 != expected.sha256 {
        return Err(corrupt(path, format!("SHA-256 {}, expected {}", found.sha256, expected.sha256)));
    }
    Ok(bytes)
}

/// A file of a version that is not there, or that the system does not give.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    corrupt(path, format!("it cannot be read ({error}), expected a file"))
}

/// A file that is not what was written.
pub fn corrupt(path: &Path, problem: impl std::fmt::Display) -> Error {
    let text = format!(
        "snapshot file {}: {problem}; restore it from a copy, or go back to an older version (hmisr model rollback for \
         servers, hmisr train --from VERSION for the trainer), or empty the snapshot folder to learn anew",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, text)
}
