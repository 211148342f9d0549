//! Whether the keys of `events` lie where the configured partitioner puts them.

use std::collections::BTreeMap;
use std::time::Duration;

use hmisr_stream::contract::topic;
use hmisr_stream::kafka::{Finding, Severity, sample_keys};
use hmisr_stream::{KeySample, Partitioner, Verdict};
use serde::Serialize;

use crate::config::Config;

/// How long reading the sample may take.
const WITHIN: Duration = Duration::from_secs(10);

/// What the newest keys say.
#[derive(Debug, Serialize)]
pub struct Recognised {
    /// `topics.partitioner`.
    configured: Partitioner,
    /// What at least 99 % of the keys agree with, where there are enough of them.
    recognised: Option<Partitioner>,
    /// Distinct keys looked at.
    keys: usize,
    /// By partitioner, the share of keys that lie where it puts them.
    agreement: BTreeMap<&'static str, f64>,
    /// The same in words.
    pub text: String,
}

/// Reads a bounded sample of the topic's newest records; beside what it says, what is wrong.
pub fn check(config: &Config) -> (Option<Recognised>, Option<Finding>) {
    match sample_keys(&config.kafka, topic::EVENTS, WITHIN) {
        Ok(sample) => {
            let (recognised, finding) = judge(&sample, config.topics.partitioner);
            (Some(recognised), finding)
        }
        Err(error) => {
            let text = format!("its partitioner could not be looked at: {error}");
            (None, Some(Finding { severity: Severity::Warning, text }))
        }
    }
}

fn judge(sample: &KeySample, configured: Partitioner) -> (Recognised, Option<Finding>) {
    let finding = |severity, text| Some(Finding { severity, text });
    let (text, finding) = match sample.verdict(configured) {
        Verdict::OnePartition => ("one partition: there is nothing to recognise".to_owned(), None),
        Verdict::Recognised(partitioner) => {
            let text = format!("{partitioner}, recognised: {sample}");
            let is_right = [partitioner, Partitioner::Any].contains(&configured);
            let wrong = || {
                finding(
                    Severity::Change,
                    format!(
                        "its keys lie where {partitioner} puts them, and topics.partitioner is {configured}: set topics.partitioner = \"{partitioner}\" ({sample})"
                    ),
                )
            };
            (text, if is_right { None } else { wrong() })
        }
        Verdict::Undecided => {
            let text = format!("undecided: {sample}");
            let wrong = format!(
                "its partitioner is undecided: {sample}. Its producers differ, or use another one: let all use one, else a user's events may lie in two partitions; where a user is always in one, set topics.partitioner = \"any\""
            );
            let is_known = configured == Partitioner::Any;
            (text, if is_known { None } else { finding(Severity::Warning, wrong) })
        }
        Verdict::TooFewKeys => {
            let text = format!("undecided with fewer than {} keys: {sample}", KeySample::KEYS);
            let best = sample.best(configured).filter(|best| {
                sample.keys() >= KeySample::FEW && ![*best, Partitioner::Any].contains(&configured)
            });
            let likely = |best| {
                finding(
                    Severity::Warning,
                    format!(
                        "its keys seem to lie where {best} puts them, and topics.partitioner is {configured}: {sample}; {} keys are needed to be certain",
                        KeySample::KEYS
                    ),
                )
            };
            (text, best.and_then(likely))
        }
    };
    let recognised = match sample.verdict(configured) {
        Verdict::Recognised(partitioner) => Some(partitioner),
        _ => None,
    };
    let agreement =
        sample.shares().into_iter().map(|(partitioner, share)| (partitioner.as_str(), share)).collect();
    (Recognised { configured, recognised, keys: sample.keys(), agreement, text }, finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(partitions: i32, keys: u32, of: impl Fn(u32) -> Partitioner) -> KeySample {
        let mut sample = KeySample::new(partitions);
        for number in 0..keys {
            let key = number.to_string();
            sample.add(key.as_bytes(), of(number).choose(key.as_bytes(), partitions));
        }
        sample
    }

    #[test]
    fn what_is_certainly_wrong_has_to_be_changed_and_the_rest_is_said() {
        let crc32 = |_| Partitioner::Crc32;
        let mixed = |number| if number % 2 == 0 { Partitioner::Crc32 } else { Partitioner::Murmur2 };
        for (sample, configured, severity, text) in [
            (sample(4, 1_000, crc32), Partitioner::Crc32, None, "crc32, recognised"),
            (sample(4, 1_000, crc32), Partitioner::Any, None, "crc32, recognised"),
            (sample(4, 1_000, crc32), Partitioner::Murmur2, Some(Severity::Change), "crc32, recognised"),
            (sample(4, 40, crc32), Partitioner::Murmur2, Some(Severity::Warning), "undecided with fewer"),
            (sample(4, 40, crc32), Partitioner::Crc32, None, "undecided with fewer"),
            (sample(4, 1_000, mixed), Partitioner::Murmur2, Some(Severity::Warning), "undecided: of 1000"),
            (sample(4, 1_000, mixed), Partitioner::Any, None, "undecided: of 1000"),
            (sample(4, 0, crc32), Partitioner::Murmur2, None, "undecided with fewer"),
            (sample(1, 1_000, crc32), Partitioner::Murmur2, None, "nothing to recognise"),
        ] {
            let (recognised, finding) = judge(&sample, configured);
            assert!(recognised.text.starts_with(text) || recognised.text.contains(text), "{recognised:?}");
            assert_eq!(finding.map(|finding| finding.severity), severity, "{configured}: {recognised:?}");
        }
    }
}
