//! Both levels over the recurrence ([`Recall`]): interests are of items, and what is asked is computed where it is asked.
//!
//! An item is of the interest along whose direction its embedding, its bias apart, points most ([`Owners`]), and so is an event of it:
//! what an item is about, where a state would say what comes next. The coarse losses teach the directions alone, over
//! the items that a step samples. Beyond the recurrence, an event says what was done, how strongly, and how long it
//! was until the next.

use std::sync::Arc;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::coarse::Coarse;
use super::diversity::{Features, Habits, features};
use super::event::Event;
use super::fine::{Fine, Vectors};
use super::losses::Stage;
use super::view::{View, rows, rows3};
use crate::dropout::Dropout;
use crate::fused::Fused;
use crate::histories::Histories;
use crate::members::Members;
use crate::network::{Input, Output};
use crate::owners::Owners;
use crate::parameters::Builder;
use crate::recall::Recall;
use crate::settings::ModelSettings;
use crate::softmax::values;
use crate::stop::stop;
use crate::windows::Windows;

/// The network, bound to a device.
#[derive(Debug)]
pub struct Recalled<B: Backend> {
    span: usize,
    interests: usize,
    event: Event<B>,
    recall: Recall<B>,
    coarse: Coarse<B>,
    fine: Fine<B>,
}

/// What was read of histories.
struct Reading<'a, B: Backend> {
    /// Embeddings of the items, `[histories, len, d]`.
    items: Tensor<B, 3>,
    /// The same with what the events add.
    events: Tensor<B, 3>,
    /// H at the asked positions, `[asked, d]`.
    states: Tensor<B, 2>,
    histories: &'a Histories,
    /// Flat positions, ascending.
    asked: &'a [usize],
}

impl<B: Fused> Recalled<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        let (d, k) = (settings.width, settings.interests);
        Self {
            span: settings.max_len,
            interests: k,
            event: builder.part("event", |part| Event::build(part, d)),
            recall: builder.part("encoder", |part| Recall::build(part, settings)),
            coarse: builder.part("coarse", |part| Coarse::build(part, d - 1, k, settings.hmisr.temperature)),
            fine: builder.part("fine", |part| Fine::build(part, d, k)),
        }
    }

    /// See [`crate::Network::forward`].
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        let Input { embeddings, histories, asked, dropout, training } = input;
        let [count, len, _] = embeddings.dims();
        let all: Vec<usize> = (0..count * len).collect();
        let asked = asked.unwrap_or(&all);
        // Each once and ascending, however they are asked.
        let mut computed = asked.to_vec();
        computed.sort_unstable();
        computed.dedup();
        let place = |at: &usize| computed.partition_point(|other| other < at);
        let places: Vec<usize> = asked.iter().map(place).collect();
        let reading = self.read(embeddings, histories, &computed, dropout);
        let mut auxiliary = Vec::new();
        if let Some(training) = training {
            auxiliary = self.coarse.item_losses(about(training.candidates.clone()), &training.plan.weights);
            if training.plan.stage == Stage::Coarse {
                let vectors = rows(&reading.states, &places).unsqueeze_dim(1);
                return Output { vectors, priors: None, auxiliary };
            }
        }
        let levels = self.levels(&reading);
        let (vectors, priors) = (rows3(&levels.vectors, &places), rows(&levels.priors, &places));
        Output { vectors, priors: Some(priors), auxiliary }
    }

    fn read<'a>(
        &self,
        items: Tensor<B, 3>,
        histories: &'a Histories,
        asked: &'a [usize],
        dropout: &Dropout,
    ) -> Reading<'a, B> {
        let events = self.event.forward(items.clone(), histories);
        let states = self.recall.forward(events.clone(), histories, Some(asked), dropout);
        Reading { items, events, states, histories, asked }
    }

    fn levels(&self, reading: &Reading<'_, B>) -> Vectors<B> {
        let Reading { items, events, states, histories, asked } = reading;
        let [count, len, d] = items.dims();
        let items = stop(items.clone()).reshape([count * len, d]);
        let owners = self.coarse.owners();
        let owners = values(items.clone()).chunks_exact(d).map(|item| owners.of(item)).collect();
        let windows = Windows::new(histories, self.span, asked);
        let members = Arc::new(Members::new(windows, self.interests, owners));
        let alpha = self.coarse.assign(about(rows(&items, asked)));
        let events = events.clone().reshape([count * len, d]);
        self.fine.forward(events, states, &members, &members.standing(histories), alpha)
    }

    /// See [`super::Hmisr::last`].
    pub fn last(&self, embeddings: Tensor<B, 3>, histories: &Histories, habits: &[Habits]) -> View<B> {
        let asked = histories.last();
        let reading = self.read(embeddings, histories, &asked, &Dropout::none());
        let Vectors { interests, mass, vectors, priors, .. } = self.levels(&reading);
        let Features { blended, diversity } = features(habits, interests, mass.clone());
        View { features: blended, mass, diversity, priors, vectors }
    }

    /// See [`super::Hmisr::states`].
    pub fn states(
        &self,
        embeddings: Tensor<B, 3>,
        histories: &Histories,
        asked: &[usize],
        dropout: &Dropout,
    ) -> Tensor<B, 3> {
        self.read(embeddings, histories, asked, dropout).states.unsqueeze_dim(1)
    }

    /// What tells an item's interest; none where there is but one.
    pub fn owners(&self) -> Option<Owners> {
        (self.interests > 1).then(|| self.coarse.owners())
    }
}

/// What says what items `[items, d]` are about: all but the last component, which is their bias.
fn about<B: Backend>(items: Tensor<B, 2>) -> Tensor<B, 2> {
    let d = items.dims()[1];
    items.narrow(1, 0, d - 1)
}
