//! The Helm chart: linted and rendered by Helm, its objects those of Kubernetes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::Command;

use hmisr_deploy::chart::{KUBERNETES, helm, template};
use hmisr_deploy::containers::{containers, objects};
use hmisr_deploy::rules::{RuleFile, read};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn chart() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("helm/hmisr")
}

/// Helm; says loudly where there is none.
fn helm_or_skip() -> Option<PathBuf> {
    let found = helm();
    if found.is_none() {
        eprintln!("\n*** SKIPPED: there is no helm (scripts/setup --tests installs it where Go is)\n");
    }
    found
}

fn values() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(chart().join("ci")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 3);
    files
}

/// The objects with a file of values.
fn rendered(helm: &Path, values: &Path) -> Vec<Value> {
    let output = template(helm, &chart(), values, &[]).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = objects(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", values.display()));
    found.into_iter().map(|object| serde_json::to_value(object).unwrap()).collect()
}

/// What of `written` a type does not have: it reads the object and writes it again.
fn unknown<T: Serialize + DeserializeOwned>(written: &Value) -> Vec<String> {
    let typed: T =
        serde_json::from_value(written.clone()).unwrap_or_else(|error| panic!("{error}: {written:#}"));
    let mut lost = Vec::new();
    compare("", written, &serde_json::to_value(typed).unwrap(), &mut lost);
    lost
}

fn compare(path: &str, written: &Value, read: &Value, lost: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                match read.get(key) {
                    Some(read) => compare(&format!("{path}.{key}"), value, read, lost),
                    None if value.is_null() => {}
                    None => lost.push(format!("{path}.{key}")),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) => {
            for (at, (written, read)) in written.iter().zip(read).enumerate() {
                compare(&format!("{path}[{at}]"), written, read, lost);
            }
        }
        (written, read) if written != read => lost.push(format!("{path}: {written} became {read}")),
        _ => {}
    }
}

