//! What a fit knows of its training part beside the weights.

use std::sync::Arc;

use hmisr_features::Id;
use hmisr_model::Weights;
use hmisr_recommend::{Actions, Catalogue, Item, Standard};

use super::settings::FitSettings;
use crate::data::{Event, UNKNOWN_CATEGORY, UserFeatures};
use crate::split::Split;

/// Items, actions, habits and weights of a training part.
#[derive(Debug, Clone)]
pub(super) struct Learnt {
    /// Every item of the data, which a network has a row for whether it was learnt from or not.
    pub(super) catalogue: Catalogue,
    pub(super) actions: Actions,
    /// Of the habits before each target.
    pub(super) standard: Standard,
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
            standard: Standard::default(),
            weights: Weights::default(),
            features: Arc::new(features),
        };
        let mut counts = vec![0; data.items.len()];
        for (user, events) in split.training() {
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
            let Self { features, standard, .. } = &mut learnt;
            features.each(data, user, events.len() - 1, |at, features| {
                if at > 0 {
                    standard.add(features);
                }
            });
        }
        learnt.catalogue = catalogue(split, counts);
        learnt
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
