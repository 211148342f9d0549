//! Exponential averages of a history at several half-lives: one layer of linear recurrence.
//!
//! m_t = Σ_i ω_i x_i / Σ_i ω_i, ω as [`Decay`] has it. In tensor operations it is attention without queries and
//! keys: a product with a matrix of weights for every half-life. Loops need not make that matrix: the sums are
//! carried from one event to the next, and what falls out of the span is taken off.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use super::{Fused, primitive, register, tensor};
use crate::decay::{Decay, HALF_LIVES, RECALLED};

/// A logarithm of no weight.
const NEVER: f32 = -1e30;

/// See [`Fused::averages`].
pub(super) fn forward<B: Backend>(x: Tensor<B, 2>, powers: Tensor<B, 2>, decay: &Decay) -> Tensor<B, 2> {
    let (count, len, device) = (decay.windows.count, decay.windows.len, x.device());
    let d = x.dims()[1];
    let cells = |count: usize, cell: &dyn Fn(usize, usize, usize) -> f32| -> Tensor<B, 3> {
        let mut values = Vec::with_capacity(count * len * len);
        for nth in 0..count {
            for at in 0..len * len {
                values.push(cell(nth * len, at / len, at % len));
            }
        }
        Tensor::from_data(TensorData::new(values, [count, len, len]), &device)
    };
    let is_seen = |at: usize, event: usize| event <= at && at - event < decay.windows.span;
    let elapsed = cells(count, &|first, at, event| match is_seen(at, event) {
        true => decay.elapsed[first + at] - decay.elapsed[first + event],
        false => 0.0,
    });
    let events: Tensor<B, 3> = x.clone().reshape([count, len, d]);
    let averages = HALF_LIVES.iter().enumerate().map(|(nth, half_life)| {
        let by_events = cells(1, &|_, at, event| match is_seen(at, event) {
            true => -((at - event) as f32) * std::f32::consts::LN_2 / half_life,
            false => NEVER,
        });
        let power = powers.clone().narrow(1, nth, 1).reshape([1, 1, 1]);
        let weights = (by_events - elapsed.clone() * power).exp();
        let total = weights.clone().sum_dim(2);
        (weights.matmul(events.clone()) / total).reshape([count * len, d])
    });
    // The event before, or zeros: row 0 is what comes before a history.
    let before: Vec<i64> = (0..count * len).map(|at| if at % len > 0 { at as i64 } else { 0 }).collect();
    let before = Tensor::<B, 1, Int>::from_data(TensorData::new(before, [count * len]), &device);
    let before = Tensor::cat(vec![Tensor::zeros([1, d], &device), x.clone()], 0).select(0, before);
    let all = Tensor::cat([x.clone(), before].into_iter().chain(averages).collect(), 1);
    let asked: Vec<i64> = decay.windows.asked.iter().map(|position| *position as i64).collect();
    let asked = Tensor::<B, 1, Int>::from_data(TensorData::new(asked, [decay.windows.asked.len()]), &device);
    all.select(0, asked)
}

/// See [`Fused::averages_backward`]: what automatic differentiation makes of the tensor operations.
pub(super) fn backward<B: Backend>(
    by_output: Tensor<B, 2>,
    x: Tensor<B, 2>,
    powers: Tensor<B, 2>,
    decay: &Decay,
) -> [Tensor<B, 2>; 2] {
    let inputs = [x, powers].map(|input| Tensor::<Autodiff<B>, 2>::from_inner(input).require_grad());
    let output = forward(inputs[0].clone(), inputs[1].clone(), decay);
    let mut by = (output * Tensor::from_inner(by_output)).sum().backward();
    inputs.map(|input| input.grad_remove(&mut by).unwrap_or_else(|| input.inner().zeros_like()))
}

pub(super) fn tracked<B: Fused>(
    x: Tensor<Autodiff<B>, 2>,
    powers: Tensor<Autodiff<B>, 2>,
    decay: &Arc<Decay>,
) -> Tensor<Autodiff<B>, 2> {
    let [x, powers] = [x, powers].map(primitive);
    let output = B::averages(tensor(x.primitive.clone()), tensor(powers.primitive.clone()), decay);
    tensor(match Averages.prepare::<NoCheckpointing>([x.node, powers.node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            prepared.finish((x.primitive, powers.primitive, Arc::clone(decay)), primitive(output))
        }
        OpsKind::UnTracked(prepared) => prepared.finish(primitive(output)),
    })
}

#[derive(Debug)]
struct Averages;

impl<B: Fused> Backward<B, 2> for Averages {
    type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive, Arc<Decay>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output = tensor(grads.consume::<B>(&ops.node));
        let (x, powers, decay) = ops.state;
        let by = B::averages_backward(by_output, tensor(x), tensor(powers), &decay);
        for (node, by) in ops.parents.into_iter().zip(by) {
            register(grads, node.map(|node| node.id), by);
        }
    }
}

