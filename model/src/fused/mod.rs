//! Compound operations with derivatives by hand: layer norm, affine layers, attention, dropout, the
//! recurrent unit, and the softmax over the catalogue.
//!
//! Left to automatic differentiation, each falls apart into a dozen small operations whose
//! gradients walk broadcast and transposed tensors element by element: that was more than half of
//! a training step. Here a forward and a backward pass are one function each. On any backend they
//! are written in tensor operations, in the files of this folder; the CPU backend replaces them by
//! loops over slices (`host`).

mod affine;
mod attention;
mod dropout;
mod gru;
mod norm;
#[cfg(any(test, feature = "cuda"))]
pub(crate) mod rows;
mod surrogate;

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::grads::Gradients;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData, TensorPrimitive};

pub use self::dropout::Mask;
pub(crate) use self::norm::NORM_EPSILON;
pub(crate) use self::surrogate::surrogate;
use crate::softmax::{self, Scores};
use crate::time::Pairs;

/// A backend with the models' compound operations. The defaults are tensor operations.
pub trait Fused: Backend {
    /// A product of matrices, of the last two dimensions. A backend may take its operands in a
    /// shorter format.
    fn product<const D: usize>(a: Tensor<Self, D>, b: Tensor<Self, D>) -> Tensor<Self, D> {
        a.matmul(b)
    }

    /// aᵀ·b of `a` `[rows, m]` and `b` `[rows, n]`: `[m, n]`, a sum over many rows.
    fn over_rows(a: Tensor<Self, 2>, b: Tensor<Self, 2>) -> Tensor<Self, 2> {
        Self::product(a.transpose(), b)
    }

    /// The sums of columns, `[1, n]` of `[rows, n]`.
    fn column_sums(x: Tensor<Self, 2>) -> Tensor<Self, 2> {
        x.sum_dim(0)
    }

    /// 1 where a column is the row's class and 0 elsewhere, `[classes.len(), count]`.
    fn one_hot(classes: &[i32], count: usize, device: &Self::Device) -> Tensor<Self, 2> {
        let classes = TensorData::new(classes.to_vec(), [classes.len()]);
        one_hot(Tensor::from_data(classes, device), count)
    }

    /// Normalises the rows of `x` `[rows, d]`; `scale` and `shift` are `[1, d]`.
    fn norm(x: Tensor<Self, 2>, scale: Tensor<Self, 2>, shift: Tensor<Self, 2>) -> Tensor<Self, 2> {
        norm::forward(x, scale, shift)
    }

    /// Gradients of [`Fused::norm`] by `x`, scale and shift.
    fn norm_backward(
        by_output: Tensor<Self, 2>,
        x: Tensor<Self, 2>,
        scale: Tensor<Self, 2>,
    ) -> [Tensor<Self, 2>; 3] {
        norm::backward(by_output, x, scale)
    }

    /// `x` `[rows, inputs]` · `weight` `[inputs, outputs]` + `bias` `[1, outputs]`; with `rectify`
    /// what is negative becomes 0.
    fn affine(
        x: Tensor<Self, 2>,
        weight: Tensor<Self, 2>,
        bias: Tensor<Self, 2>,
        rectify: bool,
    ) -> Tensor<Self, 2> {
        affine::forward(x, weight, bias, rectify)
    }

    /// Gradients of [`Fused::affine`] by `x`, weight and bias; `rectified` is its output where
    /// it rectified.
    fn affine_backward(
        by_output: Tensor<Self, 2>,
        x: Tensor<Self, 2>,
        weight: Tensor<Self, 2>,
        rectified: Option<Tensor<Self, 2>>,
    ) -> [Tensor<Self, 2>; 3] {
        affine::backward(by_output, x, weight, rectified)
    }

    /// Multiplies `x` by a mask of dropout.
    fn drop<const D: usize>(x: Tensor<Self, D>, mask: Mask) -> Tensor<Self, D> {
        let mask = mask.tensor(x.dims(), &x.device());
        x * mask
    }

    /// Causal attention with a bias by elapsed time: softmax(QKᵀ/√each + bias)·V for every head.
    /// `mixed` `[sequences · len, 3 · heads · each]` holds queries, keys and values side by side;
    /// `time_bias` `[heads, BUCKETS]` is what each bucket of `pairs` adds to a score; the result
    /// is `[sequences · len, heads · each]`.
    fn attend(
        mixed: Tensor<Self, 2>,
        time_bias: Tensor<Self, 2>,
        pairs: &Pairs<Self::IntTensorPrimitive>,
    ) -> Tensor<Self, 2> {
        Self::attend_keeping(mixed, time_bias, pairs).0
    }

    /// [`Fused::attend`], and the weights after the softmax, `[sequences, heads, len, len]`.
    fn attend_keeping(
        mixed: Tensor<Self, 2>,
        time_bias: Tensor<Self, 2>,
        pairs: &Pairs<Self::IntTensorPrimitive>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 4>) {
        attention::forward(mixed, time_bias, pairs)
    }

