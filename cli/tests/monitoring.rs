//! `hmisr monitoring` writes what Prometheus takes, and overwrites nothing that somebody changed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;
use std::process::{Command, Output};

use crate::common::{hmisr, stdout};

fn monitoring(folder: &Path, more: &[&str]) -> Output {
    hmisr().args(["monitoring", "--output"]).arg(folder.join("m")).args(more).output().unwrap()
}

#[test]
fn it_writes_files_that_prometheus_takes_and_says_how_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let scrape =
        ["--scrape", "pipeline=127.0.0.1:8081", "--scrape", "pipeline=b:8081", "--scrape", "serve=a:8080"];
    let printed = stdout(&monitoring(folder.path(), &scrape));
    assert!(printed.contains("/m/prometheus.yml") && printed.contains("127.0.0.1:9090"), "{printed}");
    let read = |path: &str| std::fs::read_to_string(folder.path().join("m").join(path)).unwrap();
    assert_eq!(read("targets/pipeline.yml"), "- targets: [\"127.0.0.1:8081\", \"b:8081\"]\n");
    let provider = read("grafana/provisioning/dashboards/hmisr.yml");
    let below = folder.path().canonicalize().unwrap().join("m/grafana/dashboards");
    assert!(provider.contains(below.to_str().unwrap()), "{provider}");
    let config = folder.path().join("m/prometheus.yml");
    match Command::new("promtool").args(["check", "config"]).arg(config).output() {
        Ok(output) => drop(stdout(&output)),
        Err(error) => eprintln!("\n*** SKIPPED: promtool: {error} (install Debian's package prometheus)\n"),
    }
}

#[test]
fn what_somebody_changed_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let code = |more: &[&str]| {
        let output = monitoring(folder.path(), more);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(code(&["--scrape", "up=127.0.0.1:8080"]).0, 0);
    assert_eq!(code(&["--scrape", "train=127.0.0.1:8082"]).0, 0, "what is there unchanged is no obstacle");
    let alerts = folder.path().join("m/alerts.yml");
    std::fs::write(&alerts, "groups: []\n").unwrap();
    let (refused, error) = code(&["--scrape", "up=127.0.0.1:8080"]);
    assert!(refused == 2 && error.contains("m/alerts.yml") && error.contains("--force"), "{error}");
    assert_eq!(std::fs::read_to_string(&alerts).unwrap(), "groups: []\n");
    assert_eq!(code(&["--scrape", "up=127.0.0.1:8080", "--force"]).0, 0);
    assert!(std::fs::read_to_string(&alerts).unwrap().contains("HmisrTargetDown"));
    assert!(folder.path().join("m/targets/train.yml").exists(), "targets that are not named stay");
    for wrong in [&["--scrape", "pipline=a:1"][..], &["--scrape", "up"], &[]] {
        let (refused, error) = code(wrong);
        assert!(refused == 2 && error.contains("PART=HOST:PORT"), "{wrong:?}: {error}");
    }
}
