//! The encoder of MODEL 1: pre-LayerNorm, causal, with absolute positions and a time bias.
//!
//! Sequences are padded on the right. A causal encoder needs no padding mask then: padding comes
//! after every real position, and no position looks ahead.

use burn::tensor::activation::{relu, softmax};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::module::linear;
use burn::tensor::{Int, Tensor, TensorData, TensorPrimitive};

use super::parameters::{Initial, Spec};
use super::positions::tape;
use super::time::{BUCKETS, FUTURE, bucket};
use crate::settings::ModelSettings;

const NORM_EPSILON: f64 = 1e-5;
/// Added to the score of a pair that must not be seen: its weight after the softmax is exactly 0.
const HIDDEN: f32 = -1e9;
/// Parameters of a layer, in order.
const PER_LAYER: usize = 12;

/// The encoder, bound to a device.
#[derive(Debug)]
pub(crate) struct Encoder<B: Backend> {
    settings: ModelSettings,
    tensors: Vec<Tensor<B, 2>>,
}

/// The parameters in their order.
pub(crate) fn specs(settings: &ModelSettings) -> Vec<Spec> {
    let (d, wide) = (settings.width, settings.feed_forward);
    let spec = |name: String, rows, columns, initial| Spec { name, shape: [rows, columns], initial };
    let mut specs = Vec::new();
    for layer in 0..settings.layers {
        let parts = [
            ("attention_norm.scale", 1, d, Initial::One),
            ("attention_norm.shift", 1, d, Initial::Zero),
            ("query_key_value.weight", d, 3 * d, Initial::Glorot),
            ("query_key_value.bias", 1, 3 * d, Initial::Zero),
            ("output.weight", d, d, Initial::Glorot),
            ("output.bias", 1, d, Initial::Zero),
            ("feed_forward_norm.scale", 1, d, Initial::One),
            ("feed_forward_norm.shift", 1, d, Initial::Zero),
            ("expand.weight", d, wide, Initial::Glorot),
            ("expand.bias", 1, wide, Initial::Zero),
            ("contract.weight", wide, d, Initial::Glorot),
            ("contract.bias", 1, d, Initial::Zero),
        ];
        debug_assert_eq!(parts.len(), PER_LAYER);
        specs.extend(parts.map(|(name, rows, columns, initial)| {
            spec(format!("layer.{layer}.{name}"), rows, columns, initial)
        }));
    }
    specs.push(spec("norm.scale".to_owned(), 1, d, Initial::One));
    specs.push(spec("norm.shift".to_owned(), 1, d, Initial::Zero));
    // One column per layer and head.
    let columns = settings.layers * settings.heads;
    specs.push(spec("time_bias".to_owned(), BUCKETS, columns, Initial::Zero));
    specs
}

/// The time buckets of every pair of positions, `[sequences, len, len]` flat, query before key.
/// `times` are the event times of the sequences, epoch milliseconds, each at most `len` long.
pub(crate) fn pair_buckets<'a>(times: impl Iterator<Item = &'a [i64]>, len: usize) -> Vec<i32> {
    let mut buckets = Vec::new();
    for times in times {
        let start = buckets.len();
        buckets.resize(start + len * len, FUTURE);
        for query in 0..len {
            let row = &mut buckets[start + query * len..start + query * len + query + 1];
            match times.get(query) {
                Some(at) => {
                    for (cell, key) in row.iter_mut().zip(times) {
                        *cell = bucket(at.saturating_sub(*key));
                    }
                }
                // Padding may look at what it likes, but the softmax needs something to look at.
                None => row.fill(0),
            }
        }
    }
    buckets
}

impl<B: Backend> Encoder<B> {
    /// The encoder over `tensors`, in the order of [`specs`].
    pub(crate) fn new(settings: &ModelSettings, tensors: Vec<Tensor<B, 2>>) -> Self {
        Self { settings: settings.clone(), tensors }
    }

