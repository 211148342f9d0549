//! The configuration: defaults, a file, the environment, `--set`, each over the one before.

mod known;
mod told;

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use hmisr_features::FeatureSettings;
use hmisr_pipeline::PipelineSettings;
use hmisr_state::StateSettings;
use hmisr_stream::TopicSettings;
use hmisr_stream::kafka::KafkaSettings;
use hmisr_stream::log::LogSettings;
use serde::{Deserialize, Serialize};

use self::told::{SECRETS, told, variable};
use crate::failure::Failure;

/// The file that is read where none is named, if it is there.
const FILE: &str = "hmisr.toml";
/// Prefix of environment variables: `HMISR__FEATURES__WINDOW=8` sets `features.window`.
const ENVIRONMENT: &str = "HMISR__";
/// Every setting with its default and what it means.
pub const DEFAULTS: &str = include_str!("../../default.toml");

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
        check_environment(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
        figment = figment.merge(Env::prefixed(ENVIRONMENT).split("__"));
        for pair in set {
            figment = figment.merge(Toml::string(&assignment(pair)?));
        }
        let config: Self = figment.extract().map_err(|error| {
            let text: Vec<String> = error.into_iter().map(|error| told(&error, &figment)).collect();
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

/// A variable that is a setting's but for its underscores would set nothing, without a word.
fn check_environment(names: impl Iterator<Item = String>) -> Result<(), Failure> {
    for name in names {
        let Some(rest) = name.strip_prefix("HMISR_").filter(|rest| !rest.starts_with('_')) else { continue };
        let rest = rest.to_lowercase().replace("__", "_");
        if let Some(meant) = known::all().iter().find(|known| known.replace('.', "_") == rest) {
            return Err(Failure::user(format!(
                "configuration: the environment variable {name} sets nothing; did you mean {}?",
                variable(meant)
            )));
        }
    }
    Ok(())
}

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
            ("features.windw=8", "unknown key features.windw in --set; did you mean features.window?"),
            ("feature.window=8", "unknown key feature in --set; did you mean features.window?"),
            ("features.qqq=8", "[features] has window, recent"),
            ("qqq=8", "there are the tables features, pipeline"),
            ("features.window=many", "features.window in --set: found \"many\", expected a whole number"),
            ("pipeline.emit=every-event", "did you mean \"every_event\"?"),
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
    fn a_typo_is_told_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        for (text, expected) in [
            ("[features]\nwindw = 9\n", "a.toml; did you mean features.window?"),
            ("[bridge.fields]\nuser = 'x'\n", "a.toml; did you mean bridge.fields.user_id?"),
            ("[trainer.modl]\nwidth = 8\n", "unknown key trainer.modl in"),
            ("[trainer.modl]\nwidth = 8\n", "did you mean trainer.model.width?"),
            ("window = 9\n", "did you mean features.window?"),
            ("[features]\nwindow = -1\n", "a.toml: found -1, expected a whole number"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = Config::load(Some(&file), &[]).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("default."), "{text}: {error}");
        }
    }

    #[test]
    fn a_variable_that_would_set_nothing_is_refused() {
        let check = |name: &str| check_environment([name.to_owned()].into_iter());
        for name in ["HMISR_FEATURES_WINDOW", "HMISR_FEATURES__WINDOW", "HMISR_FEATURES_MAX_LATENESS_MS"] {
            let error = check(name).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("did you mean HMISR__FEATURES__"), "{error}");
        }
        for name in ["HMISR__FEATURES__WINDOW", "HMISR_KAFKA_TESTS", "HMISR_PIPELINE_PORT", "PATH"] {
            check(name).unwrap();
        }
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
        let shown = told(&env.extract::<Config>().unwrap_err(), &env);
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
