//! Ranking the whole catalogue.

mod counts;
mod kmeans;
mod markov;
mod popularity;
mod ranking;
mod trinity;

use crate::data::Event;
use crate::error::Result;

pub use counts::Counts;
pub use markov::Markov;
pub use popularity::Popularity;
pub use ranking::{Ranked, rank};
pub use trinity::{Trinity, TrinitySettings};

/// What a model is told: a user's past, never the target.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Index of the user.
    pub user: u32,
    /// The user's events so far by time; at least one.
    pub history: &'a [Event],
    /// When the question is asked, in epoch milliseconds: the time of the target.
    pub now_ms: i64,
}

/// The interests that a model sees in a user.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Interests {
    /// K vectors of one length.
    pub vectors: Vec<Vec<f32>>,
    /// Per interest its dominant categories, greatest first; see
    /// [`dominant_categories`](crate::measures::dominant_categories).
    pub dominant: Vec<Vec<u32>>,
}

/// A model that is evaluated.
pub trait Scorer {
    /// The name in reports.
    fn name(&self) -> &str;

    /// Scores of the whole catalogue, `[queries, items]`, row by row; higher is better. Minus
    /// infinity leaves an item out.
    ///
    /// # Errors
    /// What the model meets.
    fn score(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>>;

    /// Whether scores are log-likelihoods up to a constant, so that they tell how sure the model is.
    fn gives_likelihoods(&self) -> bool {
        false
    }

    /// The user's wish for diversity, 0 to 1, of each query; none where the model has none.
    ///
    /// # Errors
    /// What the model meets.
    fn diversity(&mut self, _queries: &[Query<'_>]) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }

    /// The user's interests of each query; none where the model has one vector a user.
    ///
    /// # Errors
    /// What the model meets.
    fn interests(&mut self, _queries: &[Query<'_>]) -> Result<Option<Vec<Interests>>> {
        Ok(None)
    }
}
