//! A network's parameters, named, with their AdamW state.
//!
//! They live on the host in flat vectors and are bound to a device for one step. At a few hundred
//! thousand weights the copy costs less than the bookkeeping of device-side optimizer state, one
//! loop updates them, and a snapshot is what lies here, bit for bit. At the full size, three million
//! weights, a GPU waits for it.
//!
//! A network says what it needs once, in its `build`, which asks a [`Builder`] for one weight
//! after another: over no parameters the builder makes them, over existing ones it binds them.

use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use crate::adam::{Adam, Step};
use crate::random::SplitMix;

/// How a parameter begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initial {
    /// One value everywhere.
    Constant(f32),
    /// Uniform in ±√(6 / (rows + columns)) (Glorot and Bengio 2010).
    Glorot,
    /// The value on the diagonal and 0 beside it.
    Identity(f32),
    /// Uniform in ± the bound.
    Uniform(f32),
}

impl Initial {
    /// Zeros.
    pub const ZERO: Self = Self::Constant(0.0);
    /// Ones.
    pub const ONE: Self = Self::Constant(1.0);
}

/// One parameter with its moments.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name, unique within the network.
    pub name: String,
    /// Rows and columns; vectors are `[1, n]`.
    pub shape: [usize; 2],
    /// The weights, row by row.
    pub weights: Vec<f32>,
    /// First moments.
    pub first: Vec<f32>,
    /// Second moments.
    pub second: Vec<f32>,
}

/// All parameters of a network, in the order in which it asks for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// The parameters.
    pub list: Vec<Parameter>,
    /// Updates so far.
    pub step: u64,
}

impl Parameters {
    /// Fresh parameters of the network that `build` builds. A parameter's beginning comes from
    /// `seed` and its name alone.
    pub fn fresh<B: Backend, N>(
        seed: u64,
        device: &B::Device,
        build: impl FnOnce(&mut Builder<'_, B>) -> N,
    ) -> Self {
        let mut builder = Builder::new(&[], seed, device);
        build(&mut builder);
        Self { list: builder.made, step: 0 }
    }

    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.list.iter().map(|parameter| parameter.weights.len()).sum()
    }

    /// One step; `gradients` are in this order and are multiplied by `scale` first. Parameters
    /// that `frozen` names keep their weights and moments.
    pub fn update(
        &mut self,
        adam: &Adam,
        rate: f32,
        scale: f32,
        gradients: &[Vec<f32>],
        frozen: &(dyn Fn(&str) -> bool + Sync),
    ) {
        self.step += 1;
        let step = Step { rate, scale, number: self.step };
        self.list.par_iter_mut().zip(gradients).for_each(|(parameter, gradient)| {
            let Parameter { name, weights, first, second, .. } = parameter;
            if !frozen(name) {
                adam.update(step, gradient, weights, [first, second]);
            }
        });
    }
}

/// Gives a network its weights, in the order in which it asks for them.
#[derive(Debug)]
pub struct Builder<'a, B: Backend> {
    existing: &'a [Parameter],
    made: Vec<Parameter>,
    seed: u64,
    device: &'a B::Device,
    prefix: String,
    bound: Vec<Tensor<B, 2>>,
}

impl<'a, B: Backend> Builder<'a, B> {
    /// A builder that binds `existing` parameters, and makes what they lack from `seed`.
    pub fn new(existing: &'a [Parameter], seed: u64, device: &'a B::Device) -> Self {
        Self { existing, made: Vec::new(), seed, device, prefix: String::new(), bound: Vec::new() }
    }

