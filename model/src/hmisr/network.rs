//! HMISR over either encoder.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::attended::Attended;
use super::diversity::Habits;
use super::recalled::Recalled;
use super::settings::EncoderKind;
use super::view::View;
use crate::dropout::Dropout;
use crate::fused::Fused;
use crate::histories::Histories;
use crate::network::{Input, Output};
use crate::owners::Owners;
use crate::parameters::Builder;
use crate::settings::ModelSettings;

/// The network, bound to a device.
#[derive(Debug)]
pub enum Hmisr<B: Backend> {
    /// Over attention.
    Attention(Box<Attended<B>>),
    /// Over the recurrence.
    Recurrence(Box<Recalled<B>>),
}

impl<B: Fused> Hmisr<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        match settings.hmisr.encoder {
            EncoderKind::Attention => Self::Attention(Box::new(Attended::build(builder, settings))),
            EncoderKind::Recurrence => Self::Recurrence(Box::new(Recalled::build(builder, settings))),
        }
    }

    /// See [`crate::Network::forward`]. In the coarse stage the vector is the encoder's state.
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        match self {
            Self::Attention(network) => network.forward(input),
            Self::Recurrence(network) => network.forward(input),
        }
    }

    /// What the network says of each history's user, after its last event.
    pub fn last(&self, embeddings: Tensor<B, 3>, histories: &Histories, habits: &[Habits]) -> View<B> {
        match self {
            Self::Attention(network) => network.last(embeddings, histories, habits),
            Self::Recurrence(network) => network.last(embeddings, histories, habits),
        }
    }

    /// The encoder's states as vectors: what the network says in its coarse stage. At every position
    /// `[histories · len, 1, d]`, or at the asked of a network that recalls.
    pub fn states(
        &self,
        embeddings: Tensor<B, 3>,
        histories: &Histories,
        asked: &[usize],
        dropout: &Dropout,
    ) -> Tensor<B, 3> {
        match self {
            Self::Attention(network) => network.states(embeddings, histories, dropout),
            Self::Recurrence(network) => network.states(embeddings, histories, asked, dropout),
        }
    }

    /// What tells which of the user's vectors speaks for an item; none where all do.
    pub fn owners(&self) -> Option<Owners> {
        match self {
            Self::Attention(_) => None,
            Self::Recurrence(network) => network.owners(),
        }
    }
}
