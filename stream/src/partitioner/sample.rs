//! Recognises a topic's partitioner from where its keys lie.

use std::fmt;

use super::Partitioner;

/// Places of the table of keys seen: twice the keys, so that a free one is near.
const PLACES: usize = 2_048;

/// Distinct keys of a topic, and how many of them lie where each partitioner puts them.
///
/// It is as large however many keys there are, and depends on the keys and their order alone. A key in two
/// partitions counts in each, so that a topic whose producers differ shows it.
pub struct KeySample {
    partitions: i32,
    /// Hashes of key and partition, open addressing; 0 is a free place.
    seen: Vec<u64>,
    keys: usize,
    /// By partitioner, in the order of [`Partitioner::KNOWN`].
    agreeing: [usize; Partitioner::KNOWN.len()],
}

/// What a sample says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The topic has one partition: there is nothing to recognise, and nothing to go wrong.
    OnePartition,
    /// Fewer keys than are needed to be certain.
    TooFewKeys,
    /// At least 99 % of the keys lie where this partitioner puts them.
    Recognised(Partitioner),
    /// No partitioner explains 99 % of the keys: producers differ, or use another one.
    Undecided,
}

impl KeySample {
    /// Distinct keys that are needed, and at most taken.
    pub const KEYS: usize = 1_000;
    /// Fewer keys than [`KeySample::KEYS`] that point one way are worth telling from here on.
    pub const FEW: usize = 20;

    /// An empty sample of a topic with so many partitions.
    pub fn new(partitions: i32) -> Self {
        Self { partitions, seen: Vec::new(), keys: 0, agreeing: [0; Partitioner::KNOWN.len()] }
    }

    /// Takes the key of a record; one that was there already, and any after [`KeySample::KEYS`], changes
    /// nothing.
    pub fn add(&mut self, key: &[u8], partition: i32) {
        if self.is_full() || self.partitions < 2 || key.is_empty() {
            return;
        }
        if self.seen.is_empty() {
            self.seen = vec![0; PLACES];
        }
        let hash = identity(key, partition);
        // At most half of the places are taken, so one is free.
        let mut place = hash as usize % PLACES;
        while self.seen[place] != 0 {
            if self.seen[place] == hash {
                return;
            }
            place = (place + 1) % PLACES;
        }
        self.seen[place] = hash;
        self.keys += 1;
        for (agreeing, partitioner) in self.agreeing.iter_mut().zip(Partitioner::KNOWN) {
            *agreeing += usize::from(partitioner.of(key, self.partitions) == Some(partition));
        }
    }

    /// Whether no more keys are taken.
    pub fn is_full(&self) -> bool {
        self.keys >= Self::KEYS
    }

    /// Distinct keys taken.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Partitions of the topic.
    pub fn partitions(&self) -> i32 {
        self.partitions
    }

    /// The verdict. Where two partitioners agree as well, as those of FNV-1a do over two partitions, the
    /// preferred one of them is named.
    pub fn verdict(&self, preferred: Partitioner) -> Verdict {
        match (self.partitions, self.is_full(), self.best(preferred)) {
            (..2, ..) => Verdict::OnePartition,
            (_, false, _) => Verdict::TooFewKeys,
            (_, true, Some(partitioner)) => Verdict::Recognised(partitioner),
            (_, true, None) => Verdict::Undecided,
        }
    }

    /// The partitioner that explains at least 99 % of the keys taken so far, however few.
    pub fn best(&self, preferred: Partitioner) -> Option<Partitioner> {
        let fits = |(partitioner, agreeing): (Partitioner, usize)| {
            (self.keys > 0 && agreeing * 100 >= self.keys * 99).then_some(partitioner)
        };
        let mut fitting = Partitioner::KNOWN.into_iter().zip(self.agreeing).filter_map(fits);
        let first = fitting.clone().next();
        fitting.find(|partitioner| *partitioner == preferred).or(first)
    }

    /// By partitioner, the share of keys that lie where it puts them, 0 to 1.
    pub fn shares(&self) -> [(Partitioner, f64); Partitioner::KNOWN.len()] {
        let mut shares = Partitioner::KNOWN.map(|partitioner| (partitioner, 0.0));
        for ((_, share), agreeing) in shares.iter_mut().zip(self.agreeing) {
            *share = agreeing as f64 / self.keys.max(1) as f64;
        }
        shares
    }
}

