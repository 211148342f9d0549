//! What several tests need.

use std::path::Path;

use hmisr_datasets::{Format, Options, Reader, Summary};
use tempfile::TempDir;

/// A folder with the given files.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// Options from `name=value` pairs, as on the command line.
pub fn options(pairs: &[(&str, &str)]) -> Options {
    let mut options = Options::default();
    for &(name, value) in pairs {
        let text = Some(value.to_owned());
        match name {
            "user" => options.user_column = text,
            "item" => options.item_column = text,
            "time" => options.time_column = text,
            "category" => options.category_columns.push(value.to_owned()),
            "action" => options.action_column = text,
            "weight" => options.weight_column = text,
            "delimiter" => options.delimiter = Some(value.parse().unwrap()),
            "no-header" => options.no_header = true,
            "format" => options.time_format = text,
            "unit" => options.time_unit = text,
            "separator" => options.category_separator = text,
            _ => panic!("no option {name}"),
        }
    }
    options
}

/// Each event as `user item category action ts weight`, and the summary.
pub fn read_with(path: &Path, format: Format, options: &Options) -> Result<(Vec<String>, Summary), String> {
    let told = |error: hmisr_datasets::Error| {
        assert!(error.is_users(), "{error:?}");
        error.to_string()
    };
    let mut reader = Reader::open(path, format, options).map_err(told)?;
    let mut events = Vec::new();
    while let Some(record) = reader.next().map_err(told)? {
        let category = reader.categories(&record).first().map_or("-".to_owned(), ToString::to_string);
        let weight = record.weight.map_or(String::new(), |weight| format!(" {weight}"));
        let (user, item, action, ts) = (&record.user, &record.item, &record.action, record.ts_ms);
        events.push(format!("{user} {item} {category} {action} {ts}{weight}"));
    }
    let summary = reader.summary().clone();
    assert_eq!(
        (summary.events, summary.rows),
        (events.len() as u64, summary.events + summary.rejected_rows())
    );
    assert_eq!(reader.share_read(), 1.0);
    Ok((events, summary))
}

/// The same by the files alone.
pub fn read(path: &Path) -> (Vec<String>, Summary) {
    read_with(path, Format::Auto, &Options::default()).unwrap()
}

/// The events of one file of this name.
pub fn events(name: &str, content: impl AsRef<[u8]>) -> Vec<String> {
    read(folder(&[(name, content.as_ref())]).path()).0
}

/// The error for one file of this name.
pub fn refused(name: &str, content: impl AsRef<[u8]>, pairs: &[(&str, &str)]) -> String {
    let folder = folder(&[(name, content.as_ref())]);
    let found = read_with(folder.path(), Format::Auto, &options(pairs));
    found.map(|(events, _)| events).unwrap_err()
}

/// Makes sure that a text has each of these parts.
pub fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}
