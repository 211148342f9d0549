//! The CPU backend's compound operations.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};

use super::attention::{self, Sizes};
use super::{affine, averages, members, norm, softmax};
use crate::decay::Decay;
use crate::fused::{Fused, Mask, columns, primitive, tensor};
use crate::members::Members;
use crate::softmax::{Asked, Scores};
use crate::time::{BUCKETS, Pairs};

/// A tensor's values in order; a copy only where they do not lie in order.
struct Values(FlexTensor);

impl Values {
    fn of<const D: usize>(tensor: Tensor<Flex, D>) -> Self {
        Self(primitive(tensor).to_contiguous())
    }

    fn slice(&self) -> &[f32] {
        self.0.storage()
    }
}

fn made<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<Flex, D> {
    tensor(FlexTensor::from_data(TensorData::new(values, shape)))
}

impl Fused for Flex {
    fn one_hot(classes: &[i32], count: usize, _: &Self::Device) -> Tensor<Self, 2> {
        let mut values = vec![0.0; classes.len() * count];
        for (row, class) in values.chunks_exact_mut(count.max(1)).zip(classes) {
            row[*class as usize] = 1.0;
        }
        made(values, [classes.len(), count])
    }

    fn norm(x: Tensor<Self, 2>, scale: Tensor<Self, 2>, shift: Tensor<Self, 2>) -> Tensor<Self, 2> {
        let shape = x.dims();
        let [x, scale, shift] = [x, scale, shift].map(Values::of);
        made(norm::forward(x.slice(), scale.slice(), shift.slice()), shape)
    }

    fn norm_backward(
        by_output: Tensor<Self, 2>,
        x: Tensor<Self, 2>,
        scale: Tensor<Self, 2>,
    ) -> [Tensor<Self, 2>; 3] {
        let [rows, d] = x.dims();
        let [by_output, x, scale] = [by_output, x, scale].map(Values::of);
        let [by_x, by_scale, by_shift] = norm::backward(by_output.slice(), x.slice(), scale.slice());
        [made(by_x, [rows, d]), made(by_scale, [1, d]), made(by_shift, [1, d])]
    }

    fn affine(
        x: Tensor<Self, 2>,
        weight: Tensor<Self, 2>,
        bias: Tensor<Self, 2>,
        rectify: bool,
    ) -> Tensor<Self, 2> {
        let shape = [x.dims()[0], bias.dims()[1]];
        let [x, weight, bias] = [x, weight, bias].map(Values::of);
        made(affine::forward(x.slice(), weight.slice(), bias.slice(), rectify), shape)
    }

    fn affine_backward(
        by_output: Tensor<Self, 2>,
        x: Tensor<Self, 2>,
        weight: Tensor<Self, 2>,
        rectified: Option<Tensor<Self, 2>>,
    ) -> [Tensor<Self, 2>; 3] {
        let ([rows, inputs], outputs) = (x.dims(), weight.dims()[1]);
        let [by_output, x, weight] = [by_output, x, weight].map(Values::of);
        let rectified = rectified.map(Values::of);
        let rectified = rectified.as_ref().map(Values::slice);
        let [by_x, by_weight, by_bias] =
            affine::backward(by_output.slice(), x.slice(), weight.slice(), rectified, outputs);
        [made(by_x, [rows, inputs]), made(by_weight, [inputs, outputs]), made(by_bias, [1, outputs])]
    }

    fn drop<const D: usize>(x: Tensor<Self, D>, mask: Mask) -> Tensor<Self, D> {
        let mut x = primitive(x).to_contiguous();
        // In place, unless another tensor holds the values too.
        mask.apply(x.storage_mut());
        tensor(x)
    }

    fn attend_keeping(
        mixed: Tensor<Self, 2>,
        time_bias: Tensor<Self, 2>,
        pairs: &Pairs<Self::IntTensorPrimitive>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 4>) {
        let ([rows, three], heads) = (mixed.dims(), time_bias.dims()[0]);
        let sizes = Sizes { heads, len: pairs.len, each: three / (3 * heads) };
        let [mixed, time_bias] = [mixed, time_bias].map(Values::of);
        let (output, weights) = attention::forward(mixed.slice(), time_bias.slice(), &pairs.buckets, sizes);
        (made(output, [rows, three / 3]), made(weights, [pairs.count, heads, pairs.len, pairs.len]))
    }

    fn attend_backward(
        by_output: Tensor<Self, 2>,
        mixed: Tensor<Self, 2>,
        weights: Tensor<Self, 4>,
        pairs: &Pairs<Self::IntTensorPrimitive>,
    ) -> [Tensor<Self, 2>; 2] {
        let ([rows, three], heads) = (mixed.dims(), weights.dims()[1]);
        let sizes = Sizes { heads, len: pairs.len, each: three / (3 * heads) };
        let [by_output, mixed] = [by_output, mixed].map(Values::of);
        let weights = Values::of(weights);
        let [by_mixed, by_bias] =
            attention::backward(by_output.slice(), mixed.slice(), weights.slice(), &pairs.buckets, sizes);
        [made(by_mixed, [rows, three]), made(by_bias, [heads, BUCKETS])]
    }

    fn averages(x: Tensor<Self, 2>, powers: Tensor<Self, 2>, decay: &Arc<Decay>) -> Tensor<Self, 2> {
        let d = x.dims()[1];
        let [x, powers] = [x, powers].map(Values::of);
        made(averages::forward(x.slice(), powers.slice(), decay, d), [decay.windows.asked.len(), columns(d)])
    }

    fn averages_backward(
        by_output: Tensor<Self, 2>,
        x: Tensor<Self, 2>,
        powers: Tensor<Self, 2>,
        decay: &Decay,
    ) -> [Tensor<Self, 2>; 2] {
        let ([rows, d], shape) = (x.dims(), powers.dims());
        let [by_output, x, powers] = [by_output, x, powers].map(Values::of);
        let [by_x, by_powers] = averages::backward(by_output.slice(), x.slice(), powers.slice(), decay, d);
        [made(by_x, [rows, d]), made(by_powers, shape)]
    }

    fn members(x: Tensor<Self, 2>, members: &Arc<Members>) -> Tensor<Self, 2> {
        let d = x.dims()[1];
        let x = Values::of(x);
        made(members::forward(x.slice(), members, d), [members.windows.asked.len(), members.columns(d)])
    }

    fn members_backward(by_output: Tensor<Self, 2>, members: &Members, d: usize) -> Tensor<Self, 2> {
        let by_output = Values::of(by_output);
        made(
            members::backward(by_output.slice(), members, d),
            [members.windows.count * members.windows.len, d],
        )
    }

    fn full_softmax(
        hidden: Tensor<Self, 2>,
        priors: Option<Tensor<Self, 2>>,
        targets: Asked<'_>,
        catalogue: &Tensor<Self, 2>,
        spans: &[Range<usize>],
        block_bytes: usize,
        rows: &mut [f32],
    ) -> Scores<Self> {
        let [vectors, d] = hidden.dims();
        let shape = priors.as_ref().map(Tensor::dims);
        let [hidden, catalogue] = [hidden, catalogue.clone()].map(Values::of);
        let priors = priors.map(Values::of);
        let priors = priors.as_ref().map_or(&[][..], Values::slice);
        let (loss, by_hidden, by_priors) =
            softmax::full(hidden.slice(), priors, targets, catalogue.slice(), spans, d, block_bytes, rows);
        Scores {
            loss,
            hidden: made(by_hidden, [vectors, d]),
            priors: shape.map(|shape| made(by_priors, shape)),
        }
    }
}
