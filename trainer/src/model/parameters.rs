//! The encoder's parameters, named, with their AdamW state.
//!
//! They live on the host in flat vectors and are bound to a device for one step. At a few hundred
//! thousand weights the copy costs less than the bookkeeping of device-side optimizer state, one
//! fused loop updates them, and a snapshot is what lies here, bit for bit.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::adam::{Adam, Step};
use crate::random::SplitMix;

/// How a parameter begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Initial {
    Zero,
    One,
    /// Uniform in ±√(6 / (inputs + outputs)) (Glorot and Bengio 2010).
    Glorot,
}

/// Name, shape and beginning of a parameter. Vectors are `[1, n]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) shape: [usize; 2],
    pub(crate) initial: Initial,
}

/// One parameter with its moments.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) shape: [usize; 2],
    pub(crate) weights: Vec<f32>,
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
}

/// All parameters, in the order of their specification.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub(crate) list: Vec<Parameter>,
    /// Updates so far.
    pub(crate) step: u64,
}

impl Parameters {
    pub(crate) fn new(specs: &[Spec], seed: u64) -> Self {
        let parameter = |spec: &Spec| {
            let size = spec.shape[0] * spec.shape[1];
            let mut random = SplitMix::keyed(seed, spec.name.as_bytes());
            let bound = (6.0 / (spec.shape[0] + spec.shape[1]) as f32).sqrt();
            let weights = match spec.initial {
                Initial::Zero => vec![0.0; size],
                Initial::One => vec![1.0; size],
                Initial::Glorot => (0..size).map(|_| random.symmetric(bound)).collect(),
            };
            Parameter {
                name: spec.name.clone(),
                shape: spec.shape,
                weights,
                first: vec![0.0; size],
                second: vec![0.0; size],
            }
        };
        Self { list: specs.iter().map(parameter).collect(), step: 0 }
    }

    /// Copies of the weights on the device.
    pub(crate) fn bind<B: Backend>(&self, device: &B::Device) -> Vec<Tensor<B, 2>> {
        let bound = |parameter: &Parameter| {
            Tensor::from_data(TensorData::new(parameter.weights.clone(), parameter.shape), device)
        };
        self.list.iter().map(bound).collect()
    }

    /// One step; `gradients` are in this order and are multiplied by `scale` first.
    pub(crate) fn update(&mut self, adam: &Adam, rate: f32, scale: f32, gradients: &[Vec<f32>]) {
        self.step += 1;
        for (parameter, gradient) in self.list.iter_mut().zip(gradients) {
            let Parameter { weights, first, second, .. } = parameter;
            let step = Step { rate, scale, number: self.step };
            adam.update(step, gradient, weights, [first, second]);
        }
    }
}
