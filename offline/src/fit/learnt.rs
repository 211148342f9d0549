//! What a fit knows of its training part beside the weights.

use std::sync::Arc;

use hmisr_features::Id;
use hmisr_model::Weights;
use hmisr_recommend::{Actions, CHOICES, Catalogue, Foresight, Inputs, Item, begins_session, variety};

use super::settings::FitSettings;
use crate::data::{Dataset, Event, UNKNOWN_CATEGORY, UserFeatures};
use crate::split::Split;

/// Items, actions, weights of a training part, and how various the next choices are.
#[derive(Debug, Clone)]
pub(super) struct Learnt {
    /// Every item of the data, which a network has a row for whether it was learnt from or not.
    pub(super) catalogue: Catalogue,
    pub(super) actions: Actions,
    /// Of how various the next choices are.
    pub(super) foresight: Foresight,
    /// Of the targets.
    pub(super) weights: Weights,
    pub(super) features: Arc<UserFeatures>,
    /// By the number of the data's action, whether it chooses nothing.
    neutral: Vec<bool>,
}

impl Learnt {
    /// Of the training part, under the settings of a fit.
    pub(super) fn of(split: &Split, settings: &FitSettings) -> Self {
        let data = &split.data;
        let is_neutral = |action: &str| settings.neutral_actions.iter().any(|neutral| neutral == action);
        let features = UserFeatures::new(data, &settings.features, is_neutral);
        let mut learnt = Self {
            neutral: data.actions.iter().map(|action| is_neutral(action)).collect(),
            catalogue: Catalogue::default(),
            actions: Actions::default(),
            foresight: Foresight::default(),
            weights: Weights::default(),
            features: Arc::new(features),
        };
        let mut counts = vec![0; data.items.len()];
        for (_, events) in split.training() {
            for (at, event) in events.iter().enumerate() {
                let action = &data.actions[usize::from(event.action)];
                if learnt.is_target(event) {
                    counts[event.item as usize] += 1;
                    learnt.actions.admit_target(action);
                    if at > 0 {
                        learnt.actions.count(action);
                        learnt.weights.add(event.weight.unwrap_or(1.0));
                    }
                } else {
                    learnt.actions.admit(action);
                }
            }
        }
        learnt.catalogue = catalogue(split, counts);
        for (user, events) in split.training() {
            learnt.foresee(data, user, events);
        }
        learnt
    }

    /// Learns how various a user's choices are from the begin of a session on: of one after the other, as many choices
    /// apart at least as make a label.
    fn foresee(&mut self, data: &Dataset, user: u32, events: &[Event]) {
        let chosen: Vec<usize> = (0..events.len()).filter(|at| self.is_choice(&events[*at])).collect();
        let rows = |choices: &[usize]| choices.iter().map(|at| events[*at].item).collect::<Vec<u32>>();
        // The nth choice is the next that may have a label; nothing is before the first.
        let mut nth = 1;
        let Self { features, foresight, catalogue, .. } = self;
        features.each(data, user, events.len() - 1, |at, features| {
            let Some(next) = chosen.get(nth..nth + CHOICES).filter(|next| next[0] == at) else { return };
            if !begins_session(events[at - 1].ts_ms, events[at].ts_ms) {
                nth += 1;
                return;
            }
            let before = &chosen[nth.saturating_sub(CHOICES)..nth];
            let before = Inputs::of(catalogue, &rows(before), features);
            foresight.learn(&before, variety(catalogue, &rows(next)));
            nth += CHOICES;
        });
    }

    /// Whether the event stands among a user's choices: not where its action is neutral, or it takes something back.
    pub(super) fn is_choice(&self, event: &Event) -> bool {
        !self.neutral[usize::from(event.action)] && event.weight.is_none_or(|weight| weight >= 0.0)
    }

    /// Whether somebody chose the event's item: of no weight, or of a neutral action, it is nobody's wish.
    pub(super) fn is_target(&self, event: &Event) -> bool {
        !self.neutral[usize::from(event.action)] && event.weight.is_none_or(|weight| weight > 0.0)
    }
}

/// The items with how often the training part chooses each.
fn catalogue(split: &Split, counts: Vec<u64>) -> Catalogue {
    let data = &split.data;
    let name = |category: &u32| Id::parse(&data.categories[*category as usize]).ok();
    let unknown = Id::text(UNKNOWN_CATEGORY).unwrap_or_else(|_| Id::from(0u32));
    let items = data.items.iter().zip(&data.item_categories).zip(counts);
    let items = items.map(|((id, categories), count)| {
        let mut categories: Vec<Id> = categories.iter().filter_map(name).collect();
        if categories.is_empty() {
            categories.push(unknown.clone());
        }
        Item { id: id.clone(), categories, count }
    });
    Catalogue::from_items(items.collect()).unwrap_or_default()
}
