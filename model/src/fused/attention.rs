//! Attention with its derivative by hand.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;

use super::{Fused, one_hot, primitive, register, tensor};
use crate::softmax::HIDDEN;
use crate::time::{BUCKETS, Pairs};

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
}

fn scale(each: usize) -> f32 {
    1.0 / (each as f32).sqrt()
}

/// `[sequences, heads, len, each]` as `[sequences · len, heads · each]`.
fn join<B: Backend>(split: Tensor<B, 4>) -> Tensor<B, 2> {
    let [sequences, heads, len, each] = split.dims();
    split.swap_dims(1, 2).reshape([sequences * len, heads * each])
}

/// What each pair's elapsed time adds to its score, `[sequences, heads, len, len]`. The causal mask
/// is one more bucket, so that no mask is built or applied beside the bias.
fn bias<B: Backend>(time_bias: Tensor<B, 2>, pairs: &Pairs<B::IntTensorPrimitive>) -> Tensor<B, 4> {
    let (heads, device) = (time_bias.dims()[0], time_bias.device());
    let hidden = Tensor::full([heads, 1], HIDDEN, &device);
    let table = Tensor::cat(vec![time_bias, hidden], 1).transpose();
    let by_pair = table.select(0, pairs.tensor(&device));
    by_pair.reshape([pairs.count, pairs.len, pairs.len, heads]).permute([0, 3, 1, 2])
}

pub(super) fn forward<B: Fused>(
    mixed: Tensor<B, 2>,
    time_bias: Tensor<B, 2>,
    pairs: &Pairs<B::IntTensorPrimitive>,
) -> (Tensor<B, 2>, Tensor<B, 4>) {
    let shape = [pairs.count, time_bias.dims()[0], pairs.len, pairs.len];
    let bias = bias(time_bias, pairs);
    let Parts { queries, keys, values } = Parts::of(mixed, shape);
    let weights = softmax(B::product(queries, keys.transpose()) + bias, 3);
    (join(B::product(weights.clone(), values)), weights)
}

pub(super) fn backward<B: Fused>(
    by_output: Tensor<B, 2>,
    mixed: Tensor<B, 2>,
    weights: Tensor<B, 4>,
    pairs: &Pairs<B::IntTensorPrimitive>,
) -> [Tensor<B, 2>; 2] {
    let Parts { queries, keys, values } = Parts::of(mixed, weights.dims());
    let [sequences, heads, len, each] = queries.dims();
    let by_context = by_output.reshape([sequences, len, heads, each]).swap_dims(1, 2);
    let by_values = B::product(weights.clone().transpose(), by_context.clone());
    let by_weights = B::product(by_context, values.transpose());
    let along = (by_weights.clone() * weights.clone()).sum_dim(3);
    let by_scores = (by_weights - along) * weights;
    let by_queries = B::product(by_scores.clone(), keys).mul_scalar(scale(each));
    let by_keys = B::product(by_scores.clone().transpose(), queries);
    let parts = [by_queries, by_keys, by_values].map(|part| part.swap_dims(1, 2));
    let by_mixed = Tensor::cat(parts.to_vec(), 2).reshape([sequences * len, 3 * heads * each]);
    // A sum by bucket, as products with ones where a pair is of the bucket, a query's pairs at a time:
    // adding to a table at indices goes one by one on a device, and so does one long sum.
    let by_query = by_scores.swap_dims(1, 2).reshape([sequences * len, heads, len]);
    let of_bucket = one_hot(pairs.tensor::<B>(&by_mixed.device()), BUCKETS + 1);
    let by_table = by_query.matmul(of_bucket.reshape([sequences * len, len, BUCKETS + 1]));
    let by_table = B::column_sums(by_table.reshape([sequences * len, heads * (BUCKETS + 1)]));
    [by_mixed, by_table.reshape([heads, BUCKETS + 1]).narrow(1, 0, BUCKETS)]
}

