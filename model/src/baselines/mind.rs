//! MIND (Li et al., CIKM 2019): K interests by dynamic routing under one bilinear map that all of
//! them share, then two fully connected layers.
//!
//! Under a shared map only the initial logits tell interests apart, so they begin random, from the
//! seed, once for each place in a history (the paper draws them anew in every pass). The paper's
//! label-aware attention with a great power is the hard choice of the best interest, which the
//! learner makes for all networks here. Every user has K interests; the paper's log₂ of a history's
//! length is left out, as in ComiRec's comparison.

use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::routing::route;
use crate::fused::Fused;
use crate::layers::Affine;
use crate::network::{Input, Output};
use crate::parameters::{Builder, Initial};
use crate::random::SplitMix;
use crate::settings::ModelSettings;

/// The network.
#[derive(Debug)]
pub struct Mind<B: Backend> {
    /// S, `[d, d]`.
    map: Tensor<B, 2>,
    hidden: Affine<B>,
    output: Affine<B>,
    interests: usize,
    seed: u64,
}

impl<B: Fused> Mind<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        let (d, wide) = (settings.width, settings.feed_forward);
        Self {
            map: builder.weight("map", [d, d], Initial::Glorot),
            hidden: Affine::build(builder, "hidden", d, wide),
            output: Affine::build(builder, "output", wide, d),
            interests: settings.interests,
            seed: settings.seed,
        }
    }

    /// See [`crate::Network::forward`].
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        let [count, len, d] = input.embeddings.dims();
        let k = self.interests;
        let items = input.dropout.apply(input.embeddings.mul_scalar((d as f32).sqrt()));
        let mapped = items.reshape([count * len, d]).matmul(self.map.clone());
        let mapped = mapped.reshape([count, 1, len, d]).repeat_dim(1, k);
        let initial = TensorData::new(logits(self.seed, k, len), [k, len]);
        let interests = route(mapped, Tensor::from_data(initial, &self.map.device()));
        let interests = interests.swap_dims(1, 2).reshape([count * len * k, d]);
        let vectors = self.output.forward(relu(self.hidden.forward(interests)));
        Output { priors: None, vectors: vectors.reshape([count * len, k, d]), auxiliary: Vec::new() }
    }
}

/// Standard normal numbers `[k, len]`, by the sum of twelve uniform ones; those of a place do not
/// depend on `len`.
fn logits(seed: u64, k: usize, len: usize) -> Vec<f32> {
    let mut all = Vec::with_capacity(k * len);
    for interest in 0..k {
        let mut random = SplitMix::keyed(seed, &(interest as u64).to_be_bytes());
        all.extend((0..len).map(|_| (0..12).map(|_| random.symmetric(0.5)).sum::<f32>()));
    }
    all
}
