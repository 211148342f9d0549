//! Back-pressure on the feeder.

use std::sync::Arc;

use hmisr_feed::FeedProgress;
use hmisr_pipeline::PipelineProgress;
use hmisr_trainer::online::Progress;

/// How far the feeder is ahead of those who read.
pub struct Backlog {
    /// Events that it may be ahead.
    pub most: u64,
    /// The feeder.
    pub fed: Arc<FeedProgress>,
    /// The job.
    pub job: Arc<PipelineProgress>,
    /// The trainer.
    pub training: Arc<Progress>,
}

impl Backlog {
    /// Events that may be fed now: the log holds at most `most` events and examples that are not
    /// yet processed and trained on, whatever the input's size.
    pub fn may_send(&self) -> u64 {
        let fed = self.fed.fed() + self.fed.skipped();
        let processed: i64 = self.job.next_offsets().values().sum();
        let unprocessed = fed.saturating_sub(processed.unsigned_abs());
        // The trainer learns of the log's end now and then; what the job has written since the
        // start is known at once.
        let view = self.training.view();
        let learnt = view.examples.saturating_sub(view.learnt_before);
        let untrained = view.lag.unwrap_or(0).max(self.job.examples().saturating_sub(learnt));
        self.most.saturating_sub(unprocessed + untrained)
    }
}
