//! ComiRec-SA (Cen et al., KDD 2020): K interests by self-attention over the items' embeddings.

use burn::tensor::backend::Backend;

use super::self_attention::SelfAttention;
use crate::fused::Fused;
use crate::network::{Input, Output};
use crate::parameters::Builder;
use crate::settings::ModelSettings;

/// The network. In training the interest with the greatest inner product answers for a target
/// (eq. 9), and the same product ranks (eq. 11).
#[derive(Debug)]
pub struct ComirecSa<B: Backend> {
    attention: SelfAttention<B>,
}

impl<B: Fused> ComirecSa<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        Self { attention: builder.part("attention", |part| SelfAttention::build(part, settings)) }
    }

    /// See [`crate::Network::forward`].
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        Output { priors: None, vectors: self.attention.forward(input).0, auxiliary: Vec::new() }
    }
}
