//! A model that is asked offline, by the functions that a server answers with.

use std::sync::Arc;

use hmisr_features::Id;
use hmisr_model::backend::{Device, Inner};
use hmisr_model::hmisr::Stage;
use hmisr_model::{Kind, ModelSettings, Network, Parameters, Table};
use hmisr_recommend::artifact::Artifact;
use hmisr_recommend::counts::Counts;
use hmisr_recommend::counts::likelihood::Example;
use hmisr_recommend::{Fitted, History, Parts, Read, Recommender, User};
use rayon::prelude::*;

use super::learnt::Learnt;
use super::run::Run;
use crate::data::{Dataset, Event, UserFeatures};
use crate::error::{Error, Result};
use crate::measures::{LIST, dominant_categories};
use crate::rank::{Interests, Query, Scorer};
use crate::split::{Case, Split};

/// Users that the network reads at once.
const USERS: usize = 64;
/// Dominant categories of an interest, at most.
const DOMINANT: usize = 3;
/// No row: an item that the model does not know.
const UNKNOWN: u32 = u32::MAX;

/// A fitted network, or a published version.
///
/// What is retrieved and ranked as a server does it stands first; all other items follow in the order of their
/// joint score, so that every target has a rank.
#[derive(Debug)]
pub struct Neural<'a> {
    name: String,
    parts: Parts,
    split: &'a Split,
    /// The model's row of each item of the data set.
    rows: Vec<u32>,
    /// The model's number of each of the data's actions.
    actions: Vec<usize>,
    /// Of the data's users.
    features: Arc<UserFeatures>,
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
        learnt: &Learnt,
    ) -> Self {
        let features = learnt.features.settings().clone();
        let Learnt { catalogue, actions, foresight, .. } = learnt.clone();
        let parts = Parts {
            network: Network::bind(&settings, parameters, &device),
            items: Box::new(table),
            head: Fitted::head_of(&catalogue),
            catalogue,
            stage,
            actions,
            foresight,
            features,
            counts: None,
            device,
            settings,
        };
        let rows = (0..split.data.items.len() as u32).collect();
        let name = parts.settings.architecture.to_string();
        Self::over(name, parts, split, rows, learnt.features.clone())
    }

    /// The best weights of a run.
    ///
    /// # Errors
    /// [`Error::Input`] where the run has none or they are not whole.
    pub fn load(run: &Run, split: &'a Split, device: Device) -> Result<Self> {
        let settings = run.settings().model.clone();
        let (parameters, table, stage) = run.best_weights(split.data.items.len(), &device)?;
        let learnt = Learnt::of(split, run.settings());
        Ok(Self::new(settings, &parameters, table, split, device, stage, &learnt))
    }

    /// A published version. Items of the data set that it does not know are never recommended, and passed over in
    /// histories; items that are not in the data set are no candidates.
    ///
    /// # Errors
    /// [`Error::Model`] names the file that is not whole, and [`Error::Data`] a version that knows none of the
    /// items.
    pub fn published(artifact: &Artifact, split: &'a Split) -> Result<Self> {
        let name = format!("{}@{}", artifact.manifest().model.architecture, artifact.manifest().version);
        let failed =
            |error: hmisr_recommend::Error| Error::Model { model: name.clone(), source: error.into() };
        let parts = Recommender::of(artifact).map_err(failed)?.into_parts();
        let row = |item: &Id| parts.catalogue.row(item).unwrap_or(UNKNOWN);
        let rows: Vec<u32> = split.data.items.iter().map(row).collect();
        if rows.iter().all(|row| *row == UNKNOWN) {
            return Err(Error::Data {
                name: split.data.name.clone(),
                problem: format!("{name} knows none of its {} items", rows.len()),
                remedy: "give the data that the version was trained on, with the same item ids".to_owned(),
            });
        }
        let is_neutral = |action: &str| !parts.actions.is_positive(action);
        let features = Arc::new(UserFeatures::new(&split.data, &parts.features, is_neutral));
        Ok(Self::over(name, parts, split, rows, features))
    }

    fn over(
        name: String,
        parts: Parts,
        split: &'a Split,
        rows: Vec<u32>,
        features: Arc<UserFeatures>,
    ) -> Self {
        let actions = split.data.actions.iter().map(|action| parts.actions.number(action)).collect();
        Self { name, parts, split, rows, actions, features, ranks: true }
    }

    /// Share of the data set's items that the model knows.
    pub fn known_items(&self) -> f64 {
        let known = self.rows.iter().filter(|row| **row != UNKNOWN).count();
        known as f64 / self.rows.len().max(1) as f64
    }

    /// The same, ranking by the joint score of all interests, without HMISR's aggregation.
    #[must_use]
    pub fn without_aggregation(mut self) -> Self {
        self.ranks = false;
        self
    }

    /// The counts, worth what `cases` tell beside the network, one after the other.
    pub(super) fn weighed(mut self, counts: Counts, cases: &[Case]) -> Result<Counts> {
        let standing = counts.standing(&self.parts.catalogue, self.parts.catalogue.len());
        let mut learnt = counts.clone();
        self.parts.counts = Some((counts, standing));
        for cases in cases.chunks(USERS) {
            let queries: Vec<Query<'_>> = cases.iter().map(|case| self.split.query(*case)).collect();
            let users = self.users(&queries)?;
            let asked = users.par_iter().zip(&queries).zip(cases);
            let examples: Vec<Option<Example>> = asked
                .map(|((user, query), case)| {
                    self.example(user.as_ref()?, query, self.split.target(*case).item)
                })
                .collect();
            examples.iter().flatten().for_each(|example| learnt.learn(example));
        }
        Ok(learnt)
    }

    /// What a case of a model of the data's own items tells of the counts' worth; none where the target cannot be
    /// found.
    fn example(&self, user: &User, query: &Query<'_>, target: u32) -> Option<Example> {
        let (counts, standing) = self.parts.counts.as_ref()?;
        let mut may: Vec<bool> = (0..self.rows.len() as u32).map(|item| !self.split.is_cold(item)).collect();
        if self.split.filter_seen {
            query.history.iter().for_each(|event| may[event.item as usize] = false);
        }
        let rows: Vec<u32> = (0..).zip(&may).filter(|(_, may)| **may).map(|(row, _)| row).collect();
        let network = self.parts.fitted().network(user, &rows);
        counts.said(standing, &self.parts.catalogue, &user.choices).example(&rows, &network, target)
    }

    /// Trainable weights, the items' embeddings included.
    pub fn parameters(&self) -> usize {
        let Parts { settings, items, device, .. } = &self.parts;
        Network::<Inner>::fresh(settings, device).weights() + items.len() * settings.width
    }

    /// What the network says of each query's user; none where it knows nothing of the history.
    fn users(&self, queries: &[Query<'_>]) -> Result<Vec<Option<User>>> {
        let read = |event: &Event| {
            let row = self.rows[event.item as usize];
            let kind = Kind::new(self.actions[usize::from(event.action)], event.weight);
            (row != UNKNOWN).then_some(Read { row, ts: event.ts_ms, kind })
        };
        let history = |query: &Query<'_>| History {
            now: query.now_ms,
            features: self.features.before(&self.split.data, query.user, query.history.len()),
            ..History::newest(&self.parts.settings, query.history.iter().rev().filter_map(read))
        };
        let histories: Vec<History> = queries.iter().map(history).collect();
        let told: Vec<History> =
            histories.iter().filter(|history| !history.rows.is_empty()).cloned().collect();
        let mut users = match told.is_empty() {
            true => Vec::new(),
            false => self.parts.fitted().read(&told).map_err(|error| self.failed(error))?,
        }
        .into_iter();
        Ok(histories
            .iter()
            .map(|history| if history.rows.is_empty() { None } else { users.next() })
            .collect())
    }

    /// Scores of the model's items by all of the user's vectors; by their counts where nothing is known of the
    /// user.
    fn joint(&self, user: Option<&User>, all: &[u32]) -> Vec<f32> {
        match user {
            Some(user) => self.parts.fitted().joint(user, all),
            None => self.parts.catalogue.items().iter().map(|item| item.count as f32).collect(),
        }
    }

    /// Puts what a server would retrieve, as it ranks it, above all others.
    fn put_first(&self, user: &User, query: &Query<'_>, scores: &mut [f32]) -> Result<()> {
        let fitted = self.parts.fitted();
        let mut allowed = vec![false; fitted.items.len()];
        self.rows.iter().filter(|row| **row != UNKNOWN).for_each(|row| allowed[*row as usize] = true);
        if self.split.filter_seen {
            let seen = query.history.iter().map(|event| self.rows[event.item as usize]);
            seen.filter(|row| *row != UNKNOWN).for_each(|row| allowed[row as usize] = false);
        }
        let candidates = fitted.candidates(user, LIST, &|row| allowed[row as usize]);
        let candidates = candidates.map_err(|error| self.failed(error))?;
        let Some(least) = candidates.last() else { return Ok(()) };
        let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let down = (greatest - least.relevance + 1.0).max(0.0);
        scores.iter_mut().for_each(|score| *score -= down);
        for candidate in &candidates {
            scores[candidate.item as usize] = candidate.relevance;
        }
        Ok(())
    }

    fn failed(&self, error: hmisr_recommend::Error) -> Error {
        Error::Model { model: self.name.clone(), source: error.into() }
    }
}