pub(super) fn tracked<B: Fused>(
    mixed: Tensor<Autodiff<B>, 2>,
    time_bias: Tensor<Autodiff<B>, 2>,
    pairs: &Pairs<B::IntTensorPrimitive>,
) -> Tensor<Autodiff<B>, 2> {
    let [mixed, bias] = [mixed, time_bias].map(primitive);
    let (output, weights) = B::attend_keeping(tensor(mixed.primitive.clone()), tensor(bias.primitive), pairs);
    let output = primitive(output);
    tensor(match Attend.prepare::<NoCheckpointing>([mixed.node, bias.node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            prepared.finish((mixed.primitive, primitive(weights), pairs.clone()), output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    })
}

#[derive(Debug)]
struct Attend;

impl<B: Fused> Backward<B, 2> for Attend {
    /// Queries, keys and values, and the weights after the softmax.
    type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive, Pairs<B::IntTensorPrimitive>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output = tensor(grads.consume::<B>(&ops.node));
        let (mixed, weights, pairs) = ops.state;
        let by = B::attend_backward(by_output, tensor(mixed), tensor(weights), &pairs);
        for (node, by) in ops.parents.into_iter().zip(by) {
            register(grads, node.map(|node| node.id), by);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Int, TensorData};

    use super::*;
    use crate::backend::Inner;
    use crate::fused::checks::{Tracked, pairs, plain, same, tracked};
    use crate::time::FUTURE;

    #[test]
    fn attention_has_the_derivatives_of_its_definition() {
        let (sequences, heads, len, each) = (3, 2, 19, 4);
        let mixed = tracked([sequences * len, 3 * heads * each], 1);
        let time_bias = tracked([heads, BUCKETS], 2);
        let weight = tracked([sequences * len, heads * each], 3);
        let pairs = pairs(sequences, len);
        let fused = Tracked::attend(mixed.clone(), time_bias.clone(), &pairs);
        let device = mixed.device();
        let seen: Vec<i32> = pairs.buckets.iter().map(|bucket| (*bucket).min(FUTURE - 1)).collect();
        let seen =
            Tensor::<Tracked, 1, Int>::from_data(TensorData::new(seen, [sequences * len * len]), &device);
        let by_head = time_bias.clone().transpose().select(0, seen);
        let bias = by_head.reshape([sequences, len, len, heads]).permute([0, 3, 1, 2]);
        let causal = Tensor::<Tracked, 2>::full([len, len], -1e9, &device).triu(1);
        let split = mixed.clone().reshape([sequences, len, 3, heads, each]).permute([2, 0, 3, 1, 4]);
        let part = |part: usize| split.clone().narrow(0, part, 1).reshape([sequences, heads, len, each]);
        let scores = part(0).matmul(part(1).transpose()) / (each as f32).sqrt() + bias;
        let context = softmax(scores + causal.unsqueeze(), 3).matmul(part(2));
        let plain = context.swap_dims(1, 2).reshape([sequences * len, heads * each]);
        same(fused.clone().inner(), plain.clone().inner());
        let found = (fused * weight.clone()).sum().backward();
        let expected = (plain * weight).sum().backward();
        same(mixed.grad(&found).unwrap(), mixed.grad(&expected).unwrap());
        same(time_bias.grad(&found).unwrap(), time_bias.grad(&expected).unwrap());
    }

    /// Against what the trait's defaults compute, which other backends run.
    #[test]
    fn the_backend_computes_what_tensor_operations_do() {
        let (mixed, bias, by) = (plain([5 * 9, 24], 8), plain([2, BUCKETS], 9), plain([5 * 9, 8], 10));
        let pairs = pairs(5, 9);
        let (found, weights) = Inner::attend_keeping(mixed.clone(), bias.clone(), &pairs);
        let (expected, plain_weights) = forward(mixed.clone(), bias, &pairs);
        same(found, expected);
        same(weights.clone(), plain_weights);
        let found = Inner::attend_backward(by.clone(), mixed.clone(), weights.clone(), &pairs);
        for (found, expected) in found.into_iter().zip(backward(by, mixed, weights, &pairs)) {
            same(found, expected);
        }
    }
}