    /// Builds a part whose parameters' names begin with `name` and a dot.
    pub fn part<N>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> N) -> N {
        let outer = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        let built = build(self);
        self.prefix.truncate(outer);
        built
    }

    /// The next weight, `[rows, columns]`; its gradient is kept where the backend differentiates.
    pub fn weight(&mut self, name: &str, shape: [usize; 2], initial: Initial) -> Tensor<B, 2> {
        let name = format!("{}{name}", self.prefix);
        let known = self.existing.get(self.bound.len());
        debug_assert!(known.is_none_or(|known| known.name == name && known.shape == shape), "{name}");
        let weights = match known {
            Some(known) => known.weights.clone(),
            None => {
                let parameter = fresh(&name, shape, initial, self.seed);
                let weights = parameter.weights.clone();
                self.made.push(parameter);
                weights
            }
        };
        let tensor = Tensor::from_data(TensorData::new(weights, shape), self.device).require_grad();
        self.bound.push(tensor.clone());
        tensor
    }

    /// A bias or scale, `[1, n]`.
    pub fn vector(&mut self, name: &str, n: usize, initial: Initial) -> Tensor<B, 2> {
        self.weight(name, [1, n], initial)
    }

    /// The device.
    pub fn device(&self) -> &B::Device {
        self.device
    }

    /// All weights bound so far, in order.
    pub fn into_bound(self) -> Vec<Tensor<B, 2>> {
        self.bound
    }
}

fn fresh(name: &str, shape: [usize; 2], initial: Initial, seed: u64) -> Parameter {
    let size = shape[0] * shape[1];
    let mut random = SplitMix::keyed(seed, name.as_bytes());
    let mut uniform = |bound: f32| (0..size).map(|_| random.symmetric(bound)).collect();
    let weights = match initial {
        Initial::Constant(value) => vec![value; size],
        Initial::Glorot => uniform((6.0 / (shape[0] + shape[1]) as f32).sqrt()),
        Initial::Uniform(bound) => uniform(bound),
        Initial::Identity(value) => {
            let columns = shape[1];
            (0..size).map(|at| if at / columns == at % columns { value } else { 0.0 }).collect()
        }
    };
    Parameter { name: name.to_owned(), shape, weights, first: vec![0.0; size], second: vec![0.0; size] }
}

/// Adds the gradients of `bound` weights to `sums`, in their order.
pub fn add_gradients<B: AutodiffBackend>(
    bound: &[Tensor<B, 2>],
    gradients: &mut B::Gradients,
    sums: &mut [Vec<f32>],
) {
    for (tensor, sum) in bound.iter().zip(sums) {
        let Some(gradient) = tensor.grad_remove(gradients) else { continue };
        if let Ok(values) = gradient.into_data().as_slice::<f32>() {
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};

    fn build(builder: &mut Builder<'_, Inner>) -> [Tensor<Inner, 2>; 2] {
        builder.part("a", |a| [a.weight("w", [3, 4], Initial::Glorot), a.vector("b", 4, Initial::ONE)])
    }

    #[test]
    fn what_was_made_is_bound_again() {
        let device = backend::device().unwrap();
        let parameters = Parameters::fresh(7, &device, build);
        let names: Vec<&str> = parameters.list.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(names, ["a.w", "a.b"]);
        let mut builder = Builder::new(&parameters.list, 99, &device);
        let [w, b] = build(&mut builder);
        assert_eq!(w.into_data().to_vec::<f32>().unwrap(), parameters.list[0].weights);
        assert_eq!(b.into_data().to_vec::<f32>().unwrap(), [1.0; 4]);
        assert!(builder.made.is_empty());
        assert_eq!(builder.into_bound().len(), 2);
    }

    #[test]
    fn a_frozen_parameter_stays() {
        let device = backend::device().unwrap();
        let mut parameters = Parameters::fresh(7, &device, build);
        let before = parameters.clone();
        let gradients = [vec![1.0; 12], vec![1.0; 4]];
        parameters.update(&Adam::new([0.9, 0.99], 0.0), 0.1, 1.0, &gradients, &|name| name == "a.w");
        assert_eq!(parameters.list[0], before.list[0]);
        assert!(parameters.list[1].weights.iter().all(|weight| *weight < 0.95));
    }
}
