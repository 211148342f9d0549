//! Recommendations from a snapshot, without what only training needs (design, section 4.3 "Inference").
//!
//! Each interest retrieves its best items; activation and aggregation rank their union; the
//! re-ranking trades relevance for diversity by as much as the user's DiversityScore asks for.
//! Networks of one vector retrieve by it and are re-ranked on request alone.

mod answer;
mod profile;

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use hmisr_model::backend::{self, Device, Inner};
use hmisr_model::dot::dot;
use hmisr_model::dropout::Dropout;
use hmisr_model::hmisr::{View, blend};
use hmisr_model::rerank::{Candidate, Objective, rerank};
use hmisr_model::{Architecture, Histories, Input, ModelSettings, Network, Reading};
use hmisr_stream::contract::Id;

pub use answer::{Interest, Lambda, Origin, Profile, Recommendation, Request, Scored};

use crate::catalogue::Catalogue;
use crate::habits::{HabitsOf, head};
use crate::snapshot::{Manifest, Snapshot};
use crate::{Error, ErrorKind, Result};

/// Items that one answer may hold.
pub const MOST: usize = 1_000;
/// Items that an interest retrieves, at least.
const RETRIEVED: usize = 100;
/// Optimizer steps before which the fixed blend stands in for the learned DiversityScore.
const UNLEARNED_STEPS: u64 = 500;

/// A snapshot's model, immutable, for any number of threads at once.
#[derive(Debug)]
pub struct Recommender {
    manifest: Manifest,
    settings: ModelSettings,
    network: Network<Inner>,
    device: Device,
    catalogue: Catalogue,
    /// Items chosen fewer times are long tail.
    head: u64,
    /// `[items, d]`.
    items: Vec<f32>,
}

/// What the network says of one user.
struct User {
    /// `[K, d]`.
    vectors: Vec<f32>,
    /// What each vector's scores begin with, `[K]`.
    priors: Vec<f32>,
    view: Option<View<Inner>>,
    diversity: Option<f32>,
}

impl Recommender {
    /// Loads a version below `root`, the newest where `version` is none.
    ///
    /// # Errors
    /// As [`Snapshot::open`]; [`ErrorKind::Corrupt`] names the file that is not whole.
    pub fn load(root: &Path, version: Option<u64>) -> Result<Self> {
        Self::of(&Snapshot::open(root, version)?)
    }

    /// The same of an open snapshot.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] names the file that is not whole.
    pub fn of(snapshot: &Snapshot) -> Result<Self> {
        let model = snapshot.model()?;
        let manifest = snapshot.manifest().clone();
        let settings = manifest.settings.model.clone();
        let device = backend::device()?;
        let network = Network::bind(&settings, &model.parameters, &device);
        let mut counts: Vec<u64> = model.catalogue.items().iter().map(|item| item.count).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Self {
            manifest,
            settings,
            network,
            device,
            head: head(&counts),
            catalogue: model.catalogue,
            items: model.items,
        })
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.manifest.version
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The items that it knows.
    pub fn items(&self) -> usize {
        self.catalogue.len()
    }

    /// Answers a request. Unknown items of the history are passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`] where the backend gives no f32.
    pub fn recommend(&self, request: &Request<'_>) -> Result<Recommendation> {
        let known = self.newest(request.history);
        let k = request.k.min(MOST);
        if known.is_empty() {
            return Ok(self.popular(k, request.exclude));
        }
        let user = self.user(&known)?;
        let scores = self.scores(&user.vectors);
        let allowed: Vec<bool> =
            self.catalogue.items().iter().map(|item| !(request.exclude)(&item.id)).collect();
        let candidates = self.retrieve(&scores, &allowed, RETRIEVED.max(2 * k));
        let ranked = self.rank(&user, &scores, candidates)?;
        let lambda = match (request.lambda, user.diversity) {
            (Lambda::Fixed(lambda), _) => lambda,
            (Lambda::Personal { most }, Some(diversity)) => most * diversity,
            (Lambda::Personal { .. }, None) => 0.0,
        };
        let similarity = |one, other| self.similarity(one, other);
        let picked = rerank(&ranked, lambda, k, Objective::default(), similarity);
        let items = picked.into_iter().map(|at| {
            let Candidate { item, relevance } = ranked[at];
            self.scored(
                item,
                relevance,
                user.view.as_ref().map(|_| best(&scores, &user.priors, item)),
                at + 1,
            )
        });
        Ok(Recommendation {
            items: items.collect(),
            source: Origin::Model,
            diversity_score: user.diversity,
            lambda,
        })
    }

