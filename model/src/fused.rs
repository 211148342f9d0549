//! Layer norm, attention and the recurrent unit as one operation each, with derivatives by hand.
//!
//! Left to automatic differentiation, both fall apart into a dozen small operations whose
//! gradients walk broadcast and transposed tensors element by element: that was a third of a
//! training step. Here the forward pass is the backend's fused kernel, and the backward pass is
//! written so that every operand on the left is contiguous.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorPrimitive};

use crate::gru;

const NORM_EPSILON: f64 = 1e-5;

/// A backend with the model's two compound operations. The defaults are for inference.
pub trait Fused: Backend {
    /// Normalises the rows of `x` `[rows, d]`; `scale` and `shift` are `[1, d]`.
    fn norm(x: Tensor<Self, 2>, scale: Tensor<Self, 2>, shift: Tensor<Self, 2>) -> Tensor<Self, 2> {
        let d = x.dims()[1];
        let (scale, shift) = (primitive(scale.reshape([d])), primitive(shift.reshape([d])));
        tensor(Self::layer_norm(primitive(x), scale, Some(shift), NORM_EPSILON))
    }

    /// softmax(QKᵀ/√each + bias)·V over `heads`. `mixed` `[sequences · len, 3 · heads · each]`
    /// holds queries, keys and values side by side; `bias` is `[sequences, heads, len, len]`;
    /// the result `[sequences · len, heads · each]`.
    fn attend(mixed: Tensor<Self, 2>, bias: Tensor<Self, 4>) -> Tensor<Self, 2> {
        let parts = Parts::of(mixed, bias.dims());
        let weights = parts.weights(bias);
        join(weights.matmul(parts.values))
    }

    /// A gated recurrent unit over time: `inputs` `[steps, sequences, 3 · width]`, `taken`
    /// `[steps, sequences, 1]`, `recurrent` `[width, 3 · width]`, `bias` `[1, 3 · width]`,
    /// `initial` `[1, width]`; the states `[steps, sequences, width]`.
    fn gru(
        inputs: Tensor<Self, 3>,
        taken: Tensor<Self, 3>,
        recurrent: Tensor<Self, 2>,
        bias: Tensor<Self, 2>,
        initial: Tensor<Self, 2>,
    ) -> Tensor<Self, 3> {
        gru::forward(inputs, taken, recurrent, bias, initial)
    }
}

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

impl<B: Fused> Fused for Autodiff<B> {
    fn norm(x: Tensor<Self, 2>, scale: Tensor<Self, 2>, shift: Tensor<Self, 2>) -> Tensor<Self, 2> {
        let [x, scale, shift] = [x, scale, shift].map(primitive);
        let output = primitive(B::norm(
            tensor(x.primitive.clone()),
            tensor(scale.primitive.clone()),
            tensor(shift.primitive),
        ));
        let prepared =
            Norm.prepare::<NoCheckpointing>([x.node, scale.node, shift.node]).compute_bound().stateful();
        tensor(match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((x.primitive, scale.primitive), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        })
    }

    fn attend(mixed: Tensor<Self, 2>, bias: Tensor<Self, 4>) -> Tensor<Self, 2> {
        let dims = bias.dims();
        let (mixed, bias) = (primitive(mixed), primitive(bias));
        let parts = Parts::<B>::of(tensor(mixed.primitive), dims);
        let weights = parts.weights(tensor(bias.primitive));
        let output = primitive(join(weights.clone().matmul(parts.values.clone())));
        let prepared = Attend.prepare::<NoCheckpointing>([mixed.node, bias.node]).compute_bound().stateful();
        let state = [parts.queries, parts.keys, parts.values, weights].map(primitive);
        tensor(match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(state, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        })
    }

    fn gru(
        inputs: Tensor<Self, 3>,
        taken: Tensor<Self, 3>,
        recurrent: Tensor<Self, 2>,
        bias: Tensor<Self, 2>,
        initial: Tensor<Self, 2>,
    ) -> Tensor<Self, 3> {
        gru::tracked(inputs, taken, recurrent, bias, initial)
    }
}

#[derive(Debug)]
struct Norm;

impl<B: Backend> Backward<B, 3> for Norm {
    /// Input and scale.
    type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output: Tensor<B, 2> = tensor(grads.consume::<B>(&ops.node));
        let (x, scale): (Tensor<B, 2>, Tensor<B, 2>) = (tensor(ops.state.0), tensor(ops.state.1));
        let centred = x.clone() - x.mean_dim(1);
        let variance = (centred.clone() * centred.clone()).mean_dim(1);
        let inverse = variance.add_scalar(NORM_EPSILON).sqrt().recip();
        let unit = centred * inverse.clone();
        let [to_x, to_scale, to_shift] = ops.parents;
        if let Some(node) = to_scale {
            grads.register::<B>(node.id, primitive((by_output.clone() * unit.clone()).sum_dim(0)));
        }
        if let Some(node) = to_shift {
            grads.register::<B>(node.id, primitive(by_output.clone().sum_dim(0)));
        }
        if let Some(node) = to_x {
            let by_unit = by_output * scale;
            let along = (by_unit.clone() * unit.clone()).mean_dim(1);
            let by_x = (by_unit.clone() - by_unit.mean_dim(1) - unit * along) * inverse;
            grads.register::<B>(node.id, primitive(by_x));
        }
    }
}

