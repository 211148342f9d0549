//! Which series a PromQL query reads, and how. Not a parser: `promtool` and Prometheus check the syntax.

/// A series in a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Name of the series, like `hmisr_serving_request_seconds_bucket`.
    pub series: String,
    /// The function whose argument it is directly, like `rate`.
    pub function: Option<String>,
    /// Whether it stands within `histogram_quantile`.
    pub quantile: bool,
}

impl Use {
    /// Whether it is a recorded series, like `job:hmisr_pipeline_events:rate5m`.
    pub fn is_recorded(&self) -> bool {
        self.series.contains(':')
    }
}

/// The series of `query`, in their order. Series are told by how all of ours begin: `hmisr_` or `process_`,
/// `up`, or a level and a colon.
pub fn uses(query: &str) -> Vec<Use> {
    let mut found = Vec::new();
    // The function before each parenthesis that is open.
    let mut open: Vec<&str> = Vec::new();
    let mut word_from = None;
    let mut last_word = "";
    let mut quoted = false;
    let mut braces = 0;
    for (at, c) in query.char_indices().chain([(query.len(), ' ')]) {
        if quoted {
            quoted = c != '"';
            continue;
        }
        if c.is_ascii_alphanumeric() || matches!(c, '_' | ':') {
            word_from.get_or_insert(at);
            continue;
        }
        if let Some(from) = word_from.take() {
            last_word = query.get(from..at).unwrap_or_default();
            if braces == 0 && is_series(last_word) {
                found.push(Use {
                    series: last_word.to_owned(),
                    function: open.last().filter(|name| !name.is_empty()).map(|name| (*name).to_owned()),
                    quantile: open.contains(&"histogram_quantile"),
                });
            }
        }
        match c {
            '"' => quoted = true,
            '{' => braces += 1,
            '}' => braces -= 1,
            '(' => open.push(last_word),
            ')' => drop(open.pop()),
            _ => {}
        }
        if !c.is_whitespace() {
            last_word = "";
        }
    }
    found
}

/// The selectors of `query`, as they stand in it but for their range and offset: `name{labels}`.
pub fn selectors(query: &str) -> Vec<String> {
    let mut rest = query;
    let mut found = Vec::new();
    for Use { series, .. } in uses(query) {
        let Some(at) = rest.find(&series) else { continue };
        rest = rest.get(at + series.len()..).unwrap_or_default();
        let labels =
            rest.strip_prefix('{').and_then(|labels| labels.split_once('}')).map(|(labels, _)| labels);
        found.push(labels.map_or(series.clone(), |labels| format!("{series}{{{labels}}}")));
    }
    found
}

fn is_series(word: &str) -> bool {
    let level = word.split_once(':').is_some_and(|(level, rest)| {
        level.starts_with(|c: char| c.is_ascii_lowercase()) && rest.contains(':')
    });
    word == "up" || word.starts_with("hmisr_") || word.starts_with("process_") || level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_functions_and_selectors_are_found() {
        let query = r#"histogram_quantile(0.9, sum by (le) (rate(hmisr_a_bucket{job="hmisr_no", le!="(1"}[5m])))
            / on (job) (job:b:rate5m offset 1h) > hmisr_c"#;
        let found = uses(query);
        let shown: Vec<_> =
            found.iter().map(|u| (u.series.as_str(), u.function.as_deref(), u.quantile)).collect();
        assert_eq!(
            shown,
            [("hmisr_a_bucket", Some("rate"), true), ("job:b:rate5m", None, false), ("hmisr_c", None, false)]
        );
        assert_eq!(
            selectors(r#"rate(hmisr_a{b="c"}[5m]) > hmisr_d offset 1h"#),
            [r#"hmisr_a{b="c"}"#, "hmisr_d"]
        );
    }
}