    /// The newest known events that the network reads: row and time.
    fn newest(&self, history: &[(Id, i64)]) -> Vec<(u32, i64)> {
        let known = |(id, ts): &(Id, i64)| Some((self.catalogue.row(id)?, *ts));
        let mut known: Vec<(u32, i64)> = history.iter().filter_map(known).collect();
        known.drain(..known.len().saturating_sub(self.settings.reach()));
        known
    }

    fn user(&self, known: &[(u32, i64)]) -> Result<User> {
        let (rows, times): (Vec<u32>, Vec<i64>) = known.iter().copied().unzip();
        let reading = Reading::newest(&self.settings, &rows, &times);
        let histories = Histories::remembering(&[reading], self.settings.memory, |row| self.weights(row));
        let (len, d) = (histories.len(), self.settings.width);
        let embeddings = histories.embeddings(d, |row| self.weights(row));
        let embeddings = Tensor::from_data(TensorData::new(embeddings, [1, len, d]), &self.device);
        if let Network::Hmisr(network) = &self.network {
            let habits = HabitsOf::new(&self.catalogue, self.head).after(&rows);
            let view = network.last(embeddings, &histories, &[habits]);
            let diversity =
                match self.manifest.step >= UNLEARNED_STEPS && self.settings.hmisr.losses.diversity > 0.0 {
                    true => floats(view.diversity.clone().into_data())?.first().copied(),
                    false => <[f32; 6]>::try_from(floats(view.features.clone().into_data())?).ok().map(blend),
                };
            let vectors = floats(view.vectors.clone().into_data())?;
            let priors = floats(view.priors.clone().into_data())?;
            return Ok(User { vectors, priors, view: Some(view), diversity });
        }
        let dropout = Dropout::none();
        let input = Input { embeddings, histories: &histories, dropout: &dropout, training: None };
        let output = self.network.forward(input).vectors.narrow(0, len - 1, 1);
        Ok(User { vectors: floats(output.into_data())?, priors: vec![0.0], view: None, diversity: None })
    }

    /// Inner products of each vector with all items, `[K, items]`.
    fn scores(&self, vectors: &[f32]) -> Vec<f32> {
        let d = self.settings.width;
        let of =
            |vector: &[f32]| self.items.chunks_exact(d).map(|item| dot(item, vector)).collect::<Vec<_>>();
        vectors.chunks_exact(d).flat_map(of).collect()
    }

    /// The union of each vector's `most` best items that are allowed, ascending.
    fn retrieve(&self, scores: &[f32], allowed: &[bool], most: usize) -> Vec<u32> {
        let mut union = Vec::new();
        for scores in scores.chunks_exact(self.items().max(1)) {
            let mut order: Vec<u32> = (0..self.items() as u32).filter(|row| allowed[*row as usize]).collect();
            let by_score =
                |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
            if order.len() > most {
                order.select_nth_unstable_by(most, by_score);
                order.truncate(most);
            }
            union.extend(order);
        }
        union.sort_unstable();
        union.dedup();
        union
    }

