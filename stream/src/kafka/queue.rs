//! Where fetched records wait, and how they are taken from there in batches, which the `rdkafka`
//! crate does one by one, with several looks at the clock for each.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings as c;
use rdkafka::client::Client;

use super::ffi;
use super::stuck::Failed;
use crate::Record;

/// Messages of one call, at most.
pub(super) const CHUNK: usize = 512;

/// A queue to which partitions of one consumer lead. It must go before its consumer does.
#[derive(Debug)]
pub(super) struct RecordQueue(NonNull<c::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues may be used from every thread.
unsafe impl Send for RecordQueue {}
// SAFETY: as above.
unsafe impl Sync for RecordQueue {}

impl Drop for RecordQueue {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `rd_kafka_queue_new` and is freed once.
        unsafe { c::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

/// A message of the queue, which lives during one call of [`RecordQueue::take`].
pub(super) struct Fetched<'a>(&'a c::rd_kafka_message_t);

impl Fetched<'_> {
    /// Its partition.
    pub(super) fn partition(&self) -> i32 {
        self.0.partition
    }

    /// Its offset.
    pub(super) fn offset(&self) -> i64 {
        self.0.offset
    }

    /// A copy of it.
    pub(super) fn record(&self) -> Record {
        // SAFETY: the message is alive, and librdkafka says how long key and payload are; both may
        // be null.
        let (key, payload, timestamp_ms, headers) = unsafe {
            (
                bytes(self.0.key.cast(), self.0.key_len),
                bytes(self.0.payload.cast(), self.0.len),
                c::rd_kafka_message_timestamp(self.0, ptr::null_mut()),
                ffi::raw_headers(self.0),
            )
        };
        Record { partition: self.0.partition, offset: self.0.offset, timestamp_ms, key, payload, headers }
    }
}

/// # Safety
/// Where `start` is not null, `length` bytes lie there.
unsafe fn bytes(start: *const u8, length: usize) -> Option<Vec<u8>> {
    if start.is_null() {
        return None;
    }
    // SAFETY: see above.
    Some(unsafe { std::slice::from_raw_parts(start, length) }.to_vec())
}

impl RecordQueue {
    /// An empty queue of a consumer.
    pub(super) fn new<C: ClientContext>(client: &Client<C>) -> Option<Self> {
        // SAFETY: the client is alive.
        NonNull::new(unsafe { c::rd_kafka_queue_new(client.native_ptr()) }).map(Self)
    }

    /// Leads a partition's messages, and its errors, here instead of to the consumer's own queue; false where
    /// there can be no such partition. To be called before the partition is fetched.
    pub(super) fn lead<C: ClientContext>(&self, client: &Client<C>, topic: &str, partition: i32) -> bool {
        let Ok(topic) = CString::new(topic) else { return false };
        // SAFETY: the client is alive, and both queues belong to it; the partition's queue is
        // freed once, which leaves the partition as it is.
        unsafe {
            let from = c::rd_kafka_queue_get_partition(client.native_ptr(), topic.as_ptr(), partition);
            if from.is_null() {
                return false;
            }
            c::rd_kafka_queue_forward(from, self.0.as_ptr());
            c::rd_kafka_queue_destroy(from);
        }
        true
    }

    /// Ends a wait in [`Self::take`], the present one or the next.
    pub(super) fn wake(&self) {
        // SAFETY: the queue is alive.
        unsafe { c::rd_kafka_queue_yield(self.0.as_ptr()) }
    }

    /// Hands what is there to `each`, at most `most` and [`CHUNK`] messages, and waits up to `wait`
    /// for the first. Returns how many there were, errors included.
    pub(super) fn take(
        &self,
        wait: Duration,
        most: usize,
        mut each: impl FnMut(Result<Fetched<'_>, Failed>),
    ) -> usize {
        let mut messages = [ptr::null_mut::<c::rd_kafka_message_t>(); CHUNK];
        // A batch waits until it is full: so whoever waits, waits for one.
        let mut count = self.consume(Duration::ZERO, &mut messages[..most.min(CHUNK)]);
        if count == 0 && !wait.is_zero() {
            count = self.consume(wait, &mut messages[..1]);
        }
        for &message in &messages[..count] {
            // SAFETY: librdkafka has put `count` messages into the array, each of them ours until it
            // is destroyed, below.
            unsafe {
                match (*message).err {
                    c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => each(Ok(Fetched(&*message))),
                    error => each(Err(Failed {
                        partition: (*message).partition,
                        offset: (*message).offset,
                        code: error.into(),
                        text: bytes((*message).payload.cast(), (*message).len)
                            .map_or_else(String::new, |text| String::from_utf8_lossy(&text).into_owned()),
                    })),
                }
                c::rd_kafka_message_destroy(message);
            }
        }
        count
    }

    fn consume(&self, wait: Duration, into: &mut [*mut c::rd_kafka_message_t]) -> usize {
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX).max(i32::from(!wait.is_zero()));
        // SAFETY: the queue is alive, and there is room for `into.len()` pointers.
        let count = unsafe {
            c::rd_kafka_consume_batch_queue(self.0.as_ptr(), wait_ms, into.as_mut_ptr(), into.len())
        };
        usize::try_from(count).unwrap_or(0)
    }
}
