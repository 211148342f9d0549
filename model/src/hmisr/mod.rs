//! HMISR, the two-level multi-interest network (design, section 3 "The model"), one file a part. The
//! design is told in docs/design.md, section by section.
//!
//! It stands over either of two encoders ([`EncoderKind`]): `attended` has the design's parts over attention, where
//! interests are of states; `recalled` has them over a recurrence, where interests are of items and every part is
//! linear in the events, so that an example costs its own position alone. Both have `event`, `coarse`, `diversity`
//! and `losses`.
//!
//! | file | section of the design | what it does |
//! |---|---|---|
//! | `event` | 2 Inputs | what an event adds to its item: action, weight, pause |
//! | `coarse` | 3.2 Coarse interests | soft assignment of every event to K interests, and their means |
//! | `interest` | 3.3 Interest and intent | what is stable of an interest: cross-attention with it as query |
//! | `exchange` | 3.4 Exchange between the levels | guidance of the fine by the coarse, and evidence back |
//! | `intent` | 3.3 Interest and intent | what moves: a recurrent unit over the members' residuals |
//! | `vectors` | 3.6.2 Layer 2 | interest and intent weighed by recency, one vector an interest |
//! | `contrast` | 3.3 Interest and intent | intents behind the same item are alike |
//! | `diversity` | 3.5 The diversity score | what is known of users' wish for diversity, and the fixed blend |
//! | `aggregation` | 3.6.1, 3.6.3 Layers 1, 3 | activation by category, target-aware aggregation |
//! | `fine` | 3.3 Interest and intent | over the recurrence: slow averages of an interest's events, and fast less slow |
//! | `losses` | 3.8 Training | the weights of all losses, and the three stages |
//!
//! Everything is causal: what a position says comes from the events up to it alone.

mod aggregation;
mod attended;
mod coarse;
mod contrast;
mod diversity;
mod event;
mod exchange;
mod fine;
mod intent;
mod interest;
mod losses;
mod network;
mod recalled;
mod samples;
mod settings;
mod vectors;
mod view;

pub use attended::Attended;
pub use diversity::{Habits, blend};
pub use losses::{LossWeights, Plan, Stage};
pub use network::Hmisr;
pub use recalled::Recalled;
pub use samples::{SAMPLED, Samples, Training};
pub use settings::{EncoderKind, HmisrSettings};
pub use view::View;
