//! The encoder (design, section 3.7 "The sequence encoder"): a pre-LayerNorm transformer, causal, with
//! absolute positions and a bias of attention by elapsed time.
//!
//! The time bias is the design's S_ij = Q_i·K_j/√d + T_ij (section 3.7.1 "Time intervals") with T_ij a
//! learned number for each head and bucket of log1p|Δt|, in the place of an MLP over Δt: as expressive
//! over its buckets, and one look-up a pair.
//!
//! Where the model has a memory, a learned token of the user stands before each history (section 3.7.3 "Long
//! sequences", the hybrid attention of LONGER): it sees all that is remembered, and every recent event sees
//! it. The design's second global token, of the target item, is left out: it would leak the label, and ends
//! caching.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::dropout::Dropout;
use crate::fused::Fused;
use crate::histories::Histories;
use crate::layers::{Affine, Norm};
use crate::parameters::{Builder, Initial};
use crate::positions::{AMPLITUDE, tape};
use crate::settings::ModelSettings;
use crate::time::BUCKETS;

/// The encoder, bound to a device.
#[derive(Debug)]
pub struct Encoder<B: Backend> {
    /// Tokens of a history.
    most: usize,
    heads: usize,
    layers: Vec<Layer<B>>,
    norm: Norm<B>,
    /// `[layers · heads, BUCKETS]`.
    time_bias: Tensor<B, 2>,
    /// The user's token, `[1, d]`; none without a memory.
    user: Option<Tensor<B, 2>>,
}

/// One layer: attention, then the feed-forward network, each after a layer norm and beside its
/// input.
#[derive(Debug)]
pub(crate) struct Layer<B: Backend> {
    attention_norm: Norm<B>,
    query_key_value: Affine<B>,
    output: Affine<B>,
    feed_forward_norm: Norm<B>,
    expand: Affine<B>,
    contract: Affine<B>,
}

impl<B: Fused> Layer<B> {
    pub(crate) fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        let (d, wide) = (settings.width, settings.feed_forward);
        Self {
            attention_norm: Norm::build(builder, "attention_norm", d),
            query_key_value: Affine::build(builder, "query_key_value", d, 3 * d),
            output: Affine::build(builder, "output", d, d),
            feed_forward_norm: Norm::build(builder, "feed_forward_norm", d),
            expand: Affine::build(builder, "expand", d, wide),
            contract: Affine::build(builder, "contract", wide, d),
        }
    }

    /// `x` `[rows, d]`; `attend` turns queries, keys and values side by side, `[rows, 3 · d]`, into
    /// what the attention says, `[rows, d]`.
    pub(crate) fn forward(
        &self,
        x: Tensor<B, 2>,
        dropout: &Dropout,
        attend: impl FnOnce(Tensor<B, 2>) -> Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let inner = self.attention_norm.forward(x.clone());
        let context = attend(self.query_key_value.forward(inner));
        let x = x + dropout.apply(self.output.forward(context));
        let inner = self.feed_forward_norm.forward(x.clone());
        let wide = self.expand.rectified(inner);
        x + dropout.apply(self.contract.forward(wide))
    }
}

impl<B: Fused> Encoder<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        let layers = (0..settings.layers)
            .map(|nth| builder.part(&format!("layer.{nth}"), |part| Layer::build(part, settings)))
            .collect();
        Self {
            most: settings.memory + settings.max_len,
            heads: settings.heads,
            layers,
            norm: Norm::build(builder, "norm", settings.width),
            time_bias: builder.weight(
                "time_bias",
                [settings.layers * settings.heads, BUCKETS],
                Initial::ZERO,
            ),
            user: (settings.memory > 0)
                .then(|| builder.weight("user", [1, settings.width], Initial::Uniform(AMPLITUDE as f32))),
        }
    }

    /// Encodes `embeddings` `[histories, len, d]`; the result has the same shape.
    pub fn forward(
        &self,
        embeddings: Tensor<B, 3>,
        histories: &Histories,
        dropout: &Dropout,
    ) -> Tensor<B, 3> {
        let [count, len, d] = embeddings.dims();
        let device = embeddings.device();
        // One row a history, so that the same row is added to all.
        let positions = TensorData::new(tape(len, d, self.most), [1, len * d]);
        let scaled = embeddings.mul_scalar((d as f32).sqrt()).reshape([count, len * d]);
        let tokens = dropout.apply(scaled + Tensor::from_data(positions, &device));
        let (tokens, pairs) = match &self.user {
            None => (tokens, histories.pairs()),
            Some(user) => {
                let user = user.clone().repeat_dim(0, count);
                (Tensor::cat(vec![user, tokens], 1), histories.pairs_with_user())
            }
        };
        let mut x = tokens.reshape([count * pairs.len, d]);
        for (nth, layer) in self.layers.iter().enumerate() {
            let time_bias = self.time_bias.clone().narrow(0, nth * self.heads, self.heads);
            x = layer.forward(x, dropout, |mixed| B::attend(mixed, time_bias, &pairs));
        }
        let states = self.norm.forward(x).reshape([count, pairs.len, d]);
        match self.user {
            None => states,
            Some(_) => states.narrow(1, 1, len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};
    use crate::parameters::Parameters;
    use crate::random::SplitMix;

    fn settings() -> ModelSettings {
        ModelSettings {
            width: 16,
            heads: 2,
            layers: 2,
            feed_forward: 32,
            max_len: 12,
            seed: 5,
            ..ModelSettings::default()
        }
    }

    /// Weights off their neutral beginning, so that every part of the encoder has a say.
    fn parameters() -> Parameters {
        let device = backend::device().unwrap();
        let mut parameters =
            Parameters::fresh::<Inner, _>(5, &device, |builder| Encoder::build(builder, &settings()));
        let mut random = SplitMix::new(9);
        for parameter in &mut parameters.list {
            parameter.weights.iter_mut().for_each(|weight| *weight += random.symmetric(0.3));
        }
        parameters
    }

    fn encode(embeddings: &[f32], times: &[&[i64]], len: usize) -> Vec<f32> {
        let device = backend::device().unwrap();
        let parameters = parameters();
        let encoder = Encoder::<Inner>::build(&mut Builder::new(&parameters.list, 5, &device), &settings());
        let data = TensorData::new(embeddings.to_vec(), [times.len(), len, settings().width]);
        let rows = vec![0u32; len];
        let histories = Histories::new(times.iter().map(|times| (&rows[..times.len()], *times)));
        let output = encoder.forward(Tensor::from_data(data, &device), &histories, &Dropout::none());
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