#[derive(Debug)]
struct Attend;

impl<B: Backend> Backward<B, 2> for Attend {
    /// Scaled queries, keys, values, and the weights after the softmax.
    type State = [B::FloatTensorPrimitive; 4];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output: Tensor<B, 2> = tensor(grads.consume::<B>(&ops.node));
        let [queries, keys, values, weights]: [Tensor<B, 4>; 4] = ops.state.map(tensor);
        let [sequences, heads, len, each] = queries.dims();
        let by_context = by_output.reshape([sequences, len, heads, each]).swap_dims(1, 2);
        let by_values = weights.clone().transpose().matmul(by_context.clone());
        let by_weights = by_context.matmul(values.transpose());
        let along = (by_weights.clone() * weights.clone()).sum_dim(3);
        let by_scores = (by_weights - along) * weights;
        let [to_mixed, to_bias] = ops.parents;
        if let Some(node) = to_mixed {
            let by_queries = by_scores.clone().matmul(keys).mul_scalar(scale(each));
            let by_keys = by_scores.clone().transpose().matmul(queries);
            let parts = [by_queries, by_keys, by_values].map(|part| part.swap_dims(1, 2));
            let by_mixed = Tensor::cat(parts.to_vec(), 2).reshape([sequences * len, 3 * heads * each]);
            grads.register::<B>(node.id, primitive(by_mixed));
        }
        if let Some(node) = to_bias {
            grads.register::<B>(node.id, primitive(by_scores));
        }
    }
}

pub(crate) fn tensor<B: Backend, const D: usize>(primitive: B::FloatTensorPrimitive) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

pub(crate) fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> B::FloatTensorPrimitive {
    tensor.into_primitive().tensor()
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::backend::{self, Inner};
    use crate::random::SplitMix;

    type Tracked = Autodiff<Inner>;

    fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<Tracked, D> {
        let mut random = SplitMix::new(seed);
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.symmetric(1.0)).collect();
        Tensor::from_data(TensorData::new(values, shape), &backend::device().unwrap()).require_grad()
    }

    fn same<const D: usize>(found: Tensor<Inner, D>, expected: Tensor<Inner, D>) {
        let found = found.into_data().to_vec::<f32>().unwrap();
        let expected = expected.into_data().to_vec::<f32>().unwrap();
        assert_eq!(found.len(), expected.len());
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() < 1e-5, "{at}: {found} and {expected}");
        }
    }

    #[test]
    fn norm_has_the_derivatives_of_its_definition() {
        let (x, scale, shift) = (random([7, 12], 1), random([1, 12], 2), random([1, 12], 3));
        let weight = random([7, 12], 4);
        let fused = Tracked::norm(x.clone(), scale.clone(), shift.clone());
        let centred = x.clone() - x.clone().mean_dim(1);
        let spread = (centred.clone().powi_scalar(2).mean_dim(1) + NORM_EPSILON).sqrt();
        let plain = centred / spread * scale.clone() + shift.clone();
        same(fused.clone().inner(), plain.clone().inner());
        let found = (fused * weight.clone()).sum().backward();
        let expected = (plain * weight).sum().backward();
        for tensor in [x, scale, shift] {
            same(tensor.grad(&found).unwrap(), tensor.grad(&expected).unwrap());
        }
    }

    #[test]
    fn attention_has_the_derivatives_of_its_definition() {
        let (sequences, heads, len, each) = (3, 2, 5, 4);
        let mixed = random([sequences * len, 3 * heads * each], 1);
        let bias = random([sequences, heads, len, len], 2);
        let weight = random([sequences * len, heads * each], 3);
        let fused = Tracked::attend(mixed.clone(), bias.clone());
        let parts = Parts::of(mixed.clone(), bias.dims());
        let scores = parts.queries.matmul(parts.keys.transpose()) + bias.clone();
        let plain = join(softmax(scores, 3).matmul(parts.values));
        same(fused.clone().inner(), plain.clone().inner());
        let found = (fused * weight.clone()).sum().backward();
        let expected = (plain * weight).sum().backward();
        same(mixed.grad(&found).unwrap(), mixed.grad(&expected).unwrap());
        same(bias.grad(&found).unwrap(), bias.grad(&expected).unwrap());
    }
}
