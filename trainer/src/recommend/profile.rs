//! What the model sees in a user, for people to look at.

use std::collections::BTreeMap;

use hmisr_model::dot::dot;
use hmisr_stream::contract::Id;

use super::{Interest, Profile, Recommender, floats};
use crate::Result;

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
        let known = self.newest(history);
        if known.is_empty() || !self.has_interests() {
            return Ok(None);
        }
        let user = self.user(&known)?;
        let (Some(view), Some(diversity_score)) = (&user.view, user.diversity) else { return Ok(None) };
        let mass = floats(view.mass.clone().into_data())?;
        let mut shares: Vec<BTreeMap<u32, f32>> = vec![BTreeMap::new(); mass.len()];
        for (row, _) in &known {
            let scores: Vec<f32> = user
                .vectors
                .chunks_exact(self.settings.width)
                .map(|vector| dot(vector, self.weights(*row)))
                .collect();
            let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = scores.iter().map(|score| (score - max).exp()).sum();
            for (shares, score) in shares.iter_mut().zip(&scores) {
                *shares.entry(self.catalogue.category(*row)).or_default() += (score - max).exp() / sum;
            }
        }
        let names: BTreeMap<u32, &Id> =
            known.iter().map(|(row, _)| (self.catalogue.category(*row), self.category(*row))).collect();
        let interest = |(mass, shares): (f32, BTreeMap<u32, f32>)| {
            let total: f32 = shares.values().sum();
            let mut categories: Vec<(u32, f32)> = shares.into_iter().collect();
            categories.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let named =
                |(category, share)| Some(((*names.get(&category)?).clone(), share / total.max(1e-12)));
            Interest { mass, categories: categories.into_iter().take(SHOWN).filter_map(named).collect() }
        };
        let interests = mass.into_iter().zip(shares).map(interest).collect();
        Ok(Some(Profile { diversity_score, interests }))
    }

    fn category(&self, row: u32) -> &Id {
        &self.catalogue.items()[row as usize].category
    }
}
