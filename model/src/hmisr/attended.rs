//! Both levels over attention, in their order, and what training adds.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use super::aggregation::Aggregation;
use super::coarse::{Assignment, Coarse};
use super::contrast::Contrast;
use super::diversity::{Features, Habits, features};
use super::event::Event;
use super::exchange::{Exchange, consistency};
use super::intent::{Intent, Members};
use super::interest::Interest;
use super::losses::{Plan, Stage};
use super::samples::{Samples, Training};
use super::settings::HmisrSettings;
use super::vectors::Vectors;
use super::view::{View, rows, rows3};
use crate::dropout::Dropout;
use crate::encoder::Encoder;
use crate::fused::Fused;
use crate::histories::Histories;
use crate::network::{Auxiliary, Input, Output};
use crate::parameters::Builder;
use crate::settings::ModelSettings;
use crate::softmax::HIDDEN;
use crate::stop::stop;

/// The network, bound to a device.
#[derive(Debug)]
pub struct Attended<B: Backend> {
    settings: HmisrSettings,
    event: Event<B>,
    encoder: Encoder<B>,
    coarse: Coarse<B>,
    interest: Interest<B>,
    exchange: Exchange<B>,
    intent: Intent<B>,
    vectors: Vectors<B>,
    contrast: Contrast<B>,
    aggregation: Aggregation<B>,
}

/// Both levels at every position.
#[derive(Debug)]
struct Levels<B: Backend> {
    /// H, `[histories, len, d]`.
    states: Tensor<B, 3>,
    assignment: Assignment<B>,
    /// Guided interests, `[positions, K, d]`.
    interests: Tensor<B, 3>,
    /// `[positions, K, d/2]`; none where switched off.
    intents: Option<Tensor<B, 3>>,
    /// Refined coarse interests, `[positions, K, d]`.
    refined: Tensor<B, 3>,
    /// h, `[positions, K, d]`.
    vectors: Tensor<B, 3>,
    /// g, `[positions, K]`.
    priors: Tensor<B, 2>,
}

