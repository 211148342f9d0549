//! The loop: records become micro-batches, batches are journalled, evaluated and learnt from, and
//! snapshots are published.

mod alone;
mod journal;
mod lesson;
mod progress;
mod publish;
mod queue;
mod run;

pub use alone::{Alone, alone};
pub use lesson::has_lesson;
pub use progress::{Pass, Progress, View};
pub use run::{Summary, run};
