//! In which partitions a user was looked for: only when it was all of them is the user unknown.

use std::collections::BTreeSet;

use hmisr_stream::contract::Owners;

use crate::LookedIn;

/// Partitions that are named in an error, at most.
const NAMED: usize = 10;
/// Partitions that a topic may have; more are nobody's honest answer.
const MOST: i32 = 100_000;

/// The partitions that were looked in, by those who have the say there: the instance that has announced a
/// partition, or, where none has, whoever answers for it.
///
/// A partition that moves while pipelines are asked hides nobody: whoever looks in it sees what was
/// committed before, and a user without state then had none while the question was under way.
pub(crate) struct Coverage<'a> {
    owners: &'a Owners,
    partitions: i32,
    looked_in: BTreeSet<i32>,
    /// Whether somebody answered for all partitions, however many there are.
    whole: bool,
}

impl<'a> Coverage<'a> {
    /// Nothing was looked in yet.
    pub(crate) fn new(owners: &'a Owners) -> Self {
        Self { owners, partitions: owners.partitions(), looked_in: BTreeSet::new(), whole: false }
    }

    /// The pipeline at `url` does not have the user in these partitions. Whether it answered for all that
    /// it has announced; else what is known of the owners is old.
    pub(crate) fn add(&mut self, url: &str, LookedIn { looked_in, partitions }: &LookedIn) -> bool {
        if !(1..=MOST).contains(partitions) {
            return false;
        }
        self.partitions = *partitions;
        let announced: BTreeSet<i32> = self.owners.announced_by(url).collect();
        let has_the_say = |partition: &&i32| {
            let is_free = || self.owners.of_partition(**partition).is_none();
            (0..*partitions).contains(*partition) && (announced.contains(*partition) || is_free())
        };
        self.looked_in.extend(looked_in.iter().filter(has_the_say));
        announced.is_subset(&looked_in.iter().copied().collect())
    }

    /// The pipeline at `url` owns all partitions and does not have the user.
    pub(crate) fn add_all(&mut self, url: &str) -> bool {
        if self.partitions < 1 {
            self.whole = true;
            return true;
        }
        let looked_in = (0..self.partitions).collect();
        self.add(url, &LookedIn { looked_in, partitions: self.partitions })
    }

    /// Whether nobody has the user.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole || (self.partitions > 0 && i32::try_from(self.looked_in.len()) == Ok(self.partitions))
    }

    /// What is missing, in words; none where nobody has answered yet.
    pub(crate) fn missing(&self) -> Option<String> {
        if self.looked_in.is_empty() {
            return None;
        }
        let missing: Vec<String> = (0..self.partitions)
            .filter(|partition| !self.looked_in.contains(partition))
            .map(|partition| partition.to_string())
            .collect();
        let named = missing.get(..NAMED).unwrap_or(&missing).join(", ");
        let more = if missing.len() > NAMED { ", …" } else { "" };
        Some(format!(
            "nobody who owns them has looked in {} of {} partitions ({named}{more})",
            missing.len(),
            self.partitions
        ))
    }
}

#[cfg(test)]
mod tests {
    use hmisr_stream::contract::PartitionOwner;

    use super::*;

    fn owners(urls: &[(i32, &str)]) -> Owners {
        let mut owners = Owners::default();
        for (partition, url) in urls {
            owners.apply(PartitionOwner {
                partition: *partition,
                partitions: 3,
                url: Some((*url).to_owned()),
                generation: 1,
            });
        }
        owners
    }

    fn in_partitions(looked_in: &[i32]) -> LookedIn {
        LookedIn { looked_in: looked_in.to_vec(), partitions: 3 }
    }

    #[test]
    fn all_partitions_have_to_be_looked_in() {
        let owners = Owners::default();
        let mut coverage = Coverage::new(&owners);
        assert!(!coverage.is_whole() && coverage.missing().is_none());
        assert!(coverage.add("http://a", &in_partitions(&[0, 2])));
        assert!(!coverage.is_whole());
        let missing = coverage.missing().unwrap_or_default();
        assert!(missing.contains("1 of 3 partitions (1)"), "{missing}");
        // What is out of range is nobody's partition.
        assert!(coverage.add("http://b", &in_partitions(&[3, -1])));
        assert!(!coverage.add("http://b", &LookedIn { looked_in: vec![1], partitions: i32::MAX }));
        assert!(!coverage.is_whole());
        assert!(coverage.add("http://b", &in_partitions(&[1])));
        assert!(coverage.is_whole());
    }

    #[test]
    fn only_the_announced_owner_has_the_say() {
        let owners = owners(&[(0, "http://a/"), (1, "http://b")]);
        let mut coverage = Coverage::new(&owners);
        // One that was replaced long ago, and does not know it.
        coverage.add_all("http://old");
        assert!(!coverage.is_whole());
        assert!(coverage.missing().unwrap_or_default().contains("2 of 3"));
        assert!(coverage.add("http://a", &in_partitions(&[0])));
        assert!(!coverage.is_whole());
        // Partition 1 is no longer where it was announced.
        assert!(!coverage.add("http://b", &in_partitions(&[2])));
        assert!(!coverage.is_whole());
        assert!(coverage.add("http://b", &in_partitions(&[1])));
        assert!(coverage.is_whole());
    }

    #[test]
    fn who_owns_all_is_enough_where_nobody_is_announced() {
        let owners = Owners::default();
        let mut coverage = Coverage::new(&owners);
        assert!(coverage.add_all("http://a") && coverage.is_whole());
    }
}
