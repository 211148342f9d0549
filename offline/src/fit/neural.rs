//! A fitted network as a scorer.

use burn::tensor::{Tensor, TensorData};
use hmisr_model::backend::{Device, Inner};
use hmisr_model::dropout::Dropout;
use hmisr_model::hmisr::{Habits, Hmisr, Stage, View};
use hmisr_model::{Histories, Input, ModelSettings, Network, Parameters, Reading, Table};

use super::habits::HabitsOf;
use super::run::Run;
use crate::data::{Dataset, Event};
use crate::error::{Error, Result};
use crate::measures::dominant_categories;
use crate::rank::{Interests, Query, Scorer};
use crate::split::Split;

/// Users that the network reads at once.
const USERS: usize = 64;
/// Candidates of each interest, which HMISR's aggregation ranks.
const RETRIEVED: usize = 100;
/// Dominant categories of an interest, at most.
const DOMINANT: usize = 3;

/// A fitted network.
///
/// It scores as a server does. HMISR retrieves [`RETRIEVED`] items an interest, and its
/// aggregation ranks those; all others follow in the order of their joint score.
#[derive(Debug)]
pub struct Neural<'a> {
    name: String,
    settings: ModelSettings,
    network: Network<Inner>,
    table: Table,
    catalogue: Tensor<Inner, 2>,
    split: &'a Split,
    habits: HabitsOf,
    device: Device,
    /// Whether both of HMISR's levels speak, or its encoder alone.
    aggregates: bool,
    /// Whether HMISR's aggregation ranks what the interests retrieve.
    ranks: bool,
}

impl<'a> Neural<'a> {
    pub(super) fn new(
        settings: ModelSettings,
        parameters: &Parameters,
        table: Table,
        split: &'a Split,
        device: Device,
        stage: Stage,
    ) -> Self {
        Self {
            name: settings.architecture.to_string(),
            network: Network::bind(&settings, parameters, &device),
            catalogue: table.tensor::<Inner>(&device),
            table,
            habits: HabitsOf::new(split),
            split,
            device,
            aggregates: stage != Stage::Coarse,
            ranks: settings.hmisr.losses.ranking > 0.0,
            settings,
        }
    }

    /// The best weights of a run.
    ///
    /// # Errors
    /// [`Error::Input`] where the run has none or they are not whole.
    pub fn load(run: &Run, split: &'a Split, device: Device) -> Result<Self> {
        let settings = run.settings().model.clone();
        let mut parameters = Network::<Inner>::fresh(&settings, &device);
        let progress = run.progress()?;
        let Some(best) = progress.best() else {
            return Err(Error::input(run.folder(), "no epoch was done yet", "a run of at least one epoch"));
        };
        let stage = best.stage;
        let table = run.best(&mut parameters, split.data.items.len())?;
        Ok(Self::new(settings, &parameters, table, split, device, stage))
    }

    /// The same, ranking by the joint score of all interests, without HMISR's aggregation.
    #[must_use]
    pub fn without_aggregation(mut self) -> Self {
        self.ranks = false;
        self
    }

    /// Trainable weights, the items' embeddings included.
    pub fn parameters(&self) -> usize {
        let device = &self.device;
        let network = Network::<Inner>::fresh(&self.settings, device).weights();
        network + self.table.len() * self.table.width()
    }

