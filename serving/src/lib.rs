//! Recommendations over HTTP, from the newest snapshot.
//!
//! * [`Model`] and [`ModelLoader`]: what answers, and where it comes from ([`Snapshots`] is the
//!   folder of published versions).
//! * [`ModelSlot`] and [`Watcher`]: the model in force and what swaps it. Readers never lock, a
//!   request keeps the model that it began with, and a snapshot that cannot be loaded leaves the
//!   old one serving.
//! * [`UserLookup`]: a user's committed features and newest visits; [`LookupClient`] asks pipelines.
//! * [`Api`]: the endpoints, as one `axum` router in two compositions: everything, or only the
//!   look-up that a pipeline serves.
//! * [`Activity`]: the newest hours of the process, for the page at `/`.
//! * [`serve`] and [`HttpServer`]: a listener with bounds and a graceful end.
//!
//! Every answer that is not one of success is JSON, `{"error": {"kind": …, "message": …}}`.

mod activity;
mod api;
mod aside;
mod connection;
mod coverage;
mod descriptors;
mod error;
mod gate;
mod hosts;
mod last_known;
mod lookup;
mod lookup_client;
mod metrics;
mod model;
mod owners;
mod percent;
mod places;
mod served;
mod server;
mod settings;
mod shared_check;
mod slot;
mod snapshots;
mod tls;
mod token;
mod trust;
mod unknown;
mod watcher;

pub use activity::Activity;
pub use api::Api;
pub use error::{ApiError, Error, ErrorKind, Result};
pub use hmisr_recommend::{
    CategoryShare, Interest, Known, Lambda, Near, Origin, Profile, Recommendation, Request, Scored, Why,
};
pub use last_known::Kept;
pub use lookup::{LookedIn, LookupError, UserLookup};
pub use lookup_client::LookupClient;
pub use metrics::Metrics;
pub use model::{Model, ModelError, ModelInfo, ModelLoader};
pub use server::{Ended, HttpServer, Listening, serve};
pub use settings::{InvalidSetting, Settings};
pub use slot::ModelSlot;
pub use snapshots::Snapshots;
pub use watcher::{Checked, Watcher};
