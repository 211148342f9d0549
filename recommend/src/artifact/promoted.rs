//! Which version servers take: the newest, unless one is promoted.

use std::fs;
use std::io::ErrorKind as Io;
use std::path::Path;

use super::files::{folder_name, replace, sync};
use super::read::Artifact;
use super::versions::{latest_version, named};
use crate::{Error, Result};

const PROMOTED: &str = "PROMOTED";

/// The version that servers take whatever is published; none where they take the newest.
///
/// # Errors
/// As [`latest_version`].
pub fn promoted(root: &Path) -> Result<Option<u64>> {
    named(&root.join(PROMOTED), "promote a version once more, or release it (hmisr model release)")
}

/// The version that servers take. Two small reads: cheap enough to ask every second.
///
/// # Errors
/// As [`latest_version`].
pub fn served_version(root: &Path) -> Result<Option<u64>> {
    match promoted(root)? {
        Some(version) => Ok(Some(version)),
        None => latest_version(root),
    }
}

/// Has servers take `version`, whatever is published after it, until another is promoted or it is released.
/// The version is read whole first: what cannot be served is not promoted.
///
/// # Errors
/// [`ErrorKind::Missing`](crate::ErrorKind::Missing) where there is no such version,
/// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) where it is not whole, and those of the file system.
pub fn promote(root: &Path, version: u64) -> Result<()> {
    Artifact::open(root, Some(version))?.published()?;
    replace(&root.join(PROMOTED), format!("{}\n", folder_name(version)).as_bytes())?;
    sync(root)?;
    // A trainer may have removed it while it was read: from here on it does not.
    match Artifact::open(root, Some(version)) {
        Ok(_) => Ok(()),
        Err(error) => release(root).and(Err(error)),
    }
}

/// Has servers take the newest version again; whether one was promoted.
///
/// # Errors
/// Those of the file system.
pub fn release(root: &Path) -> Result<bool> {
    let path = root.join(PROMOTED);
    match fs::remove_file(&path) {
        Ok(()) => sync(root).map(|()| true),
        Err(error) if error.kind() == Io::NotFound => Ok(false),
        Err(error) => Err(Error::io("remove", &path, error)),
    }
}
