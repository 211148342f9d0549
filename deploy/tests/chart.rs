//! The Helm chart: what it renders is valid, and agrees with itself, with the image and with Prometheus' rules.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};

use hmisr_deploy::containers::of_manifests;
use hmisr_deploy::tools::{documents, rendered, run};
use serde_json::Value;

/// Files of values that the chart is rendered with.
const VALUES: [&str; 4] = ["minimal", "features-alone", "one-node", "everything"];

fn chart() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("helm/hmisr")
}

fn values(name: &str) -> PathBuf {
    Path::new("ci").join(format!("{name}.yaml"))
}

fn manifests(name: &str) -> Option<Vec<Value>> {
    rendered(&chart(), &values(name)).unwrap()
}

fn of_kind<'a>(manifests: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    manifests.iter().filter(move |it| it["kind"] == kind)
}

/// The manifest of a kind that is of a part.
fn part<'a>(manifests: &'a [Value], kind: &'a str, part: &str) -> &'a Value {
    let is = |it: &&Value| it["metadata"]["labels"]["app.kubernetes.io/component"] == part;
    of_kind(manifests, kind).find(is).unwrap_or_else(|| panic!("no {kind} of {part}"))
}

#[test]
fn helm_finds_nothing_to_mend() {
    for name in VALUES {
        run("helm", &chart(), &["lint", "--strict", ".", "--values", &values(name).display().to_string()])
            .unwrap();
    }
}

#[test]
fn every_manifest_is_of_kubernetes_schema() {
    for name in VALUES {
        let Some(manifests) = manifests(name) else { return };
        let folder = tempfile::tempdir().unwrap();
        let text: Vec<String> = manifests.iter().map(|it| serde_json::to_string(it).unwrap()).collect();
        std::fs::write(folder.path().join("all.yaml"), text.join("\n---\n")).unwrap();
        for version in ["1.31", "1.37"] {
            let checked =
                run("kubernetes-validate", folder.path(), &["--strict", "-k", version, "all.yaml"]).unwrap();
            let Some(said) = checked else { return };
            let passed = said.lines().filter(|line| line.contains(" passed for resource ")).count();
            let of_operator =
                manifests.iter().filter(|it| it["apiVersion"] == "monitoring.coreos.com/v1").count();
            assert_eq!(passed + of_operator, manifests.len(), "{name}: {said}");
        }
        if name == "minimal" {
            let typo = text.join("\n---\n").replacen("\"readinessProbe\"", "\"readynessProbe\"", 1);
            std::fs::write(folder.path().join("typo.yaml"), typo).unwrap();
            let refused = run("kubernetes-validate", folder.path(), &["--strict", "-k", "1.31", "typo.yaml"]);
            assert!(refused.unwrap_err().contains("readynessProbe"));
        }
    }
}

#[test]
fn a_value_that_there_is_not_is_refused_with_its_path() {
    let render = |set: &str| {
        run(
            "helm",
            &chart(),
            &["template", ".", "--kube-version", "1.31.0", "--values", "ci/minimal.yaml", "--set", set],
        )
    };
    for (set, told) in [
        ("pipelin.replicas=1", "'pipelin'"),
        ("pipeline.storage.sise=1Gi", "'/pipeline/storage'"),
        ("pipeline.resources.limits.cqu=1", "'/pipeline/resources/limits'"),
        ("serve.scheduling.nodeSelectr.a=b", "'/serve/scheduling'"),
        ("image.tag=latest", "'/image/tag'"),
        ("topics.partitions=0", "'/topics/partitions'"),
        ("kafka.brokers=kafka", "'/kafka/brokers'"),
        ("pipeline.replicas=5", "more than topics.partitions = 4"),
    ] {
        match render(set) {
            Ok(None) => return,
            Ok(Some(_)) => panic!("{set} was taken"),
            Err(error) => assert!(error.contains(told), "{set}: {error}"),
        }
    }
    let bare = run("helm", &chart(), &["template", ".", "--kube-version", "1.31.0"]).unwrap_err();
    assert!(bare.contains("kafka.brokers must be given"), "{bare}");
}

