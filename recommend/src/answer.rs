//! Requests and answers.

use std::sync::Arc;

use hmisr_features::{Features, Id};
use serde::Serialize;

/// An event of a user's.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The item.
    pub item: Id,
    /// Event time, epoch milliseconds.
    pub ts: i64,
    /// What the user did; empty: what is usual.
    pub action: Arc<str>,
    /// How strong the interaction was, where that is told.
    pub weight: Option<f32>,
}

impl Event {
    /// An event of which no more is known.
    pub fn new(item: Id, ts: i64) -> Self {
        Self { item, ts, action: "".into(), weight: None }
    }
}

/// What is known of a user who is to be given something.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The user's events, oldest first.
    pub history: &'a [Event],
    /// The user's features as the stream's state tells them. None: they are those of the history, by the same
    /// maths.
    pub features: Option<&'a Features>,
    /// When, epoch milliseconds; none: at the last event.
    pub now: Option<i64>,
}

/// What is asked.
///
/// ```
/// use hmisr_features::Id;
/// use hmisr_recommend::{Event, Known, Request};
///
/// let history = [Event::new(Id::from(1193), 978_300_760_000)];
/// let seen = |id: &Id| history.iter().any(|event| event.item == *id);
/// let known = Known { history: &history, ..Known::default() };
/// let request = Request { known, exclude: &seen, ..Request::default() };
/// assert!((request.exclude)(&Id::from(1193)) && request.candidates.is_none());
/// ```
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The user.
    pub known: Known<'a>,
    /// Items wanted, at most [`MOST`](super::MOST).
    pub k: usize,
    /// How much diversity weighs.
    pub lambda: Lambda,
    /// Items that must not be recommended.
    pub exclude: &'a dyn Fn(&Id) -> bool,
    /// Whether an item of these categories, the primary one first, may be recommended.
    pub allowed: &'a dyn Fn(&[Id]) -> bool,
    /// The items to rank: these and no others, at most [`MOST`](super::MOST), each once. None: what the user's
    /// vectors retrieve from the whole catalogue.
    pub candidates: Option<&'a [Id]>,
    /// Whether the answer says why each item stands where it does.
    pub explain: bool,
}

impl Default for Request<'_> {
    /// Ten items by relevance alone, for a user of whom nothing is known.
    fn default() -> Self {
        Self {
            known: Known::default(),
            k: 10,
            lambda: Lambda::Fixed(0.0),
            exclude: &|_| false,
            allowed: &|_| true,
            candidates: None,
            explain: false,
        }
    }
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
    /// Why it stands there, where that was asked for and the model ranked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
}

/// Why an item stands where it does: the two sides of the re-ranking, and what in the history it is like.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    /// What the re-ranking weighed by 1 − λ: the item's probability among those that the list was picked from, in
    /// units of one in ten.
    pub relevance: f32,
    /// What it weighed by λ: the mean distance of the item's categories to those of the items above it, 0 to 1.
    /// None for the first item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance: Option<f32>,
    /// What the interest that scored the item highest is about, as [`Interest::categories`]; empty where the
    /// model has one vector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interest_categories: Vec<CategoryShare>,
    /// How much of the item's score is what counts of the stream say; none where nothing is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<f32>,
    /// The item of the history that it is most like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest_in_history: Option<Near>,
}

/// An item of the history beside a recommended one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Near {
    /// The item.
    pub item_id: Id,
    /// The cosine of the two items' embeddings, −1 to 1.
    pub similarity: f32,
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
    /// Candidates of the request that the model does not know, in their order, each once.
    pub unknown_candidates: Vec<Id>,
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
