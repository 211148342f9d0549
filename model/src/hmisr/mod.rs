//! HMISR, the two-level multi-interest network (seed, "两级多兴趣序列推荐算法"), one file a part.
//!
//! | file | part of the seed | what it does |
//! |---|---|---|
//! | `coarse` | 第一级 | soft assignment of every event to K interests, and their means |
//! | `interest` | 第二级, Interest | what is stable of an interest: cross-attention with it as query |
//! | `exchange` | 粗细粒度交互 | guidance of the fine by the coarse, and evidence back |
//! | `intent` | 第二级, Intent | what moves: a recurrent unit over the members' residuals |
//! | `vectors` | Layer 2 | interest and intent weighed by recency, one vector an interest |
//! | `contrast` | Item-aware contrast | intents behind the same item are alike |
//! | `diversity` | 用户多样性偏好 | the DiversityScore |
//! | `aggregation` | Layers 1 and 3 | activation by a candidate's category, target-aware aggregation |
//! | `losses` | 损失函数总览 | the weights of all losses, and the three stages |
//!
//! Everything is causal: what a position says comes from the events up to it alone.

mod aggregation;
mod coarse;
mod contrast;
mod diversity;
mod exchange;
mod intent;
mod interest;
mod losses;
mod network;
mod settings;
mod vectors;

pub use diversity::{Habits, blend};
pub use losses::{LossWeights, Plan, Stage};
pub use network::{Hmisr, SAMPLED, Samples, Training, View};
pub use settings::HmisrSettings;
