//! The CPU backend's compound operations.

use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};

use super::{affine, attention, norm, softmax};
use crate::fused::{Fused, primitive, tensor};
use crate::softmax::Scores;

/// A tensor's values in order; a copy only where they do not lie in order.
struct Values(FlexTensor);

impl Values {
    fn of<const D: usize>(tensor: Tensor<Flex, D>) -> Self {
        Self(primitive(tensor).to_contiguous())
    }

    fn slice(&self) -> &[f32] {
        self.0.storage()
    }

    /// To be written over; a copy where another tensor holds the values too.
    fn slice_mut(&mut self) -> &mut [f32] {
        self.0.storage_mut()
    }
}

fn made<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<Flex, D> {
    tensor(FlexTensor::from_data(TensorData::new(values, shape)))
}

impl Fused for Flex {
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

    fn attend_keeping(mixed: Tensor<Self, 2>, bias: Tensor<Self, 4>) -> (Tensor<Self, 2>, Tensor<Self, 4>) {
        let sizes = sizes(&mixed, bias.dims());
        let output = [mixed.dims()[0], mixed.dims()[1] / 3];
        let (mixed, mut weights) = (Values::of(mixed), Values::of(bias));
        let context = attention::forward(mixed.slice(), weights.slice_mut(), sizes);
        (made(context, output), tensor(weights.0))
    }

    fn attend_backward(
        by_output: Tensor<Self, 2>,
        mixed: Tensor<Self, 2>,
        weights: Tensor<Self, 4>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 4>) {
        let (sizes, shape, bias) = (sizes(&mixed, weights.dims()), mixed.dims(), weights.dims());
        let [by_output, mixed] = [by_output, mixed].map(Values::of);
        let weights = Values::of(weights);
        let (by_mixed, by_bias) =
            attention::backward(by_output.slice(), mixed.slice(), weights.slice(), sizes);
        (made(by_mixed, shape), made(by_bias, bias))
    }

    fn full_softmax(
        hidden: &[f32],
        targets: &[u32],
        catalogue: &Tensor<Self, 2>,
        block_bytes: usize,
        rows: &mut [f32],
    ) -> Scores {
        let d = catalogue.dims()[1];
        let catalogue = Values::of(catalogue.clone());
        softmax::full(hidden, targets, catalogue.slice(), d, block_bytes, rows)
    }
}

fn sizes(mixed: &Tensor<Flex, 2>, [_, heads, len, _]: [usize; 4]) -> attention::Sizes {
    attention::Sizes { heads, len, each: mixed.dims()[1] / (3 * heads) }
}
