//! Folders.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;

/// Copies all that a folder holds into another, which is made where it is not there.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}