    fn histories(&self, queries: &[Query<'_>]) -> (Histories, Tensor<Inner, 3>) {
        let read: Vec<(Vec<u32>, Vec<i64>)> =
            queries.iter().map(|query| columns(newest(query.history, self.settings.reach()))).collect();
        let readings: Vec<Reading<'_>> =
            read.iter().map(|(rows, times)| Reading::newest(&self.settings, rows, times)).collect();
        let weights = |row| self.table.weights(row);
        let histories = Histories::remembering(&readings, self.settings.memory, weights);
        let shape = [histories.count(), histories.len(), self.table.width()];
        let data = TensorData::new(histories.embeddings(self.table.width(), weights), shape);
        let embeddings = Tensor::from_data(data, &self.device);
        (histories, embeddings)
    }

    /// What HMISR says of the users; none for other networks and in its first stage.
    fn view(&self, queries: &[Query<'_>]) -> Option<(&Hmisr<Inner>, View<Inner>)> {
        let (Network::Hmisr(hmisr), true) = (&self.network, self.aggregates) else { return None };
        let (histories, embeddings) = self.histories(queries);
        let habits: Vec<Habits> =
            queries.iter().map(|query| self.habits.after(&self.split.data, query.history)).collect();
        Some((hmisr, hmisr.last(embeddings, &histories, &habits)))
    }

    /// The users' vectors, `[queries, K, d]`, and K.
    fn vectors(&self, queries: &[Query<'_>], view: Option<&View<Inner>>) -> Result<(Vec<f32>, usize)> {
        let vectors = match view {
            Some(view) => view.vectors.clone(),
            None => {
                let (histories, embeddings) = self.histories(queries);
                let dropout = Dropout::none();
                // In its first stage HMISR says what its encoder says.
                let output = match &self.network {
                    Network::Hmisr(hmisr) => hmisr.states(embeddings, &histories, &dropout),
                    network => {
                        let input =
                            Input { embeddings, histories: &histories, dropout: &dropout, training: None };
                        network.forward(input).vectors
                    }
                };
                let last = |(nth, length): (usize, &usize)| (nth * histories.len() + length - 1) as i64;
                let places: Vec<i64> = histories.lengths().iter().enumerate().map(last).collect();
                let places = TensorData::new(places, [queries.len()]);
                output.select(0, Tensor::from_data(places, &self.device))
            }
        };
        let interests = vectors.dims()[1];
        let values = vectors.into_data();
        let values = values.as_slice::<f32>().map_err(|error| Error::Scores {
            model: self.name.clone(),
            problem: format!("the backend does not compute in f32: {error:?}"),
        })?;
        Ok((values.to_vec(), interests))
    }

    /// Inner products, `[rows, items]`, of vectors `[rows, d]`.
    fn products(&self, vectors: &[f32]) -> Vec<f32> {
        let d = self.table.width();
        let data = TensorData::new(vectors.to_vec(), [vectors.len() / d, d]);
        let products =
            Tensor::<Inner, 2>::from_data(data, &self.device).matmul(self.catalogue.clone().transpose());
        products.into_data().to_vec::<f32>().unwrap_or_default()
    }

    /// Puts what the aggregation says of the retrieved items above all others.
    fn aggregate(
        &self,
        (hmisr, view): (&Hmisr<Inner>, &View<Inner>),
        queries: &[Query<'_>],
        products: &[f32],
        scores: &mut [f32],
    ) {
        let items = self.table.len();
        let k = products.len() / scores.len();
        for (nth, query) in queries.iter().enumerate() {
            let row = &mut scores[nth * items..(nth + 1) * items];
            let mut seen = vec![false; items];
            if self.split.filter_seen {
                query.history.iter().for_each(|event| seen[event.item as usize] = true);
            }
            let by_interest = &products[nth * k * items..(nth + 1) * k * items];
            let candidates = candidates(by_interest, items, &seen);
            let count = candidates.len();
            if count == 0 {
                continue;
            }
            let data =
                TensorData::new(self.table.gather(candidates.iter().copied()), [count, self.table.width()]);
            let ranked = hmisr.rank(&view.user(nth), Tensor::from_data(data, &self.device)).into_data();
            let ranked = ranked.as_slice::<f32>().unwrap_or_default();
            let least = ranked.iter().copied().fold(f32::INFINITY, f32::min);
            let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let down = (greatest - least + 1.0).max(0.0);
            row.iter_mut().for_each(|score| *score -= down);
            for (candidate, score) in candidates.iter().zip(ranked) {
                row[*candidate as usize] = *score;
            }
        }
    }
}

/// The union of each interest's best items, ascending. `products` `[K, items]`.
fn candidates(products: &[f32], items: usize, seen: &[bool]) -> Vec<u32> {
    let mut union = Vec::new();
    for row in products.chunks_exact(items) {
        let mut order: Vec<u32> = (0..items as u32).filter(|item| !seen[*item as usize]).collect();
        let by_score = |a: &u32, b: &u32| row[*b as usize].total_cmp(&row[*a as usize]).then(a.cmp(b));
        if order.len() > RETRIEVED {
            order.select_nth_unstable_by(RETRIEVED - 1, by_score);
            order.truncate(RETRIEVED);
        }
        union.extend(order);
    }
    union.sort_unstable();
    union.dedup();
    union
}

/// Item rows and times of events.
pub(super) fn columns(events: &[Event]) -> (Vec<u32>, Vec<i64>) {
    events.iter().map(|event| (event.item, event.ts_ms)).unzip()
}

fn newest(events: &[Event], most: usize) -> &[Event] {
    &events[events.len().saturating_sub(most)..]
}

impl Scorer for Neural<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>> {
        let items = self.table.len();
        let mut all = Vec::with_capacity(queries.len() * items);
        for queries in queries.chunks(USERS) {
            let view = self.view(queries);
            let (vectors, k) = self.vectors(queries, view.as_ref().map(|(_, view)| view))?;
            let products = self.products(&vectors);
            let mut scores = Vec::with_capacity(queries.len() * items);
            let priors = view.as_ref().map(|(_, view)| view.priors.clone().into_data());
            let priors = priors.as_ref().and_then(|priors| priors.as_slice::<f32>().ok()).unwrap_or_default();
            for (nth, of_user) in products.chunks_exact(k * items).enumerate() {
                let priors = priors.get(nth * k..(nth + 1) * k).unwrap_or_default();
                let together = self
                    .settings
                    .architecture
                    .logsumexp_or_max(&mut of_user.to_vec(), priors, items)
                    .to_vec();
                scores.extend(together);
            }
            if let (Some((hmisr, view)), true) = (&view, self.ranks) {
                self.aggregate((hmisr, view), queries, &products, &mut scores);
            }
            all.extend(scores);
        }
        Ok(all)
    }

    fn gives_likelihoods(&self) -> bool {
        true
    }

    fn diversity(&mut self, queries: &[Query<'_>]) -> Result<Option<Vec<f32>>> {
        let mut all = Vec::with_capacity(queries.len());
        for queries in queries.chunks(USERS) {
            let Some((_, view)) = self.view(queries) else { return Ok(None) };
            let scores = view.diversity.into_data();
            all.extend_from_slice(scores.as_slice::<f32>().unwrap_or_default());
        }
        Ok(Some(all))
    }

    /// An interest is about the events that it answers for: each event of the history weighs
    /// softmax_k of its item's inner products with the user's vectors.
    fn interests(&mut self, queries: &[Query<'_>]) -> Result<Option<Vec<Interests>>> {
        let d = self.table.width();
        let mut all = Vec::with_capacity(queries.len());
        for queries in queries.chunks(USERS) {
            let view = self.view(queries);
            let (vectors, k) = self.vectors(queries, view.as_ref().map(|(_, view)| view))?;
            if k == 1 {
                return Ok(None);
            }
            for (query, vectors) in queries.iter().zip(vectors.chunks_exact(k * d)) {
                all.push(interests_of(&self.split.data, &self.table, query.history, vectors));
            }
        }
        Ok(Some(all))
    }
}

/// A network's scores without what validation does not look at.
#[derive(Debug)]
pub(super) struct ScoresOnly<'a>(pub(super) Neural<'a>);

impl Scorer for ScoresOnly<'_> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn score(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>> {
        self.0.score(queries)
    }
}

fn interests_of(data: &Dataset, table: &Table, history: &[Event], vectors: &[f32]) -> Interests {
    let d = table.width();
    let k = vectors.len() / d;
    let mut weights = vec![Vec::with_capacity(history.len()); k];
    for event in history {
        let item = table.weights(event.item);
        let dot = |vector: &[f32]| vector.iter().zip(item).map(|(a, b)| a * b).sum::<f32>();
        let scores: Vec<f32> = vectors.chunks_exact(d).map(dot).collect();
        let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = scores.iter().map(|score| (score - max).exp()).sum();
        for (weights, score) in weights.iter_mut().zip(&scores) {
            weights.push((score - max).exp() / sum);
        }
    }
    Interests {
        vectors: vectors.chunks_exact(d).map(<[f32]>::to_vec).collect(),
        dominant: weights
            .iter()
            .map(|weights| dominant_categories(data, history, weights, DOMINANT))
            .collect(),
    }
}
