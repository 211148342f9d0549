//! What moves within an interest (design, section 3.3 "Interest and intent", Intent_k): a recurrent unit
//! over the members' residuals α_ik(H_i − Interest_k), from a learned null state.
//!
//! The unit's gates also see the time since the user's event before, so that an intent can fade.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::coarse::repeat_rows;
use crate::fused::Fused;
use crate::gru::Gru;
use crate::histories::Histories;
use crate::parameters::{Builder, Initial};

/// The recurrent unit.
#[derive(Debug)]
pub(super) struct Intent<B: Backend> {
    unit: Gru<B>,
    /// What elapsed time adds to the gates, `[1, 3 · width]`.
    elapsed: Tensor<B, 2>,
}

/// Which events are members of an interest, and when it had its newest.
#[derive(Debug)]
pub(super) struct Members {
    /// Positions of a history.
    pub(super) len: usize,
    /// `[positions, K]`: 1 for a member.
    pub(super) taken: Vec<f32>,
    /// `[positions, K]`: flat position of the newest member up to a position; none before the
    /// first.
    pub(super) newest: Vec<Option<usize>>,
}

impl Members {
    /// An event is a member where α_ik > share/K, or of its strongest interest where none is.
    pub(super) fn new(alpha: &[f32], k: usize, len: usize, share: f32) -> Self {
        let mut members = Self { len, taken: vec![0.0; alpha.len()], newest: vec![None; alpha.len()] };
        for (position, row) in alpha.chunks_exact(k).enumerate() {
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let least = (share / k as f32).min(max);
            for (j, value) in row.iter().enumerate() {
                let at = position * k + j;
                if *value >= least {
                    members.taken[at] = 1.0;
                    members.newest[at] = Some(position);
                } else if position % len > 0 {
                    members.newest[at] = members.newest[at - k];
                }
            }
        }
        members
    }

    /// Days from each interest's newest member to each position, `[positions, K]`; a year where
    /// it has none.
    pub(super) fn idle_days(&self, histories: &Histories, k: usize) -> Vec<f32> {
        let times = histories.times();
        let days = |(at, newest): (usize, &Option<usize>)| match newest {
            Some(newest) => times[at / k].saturating_sub(times[*newest]).max(0) as f32 / DAY_MS,
            None => 365.0,
        };
        self.newest.iter().enumerate().map(days).collect()
    }
}

const DAY_MS: f32 = 86_400_000.0;

impl<B: Fused> Intent<B> {
    pub(super) fn build(builder: &mut Builder<'_, B>, d: usize, width: usize) -> Self {
        Self {
            unit: Gru::build(builder, d, width),
            elapsed: builder.vector("elapsed", 3 * width, Initial::ZERO),
        }
    }

    /// Intents at every position, `[positions, K, width]`. `states` `[positions, d]`, `interests`
    /// `[positions, K, d]`, `alpha` `[positions, K]`.
    pub(super) fn forward(
        &self,
        states: &Tensor<B, 2>,
        interests: &Tensor<B, 3>,
        alpha: Tensor<B, 2>,
        members: &Members,
        histories: &Histories,
    ) -> Tensor<B, 3> {
        let [positions, k, d] = interests.dims();
        let (count, len) = (histories.count(), histories.len());
        let device = states.device();
        let apart = repeat_rows(states.clone(), k) - interests.clone().reshape([positions * k, d]);
        let inputs = self.unit.inputs(apart * alpha.reshape([positions * k, 1]));
        let width = inputs.dims()[1] / 3;
        let elapsed = Tensor::<B, 2>::from_data(TensorData::new(elapsed(histories), [positions, 1]), &device);
        let inputs = inputs + repeat_rows(elapsed, k).matmul(self.elapsed.clone());
        // Time first, as the scan walks it.
        let order = |x: Tensor<B, 3>, n: usize| {
            x.reshape([count, len, k * n]).swap_dims(0, 1).reshape([len, count * k, n])
        };
        let inputs = order(inputs.reshape([positions, k, 3 * width]), 3 * width);
        let taken = Tensor::from_data(TensorData::new(members.taken.clone(), [positions, k, 1]), &device);
        let states = self.unit.scan(inputs, Some(order(taken, 1)));
        states.reshape([len, count, k * width]).swap_dims(0, 1).reshape([positions, k, width])
    }
}

/// log1p of the hours since the event before, over that of a month, per position.
fn elapsed(histories: &Histories) -> Vec<f32> {
    let (times, len) = (histories.times(), histories.len());
    let share = |at: usize| {
        if at.is_multiple_of(len) {
            return 0.0;
        }
        let hours = times[at].saturating_sub(times[at - 1]).max(0) as f32 / 3_600_000.0;
        hours.ln_1p() / 720f32.ln_1p()
    };
    (0..times.len()).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_belong_more_than_their_share() {
        // K = 2, two histories of two positions; the share is 0.75.
        let alpha = [0.9, 0.1, 0.6, 0.4, 0.2, 0.8, 0.5, 0.5];
        let members = Members::new(&alpha, 2, 2, 1.5);
        // 0.6 is the strongest although below the share; of a tie both are.
        assert_eq!(members.taken, [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!(members.newest, [Some(0), None, Some(1), None, None, Some(2), Some(3), Some(3)]);
        let rows = [1u32, 2];
        let times = [[0i64, 86_400_000], [0, 0]];
        let histories = Histories::new(times.iter().map(|times| (rows.as_slice(), times.as_slice())));
        let members = Members::new(&[0.9, 0.1, 0.1, 0.9, 0.9, 0.1, 0.9, 0.1], 2, 2, 1.5);
        assert_eq!(members.idle_days(&histories, 2), [0.0, 365.0, 1.0, 0.0, 0.0, 365.0, 0.0, 365.0]);
    }
}
