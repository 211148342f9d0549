//! `hmisr eval`: from files to figures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::path::Path;

use crate::common::{COLUMNS, run, shop, stdout};
use serde_json::Value;

fn eval(data: &str, arguments: &[&str]) -> std::process::Output {
    run(&[&["eval", "--data", data][..], &COLUMNS, arguments].concat())
}

#[test]
fn figures_tables_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let data = shop(folder.path());
    let report = folder.path().join("report");
    let arguments = ["--pareto", "--reference", "markov", "--json", "--report", report.to_str().unwrap()];
    let found: Value = serde_json::from_str(&stdout(&eval(&data, &arguments))).unwrap();
    assert_eq!((found["protocol"].as_str(), found["data"]["items"].as_u64()), (Some("o2"), Some(30)));
    assert_eq!(found["models"]["markov"]["HR@5"].as_f64(), Some(1.0), "every step was seen before");
    assert_eq!(found["models"]["markov"]["successive"]["HR@5"].as_f64(), Some(1.0));
    assert!(found["models"]["popularity"]["HR@5"].as_f64() < Some(0.9));
    let sources = found["models"]["counts"]["sources"].as_object().unwrap();
    assert!(
        (7..=8).contains(&sources.len()) && found["models"]["markov"].get("sources").is_none(),
        "{sources:?}"
    );
    assert_eq!(found["models"]["trinity"]["pareto"][0]["points"].as_array().unwrap().len(), 11);
    let written: Value = serde_json::from_slice(&std::fs::read(report.join("report.json")).unwrap()).unwrap();
    assert_eq!(written, found);
    let tables = std::fs::read_to_string(report.join("report.md")).unwrap();
    assert!(
        tables.contains("## Against markov")
            && tables.contains("--data shop.csv")
            && tables.contains("--pareto --reference markov"),
        "{tables}"
    );
    assert!(std::fs::read_to_string(report.join("pareto.svg")).unwrap().contains("trinity"));
    let few = stdout(&eval(&data, &["--models", "markov", "--successive-cases", "10", "--json"]));
    let few: Value = serde_json::from_str(&few).unwrap();
    let asked = few["models"]["markov"]["successive"]["cases"].as_u64().unwrap();
    assert!((6..=10).contains(&asked) && few["data"]["successive_cases"].as_u64() > Some(20), "{asked}");
    let shown = stdout(&eval(&data, &["--protocol", "o1", "--models", "markov"]));
    assert!(shown.contains("# shop under o1") && shown.contains("| markov | 1.0000 ± 0.0000 |"), "{shown}");
}

/// A network that takes a second.
const TINY: [&str; 10] = [
    "--epochs",
    "3",
    "--set",
    "model.width=8",
    "--set",
    "model.layers=1",
    "--set",
    "model.feed_forward=16",
    "--set",
    "model.interests=2",
];

