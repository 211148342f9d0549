//! The hashes behind the partitioners.

/// 32-bit MurmurHash2 with Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`).
pub(super) fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut h = 0x9747_b28c ^ data.len() as u32;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * at);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

/// CRC-32 as zlib computes it, which is librdkafka's `rd_crc32` and Go's `crc32.NewIEEE`.
pub(super) fn crc32(data: &[u8]) -> u32 {
    crc32fast::hash(data)
}

/// 32-bit FNV-1a, Go's `fnv.New32a`.
pub(super) fn fnv1a(data: &[u8]) -> u32 {
    data.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of librdkafka's unit tests of `rd_murmur2` and `rd_fnv1a`, and what Java and Go make of
    /// them there (`rdmurmur2.c`, `rdfnv1a.c`).
    const OF_LIBRDKAFKA: [(&str, u32, u32); 11] = [
        ("kafka", 0xd067_cf64, 0x0d33_c4e1),
        ("giberish123456789", 0x8f55_2b0c, 0x77a5_8295),
        ("1234", 0x9fc9_7b14, 0x023b_dd03),
        ("234", 0xe7c0_09ca, 0x2dea_3cd2),
        ("34", 0x8739_30da, 0x740f_a83e),
        ("4", 0x5a4b_5ca1, 0x310c_a263),
        ("PreAmbleWillBeRemoved,ThePrePartThatIs", 0x7842_4f1c, 0x65cb_d69c),
        ("reAmbleWillBeRemoved,ThePrePartThatIs", 0x4a62_b377, 0x6e49_c79a),
        ("eAmbleWillBeRemoved,ThePrePartThatIs", 0xe0e4_e09e, 0x69ee_d356),
        ("AmbleWillBeRemoved,ThePrePartThatIs", 0x62b8_b43f, 0x6abc_c023),
        ("", 0x106e_08d9, 0x7ee3_623b),
    ];

    #[test]
    fn murmur2_and_fnv1a_are_those_of_librdkafkas_tests() {
        for (key, java, go) in OF_LIBRDKAFKA {
            assert_eq!(murmur2(key.as_bytes()), java, "{key}");
            // librdkafka's is the absolute value already.
            assert_eq!((fnv1a(key.as_bytes()) as i32).unsigned_abs(), go, "{key}");
        }
    }

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`, and of Sarama's `TestMurmur2`.
    #[test]
    fn murmur2_is_that_of_the_java_client() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
            ("foo", 597_841_616),
            ("bar", 988_958_145),
            ("baz", 1_973_573_280),
            ("sarama", 770_765_511),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    /// librdkafka's `0048-partitioner.c`, Sarama's `TestConsistentCRCHashPartitioner`, and the check
    /// value of CRC-32.
    #[test]
    fn crc32_is_that_of_the_clients() {
        for (key, hash) in [
            ("23456", 0xb1b4_51d7),
            ("this is another string with more length to it perhaps", 0xb015_0df7),
            ("hejsan", 0xd077_037e),
            ("SheetJS", 2_647_669_026),
            ("123456789", 0xcbf4_3926),
            ("", 0),
        ] {
            assert_eq!(crc32(key.as_bytes()), hash, "{key}");
        }
    }

    /// The published vectors of FNV-1a, before any sign is taken away.
    #[test]
    fn fnv1a_is_the_published_one() {
        for (key, hash) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(fnv1a(key.as_bytes()), hash, "{key}");
        }
    }
}
