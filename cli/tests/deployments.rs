//! What the compose file and the Helm chart start, the program takes: every argument, every setting.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;

use std::path::{Path, PathBuf};

use common::{hmisr, run, stdout};
use hmisr_deploy::chart::{helm, template};
use hmisr_deploy::containers::{Compose, Container, containers, objects};

fn deploy() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../deploy")
}

/// The argument's value, as `--key value` or `--key=value`.
fn option<'a>(arguments: &'a [String], key: &str) -> Option<&'a str> {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix(key) {
            Some("") => return words.next().map(String::as_str),
            Some(rest) if rest.starts_with('=') => return rest.strip_prefix('='),
            _ => {}
        }
    }
    None
}

/// Has the program read a container's arguments and settings; `settings` is its file.
fn accepted(container: &Container, settings: &str) {
    let place = &container.place;
    // It tells of an argument that it does not know before it comes to the help.
    let output = hmisr().args(&container.arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{place}: {}", String::from_utf8_lossy(&output.stderr));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hmisr.toml");
    std::fs::write(&file, settings).unwrap();
    let mut command = hmisr();
    command.args(["config", "--json", "--config", file.to_str().unwrap()]);
    let mut named = 0;
    for (name, value) in container.environment.iter().filter(|(name, _)| name.starts_with("HMISR__")) {
        command.env(name, value.replace("$(POD)", "hmisr-pipeline-0"));
        named += 1;
    }
    let assignments = container.arguments.iter().filter_map(|word| word.strip_prefix("--set="));
    for assignment in assignments {
        command.args(["--set", assignment]);
    }
    let config: serde_json::Value = serde_json::from_str(&stdout(&command.output().unwrap())).unwrap();
    if named > 0 && container.environment.contains_key("HMISR__KAFKA__GROUP_INSTANCE_ID") {
        assert_eq!(config["kafka"]["group_instance_id"], "hmisr-pipeline-0");
        assert_eq!(config["pipeline"]["transactional_id"], "hmisr-pipeline-0");
    }
}

#[test]
fn the_compose_files_services() {
    let text = std::fs::read_to_string(deploy().join("compose/compose.yml")).unwrap();
    let all = Compose::read(&text).unwrap().containers();
    assert_eq!(all.len(), 5);
    for container in &all {
        accepted(container, "");
        let others = container.arguments.iter().filter(|word| word.starts_with("--brokers"));
        assert_eq!(others.count(), 1, "{}", container.place);
        assert_eq!(option(&container.arguments, "--brokers"), Some("kafka:19092"));
    }
}

#[test]
fn the_charts_pods() {
    let Some(helm) = helm() else {
        eprintln!("\n*** SKIPPED: there is no helm (scripts/setup --tests installs it where Go is)\n");
        return;
    };
    let chart = deploy().join("helm/hmisr");
    let mut seen = 0;
    for values in std::fs::read_dir(chart.join("ci")).unwrap() {
        let output = template(&helm, &chart, &values.unwrap().path(), &[]).unwrap();
        let objects = objects(&stdout(&output)).unwrap();
        let map = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
        let settings = map["data"]["hmisr.toml"].as_str().unwrap();
        for container in containers(&objects) {
            accepted(&container, settings);
            seen += 1;
        }
    }
    assert_eq!(seen, 9);
}

#[test]
fn an_argument_or_setting_that_is_none_would_be_found() {
    let output = run(&["pipeline", "--brokers=kafka:9092", "--bogus=1", "--help"]);
    assert_eq!(output.status.code(), Some(2));
    let output =
        hmisr().args(["config", "--json"]).env("HMISR__STATE__CHECKPOINT", "s3://b").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
