//! What the model sees in a user, for people to look at.

use std::collections::BTreeMap;

use hmisr_features::Id;
use hmisr_model::dot::dot;

use crate::Result;
use crate::answer::{CategoryShare, Interest, Profile};
use crate::fitted::floats;
use crate::recommender::Recommender;

/// Categories shown of an interest, at most.
const SHOWN: usize = 3;

impl Recommender {
    /// The user's interests and DiversityScore; none where the network has no interests or knows
    /// nothing of the history.
    ///
    /// An interest is about the events that it answers for: each event weighs softmax_k of its
    /// item's inner products with the user's vectors.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Backend`] where the backend gives no f32.
    pub fn profile(&self, history: &[(Id, i64)]) -> Result<Option<Profile>> {
        let Some(user) = self.user(history)? else { return Ok(None) };
        let (Some(view), Some(diversity_score)) = (&user.view, user.diversity) else { return Ok(None) };
        let fitted = self.fitted();
        let mass = floats(view.mass.clone().into_data())?;
        let mut shares: Vec<BTreeMap<u32, f32>> = vec![BTreeMap::new(); mass.len()];
        let mut names: BTreeMap<u32, &Id> = BTreeMap::new();
        for row in self.known(history).rows {
            let category = fitted.catalogue.category(row);
            names.entry(category).or_insert(&fitted.catalogue.items()[row as usize].categories[0]);
            let vectors = user.vectors.chunks_exact(fitted.settings.width);
            let scores: Vec<f32> = vectors.map(|vector| dot(vector, fitted.items.row(row))).collect();
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
        let interests = mass.into_iter().zip(shares).map(interest).collect();
        Ok(Some(Profile { diversity_score, interests }))
    }
}
