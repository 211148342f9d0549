//! Named tensors as safetensors.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::files::corrupt;
use crate::Result;

/// Tensors on their way to a file.
#[derive(Debug, Default)]
pub struct Tensors {
    list: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl Tensors {
    /// Adds a matrix, row by row.
    pub fn floats(&mut self, name: impl Into<String>, shape: [usize; 2], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.list.push((name.into(), Dtype::F32, shape.to_vec(), bytes));
    }

    /// Adds a row of whole numbers.
    pub fn integers(&mut self, name: impl Into<String>, values: &[u32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.list.push((name.into(), Dtype::U32, vec![values.len()], bytes));
    }

    /// The file's bytes; `path` is where they are going, for errors.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) where a size is out of range.
    pub fn encode(self, path: &Path) -> Result<Vec<u8>> {
        let mut views = Vec::with_capacity(self.list.len());
        for (name, dtype, shape, bytes) in &self.list {
            let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(|error| corrupt(path, error))?;
            views.push((name.as_str(), view));
        }
        safetensors::serialize(views, None).map_err(|error| corrupt(path, error))
    }
}

/// Tensors of a file.
#[derive(Debug)]
pub struct Loaded<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl<'a> Loaded<'a> {
    /// The tensors of `bytes`, which were read from `path`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) where they are not whole.
    pub fn decode(path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| corrupt(path, error))?;
        Ok(Self { path, tensors })
    }

    /// Each tensor's name and shape.
    pub fn shapes(&self) -> impl Iterator<Item = (String, Vec<usize>)> + '_ {
        self.tensors.tensors().into_iter().map(|(name, tensor)| (name, tensor.shape().to_vec()))
    }

    /// The shape of a tensor; none where there is no such one.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.tensor(name).ok().map(|tensor| tensor.shape().to_vec())
    }

    /// A matrix, every number of which is finite.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) names the tensor.
    pub fn finite(&self, name: &str, shape: [usize; 2]) -> Result<Vec<f32>> {
        let floats = self.floats(name, shape)?;
        match floats.iter().position(|value| !value.is_finite()) {
            None => Ok(floats),
            Some(at) => {
                let place = [at / shape[1].max(1), at % shape[1].max(1)];
                let text =
                    format!("tensor `{name}` holds {} at {place:?}, expected finite numbers", floats[at]);
                Err(corrupt(self.path, text))
            }
        }
    }

    /// A matrix, row by row.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) names the tensor and what it is instead.
    pub fn floats(&self, name: &str, shape: [usize; 2]) -> Result<Vec<f32>> {
        let bytes = self.bytes(name, Dtype::F32, &shape)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// A row of whole numbers.
    ///
    /// # Errors
    /// As [`Loaded::floats`].
    pub fn integers(&self, name: &str, len: usize) -> Result<Vec<u32>> {
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
