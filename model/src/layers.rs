//! Small layers that several networks share.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::fused::Fused;
use crate::parameters::{Builder, Initial};

/// x·W + b.
#[derive(Debug)]
pub struct Affine<B: Backend> {
    weight: Tensor<B, 2>,
    bias: Tensor<B, 2>,
}

impl<B: Fused> Affine<B> {
    /// `inputs` to `outputs`.
    pub fn build(builder: &mut Builder<'_, B>, name: &str, inputs: usize, outputs: usize) -> Self {
        Self::begin(builder, name, [inputs, outputs], Initial::Glorot)
    }

    /// The same with another beginning of the weights; the bias begins with zeros.
    pub fn begin(builder: &mut Builder<'_, B>, name: &str, shape: [usize; 2], initial: Initial) -> Self {
        builder.part(name, |part| Self {
            weight: part.weight("weight", shape, initial),
            bias: part.vector("bias", shape[1], Initial::ZERO),
        })
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        B::affine(x, self.weight.clone(), self.bias.clone(), false)
    }

    /// The same, with 0 in the place of what is negative.
    pub fn rectified(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        B::affine(x, self.weight.clone(), self.bias.clone(), true)
    }
}

/// Layer normalisation (Ba et al. 2016).
#[derive(Debug)]
pub struct Norm<B: Backend> {
    scale: Tensor<B, 2>,
    shift: Tensor<B, 2>,
}

impl<B: Fused> Norm<B> {
    /// Over rows of `width`.
    pub fn build(builder: &mut Builder<'_, B>, name: &str, width: usize) -> Self {
        builder.part(name, |part| Self {
            scale: part.vector("scale", width, Initial::ONE),
            shift: part.vector("shift", width, Initial::ZERO),
        })
    }

    /// `[rows, width]`.
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        B::norm(x, self.scale.clone(), self.shift.clone())
    }
}
