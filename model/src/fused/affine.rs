//! x·W + b with its derivative by hand, with or without a rectifier behind it.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::{Fused, primitive, register, tensor};

pub(super) fn forward<B: Fused>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    rectify: bool,
) -> Tensor<B, 2> {
    let output = B::product(x, weight) + bias;
    if rectify { relu(output) } else { output }
}

pub(super) fn backward<B: Fused>(
    by_output: Tensor<B, 2>,
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    rectified: Option<Tensor<B, 2>>,
) -> [Tensor<B, 2>; 3] {
    let by_output = match rectified {
        Some(output) => by_output.mask_fill(output.lower_equal_elem(0.0), 0.0),
        None => by_output,
    };
    let by_x = B::product(by_output.clone(), weight.transpose());
    let by_weight = B::over_rows(x, by_output.clone());
    [by_x, by_weight, B::column_sums(by_output)]
}

pub(super) fn tracked<B: Fused>(
    x: Tensor<Autodiff<B>, 2>,
    weight: Tensor<Autodiff<B>, 2>,
    bias: Tensor<Autodiff<B>, 2>,
    rectify: bool,
) -> Tensor<Autodiff<B>, 2> {
    let [x, weight, bias] = [x, weight, bias].map(primitive);
    let output = primitive(B::affine(
        tensor(x.primitive.clone()),
        tensor(weight.primitive.clone()),
        tensor(bias.primitive),
        rectify,
    ));
    let nodes = [x.node, weight.node, bias.node];
    tensor(match Affine.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let rectified = rectify.then(|| output.clone());
            prepared.finish((x.primitive, weight.primitive, rectified), output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    })
}

#[derive(Debug)]
struct Affine;

impl<B: Fused> Backward<B, 3> for Affine {
    /// Input, weight, and the output where a rectifier made it.
    type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive, Option<B::FloatTensorPrimitive>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output = tensor(grads.consume::<B>(&ops.node));
        let (x, weight, rectified) = ops.state;
        let by = B::affine_backward(by_output, tensor(x), tensor(weight), rectified.map(tensor));
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

    /// Against what the trait's defaults compute, which other backends run.
    #[test]
    fn the_backend_computes_what_tensor_operations_do() {
        let x = plain([700, 24], 1);
        let (weight, bias, by) = (plain([24, 40], 5), plain([1, 40], 6), plain([700, 40], 7));
        for rectify in [false, true] {
            let expected = forward(x.clone(), weight.clone(), bias.clone(), rectify);
            same(Inner::affine(x.clone(), weight.clone(), bias.clone(), rectify), expected.clone());
            let output = rectify.then_some(expected);
            let found = Inner::affine_backward(by.clone(), x.clone(), weight.clone(), output.clone());
            let expected = backward(by.clone(), x.clone(), weight.clone(), output);
            for (found, expected) in found.into_iter().zip(expected) {
                same(found, expected);
            }
        }
    }

    /// Transposed and narrowed tensors do not lie in order.
    #[test]
    fn operands_may_lie_in_any_order() {
        let x = plain([24, 70], 1).transpose();
        let weight = plain([24, 50], 2).narrow(1, 3, 40);
        let bias = plain([1, 40], 3);
        same(Inner::affine(x.clone(), weight.clone(), bias.clone(), false), forward(x, weight, bias, false));
    }
}
