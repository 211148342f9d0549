//! The first level: every event belongs softly to K interests (design, section 3.2 "Coarse interests").
//!
//! α_ik = softmax_k(cos(H_i, b_k)/τ). The design divides the inner product by √d, with which every
//! α would be about 1/K; cosines with a learned temperature keep assignments apart whatever the
//! states' norm. c_k is the weighted mean Σ α_ik H_i / Σ α_ik, not the sum, whose norm would
//! measure the history's length; the mass π_k = mean_i α_ik is kept beside it. Prefix sums give
//! both for every position.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;

use super::losses::LossWeights;
use crate::network::Auxiliary;
use crate::owners::Owners;
use crate::parameters::{Builder, Initial};
use crate::softmax::values;
use crate::stop::stop;

const EPSILON: f32 = 1e-6;

/// The basis and its temperature.
#[derive(Debug)]
pub(super) struct Coarse<B: Backend> {
    /// `[d, K]`.
    basis: Tensor<B, 2>,
    /// ln τ, `[1, 1]`.
    log_temperature: Tensor<B, 2>,
}

/// What the first level says.
#[derive(Debug, Clone)]
pub(super) struct Assignment<B: Backend> {
    /// α, `[histories, len, K]`.
    pub(super) alpha: Tensor<B, 3>,
    /// c_k of the events up to each position, `[histories · len, K, d]`.
    pub(super) interests: Tensor<B, 3>,
    /// π of the events up to each position, `[histories · len, K]`, rows summing to 1.
    pub(super) mass: Tensor<B, 2>,
}

impl<B: Backend> Coarse<B> {
    pub(super) fn build(builder: &mut Builder<'_, B>, d: usize, interests: usize, temperature: f32) -> Self {
        Self {
            basis: builder.weight("basis", [d, interests], Initial::Glorot),
            log_temperature: builder.vector("log_temperature", 1, Initial::Constant(temperature.ln())),
        }
    }

    /// The basis with columns of length 1, `[d, K]`.
    pub(super) fn basis(&self) -> Tensor<B, 2> {
        let norm = self.basis.clone().square().sum_dim(0).add_scalar(EPSILON).sqrt();
        self.basis.clone() / norm
    }

    /// By which of the basis an item points along most.
    pub(super) fn owners(&self) -> Owners {
        let basis = self.basis().transpose();
        let interests = basis.dims()[0];
        Owners::new(values(basis), interests)
    }

    /// softmax_k(cos(x, b_k)/τ) of rows `[rows, d]`: `[rows, K]`.
    pub(super) fn assign(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let basis = self.basis();
        let k = basis.dims()[1];
        softmax(unit(x).matmul(basis) / self.log_temperature.clone().exp().expand([1, k]), 1)
    }

    /// The interests of `states` `[histories, len, d]` at every position.
    pub(super) fn forward(&self, states: Tensor<B, 3>) -> Assignment<B> {
        let [count, len, d] = states.dims();
        let alpha = self.assign(states.clone().reshape([count * len, d]));
        let k = alpha.dims()[1];
        let alpha = alpha.reshape([count, len, k]);
        let belonging = alpha.clone().cumsum(1).reshape([count * len, k]);
        let parts = alpha.clone().reshape([count * len, k, 1]).matmul(states.reshape([count * len, 1, d]));
        let sums = parts.reshape([count, len, k * d]).cumsum(1).reshape([count * len * k, d]);
        let whole = belonging.clone().add_scalar(EPSILON).reshape([count * len * k, 1]);
        let interests = (sums / whole).reshape([count * len, k, d]);
        let mass = belonging.clone() / belonging.sum_dim(1);
        Assignment { alpha, interests, mass }
    }

    /// The losses of an assignment of `items` `[items, d]`, which do not learn from it: reconstruction by the means of
    /// all that belong to an interest, over the items' mean square, orthogonality, and balance.
    pub(super) fn item_losses(&self, items: Tensor<B, 2>, weights: &LossWeights) -> Vec<Auxiliary<B>> {
        let count = items.dims()[0];
        if count == 0 {
            return Vec::new();
        }
        let items = stop(items);
        let alpha = self.assign(items.clone());
        let belonging = alpha.clone().sum_dim(0);
        let mut losses = Vec::new();
        let mut add = |name, weight, value: &dyn Fn() -> Tensor<B, 1>| {
            if weight > 0.0 {
                losses.push(Auxiliary { name, weight, value: value() });
            }
        };
        add("reconstruction", weights.reconstruction, &|| {
            let sums = alpha.clone().transpose().matmul(items.clone());
            let means = sums / belonging.clone().transpose().add_scalar(EPSILON);
            let apart = (items.clone() - alpha.clone().matmul(means)).square().mean();
            apart / items.clone().square().mean().add_scalar(f32::MIN_POSITIVE)
        });
        add("soft_orthogonality", weights.soft_orthogonality, &|| self.soft_orthogonality());
        add("balance", weights.balance, &|| {
            let p = belonging.clone().div_scalar(count as f32);
            (p.clone() * p.add_scalar(1e-9).log()).sum()
        });
        losses
    }

    /// ‖BᵀB − I‖²_F.
    pub(super) fn soft_orthogonality(&self) -> Tensor<B, 1> {
        let basis = self.basis();
        let gram = basis.clone().transpose().matmul(basis);
        let identity = Tensor::eye(gram.dims()[0], &gram.device());
        (gram - identity).square().sum()
    }
}

