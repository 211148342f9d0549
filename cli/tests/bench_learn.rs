//! `hmisr bench learn` learns from what the job makes of events, as the loop does.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::common::{run, stdout};
use serde_json::Value;

const SMALL: [&str; 10] = [
    "bench",
    "learn",
    "--generate",
    "6000",
    "--set",
    "trainer.batch_examples=128",
    "--set",
    "feed.generator.users=60",
    "--set",
    "trainer.model.width=16",
];

#[test]
fn the_loops_own_step_is_timed() {
    for model in ["hmisr", "recurrence"] {
        let asked = ["--warm-up", "1000", "--examples", "2000", "--len", "20", "--model", model, "--json"];
        let output = run(&[SMALL.as_slice(), &asked].concat());
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let number = |name: &str| report[name].as_f64().unwrap();
        assert_eq!((report["model"].as_str(), number("examples")), (Some(model), 2_000.0), "{report}");
        assert!(number("tokens_per_s") > number("examples_per_s"), "{report}");
        assert!(number("ceiling_examples_per_s") > 0.0 && number("peak_rss_bytes") > 1e6, "{report}");
        for part in ["prepare", "served", "forward", "loss", "backward", "update"] {
            assert!(report["parts_ms"][part].as_f64().unwrap() > 0.0, "{part}: {report}");
        }
        assert!((0.0..1.0).contains(&number("ndcg")), "{report}");
        assert!((0.0..1.0).contains(&number("served_ndcg")) && number("counts_bytes") > 1e3, "{report}");
    }
}

#[test]
fn too_few_examples_are_told() {
    let output = run(&[SMALL.as_slice(), &["--warm-up", "9000"]].concat());
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("and --warm-up takes 9088"), "{said}");
    let output = run(&["bench", "learn"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--generate"), "{said}");
}
