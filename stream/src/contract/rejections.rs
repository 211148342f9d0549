//! What was rejected: counted by reason, with the first of each as an example.

use std::collections::BTreeMap;
use std::fmt;

use super::Reason;
use crate::Record;

/// How many characters of a record an example shows.
const SHOWN: usize = 160;

/// One record that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Where it stands: a file and line, or a topic, partition and offset.
    pub place: String,
    /// What is wrong with it.
    pub message: String,
    /// How it begins.
    pub record: String,
}

impl Example {
    /// Of a record of `topic`.
    pub fn of(topic: &str, record: &Record, message: &str) -> Self {
        let place = format!("{topic}, partition {}, offset {}", record.partition, record.offset);
        Self::at(place, record.payload.as_deref().unwrap_or_default(), message)
    }

    /// Of what stands at a place.
    pub fn at(place: String, payload: &[u8], message: &str) -> Self {
        // Four bytes are the most that a character has.
        let beginning = payload.get(..4 * SHOWN).unwrap_or(payload);
        let text = String::from_utf8_lossy(beginning);
        let mut record: String =
            text.chars().take(SHOWN).map(|char| if char.is_control() { ' ' } else { char }).collect();
        if record.len() < payload.len() && text.chars().count() > SHOWN {
            record.push('…');
        }
        Self { place, message: message.to_owned(), record }
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if self.record.is_empty() { Ok(()) } else { write!(f, ": {}", self.record) }
    }
}

/// A line as its source has it, where its time was written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The line.
    pub line: Vec<u8>,
    /// What its `ts` was read as, such as `s`.
    pub times: String,
}

impl Written {
    /// The line where it is rejected: as its source has it, and not as it was written anew.
    pub fn example(&self, place: String, reason: Reason, message: &str) -> Example {
        match reason {
            Reason::ImplausibleTime => Example::at(place, &self.line, &self.implausible()),
            _ => Example::at(place, &self.line, message),
        }
    }

    /// What is wrong with its time, where no event may have that.
    fn implausible(&self) -> String {
        let event: Option<serde_json::Value> = serde_json::from_slice(&self.line).ok();
        let ts =
            event.as_ref().and_then(|event| event.get("ts")).map(ToString::to_string).unwrap_or_default();
        format!(
            "field `ts`: {ts}, read as {}, is not between features.min_ts_ms and 2200; write it as the others are",
            self.times
        )
    }
}

/// How many were rejected for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The reason, as it stands in metrics and headers.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub example: Example,
}

/// Everything that was rejected. It keeps a count and an example a reason, however much it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejections(BTreeMap<&'static str, (u64, Example)>);

impl Rejections {
    /// Counts one; `example` is asked for where it is the first of its reason.
    pub fn add(&mut self, reason: &'static str, example: impl FnOnce() -> Example) {
        self.0.entry(reason).or_insert_with(|| (0, example())).0 += 1;
    }

    /// Counts so many more of a reason that has an example.
    pub fn add_more(&mut self, reason: &'static str, more: u64) {
        if let Some((count, _)) = self.0.get_mut(reason) {
            *count += more;
        }
    }

    /// Adds what another has counted, later.
    pub fn merge(&mut self, other: Self) {
        for (reason, (count, example)) in other.0 {
            self.0.entry(reason).or_insert((0, example)).0 += count;
        }
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    /// By reason, the most frequent first.
    pub fn by_frequency(&self) -> Vec<Rejected> {
        let mut all: Vec<Rejected> = self
            .0
            .iter()
            .map(|(&reason, (count, example))| Rejected { reason, count: *count, example: example.clone() })
            .collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.count));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(offset: i64) -> Record {
        let payload = Some(format!("payload {offset}").into_bytes());
        Record { partition: 2, offset, timestamp_ms: 0, key: None, payload, headers: Vec::new() }
    }

    #[test]
    fn the_first_of_each_reason_is_its_example_and_the_most_frequent_comes_first() {
        let (mut all, mut later) = (Rejections::default(), Rejections::default());
        all.add("late", || Example::of("events", &record(5), "too old"));
        for offset in 6..9 {
            all.add("invalid", || Example::of("events", &record(offset), "no user"));
            later.add("invalid", || Example::of("events", &record(offset), "no item"));
        }
        later.add("future", || Example::of("events", &record(1), "too new"));
        all.merge(later);
        assert_eq!(all.total(), 8);
        let by_frequency = all.by_frequency();
        let counts: Vec<_> = by_frequency.iter().map(|one| (one.reason, one.count)).collect();
        assert_eq!(counts, [("invalid", 6), ("future", 1), ("late", 1)]);
        let expected = Example {
            place: "events, partition 2, offset 6".to_owned(),
            message: "no user".to_owned(),
            record: "payload 6".to_owned(),
        };
        assert_eq!(by_frequency[0].example, expected);
        let shown = "events, partition 2, offset 6: no user: payload 6";
        assert_eq!(expected.to_string(), shown);
    }

    #[test]
    fn only_the_beginning_of_a_record_is_shown() {
        let shown = |payload: &[u8]| Example::at(String::new(), payload, "").record;
        assert_eq!(shown("ä\n\t\u{7}b".as_bytes()), "ä   b");
        assert_eq!(shown("ä".repeat(SHOWN).as_bytes()), "ä".repeat(SHOWN));
        assert_eq!(shown("ä".repeat(SHOWN + 1).as_bytes()), "ä".repeat(SHOWN) + "…");
        assert_eq!(shown(&[b'x'; 100_000]), "x".repeat(SHOWN) + "…");
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_shown(payload: Vec<u8>) {
            let shown = Example::at(String::new(), &payload, "").record;
            prop_assert!(shown.chars().count() <= SHOWN + 1 && !shown.contains(char::is_control));
        }
    }
}
