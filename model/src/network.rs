//! What every network has in common: histories in, one or several vectors a position out.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::architecture::Architecture;
use crate::baselines::{ComirecDr, ComirecSa, Gru4rec, Mind, Recurrence, Remi, Sasrec, Tisasrec};
use crate::dropout::Dropout;
use crate::fused::Fused;
use crate::histories::Histories;
use crate::hmisr::{Hmisr, Training};
use crate::owners::Owners;
use crate::parameters::{Builder, Parameters};
use crate::settings::ModelSettings;

/// What a network reads.
#[derive(Debug)]
pub struct Input<'a, B: Backend> {
    /// Embeddings of the histories' items, `[histories, len, d]`.
    pub embeddings: Tensor<B, 3>,
    /// The histories.
    pub histories: &'a Histories,
    /// Flat positions whose vectors are wanted, ascending; none: all.
    pub asked: Option<&'a [usize]>,
    /// Dropout; none in inference.
    pub dropout: &'a Dropout,
    /// What only training gives, for losses beside that of the next item.
    pub training: Option<&'a Training<B>>,
}

/// What a network says.
#[derive(Debug)]
pub struct Output<B: Backend> {
    /// User vectors at every position, `[histories · len, K, d]`, K = 1 for networks of one interest; at the asked
    /// positions alone, `[asked, K, d]`, of a network that [recalls](ModelSettings::recalls). An item's
    /// score comes from its K inner products by [`Architecture::logsumexp_or_max`].
    pub vectors: Tensor<B, 3>,
    /// What each vector's scores begin with, `[histories · len, K]`; none: 0.
    pub priors: Option<Tensor<B, 2>>,
    /// Further losses, in training.
    pub auxiliary: Vec<Auxiliary<B>>,
}

/// A loss beside that of the next item.
#[derive(Debug)]
pub struct Auxiliary<B: Backend> {
    /// Its name, for reports.
    pub name: &'static str,
    /// Its weight against the mean cross-entropy of the next item.
    pub weight: f32,
    /// Its value, a mean.
    pub value: Tensor<B, 1>,
}

/// A network, bound to a device.
#[derive(Debug)]
pub enum Network<B: Backend> {
    /// See [`Architecture::Hmisr`].
    Hmisr(Hmisr<B>),
    /// See [`Architecture::Sasrec`].
    Sasrec(Sasrec<B>),
    /// See [`Architecture::Gru4rec`].
    Gru4rec(Gru4rec<B>),
    /// See [`Architecture::Tisasrec`].
    Tisasrec(Tisasrec<B>),
    /// See [`Architecture::Mind`].
    Mind(Mind<B>),
    /// See [`Architecture::ComirecDr`].
    ComirecDr(ComirecDr<B>),
    /// See [`Architecture::ComirecSa`].
    ComirecSa(ComirecSa<B>),
    /// See [`Architecture::Remi`].
    Remi(Remi<B>),
    /// See [`Architecture::Recurrence`].
    Recurrence(Recurrence<B>),
}

impl<B: Fused> Network<B> {
    /// Builds the network that `settings` name.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        match settings.architecture {
            Architecture::Hmisr => Self::Hmisr(Hmisr::build(builder, settings)),
            Architecture::Sasrec => Self::Sasrec(Sasrec::build(builder, settings)),
            Architecture::Gru4rec => Self::Gru4rec(Gru4rec::build(builder, settings)),
            Architecture::Tisasrec => Self::Tisasrec(Tisasrec::build(builder, settings)),
            Architecture::Mind => Self::Mind(Mind::build(builder, settings)),
            Architecture::ComirecDr => Self::ComirecDr(ComirecDr::build(builder, settings)),
            Architecture::ComirecSa => Self::ComirecSa(ComirecSa::build(builder, settings)),
            Architecture::Remi => Self::Remi(Remi::build(builder, settings)),
            Architecture::Recurrence => Self::Recurrence(Recurrence::build(builder, settings)),
        }
    }

    /// Fresh parameters of the network that `settings` name.
    pub fn fresh(settings: &ModelSettings, device: &B::Device) -> Parameters {
        Parameters::fresh::<B, _>(settings.seed, device, |builder| Self::build(builder, settings))
    }

    /// The network over `parameters`.
    pub fn bind(settings: &ModelSettings, parameters: &Parameters, device: &B::Device) -> Self {
        Self::build(&mut Builder::new(&parameters.list, settings.seed, device), settings)
    }

    /// What tells which of the user's vectors speaks for an item; none where all do, or the best.
    pub fn owners(&self) -> Option<Owners> {
        match self {
            Self::Hmisr(network) => network.owners(),
            _ => None,
        }
    }

    /// The user's vectors at every position, each from the events up to it alone.
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        match self {
            Self::Hmisr(network) => network.forward(input),
            Self::Sasrec(network) => network.forward(input),
            Self::Gru4rec(network) => network.forward(input),
            Self::Tisasrec(network) => network.forward(input),
            Self::Mind(network) => network.forward(input),
            Self::ComirecDr(network) => network.forward(input),
            Self::ComirecSa(network) => network.forward(input),
            Self::Remi(network) => network.forward(input),
            Self::Recurrence(network) => network.forward(input),
        }
    }
}
