//! A network that reads histories.

use std::fmt::Debug;
use std::sync::OnceLock;

use burn::tensor::{Tensor, TensorData};
use hmisr_features::{FeatureSettings, Features};
use hmisr_model::backend::{Device, Inner};
use hmisr_model::dropout::Dropout;
use hmisr_model::hmisr::{Habits, Stage, View, blend};
use hmisr_model::{Histories, Input, Kind, ModelSettings, Network, Reading, Table};

use crate::actions::Actions;
use crate::catalogue::Catalogue;
use crate::counts::{Counts, RECENT, Standing};
use crate::foresight::Foresight;
use crate::habits::{habits, head};
use crate::{Error, ErrorKind, Result};

/// Optimizer steps before which a second level that begins anew has learnt too little to speak: the encoder speaks
/// until then.
pub const UNLEARNED_STEPS: u64 = 500;

/// The items' embeddings.
pub trait Embeddings: Debug + Send + Sync {
    /// Items.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An item's embedding, `[d]`.
    fn row(&self, row: u32) -> &[f32];
}

impl Embeddings for Table {
    fn len(&self) -> usize {
        Table::len(self)
    }

    fn row(&self, row: u32) -> &[f32] {
        self.weights(row)
    }
}

/// Embeddings alone, without what training keeps beside them.
#[derive(Debug)]
pub struct Rows {
    /// Their width, d.
    pub width: usize,
    /// `[items, d]`.
    pub weights: Vec<f32>,
}

impl Embeddings for Rows {
    fn len(&self) -> usize {
        self.weights.len() / self.width.max(1)
    }

    fn row(&self, row: u32) -> &[f32] {
        &self.weights[row as usize * self.width..(row as usize + 1) * self.width]
    }
}

/// A model with all that answering needs.
#[derive(Debug)]
pub struct Parts {
    /// The model's settings.
    pub settings: ModelSettings,
    /// The network.
    pub network: Network<Inner>,
    /// The items' embeddings.
    pub items: Box<dyn Embeddings>,
    /// The items.
    pub catalogue: Catalogue,
    /// The stage of the weights.
    pub stage: Stage,
    /// Items chosen fewer times are long tail.
    pub head: u64,
    /// The actions that it tells apart.
    pub actions: Actions,
    /// What it learnt of how various the next choices are.
    pub foresight: Foresight,
    /// How the features are computed that it learnt from.
    pub features: FeatureSettings,
    /// What counts of the stream say beside it; none where nothing was counted.
    pub counts: Option<(Counts, Standing)>,
    /// Where it computes.
    pub device: Device,
}

impl Parts {
    /// The model.
    pub fn fitted(&self) -> Fitted<'_> {
        let Self { settings, network, items, catalogue, stage, actions, foresight, device, .. } = self;
        let (stage, items) = (*stage, items.as_ref());
        let counts = self.counts.as_ref().map(|(counts, standing)| (counts, standing));
        Fitted { settings, network, items, catalogue, stage, actions, foresight, counts, device }
    }
}

/// The parts of a model, wherever they are kept.
#[derive(Debug, Clone, Copy)]
pub struct Fitted<'a> {
    /// The model's settings.
    pub settings: &'a ModelSettings,
    /// The network.
    pub network: &'a Network<Inner>,
    /// The items' embeddings.
    pub items: &'a dyn Embeddings,
    /// The items.
    pub catalogue: &'a Catalogue,
    /// The stage of the weights.
    pub stage: Stage,
    /// The actions that it tells apart.
    pub actions: &'a Actions,
    /// What it learnt of how various the next choices are.
    pub foresight: &'a Foresight,
    /// What counts of the stream say beside it.
    pub counts: Option<(&'a Counts, &'a Standing)>,
    /// Where it computes.
    pub device: &'a Device,
}

/// An event as a network reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The item's row.
    pub row: u32,
    /// Event time, epoch milliseconds.
    pub ts: i64,
    /// What sets it apart beside its item.
    pub kind: Kind,
}

/// What a network reads of a user: the known events, oldest first, at most as many as it reads, and what is known
/// beside them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Item rows.
    pub rows: Vec<u32>,
    /// Event times, epoch milliseconds.
    pub times: Vec<i64>,
    /// What sets the events apart beside their items.
    pub kinds: Vec<Kind>,
    /// When the user is to be given something, epoch milliseconds.
    pub now: i64,
    /// The user's features.
    pub features: Features,
}

impl History {
    /// The newest of `newest_first`, as many as a network with these settings reads, asked for at the newest.
    pub fn newest(settings: &ModelSettings, newest_first: impl Iterator<Item = Read>) -> Self {
        let mut events: Vec<Read> = newest_first.take(settings.reach()).collect();
        events.reverse();
        Self {
            rows: events.iter().map(|event| event.row).collect(),
            times: events.iter().map(|event| event.ts).collect(),
            kinds: events.iter().map(|event| event.kind).collect(),
            now: events.last().map_or(0, |event| event.ts),
            features: Features::default(),
        }
    }

