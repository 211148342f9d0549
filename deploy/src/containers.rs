//! What runs in containers: read from the compose file and from the chart's objects.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml_ng::Value;

/// A container that runs the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Where it was found.
    pub place: String,
    /// Its image with a tag.
    pub image: String,
    /// The program's arguments.
    pub arguments: Vec<String>,
    /// Variables with a value of their own; those of secrets have none.
    pub environment: BTreeMap<String, String>,
}

/// A compose file, as far as it is read here.
#[derive(Debug, Deserialize)]
pub struct Compose {
    /// Services by name.
    pub services: BTreeMap<String, Service>,
    /// Named volumes.
    pub volumes: BTreeMap<String, Value>,
}

/// One service of it.
#[derive(Debug, Deserialize)]
pub struct Service {
    /// Its image with a tag.
    pub image: String,
    /// Arguments of what the image starts.
    #[serde(default)]
    pub command: Vec<String>,
    /// Variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// SOURCE:TARGET[:ro]; the source is a path or a named volume.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// [HOST:]PORT:PORT.
    #[serde(default)]
    pub ports: Vec<String>,
    /// Services that come first, with what is waited for.
    #[serde(default)]
    pub depends_on: BTreeMap<String, Value>,
}

impl Compose {
    /// Reads a file's text, with its anchors and merges.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(text: &str) -> Result<Self, serde_yaml_ng::Error> {
        let mut value: Value = serde_yaml_ng::from_str(text)?;
        value.apply_merge()?;
        serde_yaml_ng::from_value(value)
    }

    /// The services that run the program.
    pub fn containers(&self) -> Vec<Container> {
        let ours = self.services.iter().filter(|(_, service)| service.image.starts_with("hmisr:"));
        ours.map(|(name, service)| Container {
            place: format!("service {name}"),
            image: service.image.clone(),
            arguments: service.command.clone(),
            environment: service.environment.clone(),
        })
        .collect()
    }
}

/// The objects of a rendered chart.
///
/// # Errors
/// Where the text is no YAML.
pub fn objects(rendered: &str) -> Result<Vec<Value>, serde_yaml_ng::Error> {
    let documents = serde_yaml_ng::Deserializer::from_str(rendered).map(Value::deserialize);
    let objects = documents.collect::<Result<Vec<_>, _>>()?;
    Ok(objects.into_iter().filter(|object| !object.is_null()).collect())
}

/// The program's containers in the chart's objects.
pub fn containers(objects: &[Value]) -> Vec<Container> {
    let mut found = Vec::new();
    for object in objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        let pod = &object["spec"]["template"]["spec"];
        for container in pod["containers"].as_sequence().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let arguments = container["args"].as_sequence().into_iter().flatten().map(text).collect();
            let variables = container["env"].as_sequence().into_iter().flatten();
            let environment = variables
                .filter_map(|variable| {
                    Some((text(&variable["name"]), variable["value"].as_str()?.to_owned()))
                })
                .collect();
            found.push(Container {
                place: format!("{kind} {}", text(&object["metadata"]["name"])),
                image: text(&container["image"]),
                arguments,
                environment,
            });
        }
    }
    found
}
