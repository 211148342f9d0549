//! One model with one life: fitted, published, measured, trained on from the stream, promoted, taken back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::path::Path;

use crate::common::{COLUMNS, run, shop, stdout};
use serde_json::Value;

const TINY: [&str; 6] =
    ["--set", "model.width=8", "--set", "model.layers=1", "--set", "model.feed_forward=16"];

fn json(arguments: &[&str]) -> Value {
    let printed = stdout(&run(arguments));
    serde_json::from_str(printed.lines().last().unwrap()).unwrap()
}

fn model(snapshots: &str, arguments: &[&str]) -> String {
    stdout(&run(&[&["model"][..], arguments, &["--snapshots", snapshots]].concat()))
}

fn listed(snapshots: &str) -> Vec<Value> {
    serde_json::from_str(&model(snapshots, &["list", "--json"])).unwrap()
}

fn served(snapshots: &str) -> u64 {
    listed(snapshots).iter().find(|version| version["is_served"] == true).unwrap()["version"]
        .as_u64()
        .unwrap()
}

/// Generates so many events in all through the whole loop, going on from what is published; the newest version.
fn up(data: &Path, events: &str, more: &[&str]) -> u64 {
    let data = data.to_str().unwrap();
    let arguments = [
        &["up", "--until-drained", "--json", "--listen", "127.0.0.1:0", "--data", data, "--generate", events]
            [..],
        &["--set", "trainer.batch_examples=64", "--set", "trainer.snapshot_every_examples=200"],
        &["--set", "trainer.keep_snapshots=50"],
        more,
    ];
    json(&arguments.concat())["snapshot_version"].as_u64().unwrap()
}

#[test]
fn fitted_published_measured_trained_on_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let events = shop(folder.path());
    let (out, data) = (folder.path().join("run"), folder.path().join("data"));
    let snapshots = data.join("snapshots");
    let (out, place) = (out.to_str().unwrap(), snapshots.to_str().unwrap());
    // A loop that began with nothing goes on from the fit later, with the state that it has.
    let begun = up(&data, "300", &[]);
    let fit = ["fit", "--data", &events, "--out", out, "--stages", "1,1,2", "--json", "--publish", place];
    let fitted = json(&[&fit[..], &COLUMNS, &TINY].concat());
    assert_eq!((&fitted["outcome"], &fitted["published"]), (&"done".into(), &(begun + 1).into()));

    let fit_version = (begun + 1).to_string();

    // As measured when it was published, so measured after, and not as the network alone.
    assert_ne!(fitted["test"]["NDCG@10"], fitted["published_test"]["NDCG@10"]);
    let eval = ["eval", "--data", &events, "--json", "--models", "popularity", "--snapshots", place];
    let report = json(&[&eval[..], &COLUMNS].concat());
    for measure in ["HR@10", "NDCG@10", "ILD@10"] {
        assert_eq!(
            report["models"][&format!("hmisr@{}", begun + 1)][measure],
            fitted["published_test"][measure],
            "{measure}"
        );
    }
    assert!(report["models"]["popularity"]["NDCG@10"].is_number());

    // The stream goes on from it, with its model and not the default one.
    let newest = up(&data, "1000", &[]);
    assert!(newest > begun + 1, "{newest}");
    let shown: Value = serde_json::from_str(&model(place, &["show", &newest.to_string(), "--json"])).unwrap();
    assert_eq!((&shown["model"]["width"], &shown["fitted"]["data"]), (&8.into(), &"shop".into()));
    assert_eq!(shown["lessons"][0]["stage"], "coarse");
    assert!(shown["examples"].as_u64().unwrap() > 0 && shown["step"].as_u64() > fitted["epochs"].as_u64());
    assert!(shown["metrics"]["overall"]["served"].as_u64().unwrap() > 0, "{shown}");
    let asked = run(&[&eval[..], &COLUMNS].concat());
    let warned = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(warned.contains("may hold the events that it is asked for"), "{warned}");

    assert_eq!(served(place), newest);
    assert!(model(place, &["list"]).contains("(newest, served)"));
    assert!(model(place, &["diff", &fit_version, &newest.to_string()]).contains("weights that moved most"));

    // Back to the fit, and published versions do not override it until it is released.
    assert!(
        model(place, &["promote", &fit_version]).contains(&format!("servers take version {fit_version}"))
    );
    let later = up(&data, "1500", &[]);
    assert!(later > newest);
    assert_eq!(served(place), begun + 1);
    assert!(model(place, &["release"]).contains(&format!("version {fit_version} is released")));
    assert_eq!(served(place), later);
    model(place, &["rollback"]);
    let back = served(place);
    assert!(back < later);
    model(place, &["prune", "--keep", "1"]);
    let left: Vec<u64> = listed(place).iter().map(|version| version["version"].as_u64().unwrap()).collect();
    assert_eq!(left, [back, later]);

    // The trainer goes on from an older version where it is told to, and from what came of it afterwards.
    model(place, &["release"]);
    let text = model(place, &["prune", "--after", &back.to_string()]);
    assert!(text.contains(&format!("[{later}]")), "{text}");
    assert_eq!(served(place), back);
    // The trainer goes on after a prune although its journal followed what is gone, and from an older version.
    let after = up(&data, "2000", &[]);
    assert!(after > later, "a number is never given twice: {after}");
    let old = back.to_string();
    let from = up(&data, "2200", &["--from", &old]);
    let shown: Value = serde_json::from_str(&model(place, &["show", &from.to_string(), "--json"])).unwrap();
    assert_eq!(shown["from"], back);
    assert!(from > after);
    for wrong in [&["show", "99"][..], &["promote", "99"], &["diff", "99", "99"], &["prune", "--after", "99"]]
    {
        let output = run(&[&["model"][..], wrong, &["--snapshots", place]].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {text}");
        assert!(text.contains("99") && text.contains("hmisr model list"), "{wrong:?}: {text}");
    }
}
