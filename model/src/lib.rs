//! The models: networks over item embeddings, their losses and their parameters.

pub mod rerank;
