//! Named tensors as safetensors.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::files::corrupt;
use crate::Result;

/// Tensors on their way to a file.
#[derive(Default)]
pub(super) struct Tensors {
    list: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl Tensors {
    pub(super) fn floats(&mut self, name: impl Into<String>, shape: [usize; 2], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.list.push((name.into(), Dtype::F32, shape.to_vec(), bytes));
    }

    pub(super) fn integers(&mut self, name: impl Into<String>, values: &[u32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.list.push((name.into(), Dtype::U32, vec![values.len()], bytes));
    }

    /// The file's bytes.
    pub(super) fn encode(self, path: &Path) -> Result<Vec<u8>> {
        let mut views = Vec::with_capacity(self.list.len());
        for (name, dtype, shape, bytes) in &self.list {
            let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(|error| corrupt(path, error))?;
            views.push((name.as_str(), view));
        }
        safetensors::serialize(views, None).map_err(|error| corrupt(path, error))
    }
}

/// Tensors of a file.
pub(super) struct Loaded<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl<'a> Loaded<'a> {
    pub(super) fn decode(path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| corrupt(path, error))?;
        Ok(Self { path, tensors })
    }

    pub(super) fn floats(&self, name: &str, shape: [usize; 2]) -> Result<Vec<f32>> {
        let bytes = self.bytes(name, Dtype::F32, &shape)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    pub(super) fn integers(&self, name: &str, len: usize) -> Result<Vec<u32>> {
        let bytes = self.bytes(name, Dtype::U32, &[len])?;
        Ok(bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    fn bytes(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8]> {
        let tensor = self
            .tensors
            .tensor(name)
            .map_err(|error| corrupt(self.path, format!("tensor `{name}`: {error}")))?;
        if tensor.dtype() != dtype || tensor.shape() != shape {
            let found = format!("{:?} {:?}", tensor.dtype(), tensor.shape());
            return Err(corrupt(
                self.path,
                format!("tensor `{name}` is {found}, expected {dtype:?} {shape:?}"),
            ));
        }
        Ok(tensor.data())
    }
}
