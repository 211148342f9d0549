//! Softmax over a sample of the catalogue, by hand: the negatives that a batch shares, and the loss and
//! gradients against them.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::hard::hard_gradient;
use crate::dot::dot;
use crate::exp::exp_sum;
use crate::owners::Owners;
use crate::random::SplitMix;
use crate::simd::vectorised;
use crate::softmax::{Asked, SampledRows, Scores, add_priors, of_target, responsibilities, values};
use crate::table::Table;

/// Cross-entropy of `hidden` `[targets · interests, d]`, as of [`Fused::full_softmax`], against the
/// target and `negatives` uniform rows that the batch shares. The negatives' odds are corrected for
/// how many they stand for: Z ≈ Σ_k (e^s_ky + (items − 1)/m · Σ e^s_kj over the m negatives that are
/// not the target). With a `hardness` β, negatives weigh by it (REMI, one vector a target). With `owners`, an item's
/// is the one vector that speaks for it.
///
/// [`Fused::full_softmax`]: super::Fused::full_softmax
#[expect(clippy::too_many_arguments, reason = "a loss, its sizes, and who speaks for what")]
pub(crate) fn sampled_softmax<B: Backend>(
    hidden: Tensor<B, 2>,
    priors: Option<Tensor<B, 2>>,
    targets: Asked<'_>,
    table: &Table,
    negatives: usize,
    seed: u64,
    hardness: Option<f32>,
    owners: Option<&Owners>,
) -> (Scores<B>, SampledRows) {
    let (items, d, device) = (table.len(), table.width(), &hidden.device());
    let vectors = hidden.dims()[0];
    let interests = vectors / targets.len().max(1);
    let states = hidden.clone();
    let (hidden, priors) = (values(hidden), priors.map(values).unwrap_or_default());
    let mut random = SplitMix::new(seed);
    let drawn: Vec<u32> = (0..negatives).map(|_| random.below(items as u32)).collect();
    let owned: Vec<usize> = match owners {
        Some(owners) => drawn.iter().map(|row| owners.of(table.weights(*row))).collect(),
        None => Vec::new(),
    };
    let data = TensorData::new(table.gather(drawn.iter().copied()), [negatives, d]);
    let others = Tensor::<B, 2>::from_data(data, device);
    let mut logits = states.clone().matmul(others.clone().transpose()).into_data();
    let (mut loss, mut by_priors) = (0.0, Vec::with_capacity(priors.len()));
    let mut errors = Vec::with_capacity(vectors);
    if let Ok(values) = logits.as_mut_slice::<f32>() {
        let rows = values.chunks_exact_mut((negatives * interests).max(1)).zip(targets.rows);
        for (nth, ((rows, target), hidden)) in
            rows.zip(hidden.chunks_exact((interests * d).max(1))).enumerate()
        {
            let priors = of_target(&priors, nth, interests);
            add_priors(rows, priors);
            let own = table.weights(*target);
            let mut logits: Vec<f32> = hidden.chunks_exact(d).map(|vector| dot(vector, own)).collect();
            logits.iter_mut().zip(priors).for_each(|(logit, prior)| *logit += prior);
            if let Some(owners) = owners {
                silence(rows, &owned);
                silence(&mut logits, &[owners.of(own)]);
            }
            // An accidental hit is no negative.
            let hits: Vec<usize> = (0..negatives).filter(|at| drawn[*at] == *target).collect();
            for row in rows.chunks_exact_mut(negatives.max(1)) {
                hits.iter().for_each(|at| row[*at] = f32::NEG_INFINITY);
            }
            let part = match (hardness, logits.as_mut_slice()) {
                (Some(beta), [logit]) => {
                    let (loss, error) = hard_gradient(rows, *logit, beta, items - 1);
                    *logit = error;
                    loss
                }
                (_, logits) => sampled_gradient(rows, logits, negatives - hits.len(), items),
            };
            let weight = targets.weight(nth);
            loss += part * f64::from(weight);
            if weight != 1.0 {
                rows.iter_mut().chain(&mut logits).for_each(|error| *error *= weight);
            }
            if !priors.is_empty() {
                let sums = rows.chunks_exact(negatives.max(1)).map(|row| row.iter().sum::<f32>());
                by_priors.extend(sums.zip(&logits).map(|(sum, own)| sum + own));
            }
            errors.extend(logits);
        }
    }
    let errors_by_row = Tensor::<B, 2>::from_data(logits, device);
    let mut by_hidden = values(errors_by_row.clone().matmul(others));
    let mut touched = SampledRows::default();
    for (nth, error) in errors.iter().enumerate() {
        let target = targets.rows[nth / interests];
        let span = nth * d..(nth + 1) * d;
        for (by, own) in by_hidden[span.clone()].iter_mut().zip(table.weights(target)) {
            *by += error * own;
        }
        touched.rows.push(target);
        touched.gradients.extend(hidden[span].iter().map(|hidden| error * hidden));
    }
    touched.rows.extend(&drawn);
    touched.gradients.extend(values(errors_by_row.transpose().matmul(states)));
    let by_priors = (!priors.is_empty()).then(|| TensorData::new(by_priors, [targets.len(), interests]));
    let scores = Scores {
        loss,
        hidden: Tensor::from_data(TensorData::new(by_hidden, [vectors, d]), device),
        priors: by_priors.map(|by_priors| Tensor::from_data(by_priors, device)),
    };
    (scores, touched)
}

