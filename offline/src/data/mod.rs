//! Data sets: who interacted with what, and when.

mod builder;
mod core;
mod features;
mod load;

use hmisr_datasets::Summary;
use hmisr_features::Id;
use serde::{Deserialize, Serialize};

pub use features::UserFeatures;

/// The category of an item that has none.
pub const UNKNOWN_CATEGORY: &str = "unknown";

/// Actions that choose nothing, as `pipeline.neutral_actions` of a job has them by default.
pub const NEUTRAL_ACTIONS: [&str; 3] = ["impression", "skip", "dislike"];

/// One interaction of a user.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Index into [`Dataset::items`].
    pub item: u32,
    /// Index into [`Dataset::actions`].
    pub action: u16,
    /// Time, in epoch milliseconds.
    pub ts_ms: i64,
    /// How strong it was, where the data tell it.
    pub weight: Option<f32>,
}

impl Event {
    /// An event of the first action, of which no more is known.
    pub fn new(item: u32, ts_ms: i64) -> Self {
        Self { item, action: 0, ts_ms, weight: None }
    }
}

/// Users, items and, per user, events in time order.
///
/// Users, items and categories are numbered in the order of their first appearance in the files.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// A short name, for reports.
    pub name: String,
    /// The users' ids.
    pub users: Vec<Id>,
    /// The items' ids: the catalogue, which holds what at least one user interacted with.
    pub items: Vec<Id>,
    /// The actions' names, at least one.
    pub actions: Vec<String>,
    /// Each user's events by time; those of one time in file order.
    pub events: Vec<Vec<Event>>,
    /// Each item's categories, at least one, the primary one first.
    pub item_categories: Vec<Vec<u32>>,
    /// The categories' names.
    pub categories: Vec<String>,
    /// Whether some user interacted with an item more than once: then seen items stay candidates.
    pub repeats: bool,
    /// What was found and done while the files were read.
    pub notes: Notes,
    /// How the files were understood, and which of their rows are no events.
    pub reading: Summary,
}

/// What was found in the files and what was done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notes {
    /// Rows that are events.
    pub rows: u64,
    /// Rows that repeat an earlier one (user, item, time and, where there is one, behaviour) and
    /// were left out.
    pub duplicates: u64,
    /// Rows that stood after a later one of their user; they were sorted, stably.
    pub out_of_order: u64,
    /// Items without a category, which got [`UNKNOWN_CATEGORY`].
    pub items_without_category: u64,
    /// Users with one event only; nothing can be asked about them, but they are learnt from.
    pub single_event_users: u64,
    /// Users that a core filter left out.
    pub filtered_users: u64,
    /// Items that a core filter left out.
    pub filtered_items: u64,
    /// Events that a core filter left out.
    pub filtered_events: u64,
}

impl Dataset {
    /// Events in all.
    pub fn len(&self) -> usize {
        self.events.iter().map(Vec::len).sum()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.events.iter().all(Vec::is_empty)
    }

    /// Whether somebody chose the event's item: of a neutral action, or of no weight, it is nobody's wish.
    pub fn is_choice(&self, event: &Event) -> bool {
        !self.is_neutral(event) && event.weight.is_none_or(|weight| weight > 0.0)
    }

    /// Whether the event's action says that nobody chose anything.
    pub(crate) fn is_neutral(&self, event: &Event) -> bool {
        NEUTRAL_ACTIONS.contains(&self.actions[usize::from(event.action)].as_str())
    }

    /// The item's categories and the weight of each: 1 / their number.
    pub fn category_weights(&self, item: u32) -> impl Iterator<Item = (u32, f64)> + '_ {
        let categories = &self.item_categories[item as usize];
        let weight = 1.0 / categories.len() as f64;
        categories.iter().map(move |&category| (category, weight))
    }

    /// Cosine of two items' fractional category vectors, 0 to 1: n₁₂ / √(n₁ n₂) with n₁₂ shared ones.
    pub fn category_cosine(&self, one: u32, other: u32) -> f64 {
        let (one, other) = (&self.item_categories[one as usize], &self.item_categories[other as usize]);
        let shared = one.iter().filter(|category| other.contains(category)).count();
        shared as f64 / ((one.len() * other.len()) as f64).sqrt()
    }
}
