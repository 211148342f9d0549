//! What is not a whole version of this format is refused with the file, the finding and the remedy.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use hmisr_recommend::artifact::{Artifact, Manifest};
use hmisr_recommend::{ErrorKind, Recommender};
use serde_json::json;

use crate::common::{ITEMS, replace, set, version};

fn refused(root: &Path, said: &[&str]) {
    let error = Recommender::load(root, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    said.iter().for_each(|said| assert!(error.to_string().contains(said), "{said}: {error}"));
}

fn published() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    version(root.path(), 9);
    root
}

/// The model's weights with one number changed.
fn weights(root: &Path, value: f32) -> Vec<u8> {
    let mut bytes = std::fs::read(root.join("v00000001/model.safetensors")).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn cut_short_or_changed() {
    for name in ["model.safetensors", "catalogue.json", "manifest.json"] {
        let root = published();
        let path = root.path().join("v00000001").join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        refused(root.path(), &[name, "hmisr model rollback"]);
        std::fs::remove_file(&path).unwrap();
        refused(root.path(), &[name, "cannot be read"]);
    }
    let root = published();
    let path = root.path().join("v00000001/model.safetensors");
    std::fs::write(&path, weights(root.path(), 7.5)).unwrap();
    refused(root.path(), &["SHA-256"]);
}

#[test]
fn numbers_that_are_none() {
    for value in [f32::NAN, f32::INFINITY] {
        let root = published();
        replace(root.path(), 1, "model.safetensors", &weights(root.path(), value));
        refused(root.path(), &["tensor `", &value.to_string(), "expected finite numbers"]);
    }
}

#[test]
fn another_architecture_or_size_than_its_weights() {
    let root = published();
    let manifest: Manifest =
        serde_json::from_slice(&std::fs::read(root.path().join("v00000001/manifest.json")).unwrap()).unwrap();
    let mut model = json!(manifest.model);
    model["architecture"] = json!("gru4rec");
    set(root.path(), 1, "model", model.clone());
    refused(root.path(), &["tensor `"]);
    model["architecture"] = json!("hmisr");
    model["width"] = json!(16);
    set(root.path(), 1, "model", model.clone());
    refused(root.path(), &["expected F32"]);
    model["width"] = json!(1_000_000);
    set(root.path(), 1, "model", model.clone());
    refused(root.path(), &["manifest.json", "model.width"]);
    model["width"] = json!(8);
    model["attention_sinks"] = json!(4);
    set(root.path(), 1, "model", model);
    refused(root.path(), &["manifest.json", "attention_sinks"]);
}

#[test]
fn a_catalogue_that_does_not_fit() {
    let root = published();
    let path = root.path().join("v00000001/catalogue.json");
    let items: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let fewer = serde_json::to_vec(&items[1..]).unwrap();
    replace(root.path(), 1, "catalogue.json", &fewer);
    refused(root.path(), &["catalogue.json", &format!("{} items, the manifest says {ITEMS}", ITEMS - 1)]);
    set(root.path(), 1, "items", json!(ITEMS - 1));
    refused(root.path(), &["items.weights"]);
    set(root.path(), 1, "items", json!(ITEMS));
    let mut twice = items.clone();
    twice[1] = twice[0].clone();
    replace(root.path(), 1, "catalogue.json", &serde_json::to_vec(&twice).unwrap());
    refused(root.path(), &["an item stands in it twice"]);
    let mut bare = items;
    bare[3]["categories"] = json!([]);
    replace(root.path(), 1, "catalogue.json", &serde_json::to_vec(&bare).unwrap());
    refused(root.path(), &["catalogue.json", "no category"]);
}

#[test]
fn older_and_newer_formats() {
    for (format, said) in
        [(json!(4), "hmisr model migrate"), (json!(7), "use the build that wrote it"), (json!("6"), "none")]
    {
        let root = published();
        set(root.path(), 1, "format_version", format);
        refused(root.path(), &["manifest.json", "format_version is", said]);
    }
}

#[test]
fn a_field_that_a_newer_writer_adds_is_passed_over() {
    let root = published();
    set(root.path(), 1, "weather", json!("fine"));
    Recommender::load(root.path(), None).unwrap();
    assert_eq!(Artifact::open(root.path(), Some(1)).unwrap().manifest().version, 1);
    set(root.path(), 1, "version", json!(2));
    refused(root.path(), &["it is of version 2, expected 1"]);
}
