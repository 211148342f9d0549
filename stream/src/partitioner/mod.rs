//! Which partition a key belongs to, as the common producers decide it.

mod hash;
mod sample;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use sample::{KeySample, Verdict};

/// How a topic's producers choose a record's partition from its key.
///
/// ```
/// use hmisr_stream::Partitioner;
///
/// assert_eq!(Partitioner::Crc32.of(b"SheetJS", 100), Some(26));
/// assert_eq!(Partitioner::Any.of(b"SheetJS", 100), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitioner {
    /// Java's clients (`DefaultPartitioner`), Kafka Connect and Streams; `murmur2_random` in librdkafka:
    /// murmur2, its sign bit cleared.
    #[default]
    #[serde(alias = "murmur2_random")]
    Murmur2,
    /// What librdkafka does where nothing is set (`consistent_random`), and so kcat, and clients of
    /// Python, Go, .NET, Node and Rust that stand on it: CRC-32, unsigned.
    #[serde(alias = "consistent_random", alias = "consistent")]
    Crc32,
    /// Sarama's default, kafka-go's `Hash`, `fnv1a_random` in librdkafka: FNV-1a as a signed number,
    /// its absolute value.
    #[serde(rename = "fnv1a", alias = "fnv1a_random")]
    Fnv1a,
    /// Sarama's `NewReferenceHashPartitioner`, kafka-go's `ReferenceHash`: FNV-1a, its sign bit cleared.
    #[serde(rename = "fnv1a_masked")]
    Fnv1aMasked,
    /// None of these, or several: a key may be in any partition.
    Any,
}

impl Partitioner {
    /// Those that follow from the key.
    pub const KNOWN: [Self; 4] = [Self::Murmur2, Self::Crc32, Self::Fnv1a, Self::Fnv1aMasked];

    /// The partition of a key; none where the key does not say it: with [`Partitioner::Any`], with CRC-32
    /// for an empty key, which librdkafka sends anywhere, and where there are no partitions.
    pub fn of(self, key: &[u8], partitions: i32) -> Option<i32> {
        if partitions < 1 {
            return None;
        }
        let masked = |hash: u32| Some((hash & 0x7fff_ffff) as i32 % partitions);
        match self {
            Self::Murmur2 => masked(hash::murmur2(key)),
            Self::Crc32 if key.is_empty() => None,
            // partitions is positive, and what is left is below it.
            Self::Crc32 => Some((hash::crc32(key) % partitions as u32) as i32),
            // The sign goes after the division, so that the smallest number has a partition too.
            Self::Fnv1a => Some((hash::fnv1a(key) as i32 % partitions).abs()),
            Self::Fnv1aMasked => masked(hash::fnv1a(key)),
            Self::Any => None,
        }
    }

    /// Where this program puts a key: as [`Partitioner::of`], else by murmur2. No partitions: 0.
    pub fn choose(self, key: &[u8], partitions: i32) -> i32 {
        self.of(key, partitions).unwrap_or_else(|| partition_for_key(key, partitions))
    }

    /// The name, as in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Murmur2 => "murmur2",
            Self::Crc32 => "crc32",
            Self::Fnv1a => "fnv1a",
            Self::Fnv1aMasked => "fnv1a_masked",
            Self::Any => "any",
        }
    }
}

impl fmt::Display for Partitioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Partitioner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "murmur2" | "murmur2_random" => Ok(Self::Murmur2),
            "crc32" | "consistent_random" | "consistent" => Ok(Self::Crc32),
            "fnv1a" | "fnv1a_random" => Ok(Self::Fnv1a),
            "fnv1a_masked" => Ok(Self::Fnv1aMasked),
            "any" => Ok(Self::Any),
            _ => Err(format!(
                "{text:?} is no partitioner; there are murmur2 (Java), crc32 (librdkafka, kcat), fnv1a (Sarama), fnv1a_masked and any"
            )),
        }
    }
}

