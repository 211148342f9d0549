//! Requests and answers.

use hmisr_stream::contract::Id;

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

/// The weight of diversity in the re-ranking, 0 (relevance alone) to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lambda {
    /// This one for every user.
    Fixed(f32),
    /// `most` times the user's DiversityScore.
    Personal {
        /// The weight for a DiversityScore of 1.
        most: f32,
    },
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The model, from the user's history.
    Model,
    /// How often each item was chosen: the user has no history that the model knows.
    Popularity,
}

/// A recommended item.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The item.
    pub item: Id,
    /// Its category.
    pub category: Id,
    /// The model's score, or the count.
    pub score: f32,
    /// The interest that scored it highest; none where the model has one vector.
    pub interest: Option<usize>,
    /// Its place by relevance alone, counted from 1: where it stood before the re-ranking.
    pub relevance_rank: usize,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// Best first.
    pub items: Vec<Scored>,
    /// Where it comes from.
    pub source: Origin,
    /// The user's DiversityScore; none where the model has none.
    pub diversity_score: Option<f32>,
    /// The weight of diversity that was used.
    pub lambda: f32,
}

/// What the model sees in a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The DiversityScore, 0 (focused) to 1 (exploring).
    pub diversity_score: f32,
    /// The interests.
    pub interests: Vec<Interest>,
}

/// One interest of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Interest {
    /// Its share of the user's history.
    pub mass: f32,
    /// Categories of the events that it answers for, the greatest first, with their shares of it.
    pub categories: Vec<(Id, f32)>,
}
