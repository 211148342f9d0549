//! Measures of rankings, lists and users; `docs/evaluation.md` has the formulas.

mod accuracy;
mod adaptation;
mod arms;
mod catalogue;
mod confidence;
mod interests;
mod lists;
mod pareto;
mod statistics;
mod table;

pub use accuracy::{hit, ndcg, reciprocal_rank};
pub use adaptation::{Adaptation, Fit, adaptation};
pub use arms::Arm;
pub use catalogue::{coverage, exposure, gini, long_tail};
pub use confidence::{Paired, RESAMPLES, interval, paired};
pub use interests::{RelatedSimilarity, RelatedSums, dominant_categories, related_similarity};
pub use lists::{intra_list_diversity, list_entropy, tail_share};
pub use pareto::{Curve, Lambda, ParetoPoint, ild_at_ndcg, pareto, rerank, select_lambda};
pub use statistics::{Line, line, spearman};
pub use table::UserTable;

/// The list lengths at which accuracy is measured.
pub const CUTOFFS: [usize; 4] = [5, 10, 20, 50];
/// The list length at which diversity is measured.
pub const LIST: usize = 10;