impl<B: Backend> Assignment<B> {
    /// Σ_k p_k ln p_k, with p the mean of α over the events of all histories: the negative
    /// entropy, least where all interests are used alike. `events` `[histories · len, 1]` is 1 for
    /// an event and 0 for padding.
    pub(super) fn balance(&self, events: &Tensor<B, 2>) -> Tensor<B, 1> {
        let [count, len, k] = self.alpha.dims();
        let alpha = self.alpha.clone().reshape([count * len, k]);
        let p = (alpha * events.clone()).sum_dim(0) / events.clone().sum().unsqueeze::<2>();
        (p.clone() * p.add_scalar(1e-9).log()).sum()
    }

    /// Mean of ‖sg(H_i) − Σ_k α_ik c_k‖²/d over events. Without the stop-gradient it would
    /// draw all states to one.
    pub(super) fn reconstruction(&self, states: Tensor<B, 3>, events: &Tensor<B, 2>) -> Tensor<B, 1> {
        let [count, len, k] = self.alpha.dims();
        let d = states.dims()[2];
        let states = stop(states).reshape([count * len, d]);
        let alpha = self.alpha.clone().reshape([count * len, 1, k]);
        let rebuilt = alpha.matmul(self.interests.clone()).reshape([count * len, d]);
        masked_mean((states - rebuilt).square().mean_dim(1), events)
    }
}

/// Inner products of rows, `[rows, d]` each: `[rows, 1]`. A product with ones sums faster than a
/// reduction, and so does its derivative.
pub(super) fn row_dots<B: Backend>(one: Tensor<B, 2>, other: Tensor<B, 2>) -> Tensor<B, 2> {
    let ones = Tensor::ones([one.dims()[1], 1], &one.device());
    (one * other).matmul(ones)
}

/// Every row `times` times in a row, `[rows · times, d]`.
pub(super) fn repeat_rows<B: Backend>(x: Tensor<B, 2>, times: usize) -> Tensor<B, 2> {
    let [rows, d] = x.dims();
    let ones = Tensor::ones([rows, times, 1], &x.device());
    ones.matmul(x.reshape([rows, 1, d])).reshape([rows * times, d])
}

/// Mean of `values` `[rows, 1]` over the rows that `mask` `[rows, 1]` marks with 1.
pub(super) fn masked_mean<B: Backend>(values: Tensor<B, 2>, mask: &Tensor<B, 2>) -> Tensor<B, 1> {
    (values * mask.clone()).sum() / mask.clone().sum().add_scalar(EPSILON)
}

/// Rows of length 1.
pub(super) fn unit<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    let norm = row_dots(x.clone(), x.clone()).add_scalar(EPSILON).sqrt();
    x / norm
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::backend::{self, Inner};
    use crate::parameters::Parameters;
    use crate::random::SplitMix;

    const D: usize = 8;
    const K: usize = 3;

    fn coarse() -> Coarse<Inner> {
        let device = backend::device().unwrap();
        let build = |builder: &mut Builder<'_, Inner>| Coarse::build(builder, D, K, 0.1);
        let parameters = Parameters::fresh(3, &device, build);
        Coarse::build(&mut Builder::new(&parameters.list, 3, &device), D, K, 0.1)
    }

    fn states(count: usize, len: usize) -> Tensor<Inner, 3> {
        let mut random = SplitMix::new(1);
        let values: Vec<f32> = (0..count * len * D).map(|_| random.symmetric(1.0)).collect();
        Tensor::from_data(TensorData::new(values, [count, len, D]), &backend::device().unwrap())
    }

    fn values<const R: usize>(tensor: Tensor<Inner, R>) -> Vec<f32> {
        tensor.into_data().to_vec().unwrap()
    }

    #[test]
    fn interests_are_means_of_prefixes() {
        let (count, len) = (2, 4);
        let states = states(count, len);
        let assigned = coarse().forward(states.clone());
        let (alpha, found) = (values(assigned.alpha), values(assigned.interests));
        let (mass, states) = (values(assigned.mass), values(states));
        for history in 0..count {
            for t in 0..len {
                for k in 0..K {
                    let a = |i: usize| alpha[(history * len + i) * K + k];
                    let sum: f32 = (0..=t).map(a).sum();
                    let at = (history * len + t) * K + k;
                    assert!((mass[at] - sum / (t + 1) as f32).abs() < 1e-5);
                    for x in 0..D {
                        let expected: f32 =
                            (0..=t).map(|i| a(i) * states[(history * len + i) * D + x]).sum::<f32>()
                                / (sum + EPSILON);
                        assert!((found[at * D + x] - expected).abs() < 1e-4);
                    }
                }
            }
        }
    }

    #[test]
    fn an_event_that_points_along_the_basis_belongs_to_it() {
        let coarse = coarse();
        let alpha = values(coarse.assign(coarse.basis().transpose().mul_scalar(7.0)));
        for k in 0..K {
            assert!(alpha[k * K + k] > 0.5, "{alpha:?}");
        }
    }

    #[test]
    fn losses_are_least_where_they_should_be() {
        let device = backend::device().unwrap();
        let assignment = |alpha: Vec<f32>| Assignment::<Inner> {
            alpha: Tensor::from_data(TensorData::new(alpha, [1, 3, K]), &device),
            interests: Tensor::zeros([3, K, D], &device),
            mass: Tensor::zeros([3, K], &device),
        };
        let all = Tensor::<Inner, 2>::ones([3, 1], &device);
        let even = assignment(vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let one = assignment(vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        assert!((values(even.balance(&all))[0] + 3f32.ln()).abs() < 1e-4);
        assert!(values(one.balance(&all))[0].abs() < 1e-4);
        let orthogonal = Coarse::<Inner> {
            basis: Tensor::eye(D, &device).slice([0..D, 0..K]).mul_scalar(5.0),
            log_temperature: Tensor::zeros([1, 1], &device),
        };
        assert!(values(orthogonal.soft_orthogonality())[0] < 1e-5);
        assert!(values(coarse().soft_orthogonality())[0] > 1e-3);
    }
}