/// The partition of a key in the topics that this program alone writes: murmur2, as Kafka's Java client
/// decides it (`partitioner=murmur2_random` in librdkafka). No partitions: 0.
///
/// ```
/// assert_eq!(hmisr_stream::partition_for_key(b"42", 1), 0);
/// assert!((0..6).contains(&hmisr_stream::partition_for_key(b"42", 6)));
/// ```
pub fn partition_for_key(key: &[u8], partitions: i32) -> i32 {
    Partitioner::Murmur2.of(key, partitions).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(partitioner: Partitioner, key: &str, partitions: i32) -> i32 {
        partitioner.of(key.as_bytes(), partitions).unwrap()
    }

    /// `0048-partitioner.c` of librdkafka, which produces these keys to topics of 7 and of 17 partitions.
    #[test]
    fn partitions_are_those_of_librdkafkas_tests() {
        let keys = ["", "23456", "this is another string with more length to it perhaps", "hejsan"];
        for (partitioner, hashes) in [
            (Partitioner::Murmur2, [0x106e_08d9_i64, 0x058d_780f, 0x4f77_03da, 0x5ec1_9395]),
            (Partitioner::Crc32, [-1, 0xb1b4_51d7, 0xb015_0df7, 0xd077_037e]),
            (Partitioner::Fnv1a, [0x7ee3_623b, 0x27e6_f469, 0x155e_3e5f, 0x17b1_e27a]),
        ] {
            for partitions in [7, 17] {
                for (key, hash) in keys.iter().zip(hashes) {
                    let expected = (hash >= 0).then(|| (hash % i64::from(partitions)) as i32);
                    assert_eq!(partitioner.of(key.as_bytes(), partitions), expected, "{partitioner} {key:?}");
                }
            }
        }
    }

    /// Sarama's `TestConsistentCRCHashPartitioner`, over 100 partitions.
    #[test]
    fn crc32_is_unsigned_as_in_saramas_tests() {
        for (key, expected) in [
            ("abc123def456", 57),
            // Signed it would be 70.
            ("SheetJS", 26),
            ("9e8c7f4cf45857cfff7645d6", 24),
            ("3900446192ff85a5f67da10c", 75),
            ("0f4407b7a67d6d27de372198", 50),
        ] {
            assert_eq!(partition(Partitioner::Crc32, key, 100), expected, "{key}");
        }
    }

    /// kafka-go's `TestHashBalancer`, which is to agree with Sarama, and the key of Sarama's
    /// `TestHashPartitionerMinInt32`, whose hash is the smallest signed number.
    #[test]
    fn fnv1a_takes_the_absolute_value_as_sarama_does() {
        for (key, partitions, expected) in
            [("blah", 2, 0), ("blah", 3, 1), ("boop", 3, 2), ("20", 16, 1), ("1468509572224", 50, 48)]
        {
            assert_eq!(partition(Partitioner::Fnv1a, key, partitions), expected, "{key}");
        }
        // The same key where the sign bit is cleared instead, as NewReferenceHashPartitioner does.
        assert_eq!(partition(Partitioner::Fnv1aMasked, "1468509572224", 50), 0);
        assert_eq!(partition(Partitioner::Fnv1aMasked, "a", 100), (0x640c_292c_u32 % 100) as i32);
        assert_eq!(partition(Partitioner::Fnv1aMasked, "foobar", 100), (0x3f9c_f968_u32 % 100) as i32);
        assert_eq!(partition(Partitioner::Fnv1a, "a", 100), (0x1bf3_d6d4_u32 % 100) as i32);
    }

    /// Sarama's `TestMurmur2Partitioner`, verified there against the Java client, over 100 partitions, and
    /// kafka-python's, over 1,000.
    #[test]
    fn murmur2_puts_keys_where_the_java_client_does() {
        for (key, partitions, expected) in [
            ("foo", 100, 16),
            ("bar", 100, 45),
            ("baz", 100, 80),
            ("kafka", 100, 80),
            ("sarama", 100, 11),
            ("", 1_000, 681),
            ("a", 1_000, 524),
            ("ab", 1_000, 434),
            ("abc", 1_000, 107),
            ("123456789", 1_000, 566),
            ("\0 ", 1_000, 742),
        ] {
            assert_eq!(partition(Partitioner::Murmur2, key, partitions), expected, "{key}");
        }
    }

    #[test]
    fn what_a_key_does_not_say_is_none() {
        assert_eq!(Partitioner::Any.of(b"42", 4), None);
        for partitioner in Partitioner::KNOWN {
            assert_eq!(partitioner.of(b"42", 0), None);
            assert_eq!(partitioner.of(b"42", 1), Some(0));
            assert_eq!(partitioner.choose(b"42", 0), 0);
        }
        assert_eq!(Partitioner::Any.choose(b"kafka", 100), 80);
        assert_eq!(Partitioner::Crc32.choose(b"", 1_000), 681);
    }

    #[test]
    fn names_are_read_as_they_are_shown_and_as_librdkafka_calls_them() {
        for partitioner in Partitioner::KNOWN.into_iter().chain([Partitioner::Any]) {
            assert_eq!(partitioner.as_str().parse(), Ok(partitioner));
            let json = format!("\"{partitioner}\"");
            assert_eq!(serde_json::to_string(&partitioner).unwrap(), json);
            assert_eq!(serde_json::from_str::<Partitioner>(&json).unwrap(), partitioner);
        }
        for (name, partitioner) in [
            ("murmur2_random", Partitioner::Murmur2),
            ("consistent_random", Partitioner::Crc32),
            ("consistent", Partitioner::Crc32),
            ("fnv1a_random", Partitioner::Fnv1a),
        ] {
            assert_eq!(name.parse(), Ok(partitioner));
            assert_eq!(serde_json::from_str::<Partitioner>(&format!("\"{name}\"")).unwrap(), partitioner);
        }
        assert!("random".parse::<Partitioner>().unwrap_err().contains("random"));
    }
}
