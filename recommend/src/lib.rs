//! From a user's events to an answer: what is published of a model, and how it recommends.
//!
//! * [`artifact`]: what lies on disk, and who may write it.
//! * [`counts`]: what counts of the stream say of an item beside the network.
//! * [`Catalogue`]: the items that a model knows, with their categories.
//! * [`Fitted`] reads histories; a [`retrieve::Source`] finds candidates, `score` ranks them,
//!   [`rerank`] makes the list diverse. Offline evaluation, the trainer's look at what would have been
//!   served, and the server go through the same functions.
//! * [`Foresight`]: the DiversityScore, learnt from what users chose next.
//! * [`Recommender`]: a published version that answers requests.

mod actions;
mod answer;
pub mod artifact;
mod catalogue;
pub mod counts;
mod error;
mod explain;
mod fitted;
mod foresight;
mod habits;
mod list;
pub mod plain;
mod profile;
mod recommender;
pub mod rerank;
pub mod retrieve;
mod score;

pub use actions::Actions;
pub use answer::{
    CategoryShare, Event, Interest, Known, Lambda, Near, Origin, Profile, Recommendation, Request, Scored,
    Why,
};
pub use catalogue::{Catalogue, Item};
pub use error::{Error, ErrorKind, Result};
pub use fitted::{Embeddings, Fitted, History, Parts, Read, Rows, UNLEARNED_STEPS, User};
pub use foresight::{CHOICES, Foresight, Inputs, Line, begins_session, variety};
pub use habits::{features, habits, head};
pub use list::{List, Listed};
pub use recommender::{MOST, Recommender};
