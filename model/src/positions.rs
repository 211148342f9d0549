//! Absolute positions, and which of them see which.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use crate::parameters::{Builder, Initial};
use crate::softmax::HIDDEN;

/// tAPE (Foumani et al. 2023, eq. 12): sines and cosines of position · ω_i · d / L, which spread
/// the phases over sequences of length L = `max_len` at any width d. `[len, width]`.
///
/// They are scaled to the spread of fresh item embeddings; at their full amplitude of 1 they
/// would drown them.
pub fn tape(len: usize, width: usize, max_len: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(len * width);
    for position in 0..len {
        for column in 0..width {
            let even = (column / 2 * 2) as f64;
            let omega = 10_000f64.powf(-even / width as f64);
            let angle = position as f64 * omega * width as f64 / max_len as f64;
            let value = if column % 2 == 0 { angle.sin() } else { angle.cos() };
            values.push((value * AMPLITUDE) as f32);
        }
    }
    values
}

/// Spread of fresh embeddings, and so of positions.
pub(crate) const AMPLITUDE: f64 = 0.1;

/// A learned vector a position.
#[derive(Debug)]
pub(crate) struct Learned<B: Backend> {
    /// `[max_len, width]`.
    table: Tensor<B, 2>,
}

impl<B: Backend> Learned<B> {
    pub(crate) fn build(builder: &mut Builder<'_, B>, name: &str, max_len: usize, width: usize) -> Self {
        Self { table: builder.weight(name, [max_len, width], Initial::Uniform(AMPLITUDE as f32)) }
    }

    /// Those of the first `len` positions, `[len, width]`; the last one's beyond `max_len`.
    pub(crate) fn forward(&self, len: usize) -> Tensor<B, 2> {
        let last = self.table.dims()[0] - 1;
        let places: Vec<i64> = (0..len).map(|at| at.min(last) as i64).collect();
        let places = Tensor::<B, 1, Int>::from_data(TensorData::new(places, [len]), &self.table.device());
        self.table.clone().select(0, places)
    }
}

/// What hides later events from a position when it is added to scores `[position, event]`.
pub(crate) fn causal<B: Backend>(len: usize, device: &B::Device) -> Tensor<B, 2> {
    let cell = |at: usize| if at % len > at / len { HIDDEN } else { 0.0 };
    let cells: Vec<f32> = (0..len * len).map(cell).collect();
    Tensor::from_data(TensorData::new(cells, [len, len]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_told_apart() {
        let (len, width) = (50, 64);
        let all = tape(len, width, len);
        let row = |at: usize| &all[at * width..(at + 1) * width];
        for a in 0..len {
            for b in 0..a {
                let distance: f32 = row(a).iter().zip(row(b)).map(|(x, y)| (x - y) * (x - y)).sum();
                assert!(distance.sqrt() > 0.05, "{a} and {b}");
            }
        }
    }
}
