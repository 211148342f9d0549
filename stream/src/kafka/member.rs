//! The thread that keeps a consumer in its group, however long the reader is busy.
//!
//! librdkafka serves rebalances, errors and statistics, and counts a member as alive, where its
//! consumer is polled. A reader that commits, restores state or waits for a disk does not poll. So
//! this thread does, and only this: records do not pass through it. They wait in a queue of their
//! own ([`super::queue`]), bounded by `kafka.fetch_queue_bytes`, from which the reader takes them
//! itself; handing each over from thread to thread would cost more than reading it.
//!
//! * A gained partition is accepted at once; the reader hears of it at its next poll.
//! * A lost one is kept until the reader has acknowledged the loss, at most
//!   `kafka.revoke_timeout_ms`.
//! * A reader that has not polled for `kafka.max_poll_interval_ms` counts as hanging: this thread
//!   stops in time for the group to give its partitions to others.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;

use super::queue::RecordQueue;
use super::rebalance::SourceContext;

/// How long one poll waits; also how soon the end and a time limit are noticed.
const TICK: Duration = Duration::from_millis(50);

/// Time limits of a membership.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How long lost partitions wait for the reader's acknowledgement.
    pub(super) revoke: Duration,
    /// How long the reader may go without polling before this thread stops polling too.
    pub(super) silence: Duration,
}

/// Starts the thread, which ends soon after the context is closed.
///
/// # Errors
/// Where no thread can be started.
pub(super) fn start(
    consumer: Arc<BaseConsumer<SourceContext>>,
    queue: Arc<RecordQueue>,
    patience: Patience,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("kafka-member".to_owned()).spawn(move || {
        let mut hangs = false;
        while !consumer.context().is_closing() {
            turn(&consumer, &queue, patience, &mut hangs);
        }
    })
}

fn turn(consumer: &BaseConsumer<SourceContext>, queue: &RecordQueue, patience: Patience, hangs: &mut bool) {
    let context = consumer.context();
    if let Err(error) = context.release_overdue(consumer, patience.revoke) {
        tracing::warn!(%error, "partitions could not be let go");
    }
    let silence = context.silence();
    if silence >= patience.silence {
        if !std::mem::replace(hangs, true) {
            tracing::error!(
                silence_ms = silence.as_millis(),
                "the reader does not poll; its partitions go to other members soon (kafka.max_poll_interval_ms)"
            );
        }
        std::thread::sleep(TICK);
        return;
    }
    *hangs = false;
    // No record comes here: each partition that is fetched leads to the queue.
    match consumer.poll(TICK) {
        None => {}
        Some(Err(error)) => context.keep_error(error),
        // The reader has not seen it: it must not go on behind it.
        Some(Ok(record)) if context.shared().owns(record.partition()) => {
            let error = KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::Inconsistent);
            let (partition, offset) = (record.partition(), record.offset());
            context.error(
                error.clone(),
                &format!("a record came to the membership's queue: partition {partition}, offset {offset}"),
            );
            context.keep_error(error);
        }
        Some(Ok(_)) => {}
    }
    if context.has_news() {
        queue.wake();
    }
}
