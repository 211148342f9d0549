//! What the network says of users: what ranking and re-ranking read.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

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
