//! GRU4Rec (Hidasi et al., ICLR 2016), with the cross-entropy that Hidasi and Karatzoglou (2018)
//! and later comparisons found best.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::fused::Fused;
use crate::gru::Gru;
use crate::layers::{Affine, Norm};
use crate::network::{Input, Output};
use crate::parameters::Builder;
use crate::settings::ModelSettings;

/// The network: recurrent layers of the embeddings' width, and a projection back to items.
#[derive(Debug)]
pub struct Gru4rec<B: Backend> {
    layers: Vec<Gru<B>>,
    output: Affine<B>,
    norm: Norm<B>,
}

impl<B: Fused> Gru4rec<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        let d = settings.width;
        let layers = (0..settings.layers)
            .map(|nth| builder.part(&format!("layer.{nth}"), |part| Gru::build(part, d, d)))
            .collect();
        Self { layers, output: Affine::build(builder, "output", d, d), norm: Norm::build(builder, "norm", d) }
    }

    /// See [`crate::Network::forward`].
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        let [count, len, d] = input.embeddings.dims();
        let scaled = input.embeddings.mul_scalar((d as f32).sqrt());
        // Time first, as the scan walks it.
        let mut x = input.dropout.apply(scaled).swap_dims(0, 1).reshape([len * count, d]);
        for layer in &self.layers {
            let inputs = layer.inputs(x).reshape([len, count, 3 * d]);
            let states: Tensor<B, 3> = layer.scan(inputs, None);
            x = input.dropout.apply(states).reshape([len * count, d]);
        }
        let states = self.norm.forward(self.output.forward(x));
        let vectors = states.reshape([len, count, d]).swap_dims(0, 1).reshape([count * len, 1, d]);
        Output { priors: None, vectors, auxiliary: Vec::new() }
    }
}
