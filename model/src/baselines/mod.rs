//! The models that HMISR is compared with: same embeddings, same loss, same budget.

mod gru4rec;
mod sasrec;

pub use gru4rec::Gru4rec;
pub use sasrec::Sasrec;
