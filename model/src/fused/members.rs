//! Averages of each interest's own events: see [`Members`].
//!
//! In tensor operations they are a product with a matrix of weights for every interest and half-life. Loops need not
//! make that matrix: an event changes the sums of its own interest alone.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use super::{Fused, primitive, register, tensor};
use crate::members::{HALF_LIVES, Members};

/// The weights as matrices, one a history, for as many positions as the history with the most has.
struct Matrices<B: Backend> {
    /// `[count, most · K · HALF_LIVES, len]`.
    weights: Tensor<B, 3>,
    /// Which rows of `[count · most]` are asked.
    places: Tensor<B, 1, Int>,
    most: usize,
}

impl<B: Backend> Matrices<B> {
    fn new(members: &Members, device: &B::Device) -> Self {
        let (len, each) = (members.windows.len, members.columns(1));
        let ranges: Vec<_> = members.windows.of_histories().collect();
        let most = ranges.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let mut weights = vec![0.0; members.windows.count * most * each * len];
        let mut places = Vec::with_capacity(members.windows.asked.len());
        for (nth, range) in ranges.into_iter().enumerate() {
            for (place, row) in range.enumerate() {
                let row_of = nth * most + place;
                places.push(row_of as i64);
                let cells = &mut weights[row_of * each * len..(row_of + 1) * each * len];
                let mut ages = vec![0.0f32; members.interests];
                for event in members.windows.seen(members.windows.asked[row]).rev() {
                    let owner = members.owners[event];
                    for (rate, half_life) in HALF_LIVES.iter().enumerate() {
                        let cell = (owner * HALF_LIVES.len() + rate) * len + event - nth * len;
                        cells[cell] = (-ages[owner] / half_life).exp2();
                    }
                    ages[owner] += 1.0;
                }
                for cells in cells.chunks_exact_mut(len) {
                    let sum: f32 = cells.iter().sum();
                    cells.iter_mut().for_each(|cell| *cell /= sum.max(f32::MIN_POSITIVE));
                }
            }
        }
        let places = TensorData::new(places, [members.windows.asked.len()]);
        let weights = TensorData::new(weights, [members.windows.count, most * each, len]);
        Self { weights: Tensor::from_data(weights, device), places: Tensor::from_data(places, device), most }
    }
}

/// See [`Fused::members`].
pub(super) fn forward<B: Backend>(x: Tensor<B, 2>, members: &Members) -> Tensor<B, 2> {
    let d = x.dims()[1];
    let Matrices { weights, places, most } = Matrices::<B>::new(members, &x.device());
    let averages = weights.matmul(x.reshape([members.windows.count, members.windows.len, d]));
    averages.reshape([members.windows.count * most, members.columns(d)]).select(0, places)
}

/// See [`Fused::members_backward`].
pub(super) fn backward<B: Backend>(by_output: Tensor<B, 2>, members: &Members, d: usize) -> Tensor<B, 2> {
    let device = by_output.device();
    let Matrices { weights, places, most } = Matrices::<B>::new(members, &device);
    let by = Tensor::zeros([members.windows.count * most, members.columns(d)], &device);
    let by = by.select_assign(0, places, by_output, burn::tensor::IndexingUpdateOp::Add);
    let by = by.reshape([members.windows.count, most * members.columns(1), d]);
    weights.transpose().matmul(by).reshape([members.windows.count * members.windows.len, d])
}

pub(super) fn tracked<B: Fused>(x: Tensor<Autodiff<B>, 2>, members: &Arc<Members>) -> Tensor<Autodiff<B>, 2> {
    let d = x.dims()[1];
    let x = primitive(x);
    let output = B::members(tensor(x.primitive.clone()), members);
    tensor(match Averages.prepare::<NoCheckpointing>([x.node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((Arc::clone(members), d), primitive(output)),
        OpsKind::UnTracked(prepared) => prepared.finish(primitive(output)),
    })
}

#[derive(Debug)]
struct Averages;

impl<B: Fused> Backward<B, 1> for Averages {
    type State = (Arc<Members>, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output = tensor(grads.consume::<B>(&ops.node));
        let (members, d) = ops.state;
        let [node] = ops.parents;
        register(grads, node.map(|node| node.id), B::members_backward(by_output, &members, d));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Inner;
    use crate::fused::checks::{Tracked, plain, same, tracked, values};
    use crate::histories::Histories;
    use crate::windows::Windows;

    const D: usize = 20;
    const LEN: usize = 9;

    fn all_members() -> Vec<Arc<Members>> {
        let (rows, times) = ([0u32; LEN], [0i64; LEN]);
        let lengths = [LEN, 1, 4];
        let histories = Histories::new(lengths.iter().map(|length| (&rows[..*length], &times[..*length])));
        let owners: Vec<usize> = (0..3 * LEN).map(|event| [0, 2, 2, 0, 3, 0][event * event % 6]).collect();
        let (some, all): (Vec<usize>, Vec<usize>) = (vec![0, 3, 4, 8, 9, 19, 21], (0..3 * LEN).collect());
        let made = |(span, asked): (usize, &Vec<usize>)| {
            Arc::new(Members::new(Windows::new(&histories, span, asked), 4, owners.clone()))
        };
        [1, 2, 4, 200].into_iter().flat_map(|span| [(span, &some), (span, &all)]).map(made).collect()
    }

    #[test]
    fn averages_are_those_of_the_definition() {
        let x = plain([3 * LEN, D], 1);
        let events = values(x.clone());
        for members in all_members() {
            let found = values(Inner::members(x.clone(), &members));
            for (row, at) in found.chunks_exact(members.columns(D)).zip(&members.windows.asked) {
                for (nth, average) in row.chunks_exact(D).enumerate() {
                    let (owner, half_life) = (nth / 2, HALF_LIVES[nth % 2]);
                    let own: Vec<usize> = members
                        .windows
                        .seen(*at)
                        .rev()
                        .filter(|event| members.owners[*event] == owner)
                        .collect();
                    let weight = |age: usize| (-(age as f32) / half_life).exp2();
                    let total: f32 = (0..own.len()).map(weight).sum();
                    for (column, found) in average.iter().enumerate() {
                        let sum: f32 = own
                            .iter()
                            .enumerate()
                            .map(|(age, event)| weight(age) * events[event * D + column])
                            .sum();
                        let expected = if own.is_empty() { 0.0 } else { sum / total };
                        assert!((found - expected).abs() < 1e-5, "{found} for {expected} at {at}, {owner}");
                    }
                }
            }
        }
    }

    /// Against what the trait's defaults compute, which other backends run.
    #[test]
    fn the_backend_computes_what_tensor_operations_do() {
        let x = plain([3 * LEN, D], 1);
        for members in all_members() {
            same(Inner::members(x.clone(), &members), forward(x.clone(), &members));
            let by = plain([members.windows.asked.len(), members.columns(D)], 3);
            same(Inner::members_backward(by.clone(), &members, D), backward(by, &members, D));
        }
    }

    #[test]
    fn averages_have_the_derivatives_of_their_definition() {
        let x = tracked([3 * LEN, D], 1);
        for members in all_members() {
            let weight = tracked([members.windows.asked.len(), members.columns(D)], 3);
            let fused = (Tracked::members(x.clone(), &members) * weight.clone()).sum().backward();
            let plain = (forward(x.clone(), &members) * weight).sum().backward();
            same(x.grad(&fused).unwrap(), x.grad(&plain).unwrap());
        }
    }
}