/// Leaves of `logits` `[interests, items]` those of the items' owners.
fn silence(logits: &mut [f32], owners: &[usize]) {
    for (interest, row) in logits.chunks_exact_mut(owners.len().max(1)).enumerate() {
        let others = row.iter_mut().zip(owners).filter(|(_, owner)| **owner != interest);
        others.for_each(|(logit, _)| *logit = f32::NEG_INFINITY);
    }
}

/// Turns the negatives' logits `[interests, negatives]` (minus infinity: an accidental hit) into
/// their gradients, and the target's own `[interests]` too; returns the cross-entropy.
fn sampled_gradient(row: &mut [f32], own: &mut [f32], counted: usize, items: usize) -> f64 {
    let max = row.iter().chain(own.iter()).copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = if counted == 0 { 0.0 } else { (items - 1) as f32 / counted as f32 };
    let logits = own.to_vec();
    let answer = responsibilities(own);
    let mut sum = vectorised(|| exp_sum(row, max)) * weight;
    sum += (answer - max).exp();
    for value in row.iter_mut() {
        *value *= weight / sum;
    }
    for (responsibility, logit) in own.iter_mut().zip(logits) {
        *responsibility = (logit - max).exp() / sum - *responsibility;
    }
    f64::from(sum.ln() + max - answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};
    use crate::fused::Fused;
    use crate::fused::checks::{close, random};

    const D: usize = 8;
    const INTERESTS: usize = 3;

    #[test]
    fn many_samples_come_near_the_full_softmax() {
        let device = backend::device().unwrap();
        let mut table = Table::new(D, 3);
        (0..50u32).for_each(|item| table.grow(&item.to_be_bytes()));
        let states = random([6 * INTERESTS, D], 4, 10.0);
        let priors = random([6, INTERESTS], 8, 2.0);
        let targets = [3, 9, 3, 44, 0, 49];
        let mut rows = vec![0.0; 50 * D];
        let catalogue = table.tensor::<Inner>(&device);
        let (whole, priors_of) = (states.clone(), Some(priors.clone()));
        let all = vec![0..50; INTERESTS];
        let full = Inner::full_softmax(
            whole,
            priors_of,
            Asked::alike(&targets),
            &catalogue,
            &all,
            1 << 20,
            &mut rows,
        );
        let (sampled, touched) = sampled_softmax::<Inner>(
            states,
            Some(priors),
            Asked::alike(&targets),
            &table,
            400_000,
            1,
            None,
            None,
        );
        assert!((full.loss - sampled.loss).abs() < 0.01 * full.loss, "{} and {}", full.loss, sampled.loss);
        close(&values(sampled.hidden), &values(full.hidden), 5e-3);
        close(&values(sampled.priors.unwrap()), &values(full.priors.unwrap()), 5e-3);
        let mut summed = vec![0.0; 50 * D];
        for (row, gradient) in touched.rows.iter().zip(touched.gradients.chunks(D)) {
            for (sum, value) in summed[*row as usize * D..].iter_mut().zip(gradient) {
                *sum += value;
            }
        }
        // Each row is drawn 8,000 times, give or take 90: its gradient is off by about 1 %.
        close(&summed, &rows, 0.05);
    }
}
