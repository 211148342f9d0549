//! The configuration: defaults, a file, the environment, `--set`, each over the one before.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use hmisr_features::FeatureSettings;
use hmisr_pipeline::PipelineSettings;
use hmisr_state::StateSettings;
use hmisr_stream::Partitioner;
use hmisr_stream::kafka::KafkaSettings;
use hmisr_stream::log::LogSettings;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The file that is read where none is named, if it is there.
const FILE: &str = "hmisr.toml";
/// Prefix of environment variables: `HMISR__FEATURES__WINDOW=8` sets `features.window`.
const ENVIRONMENT: &str = "HMISR__";
/// Every setting with its default and what it means.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// All settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What the features are.
    pub features: FeatureSettings,
    /// The job.
    pub pipeline: PipelineSettings,
    /// Keyed state.
    pub state: StateSettings,
    /// Topics that are made where they are missing.
    pub topics: TopicSettings,
    /// The embedded log.
    pub log: LogSettings,
    /// Apache Kafka.
    pub kafka: KafkaSettings,
    /// Where `hmisr up` takes events from.
    pub feed: hmisr_feed::Settings,
    /// What `hmisr bridge` copies.
    pub bridge: hmisr_feed::BridgeSettings,
    /// The trainer.
    pub trainer: hmisr_trainer::Settings,
    /// The HTTP server.
    pub serving: hmisr_serving::Settings,
    /// `hmisr up`.
    pub up: UpSettings,
}

/// Topics that are made where they are missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicSettings {
    /// Partitions of each.
    pub partitions: i32,
    /// Copies of each partition on Kafka; -1: the brokers' default.
    pub replication: i32,
    /// How the producers of `events` choose a record's partition.
    pub partitioner: Partitioner,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { partitions: 4, replication: -1, partitioner: Partitioner::default() }
    }
}

/// How `hmisr up` holds the parts together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpSettings {
    /// Events that may be fed but not yet trained on; the feeder waits beyond it.
    pub max_backlog: u64,
}

impl Default for UpSettings {
    fn default() -> Self {
        Self { max_backlog: 200_000 }
    }
}

impl Config {
    /// Reads everything that is in force. `file`: the one named on the command line; `set`:
    /// `key=value` pairs.
    pub fn load(file: Option<&Path>, set: &[String]) -> Result<Self, Failure> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        let path = file.map_or_else(|| PathBuf::from(FILE), Path::to_owned);
        if path.exists() {
            check_syntax(&path)?;
            figment = figment.merge(Toml::file_exact(&path));
        } else if file.is_some() {
            return Err(Failure::user(format!(
                "--config {}: there is no such file; `hmisr config --defaults` prints one to start from",
                path.display()
            )));
        }
        figment = figment.merge(Env::prefixed(ENVIRONMENT).split("__"));
        for pair in set {
            figment = figment.merge(Toml::string(&assignment(pair)?));
        }
        let config: Self = figment.extract().map_err(|error| {
            let text: Vec<String> = error.into_iter().map(told).collect();
            let text = text.join("; ");
            Failure::user(format!("configuration: {text}; `hmisr config --defaults` lists every setting"))
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks every setting that its part checks.
    fn validate(&self) -> Result<(), Failure> {
        self.features.validate().map_err(|error| Failure::user(error.to_string()))?;
        self.pipeline.validate().map_err(Failure::user)?;
        self.state.validate().map_err(Failure::user)?;
        self.kafka.validate()?;
        self.log.validate().map_err(Failure::user)?;
        self.feed.validate()?;
        self.bridge.validate()?;
        self.trainer.validate()?;
        self.serving.validate().map_err(|error| Failure::user(error.to_string()))?;
        if !(1..=100_000).contains(&self.topics.partitions) {
            let partitions = self.topics.partitions;
            return Err(Failure::user(format!("topics.partitions = {partitions}: expected 1 to 100000")));
        }
        if self.up.max_backlog < 1_000 {
            let backlog = self.up.max_backlog;
            return Err(Failure::user(format!("up.max_backlog = {backlog}: expected 1000 or more events")));
        }
        Ok(())
    }

    /// What is in force, as a file that could be read again (secrets are not shown).
    pub fn to_toml(&self) -> Result<String, Failure> {
        let mut table = toml::Value::try_from(self).map_err(|error| Failure::fault(&error))?;
        shorten(&mut table);
        toml::to_string(&table).map_err(|error| Failure::fault(&error))
    }
}

/// Gives numbers of single precision the digits that they were written with.
fn shorten(value: &mut toml::Value) {
    match value {
        toml::Value::Float(float) if f64::from(*float as f32) == *float => {
            *float = (*float as f32).to_string().parse().unwrap_or(*float);
        }
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, value)| shorten(value)),
        _ => {}
    }
}