    /// Gradients of [`Fused::attend`] by `mixed` and by the time bias.
    fn attend_backward(
        by_output: Tensor<Self, 2>,
        mixed: Tensor<Self, 2>,
        weights: Tensor<Self, 4>,
        pairs: &Pairs<Self::IntTensorPrimitive>,
    ) -> [Tensor<Self, 2>; 2] {
        attention::backward(by_output, mixed, weights, pairs)
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

    /// Full cross-entropy of `hidden` `[targets · interests, d]` against all rows of `catalogue`
    /// `[items, d]`; `targets` are rows. A target's vectors share one softmax over all pairs of an
    /// interest and an item: p(y) = Σ_k e^{h_k·e_y + g_k} / Σ_k Σ_i e^{h_k·e_i + g_k}, with `priors` g
    /// `[targets, interests]`, or none of them. Adds the gradient by the
    /// rows to `rows` `[items, d]`. No more than `block_bytes` of logits are held at once, or those
    /// of one target where they are more.
    fn full_softmax(
        hidden: Tensor<Self, 2>,
        priors: Option<Tensor<Self, 2>>,
        targets: &[u32],
        catalogue: &Tensor<Self, 2>,
        block_bytes: usize,
        rows: &mut [f32],
    ) -> Scores<Self> {
        softmax::full_softmax(hidden, priors, targets, catalogue, block_bytes, rows)
    }
}

impl<B: Fused> Fused for Autodiff<B> {
    fn one_hot(classes: &[i32], count: usize, device: &Self::Device) -> Tensor<Self, 2> {
        Tensor::from_inner(B::one_hot(classes, count, device))
    }

    fn norm(x: Tensor<Self, 2>, scale: Tensor<Self, 2>, shift: Tensor<Self, 2>) -> Tensor<Self, 2> {
        norm::tracked(x, scale, shift)
    }

    fn affine(
        x: Tensor<Self, 2>,
        weight: Tensor<Self, 2>,
        bias: Tensor<Self, 2>,
        rectify: bool,
    ) -> Tensor<Self, 2> {
        affine::tracked(x, weight, bias, rectify)
    }

    fn drop<const D: usize>(x: Tensor<Self, D>, mask: Mask) -> Tensor<Self, D> {
        dropout::tracked(x, mask)
    }

