//! Compound operations with derivatives by hand: layer norm, affine layers, attention, dropout, the
//! recurrent unit, averages that decay, and the softmax over the catalogue, over a sample of it, or against
//! hard negatives.
//!
//! Left to automatic differentiation, each falls apart into a dozen small operations whose
//! gradients walk broadcast and transposed tensors element by element: that was more than half of
//! a training step. Here a forward and a backward pass are one function each. On any backend they
//! are written in tensor operations, in the files of this folder; the CPU backend replaces them by
//! loops over slices (`host`).

mod affine;
mod attention;
mod averages;
#[cfg(test)]
mod checks;
mod dropout;
mod gru;
mod hard;
mod members;
mod norm;
#[cfg(any(test, feature = "cuda"))]
pub(crate) mod rows;
mod sampled;
mod softmax;
mod surrogate;
mod tracked;

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

pub(crate) use self::averages::columns;
pub use self::dropout::Mask;
pub(crate) use self::hard::hard_softmax;
pub(crate) use self::norm::NORM_EPSILON;
pub(crate) use self::sampled::sampled_softmax;
pub(crate) use self::surrogate::surrogate;
use self::tracked::register;
pub(crate) use self::tracked::{primitive, tensor};
use crate::decay::Decay;
use crate::members::Members;
use crate::softmax::{Asked, Scores};
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

    /// What `decay` recalls of `x` `[count · len, d]`: the newest event, the one before (or zeros) and an average
    /// a half-life, side by side, `[asked, RECALLED · d]`; `powers` `[1, HALF_LIVES]` are the p of each.
    fn averages(x: Tensor<Self, 2>, powers: Tensor<Self, 2>, decay: &Arc<Decay>) -> Tensor<Self, 2> {
        averages::forward(x, powers, decay)
    }

    /// Gradients of [`Fused::averages`] by `x` and by the powers.
    fn averages_backward(
        by_output: Tensor<Self, 2>,
        x: Tensor<Self, 2>,
        powers: Tensor<Self, 2>,
        decay: &Decay,
    ) -> [Tensor<Self, 2>; 2] {
        averages::backward(by_output, x, powers, decay)
    }

    /// Averages of each interest's own events among `x` `[count · len, d]`: of every interest one a half-life, side
    /// by side, `[asked, K · HALF_LIVES · d]`; zeros of an interest without events.
    fn members(x: Tensor<Self, 2>, members: &Arc<Members>) -> Tensor<Self, 2> {
        members::forward(x, members)
    }

    /// Gradient of [`Fused::members`] by `x`, of `d` columns.
    fn members_backward(by_output: Tensor<Self, 2>, members: &Members, d: usize) -> Tensor<Self, 2> {
        members::backward(by_output, members, d)
    }

    /// Full cross-entropy of `hidden` `[targets · interests, d]` against the rows of `catalogue`
    /// `[items, d]`. A target's vectors share one softmax over all pairs of an
    /// interest and an item that it speaks for: p(y) = Σ_k e^{h_k·e_y + g_k} / Σ_k Σ_i e^{h_k·e_i + g_k}, with
    /// `priors` g `[targets, interests]`, or none of them, and i over the k-th of `spans`: all items of each, or
    /// stretches that are apart. Each target is in a span. Adds the gradient by the rows to `rows` `[items, d]`. No more than `block_bytes` of logits are held at once, or those
    /// of one target where they are more.
    fn full_softmax(
        hidden: Tensor<Self, 2>,
        priors: Option<Tensor<Self, 2>>,
        targets: Asked<'_>,
        catalogue: &Tensor<Self, 2>,
        spans: &[Range<usize>],
        block_bytes: usize,
        rows: &mut [f32],
    ) -> Scores<Self> {
        softmax::full(hidden, priors, targets, catalogue, spans, block_bytes, rows)
    }
}

/// 1 where a column is the row's class and 0 elsewhere, `[classes, count]`.
pub(crate) fn one_hot<B: Backend>(classes: Tensor<B, 1, Int>, count: usize) -> Tensor<B, 2> {
    let [rows] = classes.dims();
    let columns = Tensor::<B, 1, Int>::arange(0..count as i64, &classes.device()).reshape([1, count]);
    let classes = classes.reshape([rows, 1]).expand([rows, count]);
    classes.equal(columns.expand([rows, count])).float()
}
