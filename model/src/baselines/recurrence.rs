//! The recurrence of [`crate::recall`] alone: the measure of what a memory brings by itself.

use burn::tensor::backend::Backend;

use crate::fused::Fused;
use crate::network::{Input, Output};
use crate::parameters::Builder;
use crate::recall::Recall;
use crate::settings::ModelSettings;

/// The network.
#[derive(Debug)]
pub struct Recurrence<B: Backend>(Recall<B>);

impl<B: Fused> Recurrence<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        Self(Recall::build(builder, settings))
    }

    /// See [`crate::Network::forward`].
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        let states = self.0.forward(input.embeddings, input.histories, input.asked, input.dropout);
        let [rows, d] = states.dims();
        Output { priors: None, vectors: states.reshape([rows, 1, d]), auxiliary: Vec::new() }
    }
}