    /// Encodes `embeddings` `[sequences, len, d]`, whose pairs are `buckets` (see
    /// [`pair_buckets`]); the result has the same shape.
    pub(crate) fn forward(&self, embeddings: Tensor<B, 3>, buckets: Vec<i32>) -> Tensor<B, 3> {
        let [sequences, len, d] = embeddings.dims();
        let device = embeddings.device();
        let position = TensorData::new(tape(len, d, self.settings.max_len), [1, len, d]);
        let scaled = embeddings.mul_scalar((d as f32).sqrt());
        let tokens = scaled + Tensor::from_data(position, &device);
        let mut x = tokens.reshape([sequences * len, d]);
        let bias = self.time_bias(buckets, sequences, len);
        let heads = self.settings.heads;
        for (layer, tensors) in self.tensors.chunks_exact(PER_LAYER).take(self.settings.layers).enumerate() {
            let bias = bias.clone().slice([layer * heads..(layer + 1) * heads]).swap_dims(0, 1);
            x = x.clone()
                + self.attention(norm(x, &tensors[0], &tensors[1]), &tensors[2..6], bias, sequences);
            let inner = norm(x.clone(), &tensors[6], &tensors[7]);
            let wide = relu(affine(inner, &tensors[8], &tensors[9]));
            x = x + affine(wide, &tensors[10], &tensors[11]);
        }
        let last = self.settings.layers * PER_LAYER;
        norm(x, &self.tensors[last], &self.tensors[last + 1]).reshape([sequences, len, d])
    }

    /// `[layers · heads, sequences, len, len]`.
    fn time_bias(&self, buckets: Vec<i32>, sequences: usize, len: usize) -> Tensor<B, 4> {
        let table = &self.tensors[self.settings.layers * PER_LAYER + 2];
        let device = table.device();
        let columns = self.settings.layers * self.settings.heads;
        // The causal mask is one more bucket, so that no mask is built or applied beside the bias.
        let hidden = Tensor::full([1, columns], HIDDEN, &device);
        let table = Tensor::cat(vec![table.clone(), hidden], 0);
        let pairs = TensorData::new(buckets, [sequences * len * len]);
        let pairs = Tensor::<B, 1, Int>::from_data(pairs, &device);
        table.transpose().select(1, pairs).reshape([columns, sequences, len, len])
    }

    fn attention(
        &self,
        x: Tensor<B, 2>,
        tensors: &[Tensor<B, 2>],
        bias: Tensor<B, 4>,
        sequences: usize,
    ) -> Tensor<B, 2> {
        let [tokens, d] = x.dims();
        let (len, heads) = (tokens / sequences, self.settings.heads);
        let each = d / heads;
        let split = affine(x, &tensors[0], &tensors[1]).reshape([sequences, len, 3 * heads, each]);
        let part = |part: usize| {
            split.clone().slice([0..sequences, 0..len, part * heads..(part + 1) * heads]).swap_dims(1, 2)
        };
        let scores = part(0).matmul(part(1).transpose()).div_scalar((each as f32).sqrt()) + bias;
        let context = softmax(scores, 3).matmul(part(2));
        affine(context.swap_dims(1, 2).reshape([tokens, d]), &tensors[2], &tensors[3])
    }
}

impl<B: AutodiffBackend> Encoder<B> {
    /// Asks for the gradients of all parameters.
    pub(crate) fn tracked(mut self) -> Self {
        self.tensors = self.tensors.into_iter().map(Tensor::require_grad).collect();
        self
    }

    /// Adds the parameters' gradients to `sums`, in their order.
    pub(crate) fn add_gradients(&self, gradients: &mut B::Gradients, sums: &mut [Vec<f32>]) {
        for (tensor, sum) in self.tensors.iter().zip(sums) {
            let Some(gradient) = tensor.grad_remove(gradients) else { continue };
            let gradient = gradient.into_data();
            if let Ok(values) = gradient.as_slice::<f32>() {
                for (sum, value) in sum.iter_mut().zip(values) {
                    *sum += value;
                }
            }
        }
    }
}

fn norm<B: Backend>(x: Tensor<B, 2>, scale: &Tensor<B, 2>, shift: &Tensor<B, 2>) -> Tensor<B, 2> {
    let d = x.dims()[1];
    let primitive = |tensor: Tensor<B, 1>| tensor.into_primitive().tensor();
    let scale = primitive(scale.clone().reshape([d]));
    let shift = primitive(shift.clone().reshape([d]));
    let x = x.into_primitive().tensor();
    Tensor::from_primitive(TensorPrimitive::Float(B::layer_norm(x, scale, Some(shift), NORM_EPSILON)))
}

fn affine<B: Backend>(x: Tensor<B, 2>, weight: &Tensor<B, 2>, bias: &Tensor<B, 2>) -> Tensor<B, 2> {
    let outputs = bias.dims()[1];
    linear(x, weight.clone(), Some(bias.clone().reshape([outputs])))
}
