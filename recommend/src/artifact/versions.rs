//! The versions of a folder.

use std::fs;
use std::io::ErrorKind as Io;
use std::path::Path;

use super::files::{POINTER, POINTER_BYTES, folder_name, replace, sync, version_of};
use super::promoted::promoted;
use super::read::Artifact;
use crate::{Error, ErrorKind, Result, plain};

/// Names the version that is published next, where the newest ones were removed.
const NEXT: &str = "NEXT";

/// The newest published version below `root`; none where there is none. One small read: cheap
/// enough to ask every second.
///
/// # Errors
/// [`ErrorKind::Io`], and [`ErrorKind::Corrupt`] where the pointer does not name a version.
pub fn latest_version(root: &Path) -> Result<Option<u64>> {
    match named(&root.join(POINTER), "write the newest one's name into it")? {
        Some(version) => Ok(Some(version)),
        // A crash between the first version's rename and its pointer; a folder under its own name
        // is complete.
        None => Ok(versions(root)?.last().copied()),
    }
}

/// The version that a file names, which is written anew by `remedy` where it names none; none where there is no
/// such file.
pub(super) fn named(path: &Path, remedy: &str) -> Result<Option<u64>> {
    match plain::read(path, POINTER_BYTES) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            version_of(text.trim()).map(Some).ok_or_else(|| {
                Error::new(
                    ErrorKind::Corrupt,
                    format!(
                        "{}: {:?} is not a version's folder name such as v00000012; {remedy}",
                        path.display(),
                        text.chars().take(40).collect::<String>()
                    ),
                )
            })
        }
        Err(error) if error.kind() == Io::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

/// Versions whose folders lie below `root`, ascending.
///
/// # Errors
/// [`ErrorKind::Io`] where the folder cannot be listed.
pub fn versions(root: &Path) -> Result<Vec<u64>> {
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

/// The number of the version that is published next: greater than any before, also of those that were removed.
pub(super) fn next_version(root: &Path) -> Result<u64> {
    let newest = versions(root)?.last().copied().max(latest_version(root)?).unwrap_or(0);
    let next = named(&root.join(NEXT), "remove it: versions are then counted on from the newest")?;
    Ok((newest + 1).max(next.unwrap_or(0)))
}

/// Removes a version.
///
/// # Errors
/// [`ErrorKind::Configuration`] where it is the newest one or the promoted one, [`ErrorKind::Missing`] where there
/// is none, [`ErrorKind::Io`].
pub fn remove(root: &Path, version: u64) -> Result<()> {
    let refused = |why: &str| {
        let text = format!("version {version} in {} is not removed: it is {why}", root.display());
        Err(Error::new(ErrorKind::Configuration, text))
    };
    if promoted(root)? == Some(version) {
        return refused("promoted, and servers take it; release it first (hmisr model release)");
    }
    if latest_version(root)? == Some(version) {
        return refused("the newest, from which training goes on");
    }
    let folder = root.join(folder_name(version));
    match fs::remove_dir_all(&folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == Io::NotFound => Err(missing(root, version)),
        Err(error) => Err(Error::io("remove", &folder, error)),
    }
}

/// Removes every version after `version`, which is the newest then. For whoever holds the
/// [`FolderLock`](super::FolderLock): the writer of the folder must not be running.
///
/// # Errors
/// [`ErrorKind::Missing`] where there is no such version, [`ErrorKind::Io`].
pub fn remove_after(root: &Path, version: u64) -> Result<()> {
    let all = versions(root)?;
    if !all.contains(&version) {
        return Err(missing(root, version));
    }
    // What is to be the newest must be whole, or all that was learnt would go.
    Artifact::open(root, Some(version))?.whole()?;
    // A number is never given twice: servers know a version by it.
    let next = next_version(root)?;
    replace(&root.join(NEXT), format!("{}\n", folder_name(next)).as_bytes())?;
    // The pointer first: a crash between leaves versions that nothing names.
    replace(&root.join(POINTER), format!("{}\n", folder_name(version)).as_bytes())?;
    sync(root)?;
    for later in all.into_iter().filter(|later| *later > version).rev() {
        remove(root, later)?;
    }
    Ok(())
}

/// A version that is not there.
pub(super) fn missing(root: &Path, version: u64) -> Error {
    let known = versions(root).unwrap_or_default();
    let known = match (known.first(), known.last()) {
        (Some(first), Some(last)) if first != last => format!("{} versions, {first} to {last}", known.len()),
        (Some(only), _) => format!("version {only} alone"),
        _ => "no version".to_owned(),
    };
    let text = format!(
        "there is no version {version} in {}, which holds {known}; see hmisr model list",
        root.display()
    );
    Error::new(ErrorKind::Missing, text)
}
