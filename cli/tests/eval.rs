//! `hmisr eval`: from files to figures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod common;

use std::path::Path;

use common::{run, stdout};
use serde_json::Value;

/// A shop of 30 items in which everyone buys the next item after each.
fn shop(folder: &Path) -> String {
    let mut rows = "shopper,thing,at,kind\n".to_owned();
    for shopper in 0..60 {
        for at in 0..12 {
            let thing = (shopper + at) % 30;
            rows += &format!("s{shopper},{thing},{},k{}\n", 1_700_000_000 + at * 100 + shopper, thing % 4);
        }
    }
    let path = folder.join("shop.csv");
    std::fs::write(&path, rows).unwrap();
    path.to_str().unwrap().to_owned()
}

const COLUMNS: [&str; 8] = [
    "--user-column",
    "shopper",
    "--item-column",
    "thing",
    "--time-column",
    "at",
    "--category-column",
    "kind",
];

fn eval(data: &str, arguments: &[&str]) -> std::process::Output {
    run(&[&["eval", "--data", data][..], &COLUMNS, arguments].concat())
}

#[test]
fn figures_tables_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let data = shop(folder.path());
    let report = folder.path().join("report");
    let arguments =
        ["--successive", "--pareto", "--reference", "markov", "--json", "--report", report.to_str().unwrap()];
    let found: Value = serde_json::from_str(&stdout(&eval(&data, &arguments))).unwrap();
    assert_eq!((found["protocol"].as_str(), found["data"]["items"].as_u64()), (Some("o2"), Some(30)));
    assert_eq!(found["models"]["markov"]["HR@5"].as_f64(), Some(1.0), "every step was seen before");
    assert_eq!(found["models"]["markov"]["successive"]["HR@5"].as_f64(), Some(1.0));
    assert!(found["models"]["popularity"]["HR@5"].as_f64() < Some(0.9));
    assert_eq!(found["models"]["trinity"]["pareto"].as_array().unwrap().len(), 11);
    let written: Value = serde_json::from_slice(&std::fs::read(report.join("report.json")).unwrap()).unwrap();
    assert_eq!(written, found);
    let tables = std::fs::read_to_string(report.join("report.md")).unwrap();
    assert!(tables.contains("## Against markov") && tables.contains("--successive --pareto"), "{tables}");
    assert!(std::fs::read_to_string(report.join("pareto.svg")).unwrap().contains("trinity"));
    assert!(report.join("markov-1-test.safetensors").is_file());
    let shown = stdout(&eval(&data, &["--protocol", "o1", "--models", "markov"]));
    assert!(shown.contains("# shop under o1") && shown.contains("| markov | 1.0000 ± 0.0000 |"), "{shown}");
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
    let one = made(&["--models", "trinity", "--seed", "1", "--report", &first]);
    made(&["--models", "trinity,markov", "--seed", "2", "--report", &second]);
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
        (&["--models", "sasrek"][..], "--models sasrek: expected"),
        (
            &["--reference", "sasrec"],
            "--reference sasrec: no such model here; expected one of popularity, markov, trinity",
        ),
        (&["--protocol", "o3"], "expected o1"),
        (&["--core", "100"], "use a lower core"),
        (&["--format", "taobao"], "takes no column names"),
        (&["--report", &data], "cannot be written"),
    ] {
        let output = eval(&data, arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    let output = run(&["eval", "--data", &data]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("no column user or user_id or userId in the header (shopper, thing, at, kind)"),
        "{text}"
    );
}
