//! Prometheus' rule files and the cases of `promtool test rules`, as far as they are checked here.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A file of rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Its groups.
    pub groups: Vec<Group>,
}

/// Rules that are evaluated together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What it is called.
    pub name: String,
    /// How often it is evaluated, where not as the global setting says.
    pub interval: Option<String>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// An alert or a recording rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The alert's name.
    pub alert: Option<String>,
    /// The recorded series' name.
    pub record: Option<String>,
    /// The query.
    pub expr: String,
    /// How long it holds before it fires.
    #[serde(rename = "for")]
    pub hold: Option<String>,
    /// How long it goes on firing.
    pub keep_firing_for: Option<String>,
    /// Labels it adds.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What a person reads.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl Rule {
    /// The alert's or the recorded series' name.
    pub fn name(&self) -> &str {
        self.alert.as_deref().or(self.record.as_deref()).unwrap_or_default()
    }
}

/// A file of cases for `promtool test rules`.
#[derive(Debug, Deserialize)]
pub struct CaseFile {
    /// The cases.
    pub tests: Vec<Case>,
}

/// Series, and what the rules make of them.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// What it shows.
    #[serde(default)]
    pub name: String,
    /// Alerts that fire, or do not.
    #[serde(default)]
    pub alert_rule_test: Vec<AlertCase>,
    /// Values of queries.
    #[serde(default)]
    pub promql_expr_test: Vec<QueryCase>,
}

/// An alert at a time.
#[derive(Debug, Deserialize)]
pub struct AlertCase {
    /// Whose.
    pub alertname: String,
    /// What fires then; empty where nothing does.
    #[serde(default)]
    pub exp_alerts: Vec<serde_yaml_ng::Value>,
}

/// A query at a time.
#[derive(Debug, Deserialize)]
pub struct QueryCase {
    /// The query.
    pub expr: String,
    /// What it gives; empty where nothing.
    #[serde(default)]
    pub exp_samples: Vec<serde_yaml_ng::Value>,
}

/// A file that is none of these, with its path and the place in it.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct RuleError {
    path: String,
    error: serde_yaml_ng::Error,
}

/// Reads the text of the file at `path`.
///
/// # Errors
/// Where it is no YAML, or a field is missing or unknown.
pub fn read<T: serde::de::DeserializeOwned>(path: &str, text: &str) -> Result<T, RuleError> {
    serde_yaml_ng::from_str(text).map_err(|error| RuleError { path: path.to_owned(), error })
}
