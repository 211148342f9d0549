//! Requests and answers.

use hmisr_features::Id;
use serde::Serialize;

/// What is asked.
pub struct Request<'a> {
    /// The user's events, item and time in epoch milliseconds, oldest first.
    pub history: &'a [(Id, i64)],
    /// Items wanted, at most [`MOST`](super::MOST).
    pub k: usize,
    /// How much diversity weighs.
    pub lambda: Lambda,
    /// Items that must not be recommended.
    pub exclude: &'a dyn Fn(&Id) -> bool,
}

/// How much diversity weighs in the re-ranking, 0 (relevance alone) to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lambda {
    /// This much for every user.
    Fixed(f32),
    /// `most` times the user's DiversityScore.
    Personal {
        /// The weight for a DiversityScore of 1.
        most: f32,
    },
}

/// What ranked the items of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The model, from the user's history.
    Model,
    /// The items' popularity: nothing in the history is known to the model.
    Popularity,
}

/// One recommended item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    /// The item.
    pub item_id: Id,
    /// Its primary category.
    pub category: Id,
    /// The model's score, or the count: the higher, the better; comparable within one answer only.
    pub score: f32,
    /// The interest that scored it highest, as [`Profile::interests`] counts them from 0; none where the model has
    /// one vector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interest: Option<usize>,
    /// Its place by relevance alone, counted from 1: where it stood before the re-ranking.
    pub relevance_rank: usize,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// Best first.
    pub items: Vec<Scored>,
    /// What ranked them.
    pub source: Origin,
    /// The user's DiversityScore; none where the model has none.
    pub diversity_score: Option<f32>,
    /// The weight of diversity that was used.
    pub lambda: f32,
}

/// What the model sees in a user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// How various the user's next choices are expected to be, 0 (focused) to 1 (exploring).
    pub diversity_score: f32,
    /// The interests.
    pub interests: Vec<Interest>,
}

/// One interest of a user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interest {
    /// Its share of the user's history.
    pub mass: f32,
    /// What it is about: categories of the events that it answers for, the greatest first, with their shares.
    pub categories: Vec<CategoryShare>,
}

/// A category's share of an interest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CategoryShare {
    /// The category.
    pub category: Id,
    /// Its share.
    pub share: f32,
}
