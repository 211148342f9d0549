//! A gated recurrent unit (Cho et al. 2014) over time.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::fused::Fused;
use crate::layers::Affine;
use crate::parameters::{Builder, Initial};

/// A recurrent layer.
#[derive(Debug)]
pub struct Gru<B: Backend> {
    input: Affine<B>,
    recurrent: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    initial: Tensor<B, 2>,
}

impl<B: Fused> Gru<B> {
    /// From `inputs` to a state of `width`; the state before the first step is learned.
    pub fn build(builder: &mut Builder<'_, B>, inputs: usize, width: usize) -> Self {
        Self {
            input: Affine::build(builder, "input", inputs, 3 * width),
            recurrent: builder.weight("recurrent", [width, 3 * width], Initial::Glorot),
            bias: builder.vector("bias", 3 * width, Initial::ZERO),
            initial: builder.vector("initial", width, Initial::ZERO),
        }
    }

    /// The input's part of the three gates, `[rows, 3 · width]`, of inputs `[rows, inputs]`.
    pub fn inputs(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.input.forward(x)
    }

    /// The states after each step, `[steps, sequences, width]`. `inputs` are those of
    /// [`Gru::inputs`], `[steps, sequences, 3 · width]`; `taken` `[steps, sequences, 1]` is 1
    /// where a sequence takes the step and 0 where it carries its state (none: all are taken).
    pub fn scan(&self, inputs: Tensor<B, 3>, taken: Option<Tensor<B, 3>>) -> Tensor<B, 3> {
        let [steps, sequences, _] = inputs.dims();
        let taken = taken.unwrap_or_else(|| Tensor::ones([steps, sequences, 1], &inputs.device()));
        B::gru(inputs, taken, self.recurrent.clone(), self.bias.clone(), self.initial.clone())
    }
}