#[test]
fn it_lints_with_every_file_of_values() {
    let Some(helm) = helm_or_skip() else { return };
    for values in values() {
        let output =
            Command::new(&helm).args(["lint", "--strict"]).arg(chart()).arg("--values").arg(&values).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn every_object_is_one_of_kubernetes() {
    let Some(helm) = helm_or_skip() else { return };
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    for values in values() {
        for object in rendered(&helm, &values) {
            let kind = object["kind"].as_str().unwrap();
            let lost = match kind {
                "ConfigMap" => unknown::<ConfigMap>(&object),
                "Deployment" => unknown::<Deployment>(&object),
                "Job" => unknown::<Job>(&object),
                "NetworkPolicy" => unknown::<NetworkPolicy>(&object),
                "PersistentVolumeClaim" => unknown::<PersistentVolumeClaim>(&object),
                "PodDisruptionBudget" => unknown::<PodDisruptionBudget>(&object),
                "Service" => unknown::<Service>(&object),
                "ServiceAccount" => unknown::<ServiceAccount>(&object),
                "StatefulSet" => unknown::<StatefulSet>(&object),
                // The Prometheus operator's.
                "PodMonitor" | "PrometheusRule" => Vec::new(),
                other => panic!("{other}"),
            };
            assert_eq!(lost, [""; 0], "{kind} {} with {}", object["metadata"]["name"], values.display());
            *kinds.entry(kind.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(kinds.len(), 11, "{kinds:?}");
}

#[test]
fn selectors_find_their_pods_and_ports_are_where_parts_listen() {
    let Some(helm) = helm_or_skip() else { return };
    for values in values() {
        let all = rendered(&helm, &values);
        let pods: Vec<&Value> =
            all.iter().map(|object| &object["spec"]["template"]).filter(|pod| pod.is_object()).collect();
        let selected = |labels: &Value| {
            let wanted = labels.as_object().unwrap();
            pods.iter()
                .filter(|pod| wanted.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value))
                .count()
        };
        for object in &all {
            let spec = &object["spec"];
            let labels = match object["kind"].as_str().unwrap() {
                "Service" => &spec["selector"],
                "PodDisruptionBudget" | "Deployment" | "StatefulSet" => &spec["selector"]["matchLabels"],
                "NetworkPolicy" => &spec["podSelector"]["matchLabels"],
                _ => continue,
            };
            assert_eq!(selected(labels), 1, "{}", object["metadata"]["name"]);
        }
        for pod in pods {
            let container = &pod["spec"]["containers"][0];
            let listen = container["args"]
                .as_array()
                .unwrap()
                .iter()
                .find_map(|word| word.as_str()?.strip_prefix("--listen="));
            let port = container["ports"][0]["containerPort"].as_u64().map(|port| format!("0.0.0.0:{port}"));
            assert_eq!(listen, port.as_deref());
            assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
            assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
            assert!(container["resources"]["limits"]["memory"].is_string());
            let volumes: Vec<&Value> = pod["spec"]["volumes"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|volume| &volume["name"])
                .collect();
            for mount in container["volumeMounts"].as_array().into_iter().flatten() {
                let is_claimed = mount["name"] == "state";
                assert!(is_claimed || volumes.contains(&&mount["name"]), "{mount}");
            }
        }
    }
}

#[test]
fn rules_are_those_of_prometheus_and_jobs_are_named_as_they_expect() {
    let Some(helm) = helm_or_skip() else { return };
    let all = rendered(&helm, &chart().join("ci/everything.yaml"));
    let rules = all.iter().find(|object| object["kind"] == "PrometheusRule").unwrap();
    let count = |value: &Value| -> usize {
        value.as_array().unwrap().iter().map(|group| group["rules"].as_array().unwrap().len()).sum()
    };
    let mut expected = 0;
    for file in ["recording.yml", "alerts.yml"] {
        let text = std::fs::read_to_string(chart().join("../../prometheus").join(file)).unwrap();
        let file: RuleFile = read(file, &text).unwrap();
        expected += file.groups.iter().map(|group| group.rules.len()).sum::<usize>();
    }
    assert_eq!(count(&rules["spec"]["groups"]), expected);
    let monitor = all.iter().find(|object| object["kind"] == "PodMonitor").unwrap();
    assert_eq!(monitor["spec"]["jobLabel"], "app.kubernetes.io/component");
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["scheme"], "https");
}

#[test]
fn instances_have_names_of_their_own() {
    let Some(helm) = helm_or_skip() else { return };
    let output = template(&helm, &chart(), &chart().join("ci/everything.yaml"), &[]).unwrap();
    let all = containers(&objects(&String::from_utf8(output.stdout).unwrap()).unwrap());
    let pipeline = all.iter().find(|found| found.arguments[0] == "pipeline").unwrap();
    assert_eq!(pipeline.environment["HMISR__PIPELINE__TRANSACTIONAL_ID"], "$(POD)");
    assert_eq!(pipeline.environment["HMISR__KAFKA__GROUP_INSTANCE_ID"], "$(POD)");
    let advertised = "--advertise=https://$(POD).rec-hmisr-pipeline-pods.shop.svc:8081".to_owned();
    assert!(pipeline.arguments.contains(&advertised), "{:?}", pipeline.arguments);
    assert!(all.iter().all(|found| found.image == "registry.example:5000/hmisr:0.1.0"));
}

#[test]
fn values_that_are_none_are_refused_with_their_place() {
    let Some(helm) = helm_or_skip() else { return };
    let minimal = chart().join("ci/minimal.yaml");
    let refused = [
        ("pipeline.replcias=3", "replcias"),
        ("pipline={}", "pipline"),
        ("pipeline.storage.sizes=\"1Gi\"", "sizes"),
        ("pipeline.replicas=\"three\"", "/pipeline/replicas"),
        ("kafka.brokers=\"kafka\"", "/kafka/brokers"),
        ("serve.service.type=\"Ingress\"", "/serve/service/type"),
        ("topics.also=[\"clicks\"]", "/topics/also/0"),
    ];
    for (assignment, place) in refused {
        let output = template(&helm, &chart(), &minimal, &[assignment]).unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(place), "{assignment}: {error}");
    }
    // Without brokers there is nothing to deploy.
    let output = Command::new(&helm)
        .args(["template", "rec", "--kube-version", KUBERNETES])
        .arg(chart())
        .output()
        .unwrap();
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("/kafka/brokers"));
}

#[test]
fn every_value_is_in_the_schema_and_explained() {
    let text = std::fs::read_to_string(chart().join("values.yaml")).unwrap();
    let values: Value = serde_yaml_ng::from_str(&text).unwrap();
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap();
    fn walk(path: &str, values: &Value, schema: &Value) {
        assert_eq!(schema["additionalProperties"], false, "{path} takes any key");
        let known = schema["properties"].as_object().unwrap();
        for (key, value) in values.as_object().unwrap() {
            let path = format!("{path}.{key}");
            let schema = known.get(key).unwrap_or_else(|| panic!("{path} is not in the schema"));
            if schema["type"] == "object"
                && schema.get("properties").is_some()
                && !value.as_object().unwrap().is_empty()
            {
                walk(&path, value, schema);
            }
        }
        let beside =
            known.keys().filter(|key| values.get(key.as_str()).is_none() && key.as_str() != "global");
        let beside: Vec<&String> = beside.filter(|_| path != ".pipeline.resources.requests").collect();
        assert!(beside.is_empty() || path.contains("resources"), "{path}: {beside:?} have no default");
    }
    walk("", &values, &schema);
}
