//! The compose file: pinned, closed to the outside, and of things that are there.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};

use hmisr_deploy::containers::Compose;
use serde_yaml_ng::Value;

/// The keys of a service, by the Compose Specification, of which the file may use any.
const KEYS: [&str; 25] = [
    "build",
    "cap_drop",
    "command",
    "depends_on",
    "deploy",
    "entrypoint",
    "environment",
    "env_file",
    "expose",
    "healthcheck",
    "image",
    "init",
    "labels",
    "networks",
    "ports",
    "profiles",
    "read_only",
    "restart",
    "security_opt",
    "stop_grace_period",
    "stop_signal",
    "tmpfs",
    "ulimits",
    "user",
    "volumes",
];

fn deploy() -> PathBuf {
    PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap())
}

fn text(path: &str) -> String {
    std::fs::read_to_string(deploy().join(path)).unwrap()
}

fn compose() -> Compose {
    Compose::read(&text("compose/compose.yml")).unwrap()
}

#[test]
fn services_have_known_keys_and_images_of_a_version() {
    let value: Value = serde_yaml_ng::from_str(&text("compose/compose.yml")).unwrap();
    for (name, service) in value["services"].as_mapping().unwrap() {
        for key in service.as_mapping().unwrap().keys().map(|key| key.as_str().unwrap()) {
            assert!(key == "<<" || KEYS.contains(&key), "{name:?}: {key}");
        }
    }
    let compose = compose();
    for (name, service) in &compose.services {
        let (_, tag) = service.image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: no tag"));
        assert!(tag.contains('.') && tag.contains(char::is_numeric), "{name}: {tag} is no version");
    }
    // The brokers that the tests run against.
    let version = text("kafka/pom.xml");
    let kafka = compose.services["kafka"].image.rsplit(':').next().unwrap().to_owned();
    assert!(version.contains(&format!(">{kafka}<")), "Kafka {kafka} is not the pom's");
    assert_eq!(compose.containers().len(), 5);
    for container in compose.containers() {
        assert_eq!(container.image, format!("hmisr:{}", env!("CARGO_PKG_VERSION")), "{}", container.place);
    }
}

#[test]
fn what_is_mounted_is_there_and_nothing_is_open_to_other_machines() {
    let compose = compose();
    for (name, service) in &compose.services {
        for volume in &service.volumes {
            let source = volume.split(':').next().unwrap();
            match source.starts_with('.') {
                true => assert!(deploy().join("compose").join(source).exists(), "{name}: {source}"),
                false => assert!(compose.volumes.contains_key(source), "{name}: {source}"),
            }
        }
        for port in &service.ports {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
        for other in service.depends_on.keys() {
            assert!(compose.services.contains_key(other), "{name} depends on {other}");
        }
    }
    let used = |volume: &String| {
        compose
            .services
            .values()
            .any(|service| service.volumes.iter().any(|used| used.starts_with(&format!("{volume}:"))))
    };
    assert!(compose.volumes.keys().all(used));
}

#[test]
fn prometheus_scrapes_where_the_parts_listen() {
    let compose = compose();
    for job in ["pipeline", "train", "serve"] {
        let targets: Value =
            serde_yaml_ng::from_str(&text(&format!("prometheus/targets/{job}.yml"))).unwrap();
        let target = targets[0]["targets"][0].as_str().unwrap().to_owned();
        let (host, port) = target.split_once(':').unwrap();
        let service = &compose.services[host];
        let listen = service.command.iter().skip_while(|word| *word != "--listen").nth(1).unwrap();
        assert_eq!(listen, &format!("0.0.0.0:{port}"), "{job}");
        assert_eq!(service.environment["HMISR_PORT"], port, "{job}: its health check");
    }
    let provisioned = text("grafana/provisioning/datasources/prometheus.yml");
    assert!(provisioned.contains("${PROMETHEUS_URL}"));
    assert!(compose.services["grafana"].environment.contains_key("PROMETHEUS_URL"));
}

#[test]
fn arroyo_is_given_topics_that_its_queries_write() {
    let compose = compose();
    let topics = &compose.services["topics"].command;
    let queries = &compose.services["windows"].command;
    let mut written = 0;
    for file in std::fs::read_dir(deploy().join("../sql/tables")).unwrap() {
        let sql = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let Some((_, rest)) = sql.split_once("type = 'sink'") else { continue };
        let topic = rest.split("topic = '").nth(1).unwrap().split('\'').next().unwrap();
        assert!(topics.iter().any(|word| word.starts_with(&format!("{topic}="))), "{topic} is not made");
        assert!(queries.contains(&topic.replace('-', "_")), "nothing writes {topic}");
        written += 1;
    }
    assert_eq!(written, 4);
    assert!(Path::new(&deploy()).join("image/Dockerfile").exists());
}
