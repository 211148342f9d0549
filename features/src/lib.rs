//! The diversity features of a user's stream of interactions.
//!
//! Pure functions and accumulators whose cost per event does not grow with the number of events,
//! amortised; a user's category is found among the k that the user has had by comparing, so it is
//! O(k) in those. No I/O, no clock, no randomness. Every engine that computes features calls this crate, so the
//! same events give the same numbers everywhere.
//!
//! An event is applied in a fixed order (see [`PartitionState`]): expiry, lateness, tail mark,
//! update of the user, count of the item, halving of the counts, new tail threshold, new clock.
//!
//! ```
//! use hmisr_features::{FeatureSettings, Id, Interaction, ItemCount, PartitionState, UserState};
//!
//! let settings = FeatureSettings::default();
//! let mut partition = PartitionState::default();
//! let mut user = UserState::default();
//! let mut item = ItemCount::default();
//! let (id, film, genre) = (Id::from(42), Id::from(7), Id::from(1));
//! let event = Interaction::new(&film, &genre, 1_000);
//! partition.admit(&settings, &mut user, event.ts).unwrap();
//! let features = partition.update(&settings, 0, (&id, &mut user), &mut item, &event);
//! assert_eq!(features.lifetime.events, 1);
//! assert_eq!(features.recent_diversity, 1.0);
//! ```

mod clock;
mod diversity;
mod error;
mod habits;
mod id;
mod id63;
mod missing;
mod partition;
mod plausible;
mod popularity;
mod settings;
mod user;
pub mod varint;
mod window;

pub use clock::Clock;
pub use diversity::{Diversity, Totals};
pub use habits::{HABIT_NAMES, HABITS};
pub use id::{Id, IdError, MAX_INT_ID};
pub use id63::{MAX_ID_BYTES, id63, json_id};
pub use missing::is_missing;
pub use partition::{Late, PartitionState, is_expired, is_removable};
pub use plausible::{MAX_TS, MIN_TS, implausible};
pub use popularity::{ItemCount, Popularity};
pub use settings::{FeatureSettings, InvalidSetting, MATHS_VERSION};
pub use user::{
    Category, Features, History, Interaction, MAX_CATEGORIES, OpenedHistory, UserState, VISITS, Visit,
};
pub use window::{RECENT, WindowFeatures, WindowRow};
