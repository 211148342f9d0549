//! Which partition a key belongs to, as Kafka's Java client decides it.

/// The partition of a key: murmur2 of its bytes, made positive, modulo the partitions
/// (`DefaultPartitioner`; `partitioner=murmur2_random` in librdkafka). No partitions: 0.
///
/// ```
/// assert_eq!(hmisr_stream::partition_for_key(b"42", 1), 0);
/// assert!((0..6).contains(&hmisr_stream::partition_for_key(b"42", 6)));
/// ```
pub fn partition_for_key(key: &[u8], partitions: i32) -> i32 {
    match i32::try_from(murmur2(key) & 0x7fff_ffff) {
        Ok(positive) if partitions > 0 => positive % partitions,
        _ => 0,
    }
}

/// 32-bit MurmurHash2 with Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`).
fn murmur2(data: &[u8]) -> u32 {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own UtilsTest.testMurmur2.
    #[test]
    fn equals_the_java_client() {
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }
}
