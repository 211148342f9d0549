//! A user's habits from the events so far, and what is known of the training part for them.

use std::collections::HashSet;

use hmisr_features::FeatureSettings;
use hmisr_model::hmisr::Habits;

use crate::data::{Dataset, Event};
use crate::measures::long_tail;
use crate::split::{Split, entropy};

/// Events that habits are made of, the newest.
const EVENTS: usize = 200;

/// Events of the recent diversity.
const RECENT: usize = 10;

/// What habits need of the training part.
#[derive(Debug, Clone)]
pub(super) struct HabitsOf {
    tail: Vec<bool>,
    greatest: f64,
}

impl HabitsOf {
    pub(super) fn new(split: &Split) -> Self {
        let greatest = (split.data.categories.len().max(2) as f64).ln();
        Self { tail: long_tail(split, FeatureSettings::default().head_share), greatest }
    }

    /// Habits after `events`.
    pub(super) fn after(&self, data: &Dataset, events: &[Event]) -> Habits {
        let events = &events[events.len().saturating_sub(EVENTS)..];
        if events.is_empty() {
            return Habits::default();
        }
        let primary = |event: &Event| data.item_categories[event.item as usize].first();
        let count = events.len() as f32;
        let tails = events.iter().filter(|event| self.tail[event.item as usize]).count();
        let switches = events.windows(2).filter(|pair| primary(&pair[0]) != primary(&pair[1])).count();
        let recent = &events[events.len().saturating_sub(RECENT)..];
        let distinct: HashSet<_> = recent.iter().map(primary).collect();
        Habits {
            entropy: (entropy(data, events.iter().map(|event| event.item)) / self.greatest) as f32,
            tail: tails as f32 / count,
            switching: switches as f32 / (count - 1.0).max(1.0),
            recent: distinct.len() as f32 / recent.len() as f32,
        }
    }
}
