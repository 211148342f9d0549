//! The list that is shown: retrieval, ranking, re-ranking.
//!
//! Offline evaluation, the trainer and the server make lists here, so that what is measured is what is
//! served.

use crate::Result;
use crate::answer::Lambda;
use crate::fitted::{Fitted, User};
use crate::rerank::{Candidate, Objective, POOL, rerank};
use crate::retrieve::{Exhaustive, RETRIEVED, Source, best};

/// What a list is made of.
pub struct List<'a> {
    /// Items wanted.
    pub k: usize,
    /// How much diversity weighs.
    pub lambda: Lambda,
    /// Rows that may stand in it.
    pub allowed: &'a dyn Fn(u32) -> bool,
}

/// A list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The picks with their relevance, in the order that is shown.
    pub items: Vec<Candidate>,
    /// Each pick's place by relevance alone, counted from 1.
    pub relevance_ranks: Vec<usize>,
    /// Each pick's relevance as the re-ranking weighed it against distance.
    pub weighed: Vec<f32>,
    /// The weight of diversity that was used.
    pub lambda: f32,
}

impl Lambda {
    /// The weight for a user of this DiversityScore; 0 where the model has none.
    pub fn of(self, diversity: Option<f32>) -> f32 {
        match (self, diversity) {
            (Self::Fixed(lambda), _) => lambda,
            (Self::Personal { most }, Some(diversity)) => most * diversity,
            (Self::Personal { .. }, None) => 0.0,
        }
    }
}

impl Fitted<'_> {
    /// Candidates of each of the user's vectors, and of all of them together beside counts, best first: what a list
    /// is picked from, and what it would be without re-ranking.
    ///
    /// # Errors
    /// As [`Fitted::relevance`].
    pub fn candidates(&self, user: &User, k: usize, allowed: &dyn Fn(u32) -> bool) -> Result<Vec<Candidate>> {
        let most = RETRIEVED.max(2 * k);
        let source = Exhaustive { items: self.items, width: self.settings.width };
        // What all score together is the best of each where one of them speaks for an item.
        let is_exact = self.owners(user).is_some();
        if self.counts.is_none() && !is_exact {
            return self.rank(user, &source.candidates(&user.vectors, most, allowed));
        }
        let rows: Vec<u32> = (0..self.items.len() as u32).filter(|row| allowed(*row)).collect();
        let mut found: Vec<u32> =
            best(&self.joint(user, &rows), most).iter().map(|at| rows[*at as usize]).collect();
        if user.interests() > 1 && !is_exact {
            found.extend(source.candidates(&user.vectors, most, allowed));
        }
        found.sort_unstable();
        found.dedup();
        self.rank(user, &found)
    }

    /// The list for a user.
    ///
    /// # Errors
    /// As [`Fitted::relevance`].
    pub fn list(&self, user: &User, list: &List<'_>) -> Result<Listed> {
        Ok(self.diverse(user, self.candidates(user, list.k, list.allowed)?, list))
    }

    /// The list of given candidates: nothing is retrieved, those that are allowed are ranked and re-ranked.
    ///
    /// # Errors
    /// As [`Fitted::relevance`].
    pub fn list_of(&self, user: &User, candidates: &[u32], list: &List<'_>) -> Result<Listed> {
        let allowed: Vec<u32> = candidates.iter().copied().filter(|row| (list.allowed)(*row)).collect();
        Ok(self.diverse(user, self.rank(user, &allowed)?, list))
    }

    /// The list of candidates that are ranked already, best first.
    pub fn diverse(&self, user: &User, mut ranked: Vec<Candidate>, list: &List<'_>) -> Listed {
        ranked.truncate(POOL.max(2 * list.k));
        let lambda = list.lambda.of(user.diversity);
        let similarity = |one, other| self.catalogue.similarity(one, other);
        let picked = rerank(&ranked, lambda, list.k, Objective::default(), similarity);
        let weighed = Objective::default().relevance(&ranked);
        Listed {
            items: picked.iter().map(|at| ranked[*at]).collect(),
            weighed: picked.iter().map(|at| weighed[*at]).collect(),
            relevance_ranks: picked.into_iter().map(|at| at + 1).collect(),
            lambda,
        }
    }
}
