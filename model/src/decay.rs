//! Which events a recurrence averages at which positions, and how they fade.

use crate::histories::Histories;
use crate::windows::Windows;

/// After how many events an average's weights have halved: rates of .5, .8, .95 and .99.
pub const HALF_LIVES: [f32; 4] = [1.0, 3.1, 13.5, 69.0];
/// Vectors that are recalled at a position: the newest event, the one before, and the averages.
pub const RECALLED: usize = 2 + HALF_LIVES.len();

const DAY_MS: f32 = 86_400_000.0;

/// The averages at some positions of histories `[count, len]`. At position t and half-life h, event i weighs
///
/// ω_i = 2^(−(t−i)/h) · Π_{l=i+1..t} (1 + Δ_l)^(−p)
///
/// among the newest `span` events up to t, with Δ_l the days between event l and the one before.
#[derive(Debug, Clone, PartialEq)]
pub struct Decay {
    pub(crate) windows: Windows,
    /// Σ_{l ≤ t} ln(1 + Δ_l), `[count, len]` flat: the product is its difference.
    pub(crate) elapsed: Vec<f32>,
}

impl Decay {
    /// Averages of what is seen in `windows` of the histories.
    pub fn new(histories: &Histories, windows: Windows) -> Self {
        let mut elapsed = Vec::with_capacity(histories.count() * histories.len());
        for times in histories.times().chunks_exact(histories.len().max(1)) {
            let mut sum = 0.0f64;
            elapsed.push(0.0);
            for pair in times.windows(2) {
                // Clocks that go back have paused for nothing.
                let pause = pair[1].saturating_sub(pair[0]).max(0) as f32 / DAY_MS;
                sum += f64::from(pause).ln_1p();
                elapsed.push(sum as f32);
            }
        }
        Self { windows, elapsed }
    }
}