    fn attend(
        mixed: Tensor<Self, 2>,
        time_bias: Tensor<Self, 2>,
        pairs: &Pairs<Self::IntTensorPrimitive>,
    ) -> Tensor<Self, 2> {
        attention::tracked(mixed, time_bias, pairs)
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

/// 1 where a column is the row's class and 0 elsewhere, `[classes, count]`.
pub(crate) fn one_hot<B: Backend>(classes: Tensor<B, 1, Int>, count: usize) -> Tensor<B, 2> {
    let [rows] = classes.dims();
    let columns = Tensor::<B, 1, Int>::arange(0..count as i64, &classes.device()).reshape([1, count]);
    let classes = classes.reshape([rows, 1]).expand([rows, count]);
    classes.equal(columns.expand([rows, count])).float()
}

/// Adds the gradient of a parent that wants one.
fn register<B: Backend, const D: usize>(grads: &mut Gradients, parent: Option<NodeId>, by: Tensor<B, D>) {
    if let Some(node) = parent {
        grads.register::<B>(node, primitive(by));
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
    use burn::tensor::activation::{relu, softmax};

    use super::*;
    use crate::backend::{self, Inner};
    use crate::random::SplitMix;
    use crate::time::{BUCKETS, FUTURE};

    type Tracked = Autodiff<Inner>;

    fn random<B: Backend, const D: usize>(shape: [usize; D], seed: u64, device: &B::Device) -> Tensor<B, D> {
        let mut random = SplitMix::new(seed);
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.symmetric(1.0)).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn tracked<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<Tracked, D> {
        random::<Tracked, D>(shape, seed, &backend::device().unwrap()).require_grad()
    }

    fn plain<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<Inner, D> {
        random(shape, seed, &backend::device().unwrap())
    }

    fn values<const D: usize>(tensor: Tensor<Inner, D>) -> Vec<f32> {
        tensor.into_data().to_vec().unwrap()
    }

    /// Within what the order of a few hundred sums changes.
    fn same<const D: usize>(found: Tensor<Inner, D>, expected: Tensor<Inner, D>) {
        assert_eq!(found.dims(), expected.dims());
        for (at, (found, expected)) in values(found).iter().zip(&values(expected)).enumerate() {
            assert!(
                (found - expected).abs() < 5e-5 * expected.abs().max(1.0),
                "{at}: {found} and {expected}"
            );
        }
    }

    #[test]
    fn norm_has_the_derivatives_of_its_definition() {
        let (x, scale, shift) = (tracked([7, 36], 1), tracked([1, 36], 2), tracked([1, 36], 3));
        let weight = tracked([7, 36], 4);
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
    fn an_affine_layer_has_the_derivatives_of_its_definition() {
        for rectify in [false, true] {
            let (x, weight, bias) = (tracked([300, 5], 1), tracked([5, 7], 2), tracked([1, 7], 3));
            let by = tracked([300, 7], 4);
            let fused = Tracked::affine(x.clone(), weight.clone(), bias.clone(), rectify);
            let plain = x.clone().matmul(weight.clone()) + bias.clone();
            let plain = if rectify { relu(plain) } else { plain };
            same(fused.clone().inner(), plain.clone().inner());
            let found = (fused * by.clone()).sum().backward();
            let expected = (plain * by).sum().backward();
            for tensor in [x, weight, bias] {
                same(tensor.grad(&found).unwrap(), tensor.grad(&expected).unwrap());
            }
        }
    }

    /// Pairs of every bucket.
    fn pairs<I: Clone>(count: usize, len: usize) -> Pairs<I> {
        let mut buckets = vec![FUTURE; count * len * len];
        for (nth, row) in buckets.chunks_exact_mut(len).enumerate() {
            for (key, bucket) in row[..=nth % len].iter_mut().enumerate() {
                *bucket = ((nth * 7 + key * 3) % BUCKETS) as i32;
            }
        }
        Pairs::new(count, len, buckets)
    }

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
        let (x, scale, shift) = (plain([700, 24], 1), plain([1, 24], 2), plain([1, 24], 3));
        same(
            Inner::norm(x.clone(), scale.clone(), shift.clone()),
            norm::forward(x.clone(), scale.clone(), shift),
        );
        let by = plain([700, 24], 4);
        let found = Inner::norm_backward(by.clone(), x.clone(), scale.clone());
        for (found, expected) in found.into_iter().zip(norm::backward(by, x.clone(), scale)) {
            same(found, expected);
        }
        let (weight, bias, by) = (plain([24, 40], 5), plain([1, 40], 6), plain([700, 40], 7));
        for rectify in [false, true] {
            let expected = affine::forward(x.clone(), weight.clone(), bias.clone(), rectify);
            same(Inner::affine(x.clone(), weight.clone(), bias.clone(), rectify), expected.clone());
            let output = rectify.then_some(expected);
            let found = Inner::affine_backward(by.clone(), x.clone(), weight.clone(), output.clone());
            let expected = affine::backward(by.clone(), x.clone(), weight.clone(), output);
            for (found, expected) in found.into_iter().zip(expected) {
                same(found, expected);
            }
        }
        let (mixed, bias, by) = (plain([5 * 9, 24], 8), plain([2, BUCKETS], 9), plain([5 * 9, 8], 10));
        let pairs = pairs(5, 9);
        let (found, weights) = Inner::attend_keeping(mixed.clone(), bias.clone(), &pairs);
        let (expected, plain_weights) = attention::forward(mixed.clone(), bias, &pairs);
        same(found, expected);
        same(weights.clone(), plain_weights);
        let found = Inner::attend_backward(by.clone(), mixed.clone(), weights.clone(), &pairs);
        for (found, expected) in found.into_iter().zip(attention::backward(by, mixed, weights, &pairs)) {
            same(found, expected);
        }
    }

    #[test]
    fn sums_over_rows_come_together_from_parts() {
        for rows in [5, 100, 1_023, 2_048, 2_500] {
            let (a, b) = (plain([rows, 3], 1), plain([rows, 4], 2));
            same(rows::over_rows(a.clone(), b.clone()), a.transpose().matmul(b.clone()));
            same(rows::column_sums(b.clone()), b.sum_dim(0));
        }
    }

    /// Transposed and narrowed tensors do not lie in order.
    #[test]
    fn operands_may_lie_in_any_order() {
        let x = plain([24, 70], 1).transpose();
        let weight = plain([24, 50], 2).narrow(1, 3, 40);
        let bias = plain([1, 40], 3);
        same(
            Inner::affine(x.clone(), weight.clone(), bias.clone(), false),
            affine::forward(x, weight, bias, false),
        );
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (x, weight, bias) = (tracked([900, 24], 1), tracked([24, 24], 2), tracked([1, 24], 3));
                let time_bias = tracked([2, BUCKETS], 4);
                let mixed = Tracked::affine(x.clone(), weight.clone(), bias.clone(), true);
                let context = Tracked::attend(mixed, time_bias.clone(), &pairs(30, 30));
                let output = Tracked::norm(context, tracked([1, 8], 5), tracked([1, 8], 6));
                let gradients = (output * tracked([900, 8], 7)).sum().backward();
                [
                    values(x.grad(&gradients).unwrap()),
                    values(weight.grad(&gradients).unwrap()),
                    values(bias.grad(&gradients).unwrap()),
                    values(time_bias.grad(&gradients).unwrap()),
                ]
                .map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>())
            })
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(5));
    }
}
