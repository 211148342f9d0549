//! A client of an Arroyo cluster: has it run the SQL pipelines that are wanted, and tells what it runs.
//!
//! [`wanted`] puts tables, queries and functions together. [`check`] and [`deploy`] bring a [`Cluster`] there,
//! [`statuses`] and [`differences`] compare it with what is wanted, [`stop`] ends pipelines.

mod api;
mod cluster;
mod deploy;
mod diff;
mod error;
mod plan;
mod status;
mod texts;

pub use api::{StopMode, Udf};
pub use cluster::{Cluster, Waiting};
pub use deploy::{Deployed, Outcome, check, deploy};
pub use diff::{Difference, differences};
pub use error::{Error, ErrorKind, Result};
pub use plan::Tuning;
pub use status::{Status, Stopped, statuses, stop};
pub use texts::{Wanted, wanted};
