//! A published version that answers requests (design, section 4.3 "Inference").
//!
//! Each of a user's vectors retrieves its best items; activation and aggregation rank their union; the
//! re-ranking trades relevance for diversity by as much as the user's DiversityScore asks for.
//! Networks of one vector retrieve by it and are re-ranked on request alone.

use std::path::Path;

use hmisr_features::Id;
use hmisr_model::{Architecture, Network, backend};

use crate::answer::{Origin, Recommendation, Request, Scored};
use crate::artifact::{Artifact, Manifest};
use crate::fitted::{Fitted, History, Parts, Rows, User};
use crate::list::List;
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
        let parts = Parts {
            network,
            items: Box::new(Rows { width: settings.width, weights: published.items }),
            settings,
            catalogue: published.catalogue,
            stage: manifest.stage,
            step: manifest.step,
            head,
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

    /// Whether it has interests to show.
    pub fn has_interests(&self) -> bool {
        self.parts.settings.architecture == Architecture::Hmisr
    }

    /// Answers a request. Unknown items of the history are passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`] where the backend gives no f32.
    pub fn recommend(&self, request: &Request<'_>) -> Result<Recommendation> {
        let k = request.k.min(MOST);
        let Some(user) = self.user(request.history)? else {
            return Ok(self.popular(k, request.exclude));
        };
        let fitted = self.fitted();
        let items = self.parts.catalogue.items();
        let allowed: Vec<bool> = items.iter().map(|item| !(request.exclude)(&item.id)).collect();
        let list = List { k, lambda: request.lambda, allowed: &|row| allowed[row as usize] };
        let listed = fitted.list(&user, &list)?;
        let scored = |(candidate, rank): (&crate::rerank::Candidate, &usize)| {
            let interest = fitted.interest(&user, candidate.item);
            self.scored(candidate.item, candidate.relevance, interest, *rank)
        };
        Ok(Recommendation {
            items: listed.items.iter().zip(&listed.relevance_ranks).map(scored).collect(),
            source: Origin::Model,
            diversity_score: user.diversity,
            lambda: listed.lambda,
        })
    }

    /// The newest known events that the network reads.
    pub(crate) fn known(&self, history: &[(Id, i64)]) -> History {
        let known = |(id, ts): &(Id, i64)| Some((self.parts.catalogue.row(id)?, *ts));
        let known: Vec<(u32, i64)> = history.iter().filter_map(known).collect();
        History::newest(&self.parts.settings, known.into_iter())
    }

    /// What the network says of a user; none where it knows nothing of the history.
    pub(crate) fn user(&self, history: &[(Id, i64)]) -> Result<Option<User>> {
        let known = self.known(history);
        if known.rows.is_empty() {
            return Ok(None);
        }
        let mut users = self.fitted().read(&[known])?;
        users
            .pop()
            .map(Some)
            .ok_or_else(|| Error::new(ErrorKind::Backend, "the network said nothing of the user"))
    }

    /// The items chosen most often; ties by id.
    fn popular(&self, k: usize, exclude: &dyn Fn(&Id) -> bool) -> Recommendation {
        let items = self.parts.catalogue.items();
        let mut order: Vec<u32> =
            (0..items.len() as u32).filter(|row| !exclude(&items[*row as usize].id)).collect();
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
        }
    }

    fn scored(&self, row: u32, score: f32, interest: Option<usize>, relevance_rank: usize) -> Scored {
        let item = &self.parts.catalogue.items()[row as usize];
        let category = item.categories[0].clone();
        Scored { item_id: item.id.clone(), category, score, interest, relevance_rank }
    }
}
