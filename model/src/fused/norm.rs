//! Layer norm with its derivative by hand.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{Fused, primitive, register, tensor};

/// Added to the variance.
pub(crate) const NORM_EPSILON: f64 = 1e-5;

pub(super) fn forward<B: Backend>(x: Tensor<B, 2>, scale: Tensor<B, 2>, shift: Tensor<B, 2>) -> Tensor<B, 2> {
    let d = x.dims()[1];
    let (scale, shift) = (primitive(scale.reshape([d])), primitive(shift.reshape([d])));
    tensor(B::layer_norm(primitive(x), scale, Some(shift), NORM_EPSILON))
}

pub(super) fn backward<B: Fused>(
    by_output: Tensor<B, 2>,
    x: Tensor<B, 2>,
    scale: Tensor<B, 2>,
) -> [Tensor<B, 2>; 3] {
    let centred = x.clone() - x.mean_dim(1);
    let variance = (centred.clone() * centred.clone()).mean_dim(1);
    let inverse = variance.add_scalar(NORM_EPSILON).sqrt().recip();
    let unit = centred * inverse.clone();
    let by_scale = B::column_sums(by_output.clone() * unit.clone());
    let by_shift = B::column_sums(by_output.clone());
    let by_unit = by_output * scale;
    let along = (by_unit.clone() * unit.clone()).mean_dim(1);
    let by_x = (by_unit.clone() - by_unit.mean_dim(1) - unit * along) * inverse;
    [by_x, by_scale, by_shift]
}

pub(super) fn tracked<B: Fused>(
    x: Tensor<Autodiff<B>, 2>,
    scale: Tensor<Autodiff<B>, 2>,
    shift: Tensor<Autodiff<B>, 2>,
) -> Tensor<Autodiff<B>, 2> {
    let [x, scale, shift] = [x, scale, shift].map(primitive);
    let output =
        B::norm(tensor(x.primitive.clone()), tensor(scale.primitive.clone()), tensor(shift.primitive));
    let nodes = [x.node, scale.node, shift.node];
    tensor(match Norm.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((x.primitive, scale.primitive), primitive(output)),
        OpsKind::UnTracked(prepared) => prepared.finish(primitive(output)),
    })
}

#[derive(Debug)]
struct Norm;

impl<B: Fused> Backward<B, 3> for Norm {
    /// Input and scale.
    type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output = tensor(grads.consume::<B>(&ops.node));
        let by = B::norm_backward(by_output, tensor(ops.state.0), tensor(ops.state.1));
        for (node, by) in ops.parents.into_iter().zip(by) {
            register(grads, node.map(|node| node.id), by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Inner;
    use crate::fused::checks::{Tracked, plain, same, tracked};

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

    /// Against what the trait's defaults compute, which other backends run.
    #[test]
    fn the_backend_computes_what_tensor_operations_do() {
        let (x, scale, shift) = (plain([700, 24], 1), plain([1, 24], 2), plain([1, 24], 3));
        same(Inner::norm(x.clone(), scale.clone(), shift.clone()), forward(x.clone(), scale.clone(), shift));
        let by = plain([700, 24], 4);
        let found = Inner::norm_backward(by.clone(), x.clone(), scale.clone());
        for (found, expected) in found.into_iter().zip(backward(by, x, scale)) {
            same(found, expected);
        }
    }
}