impl Scorer for Neural<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>> {
        let all: Vec<u32> = (0..self.parts.items.len() as u32).collect();
        let mut found = Vec::with_capacity(queries.len() * self.rows.len());
        for queries in queries.chunks(USERS) {
            let users = self.users(queries)?;
            let scores: Vec<Vec<f32>> =
                users.par_iter().map(|user| self.joint(user.as_ref(), &all)).collect();
            for ((user, query), mut scores) in users.iter().zip(queries).zip(scores) {
                if let Some(user) =
                    user.as_ref().filter(|user| self.ranks && self.parts.fitted().aggregates(user))
                {
                    self.put_first(user, query, &mut scores)?;
                }
                let score =
                    |row: &u32| if *row == UNKNOWN { f32::NEG_INFINITY } else { scores[*row as usize] };
                found.extend(self.rows.iter().map(score));
            }
        }
        Ok(found)
    }

    fn gives_likelihoods(&self) -> bool {
        true
    }

    fn diversity(&mut self, queries: &[Query<'_>]) -> Result<Option<Vec<f32>>> {
        let mut all = Vec::with_capacity(queries.len());
        for queries in queries.chunks(USERS) {
            for user in self.users(queries)? {
                match user.map(|user| user.diversity) {
                    Some(None) => return Ok(None),
                    Some(Some(score)) => all.push(score),
                    None => all.push(f32::NAN),
                }
            }
        }
        Ok(Some(all))
    }

    /// An interest is about the events that it answers for: each event of the history weighs
    /// softmax_k of its item's inner products with the user's vectors.
    fn interests(&mut self, queries: &[Query<'_>]) -> Result<Option<Vec<Interests>>> {
        let mut all = Vec::with_capacity(queries.len());
        for queries in queries.chunks(USERS) {
            for (query, user) in queries.iter().zip(self.users(queries)?) {
                match user {
                    Some(user) if user.interests() == 1 => return Ok(None),
                    Some(user) => all.push(self.interests_of(query.history, &user.vectors)),
                    None => all.push(Interests::default()),
                }
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

impl Neural<'_> {
    fn interests_of(&self, history: &[Event], vectors: &[f32]) -> Interests {
        let d = self.parts.settings.width;
        let k = vectors.len() / d;
        let owners = self.parts.network.owners().filter(|_| k > 1);
        let mut weights = vec![Vec::with_capacity(history.len()); k];
        for event in history {
            let row = self.rows[event.item as usize];
            if row == UNKNOWN {
                weights.iter_mut().for_each(|weights| weights.push(0.0));
                continue;
            }
            let item = self.parts.items.row(row);
            if let Some(owners) = &owners {
                let owner = owners.of(item);
                let belongs =
                    |(nth, weights): (usize, &mut Vec<f32>)| weights.push(f32::from(u8::from(nth == owner)));
                weights.iter_mut().enumerate().for_each(belongs);
                continue;
            }
            let dot = |vector: &[f32]| vector.iter().zip(item).map(|(a, b)| a * b).sum::<f32>();
            let scores: Vec<f32> = vectors.chunks_exact(d).map(dot).collect();
            let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = scores.iter().map(|score| (score - max).exp()).sum();
            for (weights, score) in weights.iter_mut().zip(&scores) {
                weights.push((score - max).exp() / sum);
            }
        }
        let data: &Dataset = &self.split.data;
        Interests {
            vectors: vectors.chunks_exact(d).map(<[f32]>::to_vec).collect(),
            dominant: weights
                .iter()
                .map(|weights| dominant_categories(data, history, weights, DOMINANT))
                .collect(),
        }
    }
}
