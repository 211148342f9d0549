//! How well candidates fit a user.

use burn::tensor::{Tensor, TensorData};
use hmisr_model::dot::dot;
use hmisr_model::hmisr::Hmisr;
use hmisr_model::{Network, Owners};

use crate::Result;
use crate::fitted::{Fitted, User, floats};
use crate::rerank::Candidate;

impl Fitted<'_> {
    /// Whether HMISR's aggregation ranks what is retrieved; else the joint score of the user's vectors does, beside
    /// counts always: what they are worth is learnt beside it.
    pub fn aggregates(&self, user: &User) -> bool {
        let aggregates = matches!(self.network, Network::Hmisr(Hmisr::Attention(_)));
        aggregates && user.view.is_some() && self.settings.hmisr.losses.ranking > 0.0 && self.counts.is_none()
    }

    /// What tells which of the user's vectors speaks for an item; none where all do, or the best.
    pub fn owners(&self, user: &User) -> Option<Owners> {
        self.network.owners().filter(|_| user.interests() > 1)
    }

    /// z of items: the joint score by all of the user's vectors, and what counts say beside it.
    pub fn joint(&self, user: &User, rows: &[u32]) -> Vec<f32> {
        self.beside_counts(user, rows, self.network(user, rows))
    }

    /// What the network says of items, weighed, and what counts say.
    fn beside_counts(&self, user: &User, rows: &[u32], mut scores: Vec<f32>) -> Vec<f32> {
        if let Some((counts, standing)) = self.counts {
            let told =
                user.told.get_or_init(|| counts.sum(&counts.said(standing, self.catalogue, &user.choices)));
            let weight = counts.network();
            scores.iter_mut().zip(rows).for_each(|(score, row)| {
                *score = weight * *score + told.get(*row as usize).copied().unwrap_or(0.0);
            });
        }
        scores
    }

    /// The joint score of items by all of the user's vectors alone.
    pub fn network(&self, user: &User, rows: &[u32]) -> Vec<f32> {
        if rows.is_empty() {
            return Vec::new();
        }
        if let Some(owners) = self.owners(user) {
            let d = self.settings.width;
            let score = |row: &u32| {
                let item = self.items.row(*row);
                let owner = owners.of(item);
                dot(&user.vectors[owner * d..(owner + 1) * d], item) + user.priors[owner]
            };
            return rows.iter().map(score).collect();
        }
        let mut scores = Vec::with_capacity(user.interests() * rows.len());
        for vector in user.vectors.chunks_exact(self.settings.width) {
            scores.extend(rows.iter().map(|row| dot(vector, self.items.row(*row))));
        }
        self.settings.architecture.logsumexp_or_max(&mut scores, &user.priors, rows.len()).to_vec()
    }

    /// What the candidates are ranked by, in their order.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`](crate::ErrorKind::Backend) where the backend gives no f32.
    pub fn relevance(&self, user: &User, candidates: &[u32]) -> Result<Vec<f32>> {
        match (self.network, &user.view) {
            (Network::Hmisr(Hmisr::Attention(network)), Some(view))
                if self.aggregates(user) && !candidates.is_empty() =>
            {
                let d = self.settings.width;
                let rows: Vec<f32> =
                    candidates.iter().flat_map(|row| self.items.row(*row)).copied().collect();
                let rows = Tensor::from_data(TensorData::new(rows, [candidates.len(), d]), self.device);
                floats(network.rank(view, rows).into_data())
            }
            _ => Ok(self.joint(user, candidates)),
        }
    }

    /// Candidates with their relevance, best first; ties by id.
    ///
    /// # Errors
    /// As [`Fitted::relevance`].
    pub fn rank(&self, user: &User, candidates: &[u32]) -> Result<Vec<Candidate>> {
        let relevance = self.relevance(user, candidates)?;
        let candidate = |(item, relevance): (&u32, f32)| Candidate { item: *item, relevance };
        let mut ranked: Vec<Candidate> = candidates.iter().zip(relevance).map(candidate).collect();
        let items = self.catalogue.items();
        ranked.sort_by(|a, b| {
            let by_id = || items[a.item as usize].id.cmp(&items[b.item as usize].id);
            b.relevance.total_cmp(&a.relevance).then_with(by_id)
        });
        Ok(ranked)
    }

    /// Which interest scores an item highest, its prior included; of equals the first. None where the user has
    /// no interests.
    pub fn interest(&self, user: &User, row: u32) -> Option<usize> {
        user.view.as_ref()?;
        let item = self.items.row(row);
        if let Some(owners) = self.owners(user) {
            return Some(owners.of(item));
        }
        let scores = user.vectors.chunks_exact(self.settings.width).map(|vector| dot(vector, item));
        let scores = scores.zip(&user.priors).map(|(score, prior)| score + prior).enumerate();
        scores.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(k, _)| k)
    }
}
