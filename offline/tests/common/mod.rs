//! What several tests need.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};

use hmisr_datasets::{Format, Options};
use hmisr_offline::{Dataset, Event};
use tempfile::TempDir;

/// A folder with the given files.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

pub fn load(path: &Path) -> Dataset {
    Dataset::load(path, Format::Auto, &Options::default()).unwrap()
}

/// The same, of times that are small numbers of seconds.
pub fn load_seconds(path: &Path) -> Dataset {
    Dataset::load(path, Format::Auto, &seconds()).unwrap()
}

pub fn seconds() -> Options {
    Options { time_unit: Some("s".to_owned()), ..Options::default() }
}

/// The text of the error, which must be one that the user can mend.
pub fn refusal(path: &Path, format: Format) -> String {
    let error = Dataset::load(path, format, &seconds()).unwrap_err();
    assert!(error.is_users(), "{error}");
    error.to_string()
}

/// A data set in the folder that `HMISR_DATA_DIR` names; says so where it is absent.
pub fn data(name: &str) -> Option<PathBuf> {
    let Some(data) = std::env::var_os("HMISR_DATA_DIR") else {
        eprintln!("SKIPPED: {name} is looked for in HMISR_DATA_DIR, which is not set");
        return None;
    };
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..").join(data).join(name);
    if !path.exists() {
        eprintln!("SKIPPED: HMISR_DATA_DIR holds no {name}: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// A data set from users' lists of (item, time in ms), with one category per item as given.
pub fn dataset(events: &[Vec<(u32, i64)>], item_categories: &[&[u32]]) -> Dataset {
    let categories = item_categories.iter().flat_map(|all| all.iter()).max().map_or(1, |most| most + 1);
    Dataset {
        name: "small".to_owned(),
        users: (0..events.len() as u32).map(Into::into).collect(),
        items: (0..item_categories.len() as u32).map(Into::into).collect(),
        events: events
            .iter()
            .map(|events| events.iter().map(|&(item, ts_ms)| Event::new(item, ts_ms)).collect())
            .collect(),
        item_categories: item_categories.iter().map(|all| all.to_vec()).collect(),
        categories: (0..categories).map(|category| format!("c{category}")).collect(),
        actions: vec!["click".to_owned()],
        repeats: false,
        notes: Default::default(),
        reading: Default::default(),
    }
}