#[test]
fn runs_are_made_once_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let data = shop(folder.path());
    let (runs, report) = (folder.path().join("runs"), folder.path().join("report"));
    let (runs, report) = (runs.to_str().unwrap(), report.to_str().unwrap());
    let made = |arguments: &[&str]| -> Value {
        let common = ["--json", "--runs", runs, "--pareto", "--mmr-loss", "0.1"];
        serde_json::from_str(&stdout(&eval(&data, &[&common, &TINY[..], arguments].concat()))).unwrap()
    };
    let first = made(&["--models", "trinity,sasrec", "--seeds", "1,2"]);
    let place = Path::new(runs).join("shop-o2/sasrec/seed-2");
    for file in
        ["run.json", "items.json", "progress.json", "best.safetensors", "answers-validation.safetensors"]
    {
        assert!(place.join(file).is_file(), "{file}");
    }
    let sasrec = &first["models"]["sasrec"];
    assert!(sasrec["parameters"].as_u64() > Some(240) && sasrec["fit_seconds"].as_f64() > Some(0.0));
    assert_eq!(sasrec["seeds"].as_object().unwrap().len(), 2);
    assert_eq!(first["fits"][1]["evaluations"].as_array().unwrap().len(), 3);
    // Nothing is fitted or asked again; further models join.
    let written = |file: &str| std::fs::metadata(place.join(file)).unwrap().modified().unwrap();
    let before = ["best.safetensors", "answers-test.safetensors"].map(written);
    let more = made(&[
        "--models",
        "markov,trinity,sasrec",
        "--seeds",
        "1,2",
        "--ablate",
        "--reference",
        "sasrec",
        "--report",
        report,
    ]);
    assert_eq!(before, ["best.safetensors", "answers-test.safetensors"].map(written));
    assert_eq!(
        (&more["models"]["sasrec"], &more["models"]["trinity"]),
        (sasrec, &first["models"]["trinity"])
    );
    let written = |file: &str| std::fs::read_to_string(Path::new(report).join(file)).unwrap();
    let tables = written("report.md");
    let of = |title: &str| {
        let from = tables.find(title).unwrap_or_else(|| panic!("no {title} in {tables}"));
        tables[from + title.len()..].split("\n## ").next().unwrap().to_owned()
    };
    let ablation = of("\n## Ablation");
    for part in [
        "intents",
        "exchange",
        "memory",
        "stages",
        "aggregation",
        "reconstruction",
        "orthogonality",
        "balance",
        "contrast",
    ]
    .into_iter()
    .chain(["consistency", "stability", "ranking"])
    {
        assert!(ablation.contains(&format!("| hmisr-without-{part} |")), "{part}: {ablation}");
    }
    assert!(!ablation.contains("| markov |") && !of("\n## Against sasrec").contains("without"));
    let fits = of("\n## Fits");
    assert!(
        fits.contains("hmisr-without-contrast differs by `model.hmisr.losses.contrast = 0.0`, "),
        "{fits}"
    );
    assert!(fits.contains("hmisr differs by `model.memory = 24`"), "{fits}");
    assert!(fits.contains("batch_events = 1600"), "{fits}");
    assert!(
        fits.contains("hmisr-without-stages differs by `model.memory = 24`, `stages = [0,0,3]`"),
        "{fits}"
    );
    assert!(!Path::new(runs).join("shop-o2/hmisr-without-aggregation/seed-1/best.safetensors").exists());
    assert!(
        written("learning.svg").contains("sasrec")
            && !written("learning.svg").contains("without")
            && written("pareto.svg").contains("sasrec")
    );
    let files: Vec<_> = std::fs::read_dir(report).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    // Another setting does not mix with what is there.
    let other = eval(&data, &["--models", "sasrec", "--runs", runs, "--epochs", "4"]);
    let text = String::from_utf8(other.stderr).unwrap();
    assert!(other.status.code() == Some(2) && text.contains("with other settings: "), "{text}");
}

#[test]
fn stored_answers_give_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let data = shop(folder.path());
    let report = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (first, second) = (report("first"), report("second"));
    let made = |arguments: &[&str]| -> Value {
        serde_json::from_str(&stdout(&eval(&data, &[arguments, &["--json", "--mmr-loss", "0.1"]].concat())))
            .unwrap()
    };
    let one = made(&["--models", "trinity", "--seeds", "1", "--runs", &first]);
    made(&["--models", "trinity,markov", "--seeds", "2", "--runs", &second]);
    let again = made(&["--answers", &first]);
    assert_eq!(again["models"], one["models"]);
    let both = made(&["--answers", &first, "--answers", &second]);
    let trinity = &both["models"]["trinity"];
    let seed = |seed: &str| trinity["seeds"][seed]["MRR@10"].as_f64().unwrap();
    assert!((trinity["MRR@10"].as_f64().unwrap() - (seed("1") + seed("2")) / 2.0).abs() < 1e-12);
    assert!(both["models"]["markov+mmr"]["lambda"]["2"].is_number());
    let text = String::from_utf8(eval(&data, &["--protocol", "o1", "--answers", &first]).stderr).unwrap();
    assert!(text.contains("are to another data set, protocol or filter"), "{text}");
}

#[test]
fn what_the_user_must_change_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let data = shop(folder.path());
    for (arguments, expected) in [
        (
            &["--models", "sasrek"][..],
            "--models sasrek: expected popularity, markov, trinity, counts, hmisr, sasrec",
        ),
        (&["--models", "sasrec"], "--models sasrec: a network is fitted; name a folder for that with --runs"),
        (&["--set", "rate=1"], "--set: no network is fitted here"),
        (&["--answers", folder.path().to_str().unwrap()], "no answers-*.safetensors in it"),
        (
            &["--reference", "sasrec"],
            "--reference sasrec: no such model here; expected one of popularity, markov, trinity, counts",
        ),
        (&["--protocol", "o3"], "expected o1"),
        (&["--core", "100"], "use a lower core"),
        (&["--format", "taobao"], "no column shopper among the columns, which have no header (user, item"),
        (&["--report", &data], "cannot be written"),
    ] {
        let output = eval(&data, arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    let output = run(&["eval", "--data", &data]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("no column for the user in the header (shopper, thing, at, kind)"), "{text}");
}
