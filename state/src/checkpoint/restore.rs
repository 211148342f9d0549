//! From the object store to a folder that can be opened.

use std::ops::RangeBounds;
use std::path::Path;

use super::manifest::Manifest;
use super::{PartitionCheckpoints, local};
use crate::{Error, ErrorKind, Result};

impl PartitionCheckpoints {
    /// Brings the newest checkpoint whose offset is in `range` into `folder`, which is made anew,
    /// every file checked by its hash. A damaged checkpoint goes to
    /// `damaged` and the next older one is tried. Answers none where there is no usable one.
    ///
    /// # Errors
    /// Kind `Unavailable` where object store or disk fails.
    pub fn download(
        &self,
        folder: &Path,
        range: impl RangeBounds<i64>,
        mut damaged: impl FnMut(&Error),
    ) -> Result<Option<Manifest>> {
        for offset in self.offsets()? {
            if !range.contains(&offset) {
                continue;
            }
            match self.manifest(offset).and_then(|manifest| self.fetch(manifest, folder)) {
                Ok(manifest) => return Ok(Some(manifest)),
                Err(error) if error.kind() == ErrorKind::Corrupt => damaged(&error),
                Err(error) => return Err(error),
            }
        }
        remove(folder)?;
        Ok(None)
    }

    fn fetch(&self, manifest: Manifest, folder: &Path) -> Result<Manifest> {
        remove(folder)?;
        std::fs::create_dir_all(folder).map_err(|error| local(folder, error))?;
        for file in &manifest.files {
            let found = self.objects.download(&file.object(), &folder.join(&file.name), file.bytes)?;
            if found.as_ref() != Some(&file.sha256) {
                let what =
                    if found.is_some() { "has another content" } else { "is missing or has another length" };
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!(
                        "checkpoint of offset {} in {}: its file {} ({}) {what}",
                        manifest.next_offset,
                        self.describe(),
                        file.name,
                        self.objects.show(&file.object())
                    ),
                ));
            }
        }
        // Its entries must be there before it is put in place.
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| local(folder, error))?;
        Ok(manifest)
    }
}

/// Puts a downloaded folder in the place of `path`, where nothing or an empty folder is.
///
/// # Errors
/// Kind `Unavailable`.
pub fn put_in_place(downloaded: &Path, path: &Path) -> Result<()> {
    std::fs::rename(downloaded, path).map_err(|error| local(path, error))?;
    let parent = path.parent().unwrap_or(path);
    std::fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(|error| local(parent, error))
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(local(folder, error)),
        _ => Ok(()),
    }
}
