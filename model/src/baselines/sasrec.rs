//! SASRec (Kang and McAuley, ICDM 2018): the encoder's last state scores the items.

use burn::tensor::backend::Backend;

use crate::encoder::Encoder;
use crate::fused::Fused;
use crate::network::{Input, Output};
use crate::parameters::Builder;
use crate::settings::ModelSettings;

/// The network. Its encoder is the one that HMISR has, time bias included, so that a difference
/// between the two comes from what HMISR adds.
#[derive(Debug)]
pub struct Sasrec<B: Backend> {
    encoder: Encoder<B>,
}

impl<B: Fused> Sasrec<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        Self { encoder: builder.part("encoder", |part| Encoder::build(part, settings)) }
    }

    /// See [`crate::Network::forward`].
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        let [count, len, d] = input.embeddings.dims();
        let states = self.encoder.forward(input.embeddings, input.histories, input.dropout);
        Output { priors: None, vectors: states.reshape([count * len, 1, d]), auxiliary: Vec::new() }
    }
}
