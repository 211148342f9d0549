//! Recommendations from a snapshot, without what only training needs.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use hmisr_stream::contract::Id;

use crate::backend::{self, Device, Inner};
use crate::catalogue::Catalogue;
use crate::dot::dot;
use crate::model::{Encoder, pair_buckets};
use crate::settings::ModelSettings;
use crate::snapshot::{Manifest, Snapshot};
use crate::{Error, ErrorKind, Result};

/// Items that one answer may hold.
pub const MOST: usize = 1_000;

/// A snapshot's model, immutable, for any number of threads at once.
#[derive(Debug)]
pub struct Recommender {
    manifest: Manifest,
    settings: ModelSettings,
    encoder: Encoder<Inner>,
    device: Device,
    catalogue: Catalogue,
    /// `[items, d]`.
    items: Vec<f32>,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The model, from the user's history.
    Model,
    /// How often each item was chosen: the user has no history that the model knows.
    Popularity,
}

/// A recommended item.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The item.
    pub item: Id,
    /// Its category.
    pub category: Id,
    /// The logit, or the count.
    pub score: f32,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// Best first; ties by id.
    pub items: Vec<Scored>,
    /// Where it comes from.
    pub source: Origin,
}

/// A candidate: the greatest is the best.
struct Candidate<'a> {
    score: f32,
    row: usize,
    id: &'a Id,
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.id.cmp(self.id))
    }
}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate<'_> {}

impl Recommender {
    /// Loads a version below `root`, the newest where `version` is none.
    ///
    /// # Errors
    /// As [`Snapshot::open`]; [`ErrorKind::Corrupt`] names the file that is not whole.
    pub fn load(root: &Path, version: Option<u64>) -> Result<Self> {
        let snapshot = Snapshot::open(root, version)?;
        let model = snapshot.model()?;
        let manifest = snapshot.manifest().clone();
        let settings = manifest.settings.model.clone();
        let device = backend::device()?;
        let encoder = Encoder::new(&settings, model.parameters.bind(&device));
        Ok(Self { manifest, settings, encoder, device, catalogue: model.catalogue, items: model.items })
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

    /// The best `k` items (at most [`MOST`]) for a user whose history is `history`: item and
    /// event time in epoch milliseconds, oldest first. Unknown items are passed over, and so is
    /// what `exclude` names.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`] where the backend gives no f32.
    pub fn recommend(
        &self,
        history: &[(Id, i64)],
        k: usize,
        exclude: &dyn Fn(&Id) -> bool,
    ) -> Result<Recommendation> {
        let known: Vec<(u32, i64)> =
            history.iter().filter_map(|(id, ts)| Some((self.catalogue.row(id)?, *ts))).collect();
        let newest = &known[known.len().saturating_sub(self.settings.max_len)..];
        let (scores, source) = match newest.is_empty() {
            true => (self.counts(), Origin::Popularity),
            false => (self.scores(newest)?, Origin::Model),
        };
        let candidate = |(row, score)| Candidate { score, row, id: &self.catalogue.items()[row].id };
        let mut heap: BinaryHeap<Candidate<'_>> = scores.into_iter().enumerate().map(candidate).collect();
        let mut items = Vec::new();
        while items.len() < k.min(MOST) {
            let Some(best) = heap.pop() else { break };
            if !exclude(best.id) {
                let item = &self.catalogue.items()[best.row];
                items.push(Scored {
                    item: item.id.clone(),
                    category: item.category.clone(),
                    score: best.score,
                });
            }
        }
        Ok(Recommendation { items, source })
    }

    fn counts(&self) -> Vec<f32> {
        self.catalogue.items().iter().map(|item| item.count as f32).collect()
    }

    fn scores(&self, history: &[(u32, i64)]) -> Result<Vec<f32>> {
        let (len, d) = (history.len(), self.settings.width);
        let times: Vec<i64> = history.iter().map(|(_, ts)| *ts).collect();
        let mut embeddings = Vec::with_capacity(len * d);
        for (row, _) in history {
            let start = *row as usize * d;
            embeddings.extend_from_slice(&self.items[start..start + d]);
        }
        let input = Tensor::from_data(TensorData::new(embeddings, [1, len, d]), &self.device);
        let buckets = pair_buckets([times.as_slice()].into_iter(), len);
        let states = self.encoder.forward(input, buckets).into_data();
        let states = states.as_slice::<f32>().map_err(|error| {
            Error::new(ErrorKind::Backend, format!("the backend does not compute in f32: {error:?}"))
        })?;
        let last = &states[(len - 1) * d..];
        Ok(self.items.chunks_exact(d).map(|item| dot(item, last)).collect())
    }
}
