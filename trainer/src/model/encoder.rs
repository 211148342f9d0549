//! The encoder of MODEL 1: pre-LayerNorm, causal, with absolute positions and a time bias.
//!
//! Sequences are padded on the right. A causal encoder needs no padding mask then: padding comes
//! after every real position, and no position looks ahead.

use burn::tensor::activation::relu;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::module::linear;
use burn::tensor::{Int, Tensor, TensorData};

use super::fused::Fused;
use super::parameters::{Initial, Spec};
use super::positions::tape;
use super::time::{BUCKETS, FUTURE, bucket};
use crate::settings::ModelSettings;

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
    // One row per layer and head.
    let rows = settings.layers * settings.heads;
    specs.push(spec("time_bias".to_owned(), rows, BUCKETS, Initial::Zero));
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

impl<B: Fused> Encoder<B> {
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
        let pairs = self.pairs(&buckets, len);
        for (layer, tensors) in self.tensors.chunks_exact(PER_LAYER).take(self.settings.layers).enumerate() {
            let bias = self.time_bias(layer, &pairs, sequences, len);
            let inner = B::norm(x.clone(), tensors[0].clone(), tensors[1].clone());
            let context = B::attend(affine(inner, &tensors[2], &tensors[3]), bias);
            x = x + affine(context, &tensors[4], &tensors[5]);
            let inner = B::norm(x.clone(), tensors[6].clone(), tensors[7].clone());
            let wide = relu(affine(inner, &tensors[8], &tensors[9]));
            x = x + affine(wide, &tensors[10], &tensors[11]);
        }
        let last = self.settings.layers * PER_LAYER;
        B::norm(x, self.tensors[last].clone(), self.tensors[last + 1].clone()).reshape([sequences, len, d])
    }

    /// Where each pair's bias stands in a layer's flat table, once per head: in the order of the
    /// attention's scores, `[sequences, heads, len, len]`, so that adding it walks straight.
    fn pairs(&self, buckets: &[i32], len: usize) -> Tensor<B, 1, Int> {
        let heads = self.settings.heads;
        let mut places = Vec::with_capacity(buckets.len() * heads);
        for sequence in buckets.chunks_exact(len * len) {
            for head in 0..heads as i32 {
                places.extend(sequence.iter().map(|bucket| bucket + head * (FUTURE + 1)));
            }
        }
        let count = places.len();
        Tensor::from_data(TensorData::new(places, [count]), &self.tensors[0].device())
    }

    /// A layer's bias, `[sequences, heads, len, len]`.
    fn time_bias(
        &self,
        layer: usize,
        pairs: &Tensor<B, 1, Int>,
        sequences: usize,
        len: usize,
    ) -> Tensor<B, 4> {
        let heads = self.settings.heads;
        let table = &self.tensors[self.settings.layers * PER_LAYER + 2];
        let table = table.clone().narrow(0, layer * heads, heads);
        // The causal mask is one more bucket, so that no mask is built or applied beside the bias.
        let hidden = Tensor::full([heads, 1], HIDDEN, &table.device());
        let table = Tensor::cat(vec![table, hidden], 1).reshape([heads * (BUCKETS + 1), 1]);
        table.select(0, pairs.clone()).reshape([sequences, heads, len, len])
    }
}

impl<B: AutodiffBackend + Fused> Encoder<B> {
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

fn affine<B: Backend>(x: Tensor<B, 2>, weight: &Tensor<B, 2>, bias: &Tensor<B, 2>) -> Tensor<B, 2> {
    let outputs = bias.dims()[1];
    linear(x, weight.clone(), Some(bias.clone().reshape([outputs])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};
    use crate::model::Parameters;
    use crate::random::SplitMix;

    fn settings() -> ModelSettings {
        ModelSettings { width: 16, heads: 2, layers: 2, feed_forward: 32, max_len: 12, seed: 5 }
    }

    /// Weights off their neutral beginning, so that every part of the encoder has a say.
    fn parameters() -> Parameters {
        let mut parameters = Parameters::new(&specs(&settings()), 5);
        let mut random = SplitMix::new(9);
        for parameter in &mut parameters.list {
            parameter.weights.iter_mut().for_each(|weight| *weight += random.symmetric(0.3));
        }
        parameters
    }

    fn encode(embeddings: &[f32], times: &[&[i64]], len: usize) -> Vec<f32> {
        let device = backend::device().unwrap();
        let encoder = Encoder::<Inner>::new(&settings(), parameters().bind(&device));
        let data = TensorData::new(embeddings.to_vec(), [times.len(), len, settings().width]);
        let output =
            encoder.forward(Tensor::from_data(data, &device), pair_buckets(times.iter().copied(), len));
        output.into_data().to_vec().unwrap()
    }

    fn values(count: usize, seed: u64) -> Vec<f32> {
        let mut random = SplitMix::new(seed);
        (0..count).map(|_| random.symmetric(1.0)).collect()
    }

    #[test]
    fn nothing_after_a_position_reaches_it() {
        let (len, d) = (10, settings().width);
        let times: Vec<i64> = (0..len as i64).map(|n| n * n * 40_000).collect();
        let original = values(len * d, 1);
        let expected = encode(&original, &[&times], len);
        for at in 0..len - 1 {
            let mut changed = original.clone();
            changed[(at + 1) * d..].copy_from_slice(&values((len - at - 1) * d, 2));
            let mut later = times.clone();
            later[at + 1..].iter_mut().for_each(|time| *time += 86_400_000);
            let found = encode(&changed, &[&later], len);
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found[..(at + 1) * d]), bits(&expected[..(at + 1) * d]), "position {at}");
            assert_ne!(found[(at + 1) * d..], expected[(at + 1) * d..]);
        }
    }

    #[test]
    fn padding_and_neighbours_change_nothing() {
        let (len, d) = (7, settings().width);
        let times: Vec<i64> = (0..len as i64).map(|n| n * 1_000).collect();
        let own = values(len * d, 1);
        let alone = encode(&own, &[&times], len);
        let mut padded = own.clone();
        padded.resize(10 * d, 0.0);
        padded.extend(values(10 * d, 3));
        let other: Vec<i64> = (0..10).map(|n| n * 70_000).collect();
        let together = encode(&padded, &[&times, &other], 10);
        for (found, expected) in together.iter().zip(&alone) {
            assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
        }
    }

    #[test]
    fn time_and_order_matter() {
        let (len, d) = (6, settings().width);
        let input = values(len * d, 1);
        let near: Vec<i64> = (0..6).map(|n| n * 1_000).collect();
        let far: Vec<i64> = (0..6).map(|n| n * 90_000_000).collect();
        assert_ne!(encode(&input, &[&near], len), encode(&input, &[&far], len));
        // The first two events change places; without positions the last output would not care.
        let mut swapped = input.clone();
        swapped.rotate_left(d);
        swapped[d..2 * d].copy_from_slice(&input[..d]);
        swapped[2 * d..].copy_from_slice(&input[2 * d..]);
        let same = [0i64; 6];
        assert_ne!(encode(&swapped, &[&same], len)[5 * d..], encode(&input, &[&same], len)[5 * d..]);
    }
}
