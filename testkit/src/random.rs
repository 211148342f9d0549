//! Numbers that follow from a seed.

/// Each number is below the bound that is given, by the upper bits of a linear congruential generator with
/// Knuth's multiplier for 64 bits.
pub fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}
