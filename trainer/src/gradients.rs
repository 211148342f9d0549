//! Gradients of a step, summed over its passes in a fixed order.

use crate::batch::Chunk;
use crate::model::SampledRows;

/// Gradients of a step: the encoder's in the parameters' order, the table's `[items, d]` for
/// the full softmax, or for the rows touched.
pub(crate) struct Gradients {
    pub(crate) encoder: Vec<Vec<f32>>,
    pub(crate) table: TableGradients,
    /// Summed cross-entropy, nats.
    pub(crate) loss: f64,
}

/// The table's part.
pub(crate) enum TableGradients {
    All(Vec<f32>),
    Touched(SampledRows),
}

impl TableGradients {
    /// Adds the gradient by a pass's input `[sequences, len, d]`.
    pub(crate) fn add_inputs(&mut self, pass: &[Chunk], len: usize, d: usize, by_input: &[f32]) {
        for (chunk, by_input) in pass.iter().zip(by_input.chunks_exact(len * d)) {
            for (row, gradient) in chunk.rows.iter().zip(by_input.chunks_exact(d)) {
                match self {
                    Self::All(all) => {
                        let start = *row as usize * d;
                        for (sum, value) in all[start..start + d].iter_mut().zip(gradient) {
                            *sum += value;
                        }
                    }
                    Self::Touched(touched) => {
                        touched.rows.push(*row);
                        touched.gradients.extend_from_slice(gradient);
                    }
                }
            }
        }
    }

    /// One gradient per row, rows ascending.
    pub(crate) fn into_rows(self, d: usize) -> SampledRows {
        match self {
            Self::All(gradients) => {
                SampledRows { rows: (0..(gradients.len() / d) as u32).collect(), gradients }
            }
            Self::Touched(touched) => {
                let mut order: Vec<usize> = (0..touched.rows.len()).collect();
                // Stable, so that equal rows are summed in the order of their touch.
                order.sort_by_key(|at| touched.rows[*at]);
                let mut merged = SampledRows::default();
                for at in order {
                    let gradient = &touched.gradients[at * d..(at + 1) * d];
                    if merged.rows.last() == Some(&touched.rows[at]) {
                        let start = merged.gradients.len() - d;
                        for (sum, value) in merged.gradients[start..].iter_mut().zip(gradient) {
                            *sum += value;
                        }
                    } else {
                        merged.rows.push(touched.rows[at]);
                        merged.gradients.extend_from_slice(gradient);
                    }
                }
                merged
            }
        }
    }
}
