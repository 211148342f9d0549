//! What stands in the topics that a job writes, in the sequences whose order is certain.
//!
//! Which transaction a record falls into, and so how the records of two input partitions mix, is
//! up to the moment. Certain are the order of one user's features and examples, and that of the
//! dead letters of one input partition.

use std::collections::BTreeMap;

use hmisr_stream::Record;
use hmisr_stream::contract::{FeatureRecord, topic};
use hmisr_testkit::oracle::plainly;

/// The topics that a job writes.
pub const OUTPUTS: [&str; 3] = [topic::USER_FEATURES, topic::TRAINING_EXAMPLES, topic::DEAD_LETTERS];

/// A sequence whose order is certain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence {
    topic: &'static str,
    of: String,
}

impl Sequence {
    /// The records of one user.
    pub fn user(topic: &'static str, key: &[u8]) -> Self {
        Self { topic, of: format!("user {}", String::from_utf8_lossy(key)) }
    }

    /// The dead letters of one input partition.
    pub fn letters(partition: i32) -> Self {
        Self { topic: topic::DEAD_LETTERS, of: format!("partition {partition}") }
    }
}

/// What a record says, without where it lies.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A payload; none is a tombstone.
    Bytes(Option<Vec<u8>>),
    /// A dead letter.
    Letter {
        /// The original key.
        key: Option<Vec<u8>>,
        /// The original payload.
        payload: Option<Vec<u8>>,
        /// Why.
        reason: String,
        /// The original offset.
        offset: i64,
        /// The original timestamp.
        timestamp_ms: i64,
    },
}

/// Records by sequence.
#[derive(Default)]
pub struct Outputs(BTreeMap<Sequence, Vec<Content>>);

impl Outputs {
    /// Adds the next of a sequence.
    pub fn add(&mut self, sequence: Sequence, content: Content) {
        self.0.entry(sequence).or_default().push(content);
    }

    /// Adds a record as it was read from `topic`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&mut self, topic: &'static str, record: Record) -> Result<(), String> {
        if topic != topic::DEAD_LETTERS {
            let key = record.key.unwrap_or_default();
            let payload = match topic {
                topic::TRAINING_EXAMPLES => record.payload.map(plainly),
                _ => record.payload,
            };
            self.add(Sequence::user(topic, &key), Content::Bytes(payload));
            return Ok(());
        }
        let (partition, offset) = origin(topic, &record)?.ok_or("a dead letter without its origin")?;
        let content = Content::Letter {
            reason: header(&record, "hmisr-reason")?,
            offset,
            timestamp_ms: number(&record, "hmisr-timestamp-ms")?,
            key: record.key,
            payload: record.payload,
        };
        self.add(Sequence::letters(partition), content);
        Ok(())
    }

    /// Compares with what was expected.
    ///
    /// # Errors
    /// The sequence with the first difference, and what is lost, twice or different there.
    pub fn compare(&self, expected: &Self) -> Result<(), String> {
        let none = Vec::new();
        for sequence in self.0.keys().chain(expected.0.keys()) {
            let found = self.0.get(sequence).unwrap_or(&none);
            let expected = expected.0.get(sequence).unwrap_or(&none);
            let Some(at) =
                (0..found.len().max(expected.len())).find(|at| found.get(*at) != expected.get(*at))
            else {
                continue;
            };
            let show = |content: Option<&Content>| content.map_or_else(|| "nothing".to_owned(), describe);
            let kind = match (found.get(at), expected.get(at)) {
                (Some(found_here), _) if at > 0 && found.get(at - 1) == Some(found_here) => "written twice",
                (Some(_), Some(here)) if found[at..].contains(here) => "out of place, or written twice",
                (Some(_), Some(_)) => "different, or lost",
                (None, _) => "lost",
                (Some(_), None) => "too many",
            };
            return Err(format!(
                "{}, {}: {kind}: {} records are expected and {} found since the last comparison; number {at} \
                 should be\n  {}\nbut is\n  {}",
                sequence.topic,
                sequence.of,
                expected.len(),
                found.len(),
                show(expected.get(at)),
                show(found.get(at)),
            ));
        }
        Ok(())
    }
}

