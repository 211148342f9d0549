//! The compose file: its format, its images, what it mounts and where its services are found.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};

use hmisr_deploy::containers::of_compose;
use hmisr_deploy::tools::{composed, run};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("compose").canonicalize().unwrap()
}

fn services(file: &Value) -> impl Iterator<Item = (&String, &Value)> {
    file["services"].as_object().unwrap().iter()
}

#[test]
fn a_key_that_there_is_not_is_refused_with_its_path() {
    let text = std::fs::read_to_string(folder().join("compose.yml")).unwrap();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("compose.yml"), text.replacen("restart:", "restrat:", 1)).unwrap();
    match run("compose", other.path(), &["compose.yml"]) {
        Ok(None) => {}
        Ok(Some(read)) => panic!("it was read: {read}"),
        Err(error) => assert!(error.contains("restrat"), "{error}"),
    }
}

#[test]
fn images_are_pinned_and_of_the_versions_that_were_tried() {
    let Some(file) = composed(&folder()).unwrap() else { return };
    for (name, service) in services(&file) {
        let (_, tag) = service["image"].as_str().unwrap().rsplit_once(':').unwrap();
        assert!(
            tag.trim_start_matches('v').starts_with(|it: char| it.is_ascii_digit()) && tag.contains('.'),
            "{name}: {tag}"
        );
    }
    let pom = std::fs::read_to_string(folder().join("../kafka/pom.xml")).unwrap();
    let version = pom.split("<kafka.version>").nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(file["services"]["kafka"]["image"], format!("apache/kafka:{version}"));
}

#[test]
fn what_is_mounted_is_there_and_nothing_can_change_it() {
    let Some(file) = composed(&folder()).unwrap() else { return };
    let mut bound = 0;
    for (name, service) in services(&file) {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume["source"].as_str().unwrap();
            if volume["type"] == "bind" {
                assert!(Path::new(source).exists(), "{name}: {source} is not there");
                assert_eq!(volume["read_only"], true, "{name}: {source} can be written");
                bound += 1;
            } else {
                assert!(file["volumes"][source].is_object(), "{name}: volume {source} is not declared");
            }
        }
    }
    assert!(bound >= 9, "{bound}");
    assert!(Path::new(file["configs"]["hmisr"]["file"].as_str().unwrap()).exists());
    assert!(
        folder()
            .join(file["services"]["pipeline"]["build"]["context"].as_str().unwrap())
            .join("Cargo.lock")
            .exists()
    );
}

/// The folders of state and snapshots are the image's volumes: elsewhere they would be of root, and at the end
/// of the container gone.
#[test]
fn what_is_kept_is_kept_where_the_image_keeps_it() {
    let Some(file) = composed(&folder()).unwrap() else { return };
    let image = std::fs::read_to_string(folder().join("../image/Dockerfile")).unwrap();
    let ours = of_compose(&file, "hmisr:0.1.0", "");
    assert_eq!(ours.len(), 6, "{ours:#?}");
    for container in &ours {
        for option in ["--state", "--snapshots", "--data"] {
            let Some(path) = container.option(option) else { continue };
            let writes = container.mounts.get(path);
            assert!(writes.is_some(), "{}: {option} {path} is no volume", container.place);
            assert_eq!(writes == Some(&true), container.args[0] != "serve", "{}", container.place);
            assert!(image.contains(path), "the image has no {path}");
        }
    }
}

#[test]
fn every_service_is_confined_bounded_and_watched() {
    let Some(file) = composed(&folder()).unwrap() else { return };
    for (name, service) in services(&file) {
        assert_eq!(service["security_opt"][0], "no-new-privileges:true", "{name}");
        assert!(service["privileged"].is_null(), "{name}");
        // These two write where they are installed.
        if !["kafka", "arroyo"].contains(&name.as_str()) {
            assert_eq!(
                (&service["read_only"], &service["cap_drop"][0]),
                (&true.into(), &"ALL".into()),
                "{name}"
            );
        }
        let limits = &service["deploy"]["resources"]["limits"];
        assert!(["cpus", "memory", "pids"].iter().all(|limit| !limits[*limit].is_null()), "{name}: {limits}");
        let runs_on = !["topics", "feed", "windows"].contains(&name.as_str());
        assert_eq!(service["healthcheck"]["test"].is_array(), runs_on, "{name}: {}", service["healthcheck"]);
        for port in service["ports"].as_array().into_iter().flatten() {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name}: {port}");
        }
        for (before, how) in service["depends_on"].as_object().into_iter().flatten() {
            let other = &file["services"][before];
            let fits = match how["condition"].as_str().unwrap() {
                "service_healthy" => other["healthcheck"]["test"].is_array(),
                "service_completed_successfully" => {
                    other["restart"].as_str().unwrap().starts_with("on-failure")
                }
                _ => false,
            };
            assert!(fits, "{name} after {before}: {how}");
        }
    }
}

/// Targets and data source name services, and the ports that these listen on.
#[test]
fn prometheus_and_grafana_find_what_they_ask() {
    let Some(file) = composed(&folder()).unwrap() else { return };
    let ours = of_compose(&file, "hmisr:0.1.0", "");
    let settings = std::fs::read_to_string(folder().join("hmisr.toml")).unwrap();
    let hosts = settings.lines().find(|line| line.starts_with("allowed_hosts = ")).unwrap();
    for name in ["pipeline", "train", "serve"] {
        assert!(hosts.contains(&format!("\"{name}\"")), "{name} is scraped by its name: {hosts}");
        let text =
            std::fs::read_to_string(folder().join(format!("../prometheus/targets/{name}.yml"))).unwrap();
        let container = ours.iter().find(|it| it.args[0] == name).unwrap();
        let port = container.listens_on().unwrap();
        assert!(text.contains(&format!("\"{name}:{port}\"")), "{text}");
        assert!(container.place.ends_with(&format!("service {name}")), "{}", container.place);
        assert!(container.ports.contains(&port), "{name}: {port} is not published");
        let asked: Vec<&str> = container.probes[0].iter().map(String::as_str).collect();
        assert!(asked.starts_with(&["probe", "--port", port.to_string().as_str()]), "{asked:?}");
    }
    let arroyo = std::fs::read_to_string(folder().join("../prometheus/targets/arroyo.yml")).unwrap();
    assert!(arroyo.contains("\"arroyo:") && file["services"]["arroyo"]["profiles"][0] == "arroyo");
    let command = file["services"]["prometheus"]["command"].to_string();
    assert!(command.contains("--config.file=/etc/prometheus/prometheus.yml"), "{command}");
    let url = file["services"]["grafana"]["environment"]["PROMETHEUS_URL"].as_str().unwrap();
    assert_eq!(url, "http://prometheus:9090");
}
