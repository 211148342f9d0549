//! The texts that are deployed on Arroyo are made from the one source of the maths.
//!
//! `HMISR_REGENERATE=1 cargo test --release --workspace --test features arroyo_texts` (`make udfs`) writes them;
//! without it the test fails where a checked-in text is not what would be written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../udfs")
}

#[test]
fn deployable_texts_are_those_of_the_source() {
    let write = std::env::var_os("HMISR_REGENERATE").is_some();
    let sources = rust_files(&folder().join("sources"));
    assert!(!sources.is_empty());
    for source in &sources {
        let deployed = folder().join(source.file_name().unwrap());
        let expected = bundle(source);
        if write {
            fs::write(&deployed, &expected).unwrap();
        }
        let found = fs::read_to_string(&deployed).unwrap_or_default();
        assert!(
            found == expected,
            "{} is not what {} and the modules that it names give: run 'make udfs'",
            deployed.display(),
            source.display()
        );
    }
    let names = |files: &[PathBuf]| files.iter().map(|file| file.file_name().unwrap().to_owned()).collect();
    let (deployed, expected): (Vec<_>, Vec<_>) = (names(&rust_files(&folder())), names(&sources));
    assert_eq!(deployed, expected, "a text has no source");
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "rs")).collect();
    files.sort();
    files
}

/// A source with each module that stands in a file of its own put in its place.
fn bundle(source: &Path) -> String {
    let name = source.file_name().unwrap().to_str().unwrap();
    let mut text = format!("// Made by 'make udfs' from udfs/sources/{name}: change that, not this.\n\n");
    let mut module = None;
    for line in fs::read_to_string(source).unwrap().lines() {
        if let Some(path) = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            module = Some(source.parent().unwrap().join(path));
            continue;
        }
        let Some(file) = module.take() else {
            text += &format!("{line}\n");
            continue;
        };
        let declaration = line.strip_suffix(';').filter(|line| line.starts_with("mod "));
        let declaration =
            declaration.unwrap_or_else(|| panic!("{name}: no module stands after #[path]: {line}"));
        text += &format!("{declaration} {{\n");
        for line in fs::read_to_string(&file).unwrap().lines() {
            assert!(!line.starts_with("mod "), "{}: a module within a module: {line}", file.display());
            text += if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }.as_str();
        }
        text += "}\n";
    }
    text
}
