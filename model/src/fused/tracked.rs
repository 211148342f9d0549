//! The operations where gradients are wanted: each is one node of the graph of automatic differentiation.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::grads::Gradients;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorPrimitive};

use super::{Fused, Mask, affine, attention, averages, dropout, gru, members, norm};
use crate::decay::Decay;
use crate::members::Members;
use crate::time::Pairs;

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

    fn averages(x: Tensor<Self, 2>, powers: Tensor<Self, 2>, decay: &Arc<Decay>) -> Tensor<Self, 2> {
        averages::tracked(x, powers, decay)
    }

    fn members(x: Tensor<Self, 2>, members: &Arc<Members>) -> Tensor<Self, 2> {
        members::tracked(x, members)
    }
}

/// Adds the gradient of a parent that wants one.
pub(super) fn register<B: Backend, const D: usize>(
    grads: &mut Gradients,
    parent: Option<NodeId>,
    by: Tensor<B, D>,
) {
    if let Some(node) = parent {
        grads.register::<B>(node, primitive(by));
    }
}

/// The tensor of a backend's own primitive.
pub(crate) fn tensor<B: Backend, const D: usize>(primitive: B::FloatTensorPrimitive) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

/// A tensor's primitive of its backend.
pub(crate) fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> B::FloatTensorPrimitive {
    tensor.into_primitive().tensor()
}

#[cfg(test)]
mod tests {
    use crate::fused::Fused;
    use crate::fused::checks::{Tracked, pairs, tracked, values};
    use crate::time::BUCKETS;

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