/// Every object of the schema refuses what it does not name, but for maps of Kubernetes' own.
#[test]
fn schema_and_values_have_the_same_keys() {
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap();
    let values = documents(&std::fs::read_to_string(chart().join("values.yaml")).unwrap()).unwrap();
    fn compare(schema: &Value, values: &Value, root: &Value, path: &str) {
        let schema = match schema["$ref"].as_str() {
            Some(at) => root.pointer(at.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        let (Some(keys), Some(given)) = (schema["properties"].as_object(), values.as_object()) else {
            return;
        };
        assert_eq!(schema["additionalProperties"], false, "{path}");
        for (key, value) in given {
            let below = keys.get(key).unwrap_or_else(|| panic!("{path}/{key} is not in the schema"));
            compare(below, value, root, &format!("{path}/{key}"));
        }
        let optional = |key: &str| key == "global" || path.ends_with("requests") || path.ends_with("limits");
        for key in keys.keys().filter(|key| !optional(key)) {
            assert!(given.contains_key(key), "values.yaml does not show {path}/{key}");
        }
    }
    compare(&schema, &values[0], &schema, "");
    let text = std::fs::read_to_string(chart().join("values.yaml")).unwrap();
    for line in text.lines().filter(|line| line.contains(": ") && !line.trim_start().starts_with(['#', '{']))
    {
        assert!(!line.contains('\t'), "{line}");
    }
}

#[test]
fn commands_ports_services_policies_and_probes_agree() {
    let targets = |name: &str| {
        std::fs::read_to_string(chart().join(format!("../../prometheus/targets/{name}.yml"))).unwrap()
    };
    for name in VALUES {
        let Some(manifests) = manifests(name) else { return };
        for container in of_manifests(&manifests).iter().filter(|it| it.args[0] != "topics") {
            let (what, port) = (container.args[0].as_str(), container.listens_on().unwrap());
            assert_eq!(container.ports.iter().collect::<Vec<_>>(), [&port], "{}", container.place);
            assert!(targets(what).contains(&format!("\"{what}:{port}\"")), "{what} {port}");
            let service = part(&manifests, "Service", what);
            assert_eq!(service["spec"]["ports"][0]["port"], port);
            let pod = manifests.iter().find(|it| {
                it["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == *what
            });
            let labels = &pod.unwrap()["spec"]["template"]["metadata"]["labels"];
            for (label, value) in service["spec"]["selector"].as_object().unwrap() {
                assert_eq!(&labels[label], value, "{}: {label}", container.place);
            }
            if of_kind(&manifests, "NetworkPolicy").next().is_some() {
                let policy = part(&manifests, "NetworkPolicy", what);
                assert_eq!(policy["spec"]["ingress"][0]["ports"][0]["port"], port, "{}", container.place);
            }
            for probe in &container.probes {
                assert_eq!(probe[2], port.to_string(), "{}", container.place);
            }
        }
    }
}

/// Kubernetes makes a passing volume of each `VOLUME` of an image on which nothing is mounted: a claim mounted
/// above it would be hidden.
#[test]
fn what_is_kept_is_mounted_where_the_image_keeps_it() {
    let image = std::fs::read_to_string(chart().join("../../image/Dockerfile")).unwrap();
    let kept = image.lines().find(|line| line.starts_with("VOLUME")).unwrap();
    for name in VALUES {
        let Some(manifests) = manifests(name) else { return };
        for container in of_manifests(&manifests) {
            for option in ["--state", "--snapshots"] {
                let Some(path) = container.option(option) else { continue };
                assert!(
                    kept.contains(&format!("\"{path}\"")),
                    "{}: {path} is not in {kept}",
                    container.place
                );
                let writes =
                    container.mounts.get(path).unwrap_or_else(|| panic!("{}: {path}", container.place));
                assert_eq!(*writes, container.args[0] != "serve", "{}", container.place);
            }
            let others = container
                .mounts
                .iter()
                .filter(|(path, writes)| **writes && !path.starts_with("/var/lib/hmisr/"));
            assert_eq!(others.count(), 0, "{}", container.place);
        }
    }
}

#[test]
fn every_pod_is_confined_and_bounded() {
    for name in VALUES {
        let Some(manifests) = manifests(name) else { return };
        let pods: Vec<&Value> =
            manifests.iter().map(|it| &it["spec"]["template"]["spec"]).filter(|it| it.is_object()).collect();
        assert!(!pods.is_empty());
        for pod in pods {
            let user = &pod["securityContext"];
            assert!(user["runAsNonRoot"] == true && user["runAsUser"] == 10001, "{name}: {user}");
            assert_eq!(user["seccompProfile"]["type"], "RuntimeDefault");
            assert_eq!(pod["automountServiceAccountToken"], false);
            let container = &pod["containers"][0];
            let own = &container["securityContext"];
            assert!(
                own["allowPrivilegeEscalation"] == false && own["readOnlyRootFilesystem"] == true,
                "{own}"
            );
            assert_eq!(own["capabilities"]["drop"][0], "ALL");
            let bounds = &container["resources"];
            assert!(
                bounds["limits"]["memory"].is_string() && bounds["requests"]["cpu"].is_string(),
                "{bounds}"
            );
            assert!(!container["image"].as_str().unwrap().ends_with(":latest"));
        }
        for account in of_kind(&manifests, "ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false);
        }
        assert_eq!(of_kind(&manifests, "Secret").count(), 0, "secrets are referred to, never made");
    }
}

/// What docs/runbooks.md asks of a rolling upgrade.
#[test]
fn an_instance_may_end_in_order_and_one_at_a_time() {
    let Some(manifests) = manifests("minimal") else { return };
    let defaults = std::fs::read_to_string(chart().join("../../../cli/default.toml")).unwrap();
    let setting = |key: &str| {
        let line = defaults.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        line.split(['=', '#']).nth(1).unwrap().trim().parse::<u64>().unwrap()
    };
    let pipeline = part(&manifests, "StatefulSet", "pipeline");
    let grace =
        pipeline["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap() * 1000;
    // The transaction that is open, the partitions' end, the last checkpoint.
    let needed =
        setting("transaction_timeout_ms") + setting("revoke_timeout_ms") + setting("checkpoint_on_revoke_ms");
    assert!(grace >= needed, "{grace} ms, {needed} needed");
    let serve = part(&manifests, "Deployment", "serve");
    let grace = serve["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap() * 1000;
    assert!(grace > setting("shutdown_timeout_ms"));
    assert_eq!(serve["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    assert_eq!(part(&manifests, "PodDisruptionBudget", "pipeline")["spec"]["maxUnavailable"], 1);
    assert_eq!(part(&manifests, "StatefulSet", "train")["spec"]["replicas"], 1);
    let instance = of_manifests(&manifests).into_iter().find(|it| it.args[0] == "pipeline").unwrap();
    // Each may be asked by the names of all Services, and of the instances behind the headless one.
    for container in of_manifests(&manifests).iter().filter(|it| it.args[0] != "topics") {
        let hosts: Vec<String> =
            serde_json::from_str(&container.env["HMISR__SERVING__ALLOWED_HOSTS"]).unwrap();
        for part in ["pipeline", "train", "serve"] {
            let service = format!("shop-hmisr-{part}");
            for name in [service.clone(), format!("{service}.web"), format!("{service}.web.svc")] {
                assert!(hosts.contains(&name), "{}: {name} in {hosts:?}", container.place);
            }
        }
        assert!(hosts.contains(&".shop-hmisr-pipeline.web.svc".to_owned()), "{hosts:?}");
    }
    for name in ["HMISR__PIPELINE__TRANSACTIONAL_ID", "HMISR__KAFKA__GROUP_INSTANCE_ID"] {
        assert_eq!(instance.env[name], "shop-hmisr-pipeline-0");
    }
    assert!(
        instance
            .option("--advertise")
            .unwrap()
            .starts_with("http://shop-hmisr-pipeline-0.shop-hmisr-pipeline.web.svc:")
    );
}

#[test]
fn the_operator_gets_the_rules_that_ship_and_the_jobs_that_they_know() {
    let Some(manifests) = manifests("everything") else { return };
    let rules = of_kind(&manifests, "PrometheusRule").next().unwrap();
    let mut shipped = Vec::new();
    for file in ["recording", "alerts"] {
        let text = std::fs::read_to_string(chart().join(format!("../../prometheus/{file}.yml"))).unwrap();
        shipped.extend(documents(&text).unwrap()[0]["groups"].as_array().unwrap().clone());
    }
    assert_eq!(rules["spec"]["groups"], Value::Array(shipped));
    let monitor = of_kind(&manifests, "ServiceMonitor").next().unwrap();
    let label = monitor["spec"]["jobLabel"].as_str().unwrap();
    let jobs: Vec<&str> =
        of_kind(&manifests, "Service").map(|it| it["metadata"]["labels"][label].as_str().unwrap()).collect();
    assert_eq!(jobs, ["pipeline", "serve", "train"]);
}
