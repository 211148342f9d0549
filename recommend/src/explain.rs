//! Why a list is what it is.

use std::collections::HashMap;

use hmisr_model::dot::dot;

use crate::Result;
use crate::answer::{Near, Why};
use crate::fitted::{Fitted, History, User};
use crate::list::Listed;
use crate::rerank::Candidate;

impl Fitted<'_> {
    /// Why each item of a list stands where it does. `known` is the history that `user` was read from.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`](crate::ErrorKind::Backend) where the backend gives no f32.
    pub fn reasons(&self, user: &User, known: &History, listed: &Listed) -> Result<Vec<Why>> {
        let interests = self.interests(user, known)?.unwrap_or_default();
        let lengths = self.lengths(known);
        let why = |(at, candidate): (usize, &Candidate)| {
            let above = &listed.items[..at];
            let apart = above.iter().map(|it| 1.0 - self.catalogue.similarity(candidate.item, it.item));
            let interest = self.interest(user, candidate.item).and_then(|nth| interests.get(nth));
            Why {
                relevance: listed.weighed[at],
                distance: (!above.is_empty()).then(|| apart.sum::<f32>() / above.len() as f32),
                interest_categories: interest.map(|it| it.categories.clone()).unwrap_or_default(),
                counted: user.told.get().and_then(|told| told.get(candidate.item as usize).copied()),
                nearest_in_history: self.nearest(candidate.item, known, &lengths),
            }
        };
        Ok(listed.items.iter().enumerate().map(why).collect())
    }

    /// The Euclidean length of each item's embedding.
    fn lengths(&self, known: &History) -> HashMap<u32, f32> {
        known.rows.iter().map(|row| (*row, length(self.items.row(*row)))).collect()
    }

    /// The event whose item's embedding has the greatest cosine with that of `row`; of equals the newest.
    fn nearest(&self, row: u32, known: &History, lengths: &HashMap<u32, f32>) -> Option<Near> {
        let own = self.items.row(row);
        let own_length = length(own);
        let cosine = |other: &u32| {
            let cosine = dot(own, self.items.row(*other)) / (own_length * lengths.get(other)?);
            // An embedding of zeros is like nothing.
            cosine.is_finite().then_some((*other, cosine.clamp(-1.0, 1.0)))
        };
        let found = known.rows.iter().filter_map(cosine).max_by(|one, other| one.1.total_cmp(&other.1));
        let (other, similarity) = found?;
        Some(Near { item_id: self.catalogue.items()[other as usize].id.clone(), similarity })
    }
}

fn length(vector: &[f32]) -> f32 {
    dot(vector, vector).sqrt()
}