impl<B: Fused> Attended<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        let d = settings.width;
        let hmisr = &settings.hmisr;
        Self {
            settings: hmisr.clone(),
            event: builder.part("event", |part| Event::build(part, d)),
            encoder: builder.part("encoder", |part| Encoder::build(part, settings)),
            coarse: builder
                .part("coarse", |part| Coarse::build(part, d, settings.interests, hmisr.temperature)),
            interest: builder.part("interest", |part| Interest::build(part, d)),
            exchange: builder.part("exchange", Exchange::build),
            intent: builder.part("intent", |part| Intent::build(part, d, d - d / 2)),
            vectors: builder
                .part("vectors", |part| Vectors::build(part, d, settings.interests, hmisr.own_state)),
            contrast: builder.part("contrast", |part| Contrast::build(part, d - d / 2)),
            aggregation: builder.part("aggregation", |part| Aggregation::build(part, d)),
        }
    }

    /// See [`crate::Network::forward`]. In the coarse stage the vector is the encoder's state.
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        let [count, len, d] = input.embeddings.dims();
        let states = self.encode(input.embeddings, input.histories, input.dropout);
        let coarse = input.training.is_some_and(|training| training.plan.stage == Stage::Coarse);
        if coarse {
            let auxiliary = match input.training {
                Some(training) => self.coarse_losses(&states, input.histories, &training.plan),
                None => Vec::new(),
            };
            return Output { vectors: states.reshape([count * len, 1, d]), priors: None, auxiliary };
        }
        let levels = self.levels(states, input.histories);
        let mut auxiliary = Vec::new();
        if let Some(training) = input.training {
            let states = &levels.states;
            auxiliary.extend(self.coarse_losses(states, input.histories, &training.plan));
            auxiliary.extend(self.fine_losses(&levels, input.histories, training));
        }
        Output { vectors: levels.vectors, priors: Some(levels.priors), auxiliary }
    }

    /// H of the items' `embeddings` `[histories, len, d]`, `[histories, len, d]`.
    fn encode(&self, embeddings: Tensor<B, 3>, histories: &Histories, dropout: &Dropout) -> Tensor<B, 3> {
        self.encoder.forward(self.event.forward(embeddings, histories), histories, dropout)
    }

    /// Both levels over `states` `[histories, len, d]`.
    fn levels(&self, states: Tensor<B, 3>, histories: &Histories) -> Levels<B> {
        let [count, len, d] = states.dims();
        let positions = count * len;
        let assignment = self.coarse.forward(states.clone());
        let k = assignment.mass.dims()[1];
        let alpha = assignment.alpha.clone().reshape([positions, k]);
        let on_host = alpha.clone().into_data();
        let members =
            Members::new(on_host.as_slice::<f32>().unwrap_or_default(), k, len, self.settings.member_share);
        let idle = members.idle_days(histories, k);
        let idle_days = Tensor::from_data(TensorData::new(idle, [positions, k]), &states.device());
        let flat = states.clone().reshape([positions, d]);
        let mut interests = self.interest.forward(&states, &assignment);
        if self.settings.exchange {
            interests = self.exchange.guide(interests, &assignment.interests);
        }
        let intents = self
            .settings
            .intent
            .then(|| self.intent.forward(&flat, &interests, alpha.clone(), &members, histories));
        let weight = self.vectors.intent_weight(idle_days.clone());
        let fine = self.vectors.fine(&interests, intents.clone(), weight);
        let refined = match self.settings.exchange {
            true => self.exchange.refine(&assignment.interests, fine.clone()),
            false => assignment.interests.clone(),
        };
        let basis = self.settings.along_basis.then(|| self.coarse.basis());
        let vectors = self.vectors.forward(&flat, fine, &members, basis);
        let speaks = self.settings.state_prior.then_some(&flat);
        let priors = self.vectors.priors(speaks, alpha, assignment.mass.clone(), idle_days);
        Levels { states, assignment, interests, intents, refined, vectors, priors }
    }

    /// The losses of the first level. They teach the basis, not the states: drawn to their own
    /// means, states would forget what sets events apart.
    fn coarse_losses(&self, states: &Tensor<B, 3>, histories: &Histories, plan: &Plan) -> Vec<Auxiliary<B>> {
        let weights = &plan.weights;
        if weights.reconstruction + weights.soft_orthogonality + weights.balance <= 0.0 {
            return Vec::new();
        }
        let events = events(histories, &states.device());
        let states = stop(states.clone());
        let assignment = self.coarse.forward(states.clone());
        let mut losses = Vec::new();
        let mut add = |name, weight, value: &dyn Fn() -> Tensor<B, 1>| {
            if weight > 0.0 {
                losses.push(Auxiliary { name, weight, value: value() });
            }
        };
        add("reconstruction", weights.reconstruction, &|| assignment.reconstruction(states.clone(), &events));
        add("soft_orthogonality", weights.soft_orthogonality, &|| self.coarse.soft_orthogonality());
        add("balance", weights.balance, &|| assignment.balance(&events));
        losses
    }

    fn fine_losses(
        &self,
        levels: &Levels<B>,
        histories: &Histories,
        training: &Training<B>,
    ) -> Vec<Auxiliary<B>> {
        let [count, len, d] = levels.states.dims();
        let Training { plan, samples, candidates } = training;
        let events = events(histories, &levels.states.device());
        let flat = levels.states.clone().reshape([count * len, d]);
        let weights = &plan.weights;
        let mut losses = Vec::new();
        let mut add = |name, weight, value: &dyn Fn() -> Option<Tensor<B, 1>>| {
            if weight > 0.0
                && let Some(value) = value()
            {
                losses.push(Auxiliary { name, weight, value });
            }
        };
        add("consistency", weights.consistency, &|| {
            Some(consistency(&levels.assignment.mass, &levels.interests, &flat, &events))
        });
        add("stability", weights.stability, &|| {
            (samples.back > 0 && samples.back < len)
                .then(|| Interest::stability(&levels.interests, [count, len], samples.back, &events))
        });
        if samples.positions.is_empty() {
            return losses;
        }
        let view = self.view(levels, &samples.positions, &samples.habits);
        add("contrast", weights.contrast, &|| self.contrast_loss(levels, samples, candidates));
        // The ranker learns from what the retriever finds; the retriever does not learn from it.
        add("ranking", weights.ranking, &|| {
            Some(ranking_loss(
                &self.aggregation,
                &self.coarse,
                &view.detached(),
                samples,
                stop(candidates.clone()),
            ))
        });
        losses
    }

    /// Contrast of the intents, each of the interest that answers most for its target.
    fn contrast_loss(
        &self,
        levels: &Levels<B>,
        samples: &Samples,
        candidates: &Tensor<B, 2>,
    ) -> Option<Tensor<B, 1>> {
        let intents = levels.intents.clone()?;
        let [positions, k, width] = intents.dims();
        let targets = candidates.clone().narrow(0, 0, samples.targets.len()).unsqueeze_dim::<3>(2);
        let vectors = rows3(&levels.vectors, &samples.positions);
        let scores = vectors.matmul(targets).into_data();
        let best = |(row, position): (&[f32], &usize)| {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(k, _)| k);
            (position * k + best) as i64
        };
        let places: Vec<i64> = scores
            .as_slice::<f32>()
            .unwrap_or_default()
            .chunks_exact(k)
            .zip(&samples.positions)
            .map(best)
            .collect();
        let places = Tensor::<B, 1, Int>::from_data(
            TensorData::new(places, [samples.positions.len()]),
            &intents.device(),
        );
        let chosen = intents.reshape([positions * k, width]).select(0, places);
        let temperature = self.settings.contrast_temperature;
        Some(self.contrast.loss(chosen, &samples.targets, temperature, samples.seed))
    }

    /// What the network says at `positions`, where the users have `habits`.
    fn view(&self, levels: &Levels<B>, positions: &[usize], habits: &[Habits]) -> View<B> {
        let mass = rows(&levels.assignment.mass, positions);
        let interests = rows3(&levels.refined, positions);
        let Features { blended, diversity } = features(habits, interests, mass.clone());
        let vectors = rows3(&levels.vectors, positions);
        let priors = rows(&levels.priors, positions);
        View { features: blended, mass, diversity, priors, vectors }
    }

    /// What the network says of each history's user, after its last event.
    pub fn last(&self, embeddings: Tensor<B, 3>, histories: &Histories, habits: &[Habits]) -> View<B> {
        let dropout = Dropout::none();
        let states = self.encode(embeddings, histories, &dropout);
        let levels = self.levels(states, histories);
        self.view(&levels, &histories.last(), habits)
    }

    /// The encoder's states as vectors, `[histories · len, 1, d]`: what the network says in its
    /// coarse stage.
    pub fn states(&self, embeddings: Tensor<B, 3>, histories: &Histories, dropout: &Dropout) -> Tensor<B, 3> {
        let [count, len, d] = embeddings.dims();
        self.encode(embeddings, histories, dropout).reshape([count * len, 1, d])
    }

    /// Scores `[users, items]` of `items` `[items, d]`.
    pub fn rank(&self, view: &View<B>, items: Tensor<B, 2>) -> Tensor<B, 2> {
        self.aggregation.scores(view, items, &self.coarse, false)
    }
}

