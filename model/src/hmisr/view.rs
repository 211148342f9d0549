//! What the network says of users: what ranking and re-ranking read.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use crate::stop::stop;

/// What the network says of users at chosen positions.
#[derive(Debug)]
pub struct View<B: Backend> {
    /// What the fixed blend reads in the place of the DiversityScore, `[users, 6]`; see [`blend`](super::blend).
    pub features: Tensor<B, 2>,
    /// Share of each interest in the user's history, `[users, K]`.
    pub mass: Tensor<B, 2>,
    /// The DiversityScore, `[users, 1]`.
    pub diversity: Tensor<B, 2>,
    /// g, what each vector's scores begin with, `[users, K]`.
    pub priors: Tensor<B, 2>,
    /// h, the user vectors, `[users, K, d]`.
    pub vectors: Tensor<B, 3>,
}

impl<B: Backend> View<B> {
    /// The users as the aggregation learns from them: their vectors do not learn from it.
    pub(super) fn detached(&self) -> Self {
        Self {
            features: self.features.clone(),
            mass: self.mass.clone(),
            diversity: self.diversity.clone(),
            priors: stop(self.priors.clone()),
            vectors: stop(self.vectors.clone()),
        }
    }

    /// One user's part.
    pub fn user(&self, nth: usize) -> Self {
        let two = |tensor: &Tensor<B, 2>| tensor.clone().narrow(0, nth, 1);
        Self {
            features: two(&self.features),
            mass: two(&self.mass),
            diversity: two(&self.diversity),
            priors: two(&self.priors),
            vectors: self.vectors.clone().narrow(0, nth, 1),
        }
    }
}

/// The rows of `tensor` at `positions`.
pub(super) fn rows<B: Backend>(tensor: &Tensor<B, 2>, positions: &[usize]) -> Tensor<B, 2> {
    tensor.clone().select(0, places(positions, &tensor.device()))
}

/// The same of three dimensions.
pub(super) fn rows3<B: Backend>(tensor: &Tensor<B, 3>, positions: &[usize]) -> Tensor<B, 3> {
    tensor.clone().select(0, places(positions, &tensor.device()))
}

fn places<B: Backend>(positions: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let places: Vec<i64> = positions.iter().map(|at| *at as i64).collect();
    Tensor::from_data(TensorData::new(places, [positions.len()]), device)
}