/// Columns of what is recalled.
pub(crate) fn columns(d: usize) -> usize {
    RECALLED * d
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Inner;
    use crate::fused::checks::{Tracked, plain, same, tracked, values};
    use crate::histories::Histories;
    use crate::windows::Windows;

    const D: usize = 20;

    fn histories() -> Histories {
        let hours = |hours: &[i64]| hours.iter().map(|hour| hour * 3_600_000).collect::<Vec<i64>>();
        let times = [hours(&[0, 1, 1, 90, 89, 400, 401, 402, 9_000]), hours(&[5]), hours(&[0, 7, 800, 801])];
        let rows = [0u32; 9];
        Histories::new(times.iter().map(|times| (&rows[..times.len()], &times[..])))
    }

    fn decays() -> Vec<Arc<Decay>> {
        let histories = histories();
        let asked = [0, 3, 4, 8, 9, 19, 21];
        [1, 3, 200]
            .into_iter()
            .flat_map(|span| [Windows::new(&histories, span, &asked), Windows::everywhere(&histories, span)])
            .map(|windows| Arc::new(Decay::new(&histories, windows)))
            .collect()
    }

    #[test]
    fn a_history_of_one_event_recalls_that() {
        let histories = Histories::new([(&[0u32][..], &[7i64][..]), (&[0], &[9])].into_iter());
        let decay = Arc::new(Decay::new(&histories, Windows::everywhere(&histories, 200)));
        let (x, powers) = (plain([2, D], 1), plain([1, HALF_LIVES.len()], 2).abs());
        let found = Inner::averages(x.clone(), powers.clone(), &decay);
        same(found.clone(), forward(x.clone(), powers, &decay));
        let (found, x) = (values(found), values(x));
        for (row, x) in found.chunks_exact(columns(D)).zip(x.chunks_exact(D)) {
            let parts: Vec<&[f32]> = row.chunks_exact(D).collect();
            assert_eq!(parts[1], [0.0; D], "nothing came before");
            assert!(parts.iter().enumerate().all(|(nth, part)| nth == 1 || *part == x), "{parts:?}");
        }
    }

    #[test]
    fn averages_are_those_of_the_definition() {
        let (x, powers) = (
            plain([27, D], 1),
            Tensor::<Inner, 2>::from_floats([[0.01, 0.1, 0.5, 2.0]], &plain::<1>([1], 1).device()),
        );
        let (events, p) = (values(x.clone()), values(powers.clone()));
        for decay in decays() {
            let found = values(Inner::averages(x.clone(), powers.clone(), &decay));
            for (row, position) in found.chunks_exact(columns(D)).zip(&decay.windows.asked) {
                let (first, at) = (position / 9 * 9, position % 9);
                let event = |event: usize, column: usize| events[(first + event) * D + column];
                for column in 0..D {
                    assert_eq!(row[column], event(at, column));
                    assert_eq!(row[D + column], if at > 0 { event(at - 1, column) } else { 0.0 });
                    for (nth, half_life) in HALF_LIVES.iter().enumerate() {
                        let weight = |event: usize| {
                            let elapsed = decay.elapsed[first + at] - decay.elapsed[first + event];
                            (-((at - event) as f32) / half_life).exp2() * (-p[nth] * elapsed).exp()
                        };
                        let seen = (at + 1).saturating_sub(decay.windows.span)..=at;
                        let total: f32 = seen.clone().map(weight).sum();
                        let sum: f32 = seen.map(|i| weight(i) * event(i, column)).sum();
                        let found = row[(2 + nth) * D + column];
                        assert!((found - sum / total).abs() < 1e-5, "{found} for {} at {at}", sum / total);
                    }
                }
            }
        }
    }

    /// Against what the trait's defaults compute, which other backends run.
    #[test]
    fn the_backend_computes_what_tensor_operations_do() {
        let (x, powers) = (plain([27, D], 1), plain([1, HALF_LIVES.len()], 2).abs());
        for decay in decays() {
            same(
                Inner::averages(x.clone(), powers.clone(), &decay),
                forward(x.clone(), powers.clone(), &decay),
            );
            let by = plain([decay.windows.asked.len(), columns(D)], 3);
            let found = Inner::averages_backward(by.clone(), x.clone(), powers.clone(), &decay);
            for (found, expected) in found.into_iter().zip(backward(by, x.clone(), powers.clone(), &decay)) {
                same(found, expected);
            }
        }
    }

    #[test]
    fn averages_have_the_derivatives_of_their_definition() {
        let (x, powers) = (tracked([27, D], 1), tracked([1, HALF_LIVES.len()], 2));
        for decay in decays() {
            let weight = tracked([decay.windows.asked.len(), columns(D)], 3);
            let fused =
                (Tracked::averages(x.clone(), powers.clone(), &decay) * weight.clone()).sum().backward();
            let plain = (forward(x.clone(), powers.clone(), &decay) * weight).sum().backward();
            for input in [&x, &powers] {
                same(input.grad(&fused).unwrap(), input.grad(&plain).unwrap());
            }
        }
    }
}
