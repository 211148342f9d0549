//! `hmisr bench train` times a step of every network.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::common::{run, stdout};
use serde_json::Value;

#[test]
fn every_network_is_timed() {
    let setting =
        ["--batch", "3", "--len", "6", "--items", "40", "--width", "8", "--steps", "2", "--rounds", "1"];
    let timed = [
        ("sasrec", "all"),
        ("sasrec", "last"),
        ("hmisr", "all"),
        ("gru4rec", "all"),
        ("recurrence", "all"),
        ("recurrence", "last"),
    ];
    for (model, positions) in timed {
        let output = run(&[
            &["bench", "train", "--json", "--model", model, "--positions", positions],
            setting.as_slice(),
        ]
        .concat());
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(report["model"], model);
        // The loss of a guess is ln 40 = 3.69.
        let loss = report["loss"].as_f64().unwrap();
        assert!((2.0..5.0).contains(&loss), "{report}");
        assert!(report["step_ms"].as_f64().unwrap() > 0.0);
        assert!(report["parts_ms"]["backward"].as_f64().unwrap() > 0.0, "{report}");
        assert!(report["peak_rss_bytes"].as_u64().unwrap() > 1_000_000);
        assert!(report.get("twin_step_ms").is_none());
    }
}
