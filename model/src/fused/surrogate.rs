//! A surrogate of a loss whose derivative was found elsewhere: automatic differentiation goes on from there.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;

use super::{Fused, primitive, register, tensor};

/// A summand `[1]` of a loss whose derivative by `x` is `by`. Its value is not known here, and is 0. Nothing may
/// scale it afterwards: what comes back to it is taken for 1, without waiting for a device to say so.
pub(crate) fn surrogate<B: Fused, const D: usize>(
    x: Tensor<Autodiff<B>, D>,
    by: Tensor<B, D>,
) -> Tensor<Autodiff<B>, 1> {
    let value = primitive(Tensor::<B, 1>::zeros([1], &by.device()));
    let x = primitive(x);
    tensor(match Surrogate::<D>.prepare::<NoCheckpointing>([x.node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(primitive(by), value),
        OpsKind::UnTracked(prepared) => prepared.finish(value),
    })
}

#[derive(Debug)]
struct Surrogate<const D: usize>;

impl<B: Fused, const D: usize> Backward<B, 1> for Surrogate<D> {
    type State = B::FloatTensorPrimitive;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        grads.consume::<B>(&ops.node);
        let [parent] = ops.parents;
        register::<B, D>(grads, parent.map(|node| node.id), tensor(ops.state));
    }
}
