//! Dropout that keeps no mask.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;

use super::{Fused, primitive, register, tensor};
use crate::dropout::Mask;

pub(super) fn tracked<B: Fused, const D: usize>(
    x: Tensor<Autodiff<B>, D>,
    mask: Mask,
) -> Tensor<Autodiff<B>, D> {
    let x = primitive(x);
    let output = primitive(B::drop::<D>(tensor(x.primitive), mask.clone()));
    tensor(match Drop::<D>.prepare::<NoCheckpointing>([x.node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(mask, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    })
}

#[derive(Debug)]
struct Drop<const D: usize>;

impl<B: Fused, const D: usize> Backward<B, 1> for Drop<D> {
    type State = Mask;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output: Tensor<B, D> = tensor(grads.consume::<B>(&ops.node));
        let [parent] = ops.parents;
        register(grads, parent.map(|node| node.id), B::drop(by_output, ops.state));
    }
}