    /// Candidates with their relevance, best first; ties by id.
    fn rank(&self, user: &User, scores: &[f32], candidates: Vec<u32>) -> Result<Vec<Candidate>> {
        let relevance = match (&self.network, &user.view) {
            (Network::Hmisr(network), Some(view))
                if !candidates.is_empty() && self.settings.hmisr.losses.ranking > 0.0 =>
            {
                let d = self.settings.width;
                let rows: Vec<f32> = candidates.iter().flat_map(|row| self.weights(*row)).copied().collect();
                let rows = Tensor::from_data(TensorData::new(rows, [candidates.len(), d]), &self.device);
                floats(network.rank(view, rows).into_data())?
            }
            _ => {
                let mut scores = scores.to_vec();
                let all = self.settings.architecture.logsumexp_or_max(
                    &mut scores,
                    &user.priors,
                    self.items().max(1),
                );
                candidates.iter().map(|row| all[*row as usize]).collect()
            }
        };
        let candidate = |(item, relevance)| Candidate { item, relevance };
        let mut ranked: Vec<Candidate> = candidates.into_iter().zip(relevance).map(candidate).collect();
        ranked.sort_by(|a, b| {
            b.relevance.total_cmp(&a.relevance).then_with(|| self.id(a.item).cmp(self.id(b.item)))
        });
        Ok(ranked)
    }

    /// How alike two items are, 0 to 1: half by category, half by the cosine of their embeddings.
    fn similarity(&self, one: u32, other: u32) -> f32 {
        let same = f32::from(u8::from(self.catalogue.category(one) == self.catalogue.category(other)));
        let (a, b) = (self.weights(one), self.weights(other));
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12);
        0.5 * same + 0.5 * cosine.max(0.0)
    }

    /// The items chosen most often; ties by id.
    fn popular(&self, k: usize, exclude: &dyn Fn(&Id) -> bool) -> Recommendation {
        let items = self.catalogue.items();
        let mut order: Vec<u32> = (0..items.len() as u32).filter(|row| !exclude(self.id(*row))).collect();
        let by_count = |a: &u32, b: &u32| {
            let count = |row: &u32| items[*row as usize].count;
            count(b).cmp(&count(a)).then_with(|| self.id(*a).cmp(self.id(*b)))
        };
        if order.len() > k && k > 0 {
            order.select_nth_unstable_by(k - 1, by_count);
        }
        order.truncate(k);
        order.sort_by(by_count);
        let scored =
            |(at, row): (usize, u32)| self.scored(row, items[row as usize].count as f32, None, at + 1);
        Recommendation {
            items: order.into_iter().enumerate().map(scored).collect(),
            source: Origin::Popularity,
            diversity_score: None,
            lambda: 0.0,
        }
    }

    fn scored(&self, row: u32, score: f32, interest: Option<usize>, relevance_rank: usize) -> Scored {
        let item = &self.catalogue.items()[row as usize];
        Scored { item: item.id.clone(), category: item.category.clone(), score, interest, relevance_rank }
    }

    fn weights(&self, row: u32) -> &[f32] {
        let d = self.settings.width;
        &self.items[row as usize * d..(row as usize + 1) * d]
    }

    fn id(&self, row: u32) -> &Id {
        &self.catalogue.items()[row as usize].id
    }

    /// Whether it has interests to show.
    pub fn has_interests(&self) -> bool {
        self.settings.architecture == Architecture::Hmisr
    }
}

/// Which interest scores an item highest, its prior included; of equals the first. `scores`
/// `[K, items]`.
fn best(scores: &[f32], priors: &[f32], item: u32) -> usize {
    let items = scores.len() / priors.len().max(1);
    let of = scores.iter().skip(item as usize).step_by(items.max(1)).zip(priors);
    let best = of.map(|(score, prior)| score + prior).enumerate();
    best.reduce(|best, next| if next.1 > best.1 { next } else { best }).map_or(0, |(k, _)| k)
}

fn floats(data: TensorData) -> Result<Vec<f32>> {
    data.to_vec::<f32>().map_err(|error| {
        Error::new(ErrorKind::Backend, format!("the backend does not compute in f32: {error:?}"))
    })
}
