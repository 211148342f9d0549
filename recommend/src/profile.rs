//! What the model sees in a user, for people to look at.

use std::collections::BTreeMap;

use hmisr_features::Id;
use hmisr_model::dot::dot;

use crate::Result;
use crate::answer::{CategoryShare, Interest, Known, Profile};
use crate::fitted::{Fitted, History, User, floats};
use crate::recommender::Recommender;

/// Categories shown of an interest, at most.
const SHOWN: usize = 3;

impl Recommender {
    /// The user's interests and DiversityScore; none where the network has no interests or knows
    /// nothing of the history.
    ///
    /// An interest is about the events that it answers for: those of its items, or, where items are of no one
    /// interest, each event by softmax_k of its item's inner products with the user's vectors.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Backend`] where the backend gives no f32.
    pub fn profile(&self, known: Known<'_>) -> Result<Option<Profile>> {
        let known = self.known(&known);
        let Some(user) = self.user(&known)? else { return Ok(None) };
        let Some(diversity_score) = user.diversity else { return Ok(None) };
        let interests = self.fitted().interests(&user, &known)?;
        Ok(interests.map(|interests| Profile { diversity_score, interests }))
    }
}

impl Fitted<'_> {
    /// What each of the user's interests is about; none where the network has no interests.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Backend`] where the backend gives no f32.
    pub fn interests(&self, user: &User, known: &History) -> Result<Option<Vec<Interest>>> {
        let Some(view) = &user.view else { return Ok(None) };
        let mass = floats(view.mass.clone().into_data())?;
        let mut shares: Vec<BTreeMap<u32, f32>> = vec![BTreeMap::new(); mass.len()];
        let owners = self.owners(user);
        let mut names: BTreeMap<u32, &Id> = BTreeMap::new();
        for &row in &known.rows {
            let category = self.catalogue.category(row);
            names.entry(category).or_insert(&self.catalogue.items()[row as usize].categories[0]);
            if let Some(owners) = &owners {
                *shares[owners.of(self.items.row(row))].entry(category).or_default() += 1.0;
                continue;
            }
            let vectors = user.vectors.chunks_exact(self.settings.width);
            let scores: Vec<f32> = vectors.map(|vector| dot(vector, self.items.row(row))).collect();
            let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = scores.iter().map(|score| (score - max).exp()).sum();
            for (shares, score) in shares.iter_mut().zip(&scores) {
                *shares.entry(category).or_default() += (score - max).exp() / sum;
            }
        }
        let interest = |(mass, shares): (f32, BTreeMap<u32, f32>)| {
            let total: f32 = shares.values().sum();
            let mut categories: Vec<(u32, f32)> = shares.into_iter().collect();
            categories.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let named = |(category, share)| {
                let category = (*names.get(&category)?).clone();
                Some(CategoryShare { category, share: share / total.max(1e-12) })
            };
            Interest { mass, categories: categories.into_iter().take(SHOWN).filter_map(named).collect() }
        };
        Ok(Some(mass.into_iter().zip(shares).map(interest).collect()))
    }
}