/// The table whose values may be secrets.
const SECRETS: [&str; 2] = ["kafka", "client"];

/// Where the file is no TOML. The parser's own text is left out: it shows the line, and so its secrets.
fn check_syntax(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::user(format!("{shown} cannot be read: {error}")))?;
    let Err(error) = text.parse::<toml::Table>() else { return Ok(()) };
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
    Err(Failure::user(format!(
        "{shown}, line {line}, column {column}: this is not TOML; text stands in quotes, a name once in its table"
    )))
}

/// What is wrong with a setting; of one that may be or hold a secret without what was found.
fn told(mut error: figment::Error) -> String {
    if error.path.iter().zip(SECRETS).all(|(key, secret)| key == secret) {
        error.kind = match error.kind {
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                Kind::Message(format!("expected {expected}"))
            }
            kind @ (Kind::UnknownField(..) | Kind::MissingField(_) | Kind::DuplicateField(_)) => kind,
            _ if error.path.len() > SECRETS.len() => {
                Kind::Message("expected text, a whole number, true or false".to_owned())
            }
            _ => Kind::Message("expected another value".to_owned()),
        };
    }
    error.to_string()
}

/// A `--set` pair as TOML; a value that is no TOML value is a string, and so is what may be a
/// secret, however it looks.
fn assignment(pair: &str) -> Result<String, Failure> {
    let Some((key, value)) = pair.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else {
        return Err(Failure::user("--set: expected key=value, such as features.window=8".to_owned()));
    };
    let plain = format!("{key} = {value}");
    let text = format!("{key} = {}", toml::Value::from(value));
    let property = key.starts_with(&format!("{}.", SECRETS.join("."))) && !value.starts_with(['"', '\'']);
    let lines = if property { vec![text] } else { vec![plain, text] };
    lines.into_iter().find(|line| line.parse::<toml::Table>().is_ok()).ok_or_else(|| {
        Failure::user(format!("--set {key}=…: `{key}` is not the name of a setting, such as features.window"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let documented: Config = toml::from_str(DEFAULTS).unwrap();
        assert_eq!(documented, Config::default());
        let all: toml::Table = toml::from_str(&Config::default().to_toml().unwrap()).unwrap();
        let shown: toml::Table = toml::from_str(DEFAULTS).unwrap();
        assert_eq!(keys("", &shown), keys("", &all), "every setting stands in default.toml");
    }

    #[test]
    fn queries_over_raw_events_count_the_positive_actions() {
        let queries = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../sql/queries");
        let actions = Config::default().pipeline.positive_actions;
        let quoted: Vec<String> = actions.iter().map(|action| format!("'{action}'")).collect();
        let filter = format!("WHERE valid_ts AND action IN ({})", quoted.join(", "));
        let mut found = 0;
        for entry in std::fs::read_dir(queries).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            if text.contains("FROM events") {
                assert!(text.contains(&filter), "{text}");
                found += 1;
            }
        }
        assert_eq!(found, 2);
    }

    fn keys(prefix: &str, table: &toml::Table) -> Vec<String> {
        let mut keys = Vec::new();
        for (key, value) in table {
            match value {
                toml::Value::Table(table) => keys.extend(self::keys(&format!("{prefix}{key}."), table)),
                _ => keys.push(format!("{prefix}{key}")),
            }
        }
        keys.sort();
        keys
    }

    #[test]
    fn set_goes_over_file_and_unknown_keys_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        std::fs::write(&file, "[features]\nwindow = 9\nrecent = 3\n").unwrap();
        let set = ["features.window=8".to_owned(), "pipeline.group=my group".to_owned()];
        let config = Config::load(Some(&file), &set).unwrap();
        assert_eq!((config.features.window, config.features.recent), (8, 3));
        assert_eq!(config.pipeline.group, "my group");
        for (set, expected) in [
            ("features.windw=8", "windw"),
            ("feature.window=8", "feature"),
            ("features.window=many", "window"),
            ("features.window=0", "features.window = 0"),
            ("features.window", "key=value"),
            ("no name=1", "no name"),
        ] {
            let error = Config::load(Some(&file), &[set.to_owned()]).unwrap_err();
            assert!(error.to_string().contains(expected), "{set}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
        assert!(Config::load(Some(Path::new("/nowhere.toml")), &[]).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        let load = |text: &str, set: &[&str]| {
            std::fs::write(&file, text).unwrap();
            let set: Vec<String> = set.iter().map(|pair| (*pair).to_owned()).collect();
            Config::load(Some(&file), &set)
        };
        for (text, expected) in [
            ("[kafka.client]\n\"sasl.password\" = hunter2\n", "a.toml, line 2, column 19"),
            ("[kafka.client]\n\"sasl.password\" = 'hunter2\n", "a.toml, line 2, column"),
            ("[kafka.client]\nsasl.password = 'hunter2'\n", "sasl"),
            ("[kafka.client]\n\"sasl.password\" = ['hunter2']\n", "sasl.password"),
            ("[kafka.client]\n\"sasl.password\" = 1234567.5\n", "sasl.password"),
            ("[kafka]\nclient = 'hunter2'\n", "kafka.client"),
            ("kafka = 'hunter2'\n", "kafka"),
            ("[kafka]\nclient = 1234567\n", "kafka.client"),
        ] {
            let error = load(text, &[]).unwrap_err();
            let shown = error.to_string();
            assert!(!shown.contains("hunter2") && !shown.contains("1234567"), "{text}: {shown}");
            assert!(shown.contains(expected), "{text}: {shown}");
            assert_eq!(error.exit_code(), 2);
        }
        for set in ["kafka.client.\"sasl.password=hunter2", "kafka.client=hunter2", "kafka.client hunter2"] {
            let shown = load("", &[set]).unwrap_err().to_string();
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains("--set") || shown.contains("kafka.client"), "{shown}");
        }
        // What the environment's reader makes of a broken table.
        let env = Figment::from(Serialized::defaults(Config::default()))
            .merge(("kafka.client", "{\"sasl.password\"=\"hun,ter2"));
        let shown = told(env.extract::<Config>().unwrap_err());
        assert!(!shown.contains("ter2") && shown.contains("kafka.client"), "{shown}");
    }

    #[test]
    fn properties_of_kafka_clients_are_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        std::fs::write(&file, "[kafka.client]\n\"a.b\" = 12345\nc = true\n").unwrap();
        let set = |value: &str| format!("kafka.client.\"sasl.password\"={value}");
        for (value, expected) in
            [("1e5", "1e5"), ("\"a\\\"b\"", "a\"b"), ("012\"3", "012\"3"), ("true", "true")]
        {
            let client = Config::load(Some(&file), &[set(value)]).unwrap().kafka.client;
            assert_eq!(client["sasl.password"], expected);
            assert_eq!((client["a.b"].as_str(), client["c"].as_str()), ("12345", "true"));
        }
    }
}
