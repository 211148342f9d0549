//! One writer a folder: two that publish to the same one would undo each other's work.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::{Error, ErrorKind, Result, plain};

// The name from when only trainers published: builds of before and after exclude each other.
const NAME: &str = "trainer.lock";
/// What is read of a holder's name, bytes.
const HOLDER_BYTES: u64 = 256;

/// The right to write a snapshot folder, held until it is dropped or its process ends, however that ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the right to write `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] names who holds it; [`ErrorKind::Io`].
    pub fn take(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        let path = folder.join(NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file =
            plain::open_with(&path, &mut options).map_err(|error| Error::io("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy(folder, &holder(&file))),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path, error)),
        }
        // Only for people; the lock is what holds.
        let named = format!("process {} on {}\n", std::process::id(), host());
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(named.as_bytes()))
            .map_err(|error| Error::io("write", &path, error))?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &File) -> String {
    let mut text = Vec::new();
    let _ = file.take(HOLDER_BYTES).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    let name: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    if name.is_empty() { "another process".to_owned() } else { name }
}

fn busy(folder: &Path, holder: &str) -> Error {
    let text = format!(
        "the snapshot folder {} is written by another process, {holder}: one process writes a folder at a time (a trainer, a fit, a migration); stop that \
         one, or give this one another folder",
        folder.display()
    );
    Error::new(ErrorKind::Busy, text)
}

fn host() -> String {
    let name = plain::read(Path::new("/proc/sys/kernel/hostname"), HOLDER_BYTES).unwrap_or_default();
    let name = String::from_utf8_lossy(&name).trim().to_owned();
    if name.is_empty() { "this machine".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_with_the_first_ones_name_until_that_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("new/snapshots");
        let first = FolderLock::take(&place).unwrap();
        let error = FolderLock::take(&place).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        let holder = format!("process {} on ", std::process::id());
        assert!(error.to_string().contains(&holder) && error.to_string().contains("snapshots"), "{error}");
        FolderLock::take(folder.path()).unwrap();
        drop(first);
        FolderLock::take(&place).unwrap();
    }
}