/// 1 for an event and 0 for padding, `[positions, 1]`.
fn events<B: Backend>(histories: &Histories, device: &B::Device) -> Tensor<B, 2> {
    let positions = histories.count() * histories.len();
    let mask: Vec<f32> = (0..positions).map(|at| f32::from(u8::from(histories.is_event(at)))).collect();
    Tensor::from_data(TensorData::new(mask, [positions, 1]), device)
}

/// Cross-entropy of the aggregated scores over the own target and the shared negatives, whose
/// odds are corrected for how many they stand for.
fn ranking_loss<B: Fused>(
    aggregation: &Aggregation<B>,
    coarse: &Coarse<B>,
    users: &View<B>,
    samples: &Samples,
    candidates: Tensor<B, 2>,
) -> Tensor<B, 1> {
    let (own, shared) = (samples.targets.len(), samples.negatives.len());
    let n = own + shared;
    let scores = aggregation.scores(users, candidates, coarse, true);
    let mut bias = vec![HIDDEN; own * n];
    for (row, target) in samples.targets.iter().enumerate() {
        bias[row * n + row] = 0.0;
        let counted = samples.negatives.iter().filter(|negative| *negative != target).count();
        let stands_for = ((samples.items.max(2) - 1) as f32 / counted.max(1) as f32).ln();
        for (at, negative) in samples.negatives.iter().enumerate() {
            if negative != target {
                bias[row * n + own + at] = stands_for;
            }
        }
    }
    let device = scores.device();
    let bias = Tensor::<B, 2>::from_data(TensorData::new(bias, [own, n]), &device);
    let log = burn::tensor::activation::log_softmax(scores + bias, 1);
    let diagonal = Tensor::<B, 2>::eye(own, &device);
    (log.slice([0..own, 0..own]) * diagonal).sum().neg().div_scalar(own as f32)
}