fn describe(content: &Content) -> String {
    match content {
        Content::Bytes(None) => "a tombstone".to_owned(),
        Content::Bytes(Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        letter => format!("{letter:?}"),
    }
}

fn header(record: &Record, name: &str) -> Result<String, String> {
    let found = record.headers.iter().rfind(|header| header.name == name);
    let found = found.ok_or_else(|| format!("a dead letter without the header {name}"))?;
    Ok(String::from_utf8_lossy(&found.value).into_owned())
}

fn number(record: &Record, name: &str) -> Result<i64, String> {
    let text = header(record, name)?;
    text.parse().map_err(|error| format!("header {name} = {text:?}: {error}"))
}

/// Partition and offset of the event from which an output was made, where it says so.
fn origin(topic: &str, record: &Record) -> Result<Option<(i32, i64)>, String> {
    if topic == topic::DEAD_LETTERS {
        let partition = number(record, "hmisr-partition")?;
        let partition = i32::try_from(partition).map_err(|_| format!("partition {partition}"))?;
        return Ok(Some((partition, number(record, "hmisr-offset")?)));
    }
    let Some(payload) = record.payload.as_ref().filter(|_| topic == topic::USER_FEATURES) else {
        return Ok(None);
    };
    let features: FeatureRecord = serde_json::from_slice(payload)
        .map_err(|error| format!("{topic} [{}] {}: {error}", record.partition, record.offset))?;
    Ok(Some((features.partition, features.offset)))
}

/// Sees every event's output once, and an input partition's in their order.
#[derive(Default)]
pub struct Order(BTreeMap<(i32, i32), i64>);

impl Order {
    /// Looks at the next record of a partition of `topic`; returns its origin, where it tells.
    ///
    /// # Errors
    /// Where an event at this or a later offset was seen before.
    pub fn see(&mut self, topic: &str, record: &Record) -> Result<Option<(i32, i64)>, String> {
        let Some((partition, offset)) = origin(topic, record)? else { return Ok(None) };
        let before = self.0.insert((record.partition, partition), offset);
        match before.filter(|before| *before >= offset) {
            None => Ok(Some((partition, offset))),
            Some(before) => Err(format!(
                "{topic} [{}] {}: made from events [{partition}] {offset}, after one made from offset {before}: \
                 written twice, or out of order",
                record.partition, record.offset
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(texts: &[&str]) -> Outputs {
        let mut outputs = Outputs::default();
        for text in texts {
            let bytes = Content::Bytes(Some(text.as_bytes().to_vec()));
            outputs.add(Sequence::user(topic::USER_FEATURES, b"1"), bytes);
        }
        outputs
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        let expected = outputs(&["a", "b", "c"]);
        expected.compare(&outputs(&["a", "b", "c"])).unwrap();
        for (found, kind) in [
            (outputs(&["a", "b"]), "lost"),
            (outputs(&["a", "c"]), "lost"),
            (outputs(&[]), "lost"),
            (outputs(&["a", "b", "b", "c"]), "written twice"),
            (outputs(&["a", "b", "c", "d"]), "too many"),
            (outputs(&["a", "x", "c"]), "different"),
            (outputs(&["b", "a", "c"]), "out of place"),
        ] {
            let told = found.compare(&expected).unwrap_err();
            assert!(told.contains(kind), "{kind}: {told}");
        }
    }

    #[test]
    fn a_letter_that_comes_again_is_out_of_order() {
        use hmisr_stream::Header;
        let letter = |offset: i64| Record {
            partition: 0,
            offset: 9,
            timestamp_ms: 0,
            key: None,
            payload: None,
            headers: vec![
                Header::new("hmisr-partition", "2"),
                Header::new("hmisr-offset", offset.to_string()),
            ],
        };
        let mut order = Order::default();
        assert_eq!(order.see(topic::DEAD_LETTERS, &letter(3)), Ok(Some((2, 3))));
        assert_eq!(order.see(topic::DEAD_LETTERS, &letter(5)), Ok(Some((2, 5))));
        assert!(order.see(topic::DEAD_LETTERS, &letter(5)).unwrap_err().contains("written twice"));
    }
}
