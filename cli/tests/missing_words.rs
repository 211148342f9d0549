//! What other systems write for a missing value is no user and no item: a dead letter with its own reason.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use crate::common::{run, stdout};
use serde_json::Value;

#[test]
fn words_for_a_missing_value_are_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("events.jsonl"), folder.path().join("features.jsonl"));
    let event = |user: &str, item: &str, category: &str| {
        format!(
            r#"{{"user_id": "{user}", "item_id": "{item}", "category": "{category}", "action": "click", "ts": 1764000000000}}"#
        )
    };
    let mut events: Vec<String> = (0..8).map(|number| event(&format!("u{number}"), "i1", "c")).collect();
    // A user, an item, and a category, which may bear any name.
    events.extend([event("NULL", "i1", "c"), event("nanny", "nan", "c"), event(r"\\N", "i1", "c")]);
    events.push(event("nanny", "i1", "None"));
    std::fs::write(&input, events.join("\n")).unwrap();
    let (from, to) = (input.to_str().unwrap(), output.to_str().unwrap());
    stdout(&run(&["backfill", "--input", from, "--output", to]));
    let lines: Vec<Value> = std::fs::read_to_string(&output)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let letters: Vec<(usize, &Value)> = lines
        .iter()
        .map(|line| &line["dead_letter"])
        .enumerate()
        .filter(|(_, reason)| !reason.is_null())
        .collect();
    let expected = Value::from("missing_id");
    assert_eq!(letters, [8, 9, 10].map(|at| (at, &expected)));
    assert_eq!((&lines[11]["user_id"], &lines[11]["category"]), (&"nanny".into(), &"None".into()));
}
