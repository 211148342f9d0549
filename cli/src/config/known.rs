//! The names of all settings, and which of them somebody may have meant.

use std::sync::LazyLock;

use strsim::damerau_levenshtein;

use super::DEFAULTS;

/// Every setting with its table, also those that have no default and stand commented out.
static KNOWN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut known = Vec::new();
    let mut table = String::new();
    for line in DEFAULTS.lines() {
        if let Some((name, _)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            name.clone_into(&mut table);
            continue;
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
        };
        if let Some((name, _)) = line.split_once(" = ").filter(|(name, _)| is_name(name) && !table.is_empty())
        {
            known.push(format!("{table}.{name}"));
        }
    }
    known
});

/// Every setting.
pub fn all() -> &'static [String] {
    &KNOWN
}

/// The setting that is most like `name`, where one is.
pub fn nearest(name: &str) -> Option<&'static str> {
    let candidates = KNOWN.iter().filter_map(|known| Some((distance(name, known)?, known.as_str())));
    candidates.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The most like of a few words, as of a setting's values.
pub fn nearest_of<'a>(name: &str, words: &[&'a str]) -> Option<&'a str> {
    let near = |word: &&str| damerau_levenshtein(&plain(name), &plain(word)) <= allowed(name);
    words.iter().copied().filter(near).min_by_key(|word| damerau_levenshtein(&plain(name), &plain(word)))
}

/// How much a name differs from a setting's; none where nobody would write the one for the other.
fn distance(name: &str, known: &str) -> Option<usize> {
    let (table, last) = split(name);
    let (known_table, known_last) = split(known);
    let whole = damerau_levenshtein(&plain(name), &plain(known));
    let edits = damerau_levenshtein(&plain(last), &plain(known_last));
    let elsewhere = if table == known_table { 0 } else { 2 };
    let contained = last.len() >= 3 && plain(known_last).contains(&plain(last));
    let by_name = if contained { edits.min(1) } else { edits } + elsewhere;
    let distance = whole.min(by_name);
    (distance <= allowed(last)).then_some(distance)
}

/// How many edits a word may be away from the one that was meant.
fn allowed(word: &str) -> usize {
    (word.len() / 3).max(1)
}

fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

/// Without what people write in different ways: `maxLatenessMs`, `max-lateness-ms`.
fn plain(name: &str) -> String {
    name.chars().filter(|char| !"_-".contains(*char)).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_almost_right_is_recognised() {
        for (name, meant) in [
            ("features.windw", "features.window"),
            ("feature.window", "features.window"),
            ("features_window", "features.window"),
            ("window", "features.window"),
            ("pipeline.window", "features.window"),
            ("features.maxLatenessMs", "features.max_lateness_ms"),
            ("features.max-lateness-ms", "features.max_lateness_ms"),
            ("features.lateness", "features.max_lateness_ms"),
            ("features.ttl", "features.ttl_ms"),
            ("kafka.broker", "kafka.brokers"),
            ("kafka.group_instnce_id", "kafka.group_instance_id"),
            ("feed.generator.event", "feed.generator.events"),
            ("trainer.model.hmisr.losses.contrst", "trainer.model.hmisr.losses.contrast"),
        ] {
            assert_eq!(nearest(name), Some(meant), "{name}");
        }
    }

    #[test]
    fn nothing_is_suggested_for_what_is_like_nothing() {
        for name in ["features.qqq", "colour", "x", "features.x.y.z"] {
            assert_eq!(nearest(name), None, "{name}");
        }
        assert_eq!(nearest_of("every-event", &["every_event", "per_commit"]), Some("every_event"));
        assert_eq!(nearest_of("never", &["every_event", "per_commit"]), None);
    }

    #[test]
    fn settings_without_a_default_are_known() {
        for name in ["feed.events", "kafka.group_instance_id", "bridge.fields.user_id", "up.max_backlog"] {
            assert!(all().iter().any(|known| known == name), "{name}");
        }
        assert!(!all().iter().any(|known| known.starts_with("kafka.client.")));
    }
}
