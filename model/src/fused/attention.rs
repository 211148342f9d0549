//! Attention with its derivative by hand.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;

use super::{Fused, primitive, register, tensor};

/// Queries (scaled), keys and values, `[sequences, heads, len, each]`.
struct Parts<B: Backend> {
    queries: Tensor<B, 4>,
    keys: Tensor<B, 4>,
    values: Tensor<B, 4>,
}

impl<B: Backend> Parts<B> {
    fn of(mixed: Tensor<B, 2>, [sequences, heads, len, _]: [usize; 4]) -> Self {
        let each = mixed.dims()[1] / (3 * heads);
        let split = mixed.reshape([sequences, len, 3 * heads, each]);
        let part = |part: usize| {
            split.clone().slice([0..sequences, 0..len, part * heads..(part + 1) * heads]).swap_dims(1, 2)
        };
        // Scaling the queries touches fewer numbers than scaling the scores.
        Self { queries: part(0).mul_scalar(scale(each)), keys: part(1), values: part(2) }
    }

    fn weights(&self, bias: Tensor<B, 4>) -> Tensor<B, 4> {
        softmax(self.queries.clone().matmul(self.keys.clone().transpose()) + bias, 3)
    }
}

fn scale(each: usize) -> f32 {
    1.0 / (each as f32).sqrt()
}

/// `[sequences, heads, len, each]` as `[sequences · len, heads · each]`.
fn join<B: Backend>(split: Tensor<B, 4>) -> Tensor<B, 2> {
    let [sequences, heads, len, each] = split.dims();
    split.swap_dims(1, 2).reshape([sequences * len, heads * each])
}

pub(super) fn forward<B: Backend>(mixed: Tensor<B, 2>, bias: Tensor<B, 4>) -> (Tensor<B, 2>, Tensor<B, 4>) {
    let parts = Parts::of(mixed, bias.dims());
    let weights = parts.weights(bias);
    (join(weights.clone().matmul(parts.values)), weights)
}

pub(super) fn backward<B: Backend>(
    by_output: Tensor<B, 2>,
    mixed: Tensor<B, 2>,
    weights: Tensor<B, 4>,
) -> (Tensor<B, 2>, Tensor<B, 4>) {
    let Parts { queries, keys, values } = Parts::of(mixed, weights.dims());
    let [sequences, heads, len, each] = queries.dims();
    let by_context = by_output.reshape([sequences, len, heads, each]).swap_dims(1, 2);
    let by_values = weights.clone().transpose().matmul(by_context.clone());
    let by_weights = by_context.matmul(values.transpose());
    let along = (by_weights.clone() * weights.clone()).sum_dim(3);
    let by_scores = (by_weights - along) * weights;
    let by_queries = by_scores.clone().matmul(keys).mul_scalar(scale(each));
    let by_keys = by_scores.clone().transpose().matmul(queries);
    let parts = [by_queries, by_keys, by_values].map(|part| part.swap_dims(1, 2));
    let by_mixed = Tensor::cat(parts.to_vec(), 2).reshape([sequences * len, 3 * heads * each]);
    (by_mixed, by_scores)
}

pub(super) fn tracked<B: Fused>(
    mixed: Tensor<Autodiff<B>, 2>,
    bias: Tensor<Autodiff<B>, 4>,
) -> Tensor<Autodiff<B>, 2> {
    let (mixed, bias) = (primitive(mixed), primitive(bias));
    let (output, weights) = B::attend_keeping(tensor(mixed.primitive.clone()), tensor(bias.primitive));
    let output = primitive(output);
    tensor(match Attend.prepare::<NoCheckpointing>([mixed.node, bias.node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((mixed.primitive, primitive(weights)), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    })
}

#[derive(Debug)]
struct Attend;

impl<B: Fused> Backward<B, 2> for Attend {
    /// Queries, keys and values, and the weights after the softmax.
    type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output = tensor(grads.consume::<B>(&ops.node));
        let (mixed, weights) = ops.state;
        let (by_mixed, by_bias) = B::attend_backward(by_output, tensor(mixed), tensor(weights));
        let [to_mixed, to_bias] = ops.parents;
        register(grads, to_mixed.map(|node| node.id), by_mixed);
        register(grads, to_bias.map(|node| node.id), by_bias);
    }
}
