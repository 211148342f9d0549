//! Offline experiments: data sets, protocols, training by stages, measures and reports.
//!
//! A [`Dataset`] is read from files, a [`Split`] of it says what is learnt from and what is asked,
//! a [`Scorer`] answers, [`evaluate`] keeps the answers case by case, and [`measures`] and
//! [`report`] make figures, tables and pictures of them. A [`study`] does all of that for many
//! models and seeds.

pub mod data;
mod error;
mod evaluate;
pub mod fit;
pub mod measures;
pub mod rank;
pub mod report;
pub mod split;
pub mod study;

pub use data::{Dataset, Event, UserFeatures};
pub use error::{Error, Result};
pub use evaluate::{Answers, CaseResult, EvaluateOptions, PerCase, evaluate};
pub use rank::{Interests, Query, Scorer};
pub use split::{Case, CaseSet, Protocol, Split};
