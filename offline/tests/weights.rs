//! Weights as others read them: the documented layout, and the reader in Python.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use crate::common::dataset;
use hmisr_model::hmisr::{EncoderKind, HmisrSettings};
use hmisr_model::{ModelSettings, backend};
use hmisr_offline::fit::{FitSettings, Run, Watch, fit};
use hmisr_offline::{Protocol, Split};
use safetensors::SafeTensors;

const ITEMS: usize = 12;

struct Silent;

impl Watch for Silent {}

/// A run of the small size, of one epoch, over the encoder of this name.
fn run(encoder: EncoderKind) -> tempfile::TempDir {
    let walk = |user: u32| (0..8).map(|at| ((user + at) % ITEMS as u32, i64::from(at))).collect();
    let users: Vec<Vec<(u32, i64)>> = (0..6).map(walk).collect();
    let split = Split::new(Protocol::O1, dataset(&users, &[&[0][..]; ITEMS])).unwrap();
    let hmisr = HmisrSettings { encoder, ..HmisrSettings::default() };
    let memory = if encoder == EncoderKind::Attention { 24 } else { 0 };
    let settings = FitSettings {
        stages: [0, 0, 1],
        model: ModelSettings { memory, hmisr, ..ModelSettings::default() },
        ..FitSettings::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let run = Run::open(folder.path(), &settings, &split).unwrap();
    fit(&run, &split, &backend::device().unwrap(), &AtomicBool::new(false), &mut Silent).unwrap();
    folder
}

/// Rows `| `name` | shape | …` of the documentation's section on this encoder.
fn documented(encoder: EncoderKind) -> BTreeMap<String, String> {
    let text = include_str!("../../docs/weights.md");
    let (attention, recurrence) = text.split_once("### Over the recurrence").unwrap();
    let text = if encoder == EncoderKind::Attention { attention } else { recurrence };
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = text.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|cells| (cells[1].trim_matches('`').to_owned(), cells[2].clone())).collect()
}

#[test]
fn every_tensor_is_documented_and_nothing_else() {
    for encoder in [EncoderKind::Attention, EncoderKind::Recurrence] {
        compare(encoder);
    }
}

fn compare(encoder: EncoderKind) {
    let folder = run(encoder);
    let bytes = std::fs::read(folder.path().join("best.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut found = BTreeMap::new();
    for (name, tensor) in file.tensors() {
        let rows =
            if name.starts_with("items.") { "items".to_owned() } else { tensor.shape()[0].to_string() };
        let name = ["layer.0", "layer.1"].iter().fold(name, |name, layer| name.replace(layer, "layer.N"));
        found.insert(name, format!("{rows} × {}", tensor.shape()[1]));
    }
    let documented = documented(encoder);
    let lines = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| -> String {
        one.iter()
            .filter(|row| other.get(row.0) != Some(row.1))
            .map(|(n, s)| format!("| `{n}` | {s} |\n"))
            .collect()
    };
    let (missing, gone) = (lines(&found, &documented), lines(&documented, &found));
    assert!(missing.is_empty() && gone.is_empty(), "docs/weights.md lacks\n{missing}and has\n{gone}");
}

#[test]
fn python_reads_a_run() {
    let script = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../scripts/read_weights.py");
    let folder = run(EncoderKind::Attention);
    let python =
        |arguments: &[&str]| Command::new("python3").arg(&script).arg(folder.path()).args(arguments).output();
    let Ok(listed) = python(&[]) else {
        eprintln!("SKIPPED: there is no python3 to run scripts/read_weights.py with");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("items.weights [12, 64]")
            && listed.lines().count() > documented(EncoderKind::Attention).len(),
        "{listed}"
    );
    let near = String::from_utf8(python(&["--item", "7", "--top", "12"]).unwrap().stdout).unwrap();
    // The same by hand.
    let bytes = std::fs::read(folder.path().join("best.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let weights: Vec<f64> = tensors
        .tensor("items.weights")
        .unwrap()
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|four| f64::from(f32::from_le_bytes(*four)))
        .collect();
    let row = |item: usize| &weights[item * 64..(item + 1) * 64];
    let dot = |one: usize, other: usize| row(one).iter().zip(row(other)).map(|(a, b)| a * b).sum::<f64>();
    let mut expected: Vec<(f64, usize)> = (0..ITEMS)
        .filter(|item| *item != 7)
        .map(|item| (dot(7, item) / (dot(7, 7) * dot(item, item)).sqrt(), item))
        .collect();
    expected.sort_by(|one, other| other.0.total_cmp(&one.0));
    let expected: String = expected.iter().map(|(cosine, item)| format!("{item} {cosine:.4}\n")).collect();
    assert_eq!(near, expected);
    let unknown = python(&["--item", "x"]).unwrap();
    assert!(
        !unknown.status.success()
            && String::from_utf8_lossy(&unknown.stderr).contains("not among the 12 items")
    );
}
