//! The gated recurrent unit over time, with its derivative by hand: backpropagation through time over what
//! each step kept.
//!
//! r = σ(x_r + h·U_r + b_r), z = σ(x_z + h·U_z + b_z), n = tanh(x_n + r ⊙ (h·U_n + b_n)),
//! h ← (1 − z) ⊙ n + z ⊙ h. A sequence may skip steps, and carries its state over them.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::Backend;

use super::{Fused, primitive, tensor};

/// What a step keeps for its derivative.
#[derive(Debug, Clone)]
struct Step<B: Backend> {
    before: Tensor<B, 2>,
    reset: Tensor<B, 2>,
    update: Tensor<B, 2>,
    new: Tensor<B, 2>,
    /// h·U_n + b_n.
    recurrent_new: Tensor<B, 2>,
}

/// The states after each step, and what each step kept.
fn walk<B: Backend>(
    inputs: &Tensor<B, 3>,
    taken: &Tensor<B, 3>,
    recurrent: &Tensor<B, 2>,
    bias: &Tensor<B, 2>,
    initial: &Tensor<B, 2>,
) -> (Vec<Tensor<B, 2>>, Vec<Step<B>>) {
    let [steps, sequences, three] = inputs.dims();
    let width = three / 3;
    let mut state = initial.clone().expand([sequences, width]);
    let (mut states, mut kept) = (Vec::with_capacity(steps), Vec::with_capacity(steps));
    for step in 0..steps {
        let x = inputs.clone().narrow(0, step, 1).reshape([sequences, three]);
        let mask = taken.clone().narrow(0, step, 1).reshape([sequences, 1]);
        let hidden = state.clone().matmul(recurrent.clone()) + bias.clone();
        let gates = sigmoid(x.clone().narrow(1, 0, 2 * width) + hidden.clone().narrow(1, 0, 2 * width));
        let (reset, update) = (gates.clone().narrow(1, 0, width), gates.narrow(1, width, width));
        let recurrent_new = hidden.narrow(1, 2 * width, width);
        let new = (x.narrow(1, 2 * width, width) + reset.clone() * recurrent_new.clone()).tanh();
        // h + m(1 − z)(n − h).
        let share = (update.clone().neg() + 1.0) * mask;
        let next = state.clone() + share * (new.clone() - state.clone());
        kept.push(Step { before: state, reset, update, new, recurrent_new });
        states.push(next.clone());
        state = next;
    }
    (states, kept)
}

/// See [`Fused::gru`].
pub(super) fn forward<B: Backend>(
    inputs: Tensor<B, 3>,
    taken: Tensor<B, 3>,
    recurrent: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    initial: Tensor<B, 2>,
) -> Tensor<B, 3> {
    Tensor::stack(walk(&inputs, &taken, &recurrent, &bias, &initial).0, 0)
}

