//! A network that reads histories.

use std::fmt::Debug;

use burn::tensor::{Tensor, TensorData};
use hmisr_model::backend::{Device, Inner};
use hmisr_model::dropout::Dropout;
use hmisr_model::hmisr::{Habits, Stage, View, blend};
use hmisr_model::{Histories, Input, ModelSettings, Network, Reading, Table};

use crate::catalogue::Catalogue;
use crate::habits::{HabitsOf, head};
use crate::{Error, ErrorKind, Result};

/// Optimizer steps before which what begins anew has learnt too little to speak: the fixed blend stands in for the
/// DiversityScore until then, and the encoder for a second level.
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
    /// Optimizer steps that the DiversityScore's weights have learnt for.
    pub step: u64,
    /// Items chosen fewer times are long tail.
    pub head: u64,
    /// Where it computes.
    pub device: Device,
}

impl Parts {
    /// The model.
    pub fn fitted(&self) -> Fitted<'_> {
        let Self { settings, network, items, catalogue, stage, step, head, device } = self;
        let (stage, step, head) = (*stage, *step, *head);
        Fitted { settings, network, items: items.as_ref(), catalogue, stage, step, head, device }
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
    /// Optimizer steps that the DiversityScore's weights have learnt for.
    pub step: u64,
    /// Items chosen fewer times are long tail; see [`head`].
    pub head: u64,
    /// Where it computes.
    pub device: &'a Device,
}

/// A user's known events, oldest first: at most as many as the network reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Item rows.
    pub rows: Vec<u32>,
    /// Event times, epoch milliseconds.
    pub times: Vec<i64>,
}

impl History {
    /// The newest of `events`, rows and times oldest first, as many as a network with these settings reads.
    pub fn newest(settings: &ModelSettings, events: impl DoubleEndedIterator<Item = (u32, i64)>) -> Self {
        let mut newest: Vec<(u32, i64)> = events.rev().take(settings.reach()).collect();
        newest.reverse();
        let (rows, times) = newest.into_iter().unzip();
        Self { rows, times }
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
        let readings: Vec<Reading<'_>> = histories
            .iter()
            .map(|history| Reading::newest(self.settings, &history.rows, &history.times))
            .collect();
        let weights = |row| self.items.row(row);
        let padded = Histories::remembering(&readings, self.settings.memory, weights);
        let d = self.settings.width;
        let shape = [padded.count(), padded.len(), d];
        let embeddings = TensorData::new(padded.embeddings(d, weights), shape);
        let embeddings = Tensor::from_data(embeddings, self.device);
        let dropout = Dropout::none();
        let output = match self.network {
            Network::Hmisr(network) if self.stage != Stage::Coarse => {
                let habits = HabitsOf::new(self.catalogue, self.head);
                let habits: Vec<Habits> =
                    histories.iter().map(|history| habits.after(&history.rows)).collect();
                return self.users(network.last(embeddings, &padded, &habits), histories.len());
            }
            // In its first stage HMISR says what its encoder says.
            Network::Hmisr(network) => network.states(embeddings, &padded, &dropout),
            network => {
                let input = Input { embeddings, histories: &padded, dropout: &dropout, training: None };
                network.forward(input).vectors
            }
        };
        let last = |(nth, length): (usize, &usize)| (nth * padded.len() + length.saturating_sub(1)) as i64;
        let places: Vec<i64> = padded.lengths().iter().enumerate().map(last).collect();
        let places = Tensor::from_data(TensorData::new(places, [histories.len()]), self.device);
        let vectors = output.select(0, places);
        let k = vectors.dims()[1];
        let vectors = floats(vectors.into_data())?;
        let user = |vectors: &[f32]| User {
            vectors: vectors.to_vec(),
            priors: vec![0.0; k],
            view: None,
            diversity: None,
        };
        Ok(vectors.chunks_exact(k * d).map(user).collect())
    }

    fn users(&self, view: View<Inner>, count: usize) -> Result<Vec<User>> {
        let learned = self.step >= UNLEARNED_STEPS && self.settings.hmisr.losses.diversity > 0.0;
        let k = view.priors.dims()[1];
        let vectors = floats(view.vectors.clone().into_data())?;
        let priors = floats(view.priors.clone().into_data())?;
        let diversity: Vec<f32> = match learned {
            true => floats(view.diversity.clone().into_data())?,
            false => {
                let features = floats(view.features.clone().into_data())?;
                features.as_chunks::<6>().0.iter().map(|six| blend(*six)).collect()
            }
        };
        let d = self.settings.width;
        Ok((0..count)
            .map(|nth| User {
                vectors: vectors[nth * k * d..(nth + 1) * k * d].to_vec(),
                priors: priors[nth * k..(nth + 1) * k].to_vec(),
                view: Some(view.user(nth)),
                diversity: diversity.get(nth).copied(),
            })
            .collect())
    }
}

pub(crate) fn floats(data: TensorData) -> Result<Vec<f32>> {
    data.to_vec::<f32>().map_err(|error| {
        Error::new(ErrorKind::Backend, format!("the backend does not compute in f32: {error:?}"))
    })
}