    fn reading(&self, settings: &ModelSettings) -> Reading<'_> {
        let Self { rows, times, kinds, now, .. } = self;
        Reading { rows, times, kinds, now: *now, recent: 0 }.newest(settings)
    }
}

/// What the network says of one user.
#[derive(Debug)]
pub struct User {
    /// `[K, d]`.
    pub vectors: Vec<f32>,
    /// What each vector's scores begin with, `[K]`.
    pub priors: Vec<f32>,
    /// What HMISR's second level sees; none of other networks and of its coarse stage.
    pub view: Option<View<Inner>>,
    /// The DiversityScore, where there is one.
    pub diversity: Option<f32>,
    /// The items that the user chose, newest first, as many as counts look at.
    pub choices: Vec<u32>,
    /// What counts say of each known item in all, once that was asked.
    pub told: OnceLock<Vec<f32>>,
}

impl User {
    /// How many vectors the user has, K.
    pub fn interests(&self) -> usize {
        self.priors.len()
    }
}

impl<'a> Fitted<'a> {
    /// The fewest choices of an item of the head, by the catalogue's counts.
    pub fn head_of(catalogue: &Catalogue) -> u64 {
        let mut counts: Vec<u64> = catalogue.items().iter().map(|item| item.count).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        head(&counts)
    }

    /// Reads histories of at least one event each, in one pass of the network.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`] where the backend gives no f32.
    pub fn read(&self, histories: &[History]) -> Result<Vec<User>> {
        let readings: Vec<Reading<'_>> =
            histories.iter().map(|history| history.reading(self.settings)).collect();
        let weights = |row| self.items.row(row);
        let padded = Histories::remembering(&readings, self.settings.memory, weights);
        let d = self.settings.width;
        let shape = [padded.count(), padded.len(), d];
        let embeddings = TensorData::new(padded.embeddings(d, weights), shape);
        let embeddings = Tensor::from_data(embeddings, self.device);
        let dropout = Dropout::none();
        let last = padded.last();
        let output = match self.network {
            Network::Hmisr(network) if self.stage != Stage::Coarse => {
                let line = self.foresight.line();
                let habits = |history: &History| {
                    let chosen = || self.actions.chosen(&history.rows, &history.kinds);
                    habits(self.catalogue, line.as_ref(), &history.features, chosen)
                };
                let habits: Vec<Habits> = histories.iter().map(habits).collect();
                return self.users(network.last(embeddings, &padded, &habits), &habits, histories);
            }
            // In its first stage HMISR says what its encoder says.
            Network::Hmisr(network) => network.states(embeddings, &padded, &last, &dropout),
            network => {
                let (histories, asked) = (&padded, Some(&last[..]));
                let input = Input { embeddings, histories, asked, dropout: &dropout, training: None };
                network.forward(input).vectors
            }
        };
        let vectors = match self.settings.recalls() {
            true => output,
            false => {
                let places: Vec<i64> = last.iter().map(|place| *place as i64).collect();
                let places = Tensor::from_data(TensorData::new(places, [histories.len()]), self.device);
                output.select(0, places)
            }
        };
        let k = vectors.dims()[1];
        let vectors = floats(vectors.into_data())?;
        let user = |(vectors, history): (&[f32], &History)| User {
            vectors: vectors.to_vec(),
            priors: vec![0.0; k],
            view: None,
            diversity: None,
            choices: self.choices(history),
            told: OnceLock::new(),
        };
        Ok(vectors.chunks_exact(k * d).zip(histories).map(user).collect())
    }

    /// What counts look at of a history.
    fn choices(&self, history: &History) -> Vec<u32> {
        if self.counts.is_none() {
            return Vec::new();
        }
        self.actions.chosen(&history.rows, &history.kinds).take(RECENT).collect()
    }

    fn users(&self, view: View<Inner>, habits: &[Habits], histories: &[History]) -> Result<Vec<User>> {
        let k = view.priors.dims()[1];
        let vectors = floats(view.vectors.clone().into_data())?;
        let priors = floats(view.priors.clone().into_data())?;
        let blended = floats(view.features.clone().into_data())?;
        let blended = blended.as_chunks::<6>().0.iter().map(|six| blend(*six));
        let diversity: Vec<f32> =
            habits.iter().zip(blended).map(|(habits, blended)| habits.score.unwrap_or(blended)).collect();
        let d = self.settings.width;
        Ok(histories
            .iter()
            .enumerate()
            .map(|(nth, history)| User {
                vectors: vectors[nth * k * d..(nth + 1) * k * d].to_vec(),
                priors: priors[nth * k..(nth + 1) * k].to_vec(),
                view: Some(view.user(nth)),
                diversity: diversity.get(nth).copied(),
                choices: self.choices(history),
                told: OnceLock::new(),
            })
            .collect())
    }
}

pub(crate) fn floats(data: TensorData) -> Result<Vec<f32>> {
    data.to_vec::<f32>().map_err(|error| {
        Error::new(ErrorKind::Backend, format!("the backend does not compute in f32: {error:?}"))
    })
}
