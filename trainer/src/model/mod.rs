//! The model: a causal transformer over item embeddings, and the softmax over the catalogue.

mod encoder;
mod exp;
mod fused;
mod loss;
mod parameters;
mod positions;
mod time;

pub(crate) use encoder::{Encoder, pair_buckets, specs};
pub use fused::Fused;
pub(crate) use loss::{SampledRows, full_softmax, sampled_softmax};
pub(crate) use parameters::Parameters;
