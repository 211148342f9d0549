//! Dynamic routing from events to interests (Sabour et al. 2017), as MIND (Li et al., CIKM 2019,
//! algorithm 1) and ComiRec-DR (Cen et al., KDD 2020, eq. 2–5) use it.
//!
//! Routing logits b_ki begin fixed; three times: w_ki = softmax_k(b_ki), z_k = Σ_i w_ki ê_ki,
//! v_k = squash(z_k), b_ki ← b_ki + ê_ki·v_k. The gradient flows through the last iteration alone,
//! as in the authors' code.
//!
//! The papers route a whole history once. Here every position routes the events up to it, all at
//! once: the logits are `[histories, K, position, event]`, with weights of 0 after the position.

use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::stop::stop;

const ITERATIONS: usize = 3;

/// The interests at every position, `[histories, K, len, d]`, of mapped items ê
/// `[histories, K, len, d]` and initial logits `[K, len]` of an event at each place.
pub(super) fn route<B: Backend>(items: Tensor<B, 4>, initial: Tensor<B, 2>) -> Tensor<B, 4> {
    let [_, k, len, _] = items.dims();
    let device = items.device();
    let seen: Vec<f32> = (0..len * len).map(|at| f32::from(u8::from(at % len <= at / len))).collect();
    let seen =
        Tensor::<B, 1>::from_data(TensorData::new(seen, [len * len]), &device).reshape([1, 1, len, len]);
    let fixed = stop(items.clone());
    // Before the first iteration they are the same for all histories and positions.
    let mut logits = initial.reshape([1, k, 1, len]);
    for _ in 1..ITERATIONS {
        let interests = squash((softmax(logits.clone(), 1) * seen.clone()).matmul(fixed.clone()));
        logits = logits + interests.matmul(fixed.clone().transpose());
    }
    squash((softmax(logits, 1) * seen).matmul(items))
}

/// ‖z‖²/(1 + ‖z‖²) · z/‖z‖ over the last dimension.
fn squash<B: Backend>(z: Tensor<B, 4>) -> Tensor<B, 4> {
    let square = z.clone().square().sum_dim(3);
    let scale = square.clone() / (square.clone().add_scalar(1.0) * square.add_scalar(1e-9).sqrt());
    z * scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};
    use crate::random::SplitMix;

    /// Algorithm 1 of MIND for one history, one number at a time.
    fn slow(items: &[Vec<Vec<f32>>], initial: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let (k, len) = (items.len(), items[0].len());
        let mut logits = initial.to_vec();
        let mut interests = Vec::new();
        for _ in 0..ITERATIONS {
            interests.clear();
            for of in 0..k {
                let mut z = vec![0.0; items[0][0].len()];
                for event in 0..len {
                    let sum: f32 = (0..k).map(|other| logits[other][event].exp()).sum();
                    let weight = logits[of][event].exp() / sum;
                    z.iter_mut().zip(&items[of][event]).for_each(|(z, item)| *z += weight * item);
                }
                let square: f32 = z.iter().map(|z| z * z).sum();
                z.iter_mut().for_each(|z| *z *= square / (1.0 + square) / square.sqrt());
                interests.push(z);
            }
            for of in 0..k {
                for event in 0..len {
                    logits[of][event] +=
                        interests[of].iter().zip(&items[of][event]).map(|(a, b)| a * b).sum::<f32>();
                }
            }
        }
        interests
    }

    #[test]
    fn every_prefix_is_routed_as_a_history_of_its_own() {
        let device = backend::device().unwrap();
        let (k, len, d) = (3, 5, 4);
        let mut random = SplitMix::new(1);
        let mut draw = |count: usize| (0..count).map(|_| random.symmetric(1.5)).collect::<Vec<f32>>();
        let (items, initial) = (draw(k * len * d), draw(k * len));
        let found = route::<Inner>(
            Tensor::<Inner, 4>::from_data(TensorData::new(items.clone(), [1, k, len, d]), &device),
            Tensor::from_data(TensorData::new(initial.clone(), [k, len]), &device),
        );
        let found: Vec<f32> = found.into_data().to_vec().unwrap();
        for t in 0..len {
            let prefix: Vec<Vec<Vec<f32>>> = (0..k)
                .map(|of| {
                    (0..=t).map(|i| items[(of * len + i) * d..(of * len + i + 1) * d].to_vec()).collect()
                })
                .collect();
            let begin: Vec<Vec<f32>> = (0..k).map(|of| initial[of * len..=of * len + t].to_vec()).collect();
            for (of, expected) in slow(&prefix, &begin).iter().enumerate() {
                let start = (of * len + t) * d;
                for (found, expected) in found[start..start + d].iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
                }
            }
        }
    }
}