/// See [`Fused::gru`]; no gradient flows to `taken`.
pub(super) fn tracked<B: Fused>(
    inputs: Tensor<Autodiff<B>, 3>,
    taken: Tensor<Autodiff<B>, 3>,
    recurrent: Tensor<Autodiff<B>, 2>,
    bias: Tensor<Autodiff<B>, 2>,
    initial: Tensor<Autodiff<B>, 2>,
) -> Tensor<Autodiff<B>, 3> {
    let taken: Tensor<B, 3> = tensor(primitive(taken).primitive);
    let [inputs, recurrent, bias, initial] =
        [primitive(inputs), primitive(recurrent), primitive(bias), primitive(initial)];
    let weights: Tensor<B, 2> = tensor(recurrent.primitive.clone());
    let (states, kept) = walk(
        &tensor(inputs.primitive),
        &taken,
        &weights,
        &tensor(bias.primitive),
        &tensor(initial.primitive),
    );
    let output = primitive(Tensor::stack::<3>(states, 0));
    let nodes = [inputs.node, recurrent.node, bias.node, initial.node];
    let prepared =
        Scan::<B>(std::marker::PhantomData).prepare::<NoCheckpointing>(nodes).compute_bound().stateful();
    tensor(match prepared {
        OpsKind::Tracked(prepared) => prepared.finish((kept, taken, weights), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    })
}

#[derive(Debug)]
struct Scan<B>(std::marker::PhantomData<B>);

impl<B: Backend> Backward<B, 4> for Scan<B> {
    type State = (Vec<Step<B>>, Tensor<B, 3>, Tensor<B, 2>);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output: Tensor<B, 3> = tensor(grads.consume::<B>(&ops.node));
        let [steps, sequences, width] = by_output.dims();
        let (kept, taken, recurrent) = ops.state;
        let transposed = recurrent.transpose();
        let device = by_output.device();
        let mut by_state = Tensor::<B, 2>::zeros([sequences, width], &device);
        let mut by_inputs = Vec::with_capacity(steps);
        let mut by_hidden = Vec::with_capacity(steps);
        let mut befores = Vec::with_capacity(steps);
        for (nth, step) in kept.into_iter().enumerate().rev() {
            let Step { before, reset, update, new, recurrent_new } = step;
            let here = by_output.clone().narrow(0, nth, 1).reshape([sequences, width]);
            let mask = taken.clone().narrow(0, nth, 1).reshape([sequences, 1]);
            let by_next = by_state + here;
            let keep = update.clone().neg() + 1.0;
            let masked = by_next.clone() * mask;
            let by_new = masked.clone() * keep.clone() * (new.clone().square().neg() + 1.0);
            let by_update = masked.clone() * (before.clone() - new) * update * keep.clone();
            let by_reset = by_new.clone() * recurrent_new * reset.clone() * (reset.clone().neg() + 1.0);
            let hidden = Tensor::cat(vec![by_reset.clone(), by_update.clone(), by_new.clone() * reset], 1);
            by_state = by_next - masked * keep + hidden.clone().matmul(transposed.clone());
            by_inputs.push(Tensor::cat(vec![by_reset, by_update, by_new], 1));
            by_hidden.push(hidden);
            befores.push(before);
        }
        let [to_inputs, to_recurrent, to_bias, to_initial] = ops.parents;
        if let Some(node) = to_inputs {
            by_inputs.reverse();
            grads.register::<B>(node.id, primitive(Tensor::stack::<3>(by_inputs, 0)));
        }
        let by_hidden = Tensor::cat(by_hidden, 0);
        if let Some(node) = to_recurrent {
            let by = Tensor::cat(befores, 0).transpose().matmul(by_hidden.clone());
            grads.register::<B>(node.id, primitive(by));
        }
        if let Some(node) = to_bias {
            grads.register::<B>(node.id, primitive(by_hidden.sum_dim(0)));
        }
        if let Some(node) = to_initial {
            grads.register::<B>(node.id, primitive(by_state.sum_dim(0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::backend::{self, Inner};
    use crate::fused::checks::{Tracked, tracked};

    const STEPS: usize = 5;
    const SEQUENCES: usize = 3;
    const WIDTH: usize = 4;

    fn taken() -> Tensor<Tracked, 3> {
        let values: Vec<f32> = (0..STEPS * SEQUENCES).map(|n| f32::from(u8::from(n % 4 != 1))).collect();
        Tensor::from_data(TensorData::new(values, [STEPS, SEQUENCES, 1]), &backend::device().unwrap())
    }

    /// The same by automatic differentiation.
    fn plain(
        inputs: Tensor<Tracked, 3>,
        recurrent: Tensor<Tracked, 2>,
        bias: Tensor<Tracked, 2>,
        initial: Tensor<Tracked, 2>,
    ) -> Tensor<Tracked, 3> {
        Tensor::stack(walk(&inputs, &taken(), &recurrent, &bias, &initial).0, 0)
    }

    #[test]
    fn the_scan_has_the_derivatives_of_its_definition() {
        let inputs = tracked([STEPS, SEQUENCES, 3 * WIDTH], 1);
        let (recurrent, bias) = (tracked([WIDTH, 3 * WIDTH], 2), tracked([1, 3 * WIDTH], 3));
        let (initial, weight) = (tracked([1, WIDTH], 4), tracked([STEPS, SEQUENCES, WIDTH], 5));
        let fused = Tracked::gru(inputs.clone(), taken(), recurrent.clone(), bias.clone(), initial.clone());
        let slow = plain(inputs.clone(), recurrent.clone(), bias.clone(), initial.clone());
        assert_eq!(fused.to_data(), slow.to_data());
        let found = (fused * weight.clone()).sum().backward();
        let expected = (slow * weight).sum().backward();
        let same = |found: Vec<f32>, expected: Vec<f32>| {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
            }
        };
        let values = |tensor: Tensor<Inner, 2>| tensor.into_data().to_vec::<f32>().unwrap();
        for tensor in [recurrent, bias, initial] {
            same(values(tensor.grad(&found).unwrap()), values(tensor.grad(&expected).unwrap()));
        }
        let by = |gradients| inputs.grad(gradients).unwrap().into_data().to_vec::<f32>().unwrap();
        same(by(&found), by(&expected));
    }

    #[test]
    fn a_skipped_step_carries_the_state() {
        let inputs = tracked([STEPS, SEQUENCES, 3 * WIDTH], 1);
        let states =
            plain(inputs, tracked([WIDTH, 3 * WIDTH], 2), tracked([1, 3 * WIDTH], 3), tracked([1, WIDTH], 4));
        let row = |step: usize, sequence: usize| -> Vec<f32> {
            let row = states.clone().slice([step..step + 1, sequence..sequence + 1]);
            row.into_data().to_vec().unwrap()
        };
        // Step 1 of sequence 2 is number 5, and 5 % 4 is 1.
        assert_eq!(row(1, 2), row(0, 2));
        assert_ne!(row(1, 1), row(0, 1));
    }
}
