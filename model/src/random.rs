//! Seeded randomness that needs no state of its own.

/// SplitMix64 (Steele, Lea, Flood 2014): a stream of well mixed 64-bit numbers from any seed.
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

/// What a number adds to the state.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl SplitMix {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream for `key` under `seed`; FNV-1a first, so that near keys differ.
    pub fn keyed(seed: u64, key: &[u8]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
        for byte in key {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(hash)
    }

    /// The number that comes after `passed` others, which stay.
    #[inline(always)]
    pub fn at(&self, passed: u64) -> u64 {
        let mut z = self.0.wrapping_add(passed.wrapping_add(1).wrapping_mul(STEP));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        let number = self.at(0);
        self.0 = self.0.wrapping_add(STEP);
        number
    }

    /// Uniform in (−`bound`, `bound`).
    pub fn symmetric(&mut self, bound: f32) -> f32 {
        let unit = (self.next() >> 40) as f32 / (1u64 << 24) as f32;
        (2.0 * unit - 1.0) * bound
    }

    /// Uniform in 0 to `below` − 1, by multiplication (the bias is below 2⁻³²).
    pub fn below(&mut self, below: u32) -> u32 {
        (((self.next() >> 32) * u64::from(below)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // First outputs for seed 0, from the reference implementation.
        let mut random = SplitMix::new(0);
        assert_eq!([random.next(), random.next()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn a_number_is_found_by_its_place() {
        let (mut drawn, still) = (SplitMix::new(3), SplitMix::new(3));
        (0..5).for_each(|place| assert_eq!(drawn.next(), still.at(place)));
    }

    #[test]
    fn near_keys_give_unrelated_rows() {
        let row = |key: &[u8]| SplitMix::keyed(1, key).symmetric(1.0);
        assert_ne!(row(b"1"), row(b"2"));
        assert_eq!(row(b"1"), row(b"1"));
        assert!((0..10_000).all(|n: u32| row(&n.to_be_bytes()).abs() < 1.0));
    }
}
