//! The checked-in dashboards are those that are described, and ask for metrics that exist.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hmisr_deploy::catalogue::Catalogue;
use hmisr_deploy::{dashboards, promql};

fn folder() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("grafana/dashboards")
}

#[test]
fn the_checked_in_files_are_current() {
    let write = std::env::var_os("HMISR_WRITE").is_some();
    let mut described = BTreeSet::new();
    for dashboard in dashboards::all() {
        let path = folder().join(format!("{}.json", dashboard.uid));
        let text = serde_json::to_string_pretty(&dashboard.json()).unwrap() + "\n";
        if write {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{} is not what deploy/src/dashboards describes; write it anew:\n\
             HMISR_WRITE=1 cargo test --release --workspace --test deploy dashboards",
            path.display()
        );
        described.insert(path);
    }
    let there: BTreeSet<_> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(there, described);
}

#[test]
fn every_query_is_of_metrics_that_exist_and_used_as_their_type_allows() {
    let catalogue = Catalogue::of_page(include_str!("../../docs/metrics.md"));
    let mut faults = Vec::new();
    for dashboard in dashboards::all() {
        let others = dashboard.other_queries();
        let others = others.iter().map(|query| ("annotation", query.as_str()));
        let present = [("variable", dashboard.present)];
        for (panel, query) in dashboard.queries().chain(others) {
            let uses = promql::uses(query);
            assert!(!uses.is_empty(), "{panel}: {query} reads nothing");
            let wrong = uses.iter().filter_map(|found| catalogue.fault(found));
            faults.extend(wrong.map(|fault| format!("{}, panel {panel}: {fault}", dashboard.title)));
        }
        for (_, name) in present {
            if catalogue.fault(&promql::uses(&format!("changes({name}[1m])"))[0]).is_some() {
                faults.push(format!("{}: no metric {name}", dashboard.title));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn panels_fill_the_grid_without_touching_and_say_what_they_show() {
    for dashboard in dashboards::all() {
        let json = dashboard.json();
        let mut taken = BTreeSet::new();
        for panel in json["panels"].as_array().unwrap() {
            let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{panel}");
            for cell in
                (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
            {
                assert!(taken.insert(cell), "{} overlaps another panel", panel["title"]);
            }
            if panel["type"] != "row" {
                assert!(!panel["targets"].as_array().unwrap().is_empty(), "{}", panel["title"]);
                assert!(
                    panel["description"].as_str().is_some_and(|text| text.ends_with('.')),
                    "{}",
                    panel["title"]
                );
            }
        }
    }
}
