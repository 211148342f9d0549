//! The containers of HMISR that compose file and chart start, in one form: what they run, with which
//! settings, files and checks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A container of the program.
#[derive(Debug)]
pub struct Container {
    /// Where it is described.
    pub place: String,
    /// What follows `hmisr`.
    pub args: Vec<String>,
    /// Its environment, references to other variables followed. A value out of a Secret is `secret:NAME/KEY`.
    pub env: BTreeMap<String, String>,
    /// What stands in `/etc/hmisr/hmisr.toml`.
    pub settings: String,
    /// Commands of its health checks, without `hmisr`.
    pub probes: Vec<Vec<String>>,
    /// Ports that it is reached on.
    pub ports: BTreeSet<u64>,
    /// Where something is mounted, and whether it can be written.
    pub mounts: BTreeMap<String, bool>,
}

impl Container {
    /// What an option is given, as `--listen ADDRESS` or `--listen=ADDRESS`.
    pub fn option(&self, name: &str) -> Option<&str> {
        let given = |(at, word): (usize, &String)| match word.strip_prefix(name)? {
            "" => self.args.get(at + 1).map(|_| at + 1),
            rest => rest.starts_with('=').then_some(at),
        };
        let at = self.args.iter().enumerate().find_map(given)?;
        let word = self.args.get(at)?;
        Some(word.strip_prefix(name).map_or(word.as_str(), |rest| rest.trim_start_matches('=')))
    }

    /// The port of `--listen`.
    pub fn listens_on(&self) -> Option<u64> {
        self.option("--listen")?.rsplit(':').next()?.parse().ok()
    }
}

/// The services of a compose file, as its loader prints it (all defaults and anchors resolved), that run `image`;
/// `settings` is the text of the file that they mount.
pub fn of_compose(file: &Value, image: &str, settings: &str) -> Vec<Container> {
    let services = file["services"].as_object().into_iter().flatten();
    let ours = services.filter(|(_, service)| service["image"] == *image);
    let container = |(name, service): (&String, &Value)| Container {
        place: format!("compose.yml, service {name}"),
        args: texts(&service["command"]),
        env: service["environment"].as_object().into_iter().flatten().map(pair).collect(),
        settings: settings.to_owned(),
        probes: probe(&service["healthcheck"]["test"], &["CMD", "hmisr"]).into_iter().collect(),
        ports: list(&service["ports"]).filter_map(|port| port["target"].as_u64()).collect(),
        mounts: list(&service["volumes"])
            .map(|volume| (text(&volume["target"]), volume["read_only"] != true))
            .collect(),
    };
    ours.map(container).collect()
}

/// The containers of rendered manifests.
pub fn of_manifests(manifests: &[Value]) -> Vec<Container> {
    let mut containers = Vec::new();
    for manifest in manifests {
        let pod = &manifest["spec"]["template"]["spec"];
        let instance = format!("{}-0", text(&manifest["metadata"]["name"]));
        for container in list(&pod["containers"]) {
            let env = environment(&container["env"], &instance);
            let checks = ["livenessProbe", "readinessProbe", "startupProbe"];
            containers.push(Container {
                place: format!("{} {}", text(&manifest["kind"]), text(&manifest["metadata"]["name"])),
                args: texts(&container["args"]).iter().map(|word| followed(word, &env)).collect(),
                settings: settings(manifests, pod),
                probes: checks
                    .iter()
                    .filter_map(|check| probe(&container[*check]["exec"]["command"], &["hmisr"]))
                    .collect(),
                ports: list(&container["ports"]).filter_map(|port| port["containerPort"].as_u64()).collect(),
                mounts: list(&container["volumeMounts"])
                    .map(|mount| (text(&mount["mountPath"]), mount["readOnly"] != true))
                    .collect(),
                env,
            });
        }
    }
    containers
}

/// The variables of a container of Kubernetes; `instance` is its pod's name.
fn environment(variables: &Value, instance: &str) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for variable in list(variables) {
        let from = &variable["valueFrom"];
        let value = match (&variable["value"], &from["secretKeyRef"]) {
            (Value::String(value), _) => followed(value, &env),
            (_, Value::Object(secret)) => {
                format!("secret:{}/{}", text(&secret["name"]), text(&secret["key"]))
            }
            _ if from["fieldRef"]["fieldPath"] == "metadata.name" => instance.to_owned(),
            _ => String::new(),
        };
        env.insert(text(&variable["name"]), value);
    }
    env
}

/// `$(NAME)` replaced as Kubernetes does, by variables that are known.
fn followed(value: &str, env: &BTreeMap<String, String>) -> String {
    env.iter().fold(value.to_owned(), |value, (name, known)| value.replace(&format!("$({name})"), known))
}

/// The settings file of the ConfigMap that a pod mounts.
fn settings(manifests: &[Value], pod: &Value) -> String {
    let volume = list(&pod["volumes"]).find(|volume| volume["name"] == "settings");
    let name = volume.map(|volume| volume["configMap"]["name"].clone()).unwrap_or_default();
    let map = manifests.iter().find(|it| it["kind"] == "ConfigMap" && it["metadata"]["name"] == name);
    map.map(|map| text(&map["data"]["hmisr.toml"])).unwrap_or_default()
}

/// What follows `start` in a check's command.
fn probe(command: &Value, start: &[&str]) -> Option<Vec<String>> {
    texts(command)
        .strip_prefix(&start.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
        .map(<[_]>::to_vec)
}

fn pair((name, value): (&String, &Value)) -> (String, String) {
    (name.clone(), text(value))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).map(text).collect()
}

/// A value's text, a number's too.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
