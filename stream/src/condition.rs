//! What stands in the way of reading, for metrics, `/readyz` and the log.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A partition that is owned and cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The partition.
    pub partition: i32,
    /// Where the batch begins that cannot be read.
    pub offset: i64,
    /// Since when it is tried.
    pub tried_for: Duration,
    /// Why, in words that name topic, partition and offset.
    pub message: String,
}

impl Stuck {
    /// What is wrong, for how long, and what to do.
    pub fn remedy(&self) -> String {
        format!(
            "{} (for {} s now). Mend it at the brokers, read it with a program that can, or give it up: start with \
             --skip-unreadable {}:{}",
            self.message,
            self.tried_for.as_secs(),
            self.partition,
            self.offset
        )
    }
}

/// Brokers that do not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// For how long none has.
    pub lasting: Duration,
    /// Where they are looked for.
    pub brokers: String,
}

/// What a source knows of itself and of its group, without asking anyone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// None while the brokers answer, or did so a short while ago.
    pub silence: Option<Silence>,
    /// Partitions that were tried for longer than is usual and cannot be read on.
    pub stuck: Vec<Stuck>,
    /// Partitions that no member of the group has; in the protocol `consumer` those that nobody has read for
    /// long, though they grow.
    pub unowned: Vec<i32>,
    /// Whether one of them has been without an owner for longer than a rebalance takes. Never in the protocol
    /// `consumer`, where that is only guessed.
    pub abandoned: bool,
    /// Records of the whole topic that the group has not committed yet, whoever owns them; none where it is
    /// not known. Markers of transactions count.
    pub topic_lag: Option<u64>,
    /// The group in words: its state, and how many partitions each member has.
    pub group: Option<String>,
}

impl Condition {
    /// For how long no broker has answered, s; 0 where they do.
    pub fn silent_seconds(&self) -> i64 {
        self.silence.as_ref().map_or(0, |silence| silence.lasting.as_secs() as i64)
    }

    /// What keeps the group from reading all of `topic`, in words; empty where nothing does.
    pub fn obstacles(&self, topic: &str) -> Vec<String> {
        let mut obstacles = Vec::new();
        if let Some(Silence { lasting, brokers }) = &self.silence {
            let lasting = lasting.as_secs();
            obstacles.push(format!(
                "no broker at {brokers} has answered for {lasting} s: are they up, the group's coordinator among them, \
                 and is this their address?"
            ));
        }
        if self.abandoned {
            let (unowned, group) = (&self.unowned, self.group_in_words());
            obstacles.push(format!("nobody in the group reads the partitions {unowned:?} of {topic}{group}"));
        }
        obstacles
    }

    /// The group, to be put behind a sentence; empty where it is not known.
    pub fn group_in_words(&self) -> String {
        self.group.as_ref().map_or_else(String::new, |text| format!("; the group is {text}"))
    }
}

/// A batch that cannot be read and is to be skipped, written `PARTITION:OFFSET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SkipBatch {
    partition: i32,
    offset: i64,
}

impl SkipBatch {
    /// Whether it is the batch at that place.
    pub fn is(self, partition: i32, offset: i64) -> bool {
        (self.partition, self.offset) == (partition, offset)
    }
}

impl std::str::FromStr for SkipBatch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':').and_then(|(partition, offset)| {
            Some(Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        });
        parts.filter(|batch| batch.partition >= 0 && batch.offset >= 0).ok_or_else(|| {
            format!("{text:?} is no batch: expected PARTITION:OFFSET as the log and /readyz name it, such as 3:1234")
        })
    }
}

impl TryFrom<String> for SkipBatch {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SkipBatch> for String {
    fn from(batch: SkipBatch) -> Self {
        format!("{}:{}", batch.partition, batch.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obstacles_name_the_brokers_and_what_nobody_reads() {
        let silence = Silence { lasting: Duration::from_secs(17), brokers: "k1:9092,k2:9092".into() };
        let group = Some("Stable with 1 members (a has 2)".to_owned());
        let condition = Condition { unowned: vec![2, 3], group, ..Condition::default() };
        assert!(condition.obstacles("events").is_empty() && condition.silent_seconds() == 0);
        let condition = Condition { silence: Some(silence), abandoned: true, ..condition };
        let [silent, abandoned] = condition.obstacles("events").try_into().unwrap();
        assert!(silent.contains("k1:9092,k2:9092") && silent.contains("17 s"), "{silent}");
        assert!(abandoned.contains("[2, 3] of events; the group is Stable"), "{abandoned}");
        assert_eq!(condition.silent_seconds(), 17);
    }

    #[test]
    fn a_batch_to_skip_is_a_partition_and_an_offset() {
        let batch: SkipBatch = "3:1234".parse().unwrap();
        assert!(batch.is(3, 1234) && !batch.is(3, 1235) && !batch.is(2, 1234));
        assert_eq!(String::from(batch), "3:1234");
        for wrong in ["", "3", "3:", ":4", "-1:4", "3:-4", "3:4:5", "a:4"] {
            assert!(wrong.parse::<SkipBatch>().unwrap_err().contains("PARTITION:OFFSET"), "{wrong}");
        }
    }
}
