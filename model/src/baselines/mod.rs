//! The models that HMISR is compared with: same embeddings, same loss, same budget.

mod comirec_dr;
mod comirec_sa;
mod gru4rec;
mod mind;
mod recurrence;
mod remi;
mod routing;
mod sasrec;
mod self_attention;
mod tisasrec;

pub use comirec_dr::ComirecDr;
pub use comirec_sa::ComirecSa;
pub use gru4rec::Gru4rec;
pub use mind::Mind;
pub use recurrence::Recurrence;
pub use remi::{HARDNESS, ROUTING, Remi};
pub use sasrec::Sasrec;
pub use tisasrec::Tisasrec;
