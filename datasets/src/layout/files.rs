//! The files of a path: one, or those of a folder.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::options::Format;

/// Endings of compressed files, which count for nothing in a name.
const COMPRESSED: [&str; 3] = [".gz", ".zst", ".zstd"];

/// A file or a folder.
pub(crate) struct Files {
    root: PathBuf,
    is_folder: bool,
    /// The files by their names in small letters, without the ending of a compression, sorted.
    all: Vec<(String, PathBuf)>,
}

impl Files {
    pub(crate) fn of(path: &Path, format: Format) -> Result<Self> {
        let is_folder = match std::fs::metadata(path) {
            Ok(kind) if kind.is_file() => false,
            Ok(kind) if kind.is_dir() => true,
            // A pipe cannot be read again after a restart.
            Ok(_) => return Err(Error::input(path, "neither a file nor a folder", format.expected())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::input(path, "no such file or folder", format.expected()));
            }
            Err(error) => return Err(Error::io(path, "looking at it", error)),
        };
        let all = if is_folder { list(path)? } else { vec![(plain_name(path), path.to_owned())] };
        Ok(Self { root: path.to_owned(), is_folder, all })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The file, where the path is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        (!self.is_folder).then_some(&*self.root)
    }

    /// The file of this name.
    pub(crate) fn named(&self, name: &str) -> Option<PathBuf> {
        let name = name.to_lowercase();
        self.all.iter().find(|(own, _)| *own == name).map(|(_, path)| path.clone())
    }

    /// The files whose names, in small letters, fit.
    fn fitting(&self, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        self.all.iter().filter(|(name, _)| fits(name)).map(|(_, path)| path.clone()).collect()
    }

    /// The same, to be read one after the other: none may be there both compressed and not.
    pub(crate) fn each(&self, fits: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
        let found = self.fitting(fits);
        for pair in found.windows(2) {
            if plain_name(&pair[0]) == plain_name(&pair[1]) {
                let (one, other) = (shown_name(&pair[0]), shown_name(&pair[1]));
                let problem =
                    format!("{one} and {other} are one file by their names, and would be read twice");
                let remedy = "move one of them away, or name the one that is meant";
                return Err(Error::unclear(&self.root, problem, remedy));
            }
        }
        Ok(found)
    }

    /// The one file whose name fits; none where there is none, an error where there are several.
    pub(crate) fn only(&self, fits: impl Fn(&str) -> bool) -> Result<Option<PathBuf>> {
        let mut found = self.fitting(fits);
        if found.len() > 1 {
            let names: Vec<String> = found.iter().map(|path| shown_name(path)).collect();
            let problem = format!("several files could be the events: {}", names.join(", "));
            return Err(Error::unclear(&self.root, problem, "name the file itself"));
        }
        Ok(found.pop())
    }

    /// A file of this name beside `events`.
    pub(crate) fn beside(events: &Path, name: &str) -> Option<PathBuf> {
        Self::all_beside(events, |own| own == name).ok()?.pop()
    }

    /// The files beside `events` whose names, in small letters, fit.
    pub(crate) fn all_beside(events: &Path, fits: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
        let folder =
            events.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(list(folder)?.into_iter().filter(|(name, _)| fits(name)).map(|(_, path)| path).collect())
    }
}

/// The files of a folder by name.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let listing = |error| Error::io(folder, "listing it", error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(listing)? {
        let path = entry.map_err(listing)?.path();
        if path.is_file() {
            files.push((plain_name(&path), path));
        }
    }
    files.sort();
    Ok(files)
}

/// A file's name in small letters, without the ending of a compression.
pub(crate) fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let ending = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending));
    ending.map_or_else(|| name.clone(), str::to_owned)
}

/// A file's name as it stands.
pub(crate) fn shown_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
