//! A published version that answers requests (design, section 4.3 "Inference").
//!
//! Each of a user's vectors retrieves its best items, and so do all of them together beside what the stream counts;
//! the joint score and the counts rank their union, or activation and aggregation where nothing is counted; the
//! re-ranking trades relevance for diversity by as much as the user's DiversityScore asks for.
//! Networks of one vector are re-ranked on request alone.

use std::collections::HashSet;
use std::path::Path;

use hmisr_features::Id;
use hmisr_model::{Network, backend};

use crate::answer::{Event, Known, Origin, Recommendation, Request, Scored, Why};
use crate::artifact::{Artifact, Manifest};
use crate::fitted::{Fitted, History, Parts, Read, Rows, User};
use crate::habits;
use crate::list::List;
use crate::rerank::Candidate;
use crate::{Error, ErrorKind, Result};

/// Items that one answer may hold.
pub const MOST: usize = 1_000;

/// A version's model, immutable, for any number of threads at once.
#[derive(Debug)]
pub struct Recommender {
    manifest: Manifest,
    parts: Parts,
}

impl Recommender {
    /// Loads a version below `root`, the newest where `version` is none.
    ///
    /// # Errors
    /// As [`Artifact::open`]; [`ErrorKind::Corrupt`] names the file that is not whole.
    pub fn load(root: &Path, version: Option<u64>) -> Result<Self> {
        Self::of(&Artifact::open(root, version)?)
    }

    /// The same of an open version.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] names the file that is not whole.
    pub fn of(artifact: &Artifact) -> Result<Self> {
        let published = artifact.published()?;
        let manifest = artifact.manifest().clone();
        let settings = manifest.model.clone();
        let device = backend::device()?;
        let network = Network::bind(&settings, &published.parameters, &device);
        let head = Fitted::head_of(&published.catalogue);
        let counts = published.counts.map(|counts| {
            let standing = counts.standing(&published.catalogue, published.catalogue.len());
            (counts, standing)
        });
        let parts = Parts {
            network,
            items: Box::new(Rows { width: settings.width, weights: published.items }),
            settings,
            catalogue: published.catalogue,
            stage: manifest.stage,
            head,
            actions: manifest.actions.clone(),
            foresight: manifest.foresight,
            features: manifest.features.clone(),
            counts,
            device,
        };
        Ok(Self { manifest, parts })
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.manifest.version
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The model.
    pub fn fitted(&self) -> Fitted<'_> {
        self.parts.fitted()
    }

    /// The model's parts, for whoever asks it in another way.
    pub fn into_parts(self) -> Parts {
        self.parts
    }

    /// The items that it knows.
    pub fn items(&self) -> usize {
        self.parts.catalogue.len()
    }

    /// Answers a request. Unknown items of the history are passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`] where the backend gives no f32.
    pub fn recommend(&self, request: &Request<'_>) -> Result<Recommendation> {
        let k = request.k.min(MOST);
        let items = self.parts.catalogue.items();
        let may = |row: u32| {
            let item = &items[row as usize];
            !(request.exclude)(&item.id) && (request.allowed)(&item.categories)
        };
        let (candidates, unknown_candidates) = request.candidates.map(|ids| self.rows(ids)).unzip();
        let unknown_candidates = unknown_candidates.unwrap_or_default();
        let known = self.known(&request.known);
        let Some(user) = self.user(&known)? else {
            let rows = candidates.unwrap_or_else(|| (0..items.len() as u32).collect());
            let rows = rows.into_iter().filter(|row| may(*row)).collect();
            return Ok(Recommendation { unknown_candidates, ..self.popular(k, rows) });
        };
        let fitted = self.fitted();
        let listed = match &candidates {
            Some(rows) => fitted.list_of(&user, rows, &List { k, lambda: request.lambda, allowed: &may })?,
            None => {
                // Each is asked once, and not by every vector anew.
                let allowed: Vec<bool> = (0..items.len() as u32).map(may).collect();
                let allowed = |row: u32| allowed[row as usize];
                fitted.list(&user, &List { k, lambda: request.lambda, allowed: &allowed })?
            }
        };
        let reasons = match request.explain {
            true => fitted.reasons(&user, &known, &listed)?.into_iter().map(Some).collect(),
            false => vec![None; listed.items.len()],
        };
        let scored = |((candidate, rank), why): ((&Candidate, &usize), Option<Why>)| {
            let interest = fitted.interest(&user, candidate.item);
            Scored { why, ..self.scored(candidate.item, candidate.relevance, interest, *rank) }
        };
        Ok(Recommendation {
            items: listed.items.iter().zip(&listed.relevance_ranks).zip(reasons).map(scored).collect(),
            source: Origin::Model,
            diversity_score: user.diversity,
            lambda: listed.lambda,
            unknown_candidates,
        })
    }

    /// The rows of the first [`MOST`] ids, and those that have none; each once.
    fn rows(&self, ids: &[Id]) -> (Vec<u32>, Vec<Id>) {
        let (mut rows, mut unknown, mut met) = (Vec::new(), Vec::new(), HashSet::new());
        for id in ids.iter().take(MOST).filter(|id| met.insert(*id)) {
            match self.parts.catalogue.row(id) {
                Some(row) => rows.push(row),
                None => unknown.push(id.clone()),
            }
        }
        (rows, unknown)
    }

    /// The newest events that the network reads, of those that it knows.
    pub(crate) fn known(&self, known: &Known<'_>) -> History {
        let Parts { settings, catalogue, actions, features, head, .. } = &self.parts;
        let read = |event: &Event| {
            let row = catalogue.row(&event.item)?;
            Some(Read { row, ts: event.ts, kind: actions.kind(&event.action, event.weight) })
        };
        let choice = |event: &Event| {
            let row = catalogue.row(&event.item)?;
            let is_positive =
                actions.is_positive(&event.action) && event.weight.is_none_or(|weight| weight >= 0.0);
            Some((row, event.ts, is_positive))
        };
        let of_history =
            || habits::features(catalogue, *head, features, known.history.iter().filter_map(choice));
        let last = known.history.last().map_or(0, |event| event.ts);
        History {
            now: known.now.unwrap_or(last),
            features: known.features.copied().unwrap_or_else(of_history),
            ..History::newest(settings, known.history.iter().rev().filter_map(read))
        }
    }

    /// What the network says of a user; none where it knows nothing of the history.
    pub(crate) fn user(&self, known: &History) -> Result<Option<User>> {
        if known.rows.is_empty() {
            return Ok(None);
        }
        let mut users = self.fitted().read(std::slice::from_ref(known))?;
        users
            .pop()
            .map(Some)
            .ok_or_else(|| Error::new(ErrorKind::Backend, "the network said nothing of the user"))
    }

    /// Those of the rows chosen most often; ties by id.
    fn popular(&self, k: usize, mut order: Vec<u32>) -> Recommendation {
        let items = self.parts.catalogue.items();
        let by_count = |a: &u32, b: &u32| {
            let (a, b) = (&items[*a as usize], &items[*b as usize]);
            b.count.cmp(&a.count).then_with(|| a.id.cmp(&b.id))
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
            unknown_candidates: Vec::new(),
        }
    }

    fn scored(&self, row: u32, score: f32, interest: Option<usize>, relevance_rank: usize) -> Scored {
        let item = &self.parts.catalogue.items()[row as usize];
        let category = item.categories[0].clone();
        Scored { item_id: item.id.clone(), category, score, interest, relevance_rank, why: None }
    }
}
