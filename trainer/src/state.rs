//! All that learning changes.

use crate::catalogue::Catalogue;
use hmisr_model::backend::{Device, Inner};
use hmisr_model::{Network, Parameters, Table};

use crate::prequential::Prequential;
use crate::seen::Seen;
use crate::settings::Settings;

/// All that learning changes: what a snapshot holds, and nothing else.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) catalogue: Catalogue,
    pub(crate) table: Table,
    pub(crate) parameters: Parameters,
    pub(crate) seen: Seen,
    pub(crate) prequential: Prequential,
    /// Examples learnt from.
    pub(crate) examples: u64,
    /// Batches learnt from.
    pub(crate) batches: u64,
}

impl Settings {
    /// The state before the first example.
    pub(crate) fn fresh_state(&self, device: &Device) -> State {
        let model = &self.model;
        State {
            catalogue: Catalogue::default(),
            table: Table::new(model.width, model.seed),
            parameters: Network::<Inner>::fresh(model, device),
            seen: Seen::default(),
            prequential: Prequential::default(),
            examples: 0,
            batches: 0,
        }
    }
}
