//! What image, compose file and chart start is what the program takes: commands, health checks, variables, settings.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::hmisr;
use hmisr_deploy::containers::{Container, of_compose, of_manifests};
use hmisr_deploy::image::instructions;
use hmisr_deploy::tools::{composed, rendered};
use serde_json::Value;

/// What a Secret for `HMISR__KAFKA__CLIENT` holds.
const CLIENT: &str =
    r#"{"sasl.mechanisms"="SCRAM-SHA-512", "sasl.username"="hmisr", "sasl.password"="secret"}"#;

fn deploy() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../deploy").canonicalize().unwrap()
}

/// Every container of the program in the compose file and in the chart with each file of values. None where the
/// tools that read them are not installed.
fn containers() -> Vec<Container> {
    let mut all = Vec::new();
    if let Some(file) = composed(&deploy().join("compose")).unwrap() {
        let settings = std::fs::read_to_string(deploy().join("compose/hmisr.toml")).unwrap();
        all.extend(of_compose(&file, "hmisr:0.1.0", &settings));
        assert_eq!(all.len(), 6, "{all:#?}");
    }
    let chart = deploy().join("helm/hmisr");
    for entry in std::fs::read_dir(chart.join("ci")).unwrap() {
        let values = Path::new("ci").join(entry.unwrap().file_name());
        let Some(manifests) = rendered(&chart, &values).unwrap() else { return all };
        let found = of_manifests(&manifests);
        assert!(!found.is_empty(), "{}", values.display());
        all.extend(found);
    }
    all
}

/// The command line up to the point where it would run: `--help` comes last, so what is before it was understood.
fn parsed(arguments: &[String]) -> Output {
    hmisr().args(arguments).arg("--help").output().unwrap()
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_wrong_command_line_would_be_seen() {
    assert!(refusal(&parsed(&words("serve --snapshot x"))).contains("--snapshot"));
    assert!(refusal(&parsed(&words("probe --port http"))).contains("http"));
    assert!(refusal(&parsed(&words("trein"))).contains("trein"));
    assert!(parsed(&words("probe --port 8081 /readyz")).status.success());
}

#[test]
fn every_command_line_and_health_check_is_understood() {
    let dockerfile =
        instructions(&std::fs::read_to_string(deploy().join("image/Dockerfile")).unwrap()).unwrap();
    let check = dockerfile.iter().find(|it| it.word == "HEALTHCHECK").unwrap().list().unwrap();
    assert_eq!(check[0], "hmisr");
    assert!(parsed(&check[1..]).status.success(), "{check:?}");
    for container in containers() {
        for line in std::iter::once(&container.args).chain(&container.probes) {
            let output = parsed(line);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{}: hmisr {}: {said}", container.place, line.join(" "));
            assert!(!line.iter().any(|word| word.contains("$(")), "{}: {line:?}", container.place);
        }
    }
}

/// `hmisr config --json` where a container's settings and variables are in force.
fn config(container: &Container, more: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hmisr.toml"), &container.settings).unwrap();
    let mut command = hmisr();
    command.current_dir(folder.path()).args(["config", "--json"]).envs(more.iter().copied());
    for (name, value) in &container.env {
        command.env(name, if value.starts_with("secret:") { CLIENT } else { value.as_str() });
    }
    command.output().unwrap()
}

#[test]
fn every_variable_and_setting_is_the_programs_and_takes_effect() {
    let mut seen = BTreeSet::new();
    for container in containers() {
        let output = config(&container, &[]);
        let settings: Value = serde_json::from_str(&crate::common::stdout(&output)).unwrap();
        for (name, value) in container.env.iter().filter(|(name, _)| name.starts_with("HMISR")) {
            let path = name.trim_start_matches("HMISR").replace("__", "/").to_lowercase();
            let found = settings.pointer(&path).unwrap_or_else(|| panic!("{}: {name}", container.place));
            let shown = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            if value.starts_with("secret:") {
                // Beside what the settings file has of it; never shown.
                assert_eq!(found["sasl.password"], "***", "{}", container.place);
                assert_eq!(
                    found["security.protocol"].is_string(),
                    container.settings.contains("security.protocol")
                );
            } else {
                assert_eq!(&shown, value, "{}: {name}", container.place);
            }
            seen.insert(name.clone());
        }
        let wrong = config(&container, &[("HMISR__STATE__CHECKPOINT", "file:///x")]);
        assert!(refusal(&wrong).contains("checkpoint"), "{}", container.place);
    }
    assert!(seen.is_empty() || seen.len() == 15, "{seen:#?}");
}

/// The image has the shared libraries of the program.
#[test]
fn the_image_has_the_libraries_that_are_linked() {
    let install = std::fs::read_to_string(deploy().join("image/Dockerfile")).unwrap();
    // Those of Debian's base are libc6's and libgcc-s1's.
    let packages = [
        ("libstdc++.so.6", "libstdc++6"),
        ("libz.so.1", "zlib1g"),
        ("libssl.so.3", "libssl3"),
        ("libcrypto.so.3", "libssl3"),
    ];
    let Ok(output) = Command::new("ldd").arg(env!("CARGO_BIN_EXE_hmisr")).output() else {
        eprintln!("\n*** SKIPPED: there is no ldd here\n");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in said.lines().filter(|line| line.contains("=> ")) {
        let library = line.split_whitespace().next().unwrap();
        let of_base = ["libc.so.6", "libm.so.6", "libgcc_s.so.1"].contains(&library);
        let package = packages.iter().find(|(name, _)| *name == library).map(|(_, package)| *package);
        let has = package.is_some_and(|package| {
            install.contains(&format!(" {package} ")) || install.contains(&format!(" {package}\n"))
        });
        // libssl is of another number on other releases of Debian than the image's.
        let of_another = library.starts_with("libssl") || library.starts_with("libcrypto");
        assert!(of_base || has || of_another, "{library} is not in the image:\n{install}");
    }
}
