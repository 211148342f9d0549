//! `hmisr fit`: from a data set to weights and figures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::{COLUMNS, hmisr, run, shop, stdout};
use serde_json::Value;

/// A network that takes a second.
const TINY: [&str; 6] =
    ["--set", "model.width=8", "--set", "model.layers=1", "--set", "model.feed_forward=16"];

fn arguments<'a>(data: &'a str, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["fit", "--data", data, "--out", out.to_str().unwrap()][..], &COLUMNS, &TINY, more].concat()
}

fn fit(data: &str, out: &Path, more: &[&str]) -> Output {
    run(&arguments(data, out, more))
}

fn lines(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn epochs_then_figures_then_answers() {
    let folder = tempfile::tempdir().unwrap();
    let data = shop(folder.path());
    let out = folder.path().join("run");
    let told = lines(&fit(&data, &out, &["--json", "--stages", "1,1,2", "--seed", "5"]));
    let epochs: Vec<&str> = told[..4].iter().map(|line| line["stage"].as_str().unwrap()).collect();
    assert_eq!((told.len(), epochs), (5, vec!["coarse", "fine", "all", "all"]));
    let end = &told[4];
    assert_eq!(
        (end["outcome"].as_str(), end["epochs"].as_u64(), end["seed"].as_u64()),
        (Some("done"), Some(4), Some(5))
    );
    // Again: nothing is left to do, and the figures are the same.
    let again = lines(&fit(&data, &out, &["--json", "--stages", "1,1,2", "--seed", "5"]));
    assert_eq!((again.len(), &again[0]), (1, end));
    let arguments = [&["eval", "--data", &data, "--json", "--answers", out.to_str().unwrap()][..], &COLUMNS];
    let report: Value = serde_json::from_str(&stdout(&run(&arguments.concat()))).unwrap();
    assert_eq!(report["models"]["hmisr"]["NDCG@10"], end["test"]["NDCG@10"]);
    assert_eq!(report["models"]["hmisr"]["parameters"], end["parameters"]);
    assert!(report["models"]["hmisr"]["successive"]["HR@10"].is_number());
    assert_eq!(report["fits"][0]["evaluations"][3]["ndcg"], told[3]["ndcg"]);
    let shown = stdout(&fit(&data, &folder.path().join("two"), &["--model", "sasrec", "--epochs", "1"]));
    assert!(shown.contains("sasrec, seed 1: 1 epochs") && shown.contains("test, o2: HR@10"), "{shown}");
}

#[test]
fn an_interrupt_ends_cleanly_and_the_next_start_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = shop(folder.path());
    let (out, whole) = (folder.path().join("stopped"), folder.path().join("whole"));
    let options = ["--json", "--model", "sasrec", "--epochs", "150", "--set", "patience=1000"];
    let child = hmisr()
        .args(arguments(&data, &out, &options))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !out.join("progress.json").exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no epoch was done");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stopped = lines(&output).pop().unwrap();
    // The fit may have been faster than the signal; what follows holds then too.
    assert!(stopped["outcome"] == "stopped" || stopped["epochs"] == 150, "{stopped}");
    let done = lines(&fit(&data, &out, &options)).pop().unwrap();
    let never = lines(&fit(&data, &whole, &options)).pop().unwrap();
    assert_eq!((&done["outcome"], &done["epochs"]), (&"done".into(), &150.into()));
    assert_eq!((&done["test"], &done["best_epoch"]), (&never["test"], &never["best_epoch"]));
    let best = |folder: &Path| std::fs::read(folder.join("best.safetensors")).unwrap();
    assert!(best(&out) == best(&whole), "the same weights");
}

#[test]
fn what_the_user_must_change_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let data = shop(folder.path());
    let out = folder.path().join("run");
    stdout(&fit(&data, &out, &["--model", "sasrec", "--epochs", "1", "--no-eval"]));
    for (more, expected) in [
        (&["--model", "sasrek"][..], "sasrek"),
        (
            &["--set", "model.hmisr.losses.contrst=0"],
            "no such setting of a fit; near are model.hmisr.losses.contrast",
        ),
        (&["--set", "rate=fast"], "--set rate=fast: invalid type"),
        (&["--set", "rate=7"], "setting `rate`: 7 is not"),
        (&["--set", "model.heads=3"], "model.width"),
        (&["--stages", "1,2"], "--stages: 2 numbers, expected three"),
        (&["--epochs", "0"], "setting `stages`: 0 is not"),
        (&["--model", "gru4rec", "--epochs", "1"], "it holds a fit of sasrec, not of gru4rec"),
        (&["--model", "sasrec", "--epochs", "2"], "it was fitted with other settings: stages = "),
        (&["--model", "sasrec", "--epochs", "1", "--protocol", "o1"], "under protocol o2, not o1"),
        (&["--config", "hmisr.toml"], "use --set"),
    ] {
        let output = fit(&data, &out, more);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{more:?}: {text}");
        assert!(text.contains(expected), "{more:?}: {text}");
    }
}
