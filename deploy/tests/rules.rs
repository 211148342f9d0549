//! Prometheus' configuration and rules: well-formed, of metrics that exist, explained, and tested one by one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use hmisr_deploy::catalogue::Catalogue;
use hmisr_deploy::promql;
use hmisr_deploy::rules::{CaseFile, Rule, RuleFile, read};

const FILES: [&str; 2] = ["recording.yml", "alerts.yml"];

fn folder() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("prometheus")
}

fn text(file: &str) -> String {
    std::fs::read_to_string(folder().join(file)).unwrap()
}

/// The rules of a file, the groups run together.
fn rules(file: &str) -> Vec<Rule> {
    let file: RuleFile = read(file, &text(file)).unwrap();
    file.groups.into_iter().flat_map(|group| group.rules).collect()
}

fn recorded() -> BTreeSet<String> {
    rules("recording.yml").into_iter().filter_map(|rule| rule.record).collect()
}

/// `promtool` in the folder of the rules; says loudly where there is none.
fn promtool(arguments: &[&str]) {
    let output = match Command::new("promtool").current_dir(folder()).args(arguments).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!(
                "\n*** SKIPPED: promtool {arguments:?}: {error} (install Debian's package prometheus)\n"
            );
            return;
        }
    };
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "promtool {arguments:?}: {}\n{}",
        said(&output.stdout),
        said(&output.stderr)
    );
}

#[test]
fn configuration_and_rules_are_what_prometheus_reads() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "--lint-fatal", "recording.yml", "alerts.yml"]);
}

#[test]
fn every_case_holds() {
    promtool(&["test", "rules", "tests/recording.yml", "tests/alerts.yml"]);
}

#[test]
fn every_rule_reads_series_that_exist() {
    let catalogue = Catalogue::of_page(include_str!("../../docs/metrics.md"));
    let recorded = recorded();
    let mut faults = Vec::new();
    for file in FILES {
        for rule in rules(file) {
            let uses = promql::uses(&rule.expr);
            assert!(!uses.is_empty(), "{file}, {}: {} reads nothing", rule.name(), rule.expr);
            for found in uses {
                let fault = match found.is_recorded() {
                    true if recorded.contains(&found.series) => None,
                    true => Some(format!("{}: no such series in recording.yml", found.series)),
                    false => catalogue.fault(&found),
                };
                faults.extend(fault.map(|fault| format!("{file}, rule {}: {fault}", rule.name())));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn recorded_series_are_named_by_level_metric_and_operations() {
    for name in recorded() {
        let parts: Vec<&str> = name.split(':').collect();
        assert!(
            parts.len() == 3 && parts.iter().all(|part| !part.is_empty()) && parts[1].starts_with("hmisr_"),
            "{name}"
        );
        let rule = rules("recording.yml").into_iter().find(|rule| rule.name() == name).unwrap();
        for label in parts[0].split('_') {
            assert!(rule.expr.contains(label), "{name} has the level {label}, which its query never names");
        }
    }
}

#[test]
fn every_alert_says_how_grave_it_is_what_it_saw_and_what_to_do() {
    let page = include_str!("../../docs/monitoring.md");
    let names: Vec<String> = rules("alerts.yml").iter().map(|rule| rule.name().to_owned()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "an alert stands twice");
    for rule in rules("alerts.yml") {
        let (name, note) = (rule.name(), |key: &str| rule.annotations.get(key).cloned().unwrap_or_default());
        let severity = rule.labels.get("severity").map(String::as_str);
        assert!(matches!(severity, Some("warning" | "critical")), "{name}: severity {severity:?}");
        assert!(!note("summary").is_empty(), "{name} has no summary");
        let tells = note("description").contains("$value") || name == "HmisrTargetDown";
        assert!(tells, "{name}: the description does not tell the value");
        let anchor = note("runbook_url");
        assert!(
            anchor.strip_prefix("docs/runbooks.md#").is_some_and(|at| !at.is_empty()),
            "{name}: {anchor}"
        );
        let row =
            page.lines().find(|line| line.starts_with(&format!("| `{name}` | {} |", severity.unwrap())));
        let row = row.unwrap_or_else(|| panic!("docs/monitoring.md has no row of {name}, {severity:?}"));
        let link = anchor.trim_start_matches("docs/");
        assert!(row.contains(&format!("]({link})")), "{row} does not link {link}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `Hmisr")).count();
    assert_eq!(rows, names.len(), "docs/monitoring.md lists alerts that there are not");
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let cases: CaseFile = read("tests/alerts.yml", &text("tests/alerts.yml")).unwrap();
    for rule in rules("alerts.yml") {
        let of_it = || {
            let all = cases.tests.iter().flat_map(|case| &case.alert_rule_test);
            all.filter(|case| case.alertname == rule.name())
        };
        assert!(of_it().any(|case| !case.exp_alerts.is_empty()), "{} never fires in a case", rule.name());
        assert!(of_it().any(|case| case.exp_alerts.is_empty()), "{} fires in every case", rule.name());
    }
}

#[test]
fn every_recorded_series_has_a_case_with_its_value() {
    let cases: CaseFile = read("tests/recording.yml", &text("tests/recording.yml")).unwrap();
    for name in recorded() {
        let mut of_it = cases.tests.iter().flat_map(|case| &case.promql_expr_test);
        assert!(
            of_it.any(|case| case.expr.contains(&name) && !case.exp_samples.is_empty()),
            "{name} has no case"
        );
    }
}

#[test]
fn a_typo_is_told_with_its_place() {
    let page = include_str!("../../docs/metrics.md");
    let catalogue = Catalogue::of_page(page);
    let uses = promql::uses("rate(hmisr_pipeline_event_total[5m])");
    assert!(catalogue.fault(&uses[0]).unwrap().contains("hmisr_pipeline_event_total"));
    let typo = "groups:\n  - name: a\n    rules:\n      - alert: A\n        exrp: up == 0\n";
    let said = read::<RuleFile>("alerts.yml", typo).unwrap_err().to_string();
    assert!(said.starts_with("alerts.yml: ") && said.contains("exrp") && said.contains("line"), "{said}");
}
