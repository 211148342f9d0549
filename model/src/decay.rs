//! Which events a recurrence averages at which positions, and how they fade.

use crate::histories::Histories;

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
    pub(crate) count: usize,
    pub(crate) len: usize,
    pub(crate) span: usize,
    /// Σ_{l ≤ t} ln(1 + Δ_l), `[count, len]` flat: the product is its difference.
    pub(crate) elapsed: Vec<f32>,
    /// The positions, flat, ascending.
    pub(crate) asked: Vec<usize>,
}

impl Decay {
    /// Averages over at most `span` events at `asked` positions of histories, which ascend, each once; at all of
    /// them where none are told.
    pub fn new(histories: &Histories, span: usize, asked: Option<&[usize]>) -> Self {
        let (count, len) = (histories.count(), histories.len());
        let mut elapsed = Vec::with_capacity(count * len);
        for times in histories.times().chunks_exact(len.max(1)) {
            let mut sum = 0.0f64;
            elapsed.push(0.0);
            for pair in times.windows(2) {
                // Clocks that go back have paused for nothing.
                let pause = pair[1].saturating_sub(pair[0]).max(0) as f32 / DAY_MS;
                sum += f64::from(pause).ln_1p();
                elapsed.push(sum as f32);
            }
        }
        let asked = asked.map_or_else(|| (0..count * len).collect(), <[usize]>::to_vec);
        debug_assert!(asked.is_sorted_by(|one, next| one < next));
        Self { count, len, span: span.max(1), elapsed, asked }
    }

    /// Positions that are asked for.
    pub fn len(&self) -> usize {
        self.asked.len()
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Of each history, the first of its asked positions among them, and one past its last.
    pub(crate) fn of_histories(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let upto = |position: usize| self.asked.partition_point(|at| *at < position);
        (0..self.count).map(move |nth| upto(nth * self.len)..upto((nth + 1) * self.len))
    }
}