/// The shares in words: `of 1000 keys crc32 explains 100 %, murmur2 24 %, … (25 % would be chance)`.
impl fmt::Display for KeySample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shares = self.shares();
        shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        write!(f, "of {} keys ", self.keys)?;
        for (at, (partitioner, share)) in shares.into_iter().enumerate() {
            let percent = (share * 1_000.0).floor() / 10.0;
            match at {
                0 => write!(f, "{partitioner} explains {percent} %")?,
                _ => write!(f, ", {partitioner} {percent} %")?,
            }
        }
        write!(f, " ({:.1} % would be chance)", 100.0 / f64::from(self.partitions.max(1)))
    }
}

/// 64-bit FNV-1a of key and partition, never 0.
fn identity(key: &[u8], partition: i32) -> u64 {
    let bytes = key.iter().copied().chain(partition.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // Its low bits choose the place, and depend on the bytes' low bits alone.
    (hash ^ (hash >> 32)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` keys that lie where the partitioner of each puts them.
    fn sample(partitions: i32, count: usize, of: impl Fn(usize) -> Partitioner) -> KeySample {
        let mut sample = KeySample::new(partitions);
        for number in 0..count {
            let key = number.to_string();
            // A key that comes again is one key.
            for _ in 0..3 {
                sample.add(key.as_bytes(), of(number).choose(key.as_bytes(), partitions));
            }
        }
        sample
    }

    #[test]
    fn each_partitioner_is_recognised_after_a_thousand_keys() {
        for partitioner in Partitioner::KNOWN {
            for partitions in [3, 4, 7, 1_000] {
                let few = sample(partitions, 999, |_| partitioner);
                assert_eq!(few.verdict(Partitioner::Murmur2), Verdict::TooFewKeys);
                assert_eq!(few.best(Partitioner::Any), Some(partitioner));
                let all = sample(partitions, 1_000, |_| partitioner);
                assert_eq!(all.verdict(Partitioner::Any), Verdict::Recognised(partitioner), "{partitions}");
            }
        }
    }

    #[test]
    fn one_key_in_a_hundred_may_lie_elsewhere_and_no_more() {
        let odd = |every: usize| {
            move |number| if number % every == 0 { Partitioner::Crc32 } else { Partitioner::Murmur2 }
        };
        // Some of the odd ones lie right by chance.
        let few = sample(1_000, 1_000, odd(100));
        assert_eq!(few.verdict(Partitioner::Crc32), Verdict::Recognised(Partitioner::Murmur2));
        assert_eq!(sample(1_000, 1_000, odd(50)).verdict(Partitioner::Murmur2), Verdict::Undecided);
    }

    #[test]
    fn producers_that_differ_are_told_with_their_shares() {
        let mixed = sample(100, 1_000, |number| Partitioner::KNOWN[if number % 4 == 0 { 0 } else { 1 }]);
        assert_eq!(mixed.verdict(Partitioner::Murmur2), Verdict::Undecided);
        let text = mixed.to_string();
        assert!(text.starts_with("of 1000 keys crc32 explains 7") && text.contains("murmur2 2"), "{text}");
        assert!(text.ends_with("(1.0 % would be chance)"), "{text}");
    }

    #[test]
    fn a_key_in_two_partitions_counts_in_each() {
        let mut sample = KeySample::new(4);
        for partition in [0, 1, 0, 1] {
            sample.add(b"42", partition);
        }
        assert_eq!(sample.keys(), 2);
    }

    #[test]
    fn one_partition_has_nothing_to_recognise() {
        let one = sample(1, 2_000, |_| Partitioner::Crc32);
        assert_eq!((one.verdict(Partitioner::Murmur2), one.keys()), (Verdict::OnePartition, 0));
    }

    #[test]
    fn where_two_fit_the_preferred_one_is_named() {
        // The sign makes no difference to a number's lowest bit.
        let two = sample(2, 1_000, |_| Partitioner::Fnv1a);
        assert_eq!(two.verdict(Partitioner::Fnv1aMasked), Verdict::Recognised(Partitioner::Fnv1aMasked));
        assert_eq!(two.verdict(Partitioner::Murmur2), Verdict::Recognised(Partitioner::Fnv1a));
    }
}
