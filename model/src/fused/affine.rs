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
