//! Weights on disk, as safetensors: `items.weights` `[items, d]` and a tensor for each parameter by
//! its name, all f32, row by row. With the optimizer: `….first` and `….second` beside each, and
//! `items.steps` `[items]` u32.

use std::path::Path;

use hmisr_model::{Parameters, Table};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::error::{Error, Result};

/// Which parts a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    Weights,
    WithOptimizer,
}

const NAMES: [&str; 3] = ["weights", "first", "second"];

/// The file's bytes.
pub(super) fn encode(path: &Path, parameters: &Parameters, table: &Table, parts: Parts) -> Result<Vec<u8>> {
    let floats =
        |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    let count = if parts == Parts::Weights { 1 } else { 3 };
    for (part, suffix) in NAMES.iter().enumerate().take(count) {
        let shape = vec![table.len(), table.width()];
        tensors.push((format!("items.{suffix}"), Dtype::F32, shape, floats(&table.part(part))));
        for parameter in &parameters.list {
            let values = [&parameter.weights, &parameter.first, &parameter.second][part];
            let name =
                if part == 0 { parameter.name.clone() } else { format!("{}.{suffix}", parameter.name) };
            tensors.push((name, Dtype::F32, parameter.shape.to_vec(), floats(values)));
        }
    }
    if parts == Parts::WithOptimizer {
        let steps = table.steps().iter().flat_map(|steps| steps.to_le_bytes()).collect();
        tensors.push(("items.steps".to_owned(), Dtype::U32, vec![table.len()], steps));
    }
    let views: std::result::Result<Vec<_>, _> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_str(), view))
        })
        .collect();
    views.and_then(|views| serialize(views, None)).map_err(|error| {
        Error::input(path, format!("the weights cannot be written: {error}"), "finite sizes")
    })
}

/// Reads a file into `parameters`, whose names and shapes it must have, and a table of `items`.
pub(super) fn decode(
    path: &Path,
    bytes: &[u8],
    parameters: &mut Parameters,
    [items, width]: [usize; 2],
    seed: u64,
    parts: Parts,
) -> Result<Table> {
    const EXPECTED: &str = "weights of the same settings and data; remove the run folder to begin anew";
    let broken = |problem: String| Error::input(path, problem, EXPECTED);
    let file =
        SafeTensors::deserialize(bytes).map_err(|error| broken(format!("not a whole file: {error}")))?;
    let floats = |name: &str, shape: &[usize]| -> Result<Vec<f32>> {
        let tensor = file.tensor(name).map_err(|_| broken(format!("there is no tensor {name}")))?;
        if tensor.shape() != shape || tensor.dtype() != Dtype::F32 {
            let found = format!("{:?} of {:?}", tensor.dtype(), tensor.shape());
            return Err(broken(format!("tensor {name} is {found}, not F32 of {shape:?}")));
        }
        Ok(tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    };
    let count = if parts == Parts::Weights { 1 } else { 3 };
    let mut table = vec![vec![0.0; items * width]; 3];
    for (part, suffix) in NAMES.iter().enumerate().take(count) {
        table[part] = floats(&format!("items.{suffix}"), &[items, width])?;
        for parameter in &mut parameters.list {
            let name =
                if part == 0 { parameter.name.clone() } else { format!("{}.{suffix}", parameter.name) };
            let values = floats(&name, &parameter.shape)?;
            *[&mut parameter.weights, &mut parameter.first, &mut parameter.second][part] = values;
        }
    }
    let steps = match parts {
        Parts::Weights => vec![0; items],
        Parts::WithOptimizer => {
            let tensor =
                file.tensor("items.steps").map_err(|_| broken("there is no tensor items.steps".into()))?;
            tensor.data().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        }
    };
    Table::from_parts(width, seed, &table[0], &table[1], &table[2], steps)
        .ok_or_else(|| broken("tensors of the items do not agree in length".into()))
}
