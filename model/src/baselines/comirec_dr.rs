//! ComiRec-DR (Cen et al., KDD 2020): K interests by dynamic routing, each under a map of its own.
//!
//! The maps tell interests apart, so the initial logits are 0. The authors' code has a map for
//! every pair of interest and place in the history; here, as in the paper's text (W_ij shared over
//! the places), one an interest: a place means another thing in every prefix.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::routing::route;
use crate::fused::Fused;
use crate::network::{Input, Output};
use crate::parameters::{Builder, Initial};
use crate::settings::ModelSettings;

/// The network.
#[derive(Debug)]
pub struct ComirecDr<B: Backend> {
    /// The maps side by side, `[d, K · d]`.
    maps: Tensor<B, 2>,
}

impl<B: Fused> ComirecDr<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        let (d, k) = (settings.width, settings.interests);
        // The beginning of a square map, K times.
        let bound = (3.0 / d as f32).sqrt();
        Self { maps: builder.weight("maps", [d, k * d], Initial::Uniform(bound)) }
    }

    /// See [`crate::Network::forward`].
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        let [count, len, d] = input.embeddings.dims();
        let k = self.maps.dims()[1] / d;
        let scale = (d as f32).sqrt();
        let items = input.dropout.apply(input.embeddings.mul_scalar(scale));
        let mapped = items.reshape([count * len, d]).matmul(self.maps.clone());
        let mapped = mapped.reshape([count, len, k, d]).swap_dims(1, 2);
        let initial = Tensor::zeros([k, len], &self.maps.device());
        // A squashed vector is shorter than 1, too short to tell items apart by inner products.
        let interests = route(mapped, initial).mul_scalar(scale).swap_dims(1, 2);
        Output { priors: None, vectors: interests.reshape([count * len, k, d]), auxiliary: Vec::new() }
    }
}
