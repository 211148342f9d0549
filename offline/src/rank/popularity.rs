//! The most popular items for everyone.

use super::{Query, Scorer};
use crate::error::Result;
use crate::split::Split;

/// Scores an item by its events in the training part.
#[derive(Debug, Clone)]
pub struct Popularity(Vec<f32>);

impl Popularity {
    /// Counts the training part.
    pub fn fit(split: &Split) -> Self {
        Self(split.train_counts().into_iter().map(|count| count as f32).collect())
    }
}

impl Scorer for Popularity {
    fn name(&self) -> &str {
        "popularity"
    }

    fn score(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>> {
        Ok(self.0.repeat(queries.len()))
    }
}
