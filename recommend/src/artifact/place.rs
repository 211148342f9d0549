//! Which version is meant: `DIR`, or `DIR@VERSION`.

use std::path::PathBuf;
use std::str::FromStr;

use super::promoted::served_version;
use super::read::Artifact;
use crate::{Error, ErrorKind, Result};

/// A folder of versions, and perhaps one of them.
///
/// ```
/// use hmisr_recommend::artifact::Place;
///
/// let place: Place = "hmisr-data/snapshots@12".parse().unwrap();
/// assert_eq!((place.folder.to_str(), place.version), (Some("hmisr-data/snapshots"), Some(12)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder.
    pub folder: PathBuf,
    /// The version; none: the one that servers take.
    pub version: Option<u64>,
}

impl Place {
    /// Opens the version.
    ///
    /// # Errors
    /// As [`Artifact::open`] and [`served_version`].
    pub fn open(&self) -> Result<Artifact> {
        let version = match self.version {
            Some(version) => Some(version),
            None => served_version(&self.folder)?,
        };
        Artifact::open(&self.folder, version)
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = |problem: String| Error::new(ErrorKind::Configuration, problem);
        // A folder may have an @ in its name: only what looks like a version is one.
        let (folder, version) = match text.rsplit_once('@') {
            Some((folder, version)) if !version.contains('/') => (folder, Some(version)),
            _ => (text, None),
        };
        let version = version
            .map(|version| {
                let digits = version.strip_prefix('v').unwrap_or(version);
                digits.parse().map_err(|_| {
                    refused(format!(
                        "`{version}` is no version; give a number, as in {folder}@12, or ./{text}/ for the folder"
                    ))
                })
            })
            .transpose()?;
        match folder {
            "" => Err(refused("the folder's name is missing".to_owned())),
            folder => Ok(Self { folder: folder.into(), version }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_stands_after_the_folder() {
        let read = |text: &str| {
            let place: Place = text.parse().unwrap();
            (place.folder.display().to_string(), place.version)
        };
        assert_eq!(read("a/b@12"), ("a/b".to_owned(), Some(12)));
        assert_eq!(read("a/b@v00000012"), ("a/b".to_owned(), Some(12)));
        assert_eq!(read("a@b/c"), ("a@b/c".to_owned(), None));
        let refused = |text: &str| text.parse::<Place>().unwrap_err().to_string();
        assert!(refused("a@b").contains("no version"));
        assert!(refused("@5").contains("missing"));
    }
}
