//! TiSASRec (Li et al., WSDM 2020): self-attention whose keys and values know the absolute position
//! of an event and the time between it and the position that looks at it (eq. 4–8).
//!
//! Score_ij = q_i·(k_j + P^K_j + R^K_{r_ij})/√d and o_i = Σ_j α_ij (v_j + P^V_j + R^V_{r_ij}), with
//! r_ij the interval in units of the user's least one, at most 256. The `[len, len, d]` tensors of
//! R are never made: q·R^K is a product with the table, looked up by interval, and the weights of
//! one interval are summed before they meet R^V.
//!
//! The least interval is that of the events up to position i: the paper takes the whole history's,
//! which would tell a position of events to come. Layer norms stand before each part, as in the
//! encoder that all attentive networks share here; the tables are shared by the layers.

use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};

use crate::encoder::Layer;
use crate::fused::Fused;
use crate::histories::Histories;
use crate::layers::Norm;
use crate::network::{Input, Output};
use crate::parameters::{Builder, Initial};
use crate::positions::{Learned, causal};
use crate::settings::ModelSettings;

/// The greatest interval that is told from longer ones.
const LONGEST: i64 = 256;
/// 0 to [`LONGEST`].
const INTERVALS: usize = LONGEST as usize + 1;
/// Bound of the fresh intervals' uniform weights.
const INTERVAL_BOUND: f32 = 0.1;

/// The network.
#[derive(Debug)]
pub struct Tisasrec<B: Backend> {
    heads: usize,
    layers: Vec<Layer<B>>,
    norm: Norm<B>,
    positions: Pair<Learned<B>>,
    /// `[INTERVALS, d]` each.
    intervals: Pair<Tensor<B, 2>>,
}

/// What keys and what values get.
#[derive(Debug)]
struct Pair<T> {
    keys: T,
    values: T,
}

/// What the layers share in a pass.
struct Context<B: Backend> {
    /// P, `[1, heads, len, each]`.
    positions: Pair<Tensor<B, 4>>,
    /// R, `[1, heads, INTERVALS, each]`.
    intervals: Pair<Tensor<B, 4>>,
    /// r, `[histories, heads, len, len]`.
    between: Tensor<B, 4, Int>,
    /// `[1, 1, len, len]`.
    hidden: Tensor<B, 4>,
}

impl<B: Fused> Tisasrec<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        let (d, max_len) = (settings.width, settings.max_len);
        let layers = (0..settings.layers)
            .map(|nth| builder.part(&format!("layer.{nth}"), |part| Layer::build(part, settings)))
            .collect();
        let mut intervals = |name| builder.weight(name, [INTERVALS, d], Initial::Uniform(INTERVAL_BOUND));
        let intervals = Pair { keys: intervals("interval_keys"), values: intervals("interval_values") };
        Self {
            heads: settings.heads,
            layers,
            norm: Norm::build(builder, "norm", d),
            positions: Pair {
                keys: Learned::build(builder, "position_keys", max_len, d),
                values: Learned::build(builder, "position_values", max_len, d),
            },
            intervals,
        }
    }

    /// See [`crate::Network::forward`].
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        let [count, len, d] = input.embeddings.dims();
        let items = input.dropout.apply(input.embeddings.mul_scalar((d as f32).sqrt()));
        let mut x = items.reshape([count * len, d]);
        let context = self.context(input.histories);
        for layer in &self.layers {
            x = layer.forward(x, input.dropout, |mixed| context.attend(mixed));
        }
        let vectors = self.norm.forward(x).reshape([count * len, 1, d]);
        Output { priors: None, vectors, auxiliary: Vec::new() }
    }

    fn context(&self, histories: &Histories) -> Context<B> {
        let (count, len, heads) = (histories.count(), histories.len(), self.heads);
        let split = |table: Tensor<B, 2>| -> Tensor<B, 4> {
            let [rows, d] = table.dims();
            table.reshape([1, rows, heads, d / heads]).swap_dims(1, 2)
        };
        let device = self.intervals.keys.device();
        let between = TensorData::new(intervals(histories), [count * len * len]);
        let between = Tensor::<B, 1, Int>::from_data(between, &device).reshape([count, 1, len, len]);
        Context {
            positions: Pair {
                keys: split(self.positions.keys.forward(len)),
                values: split(self.positions.values.forward(len)),
            },
            intervals: Pair {
                keys: split(self.intervals.keys.clone()),
                values: split(self.intervals.values.clone()),
            },
            between: between.repeat_dim(1, heads),
            hidden: causal(len, &device).reshape([1, 1, len, len]),
        }
    }
}

impl<B: Fused> Context<B> {
    /// `mixed` `[histories · len, 3 · d]` holds queries, keys and values side by side; the result
    /// is `[histories · len, d]`.
    fn attend(&self, mixed: Tensor<B, 2>) -> Tensor<B, 2> {
        let [count, heads, len, _] = self.between.dims();
        let each = mixed.dims()[1] / (3 * heads);
        let split = mixed.reshape([count, len, 3 * heads, each]);
        let part = |part: usize| split.clone().narrow(2, part * heads, heads).swap_dims(1, 2);
        let queries = part(0).mul_scalar(1.0 / (each as f32).sqrt());
        let keys = part(1) + self.positions.keys.clone();
        let values = part(2) + self.positions.values.clone();
        let by_interval = queries.clone().matmul(self.intervals.keys.clone().transpose());
        let scores = queries.matmul(keys.transpose()) + by_interval.gather(3, self.between.clone());
        let weights = softmax(scores + self.hidden.clone(), 3);
        let none = Tensor::zeros([count, heads, len, INTERVALS], &weights.device());
        let by_interval = none.scatter(3, self.between.clone(), weights.clone(), IndexingUpdateOp::Add);
        let context = weights.matmul(values) + by_interval.matmul(self.intervals.values.clone());
        context.swap_dims(1, 2).reshape([count * len, heads * each])
    }
}

/// The interval of every pair of positions, `[histories, len, len]` flat, query before key: in
/// units of the least interval above 0 between two successive events up to the query, at most
/// [`LONGEST`]; 0 where the key comes after the query.
fn intervals(histories: &Histories) -> Vec<i32> {
    let len = histories.len();
    let mut all = vec![0; histories.count() * len * len];
    let times = histories.times().chunks_exact(len.max(1));
    for (times, cells) in times.zip(all.chunks_exact_mut((len * len).max(1))) {
        let mut least = i64::MAX;
        for (query, row) in cells.chunks_exact_mut(len).enumerate() {
            if query > 0 {
                let pause = times[query].saturating_sub(times[query - 1]).saturating_abs();
                least = if pause > 0 { least.min(pause) } else { least };
            }
            for (cell, key) in row[..=query].iter_mut().zip(times) {
                let interval = times[query].saturating_sub(*key).saturating_abs();
                *cell = (interval / least).min(LONGEST) as i32;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_in_units_of_the_least_so_far() {
        let times = [0i64, 0, 3_000, 4_000, 1_000_000];
        let rows = [0u32; 5];
        let histories = Histories::new([(rows.as_slice(), times.as_slice())].into_iter());
        let found = intervals(&histories);
        assert_eq!(found[..10], [0; 10]);
        assert_eq!(found[10..15], [1, 1, 0, 0, 0]);
        assert_eq!(found[15..20], [4, 4, 1, 0, 0]);
        assert_eq!(found[20..25], [256, 256, 256, 256, 0]);
    }
}
