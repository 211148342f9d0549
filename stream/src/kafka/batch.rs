//! Records that wait to be given to librdkafka together: one call for many of them takes its locks
//! and looks at the clock once.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::ops::Range;
use std::ptr::{self, NonNull};

use rdkafka::ClientContext;
use rdkafka::bindings as c;
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode;

use crate::Outgoing;

/// Records of a batch, at most.
const RECORDS: usize = 256;
/// Bytes of keys and payloads after which a batch is full.
const BYTES: usize = 128 << 10;

/// librdkafka's RD_KAFKA_PARTITION_UA: each message says its partition.
const UNASSIGNED: i32 = -1;

/// A topic of one producer, looked up once. It must go before its producer does.
pub(super) struct Topic(NonNull<c::rd_kafka_topic_t>);

// SAFETY: librdkafka's topics may be used from every thread.
unsafe impl Send for Topic {}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `rd_kafka_topic_new` and is freed once.
        unsafe { c::rd_kafka_topic_destroy(self.0.as_ptr()) }
    }
}

impl Topic {
    /// None where librdkafka refuses the name.
    pub(super) fn new<C: ClientContext>(client: &Client<C>, name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: the client is alive; the name is copied; no settings but the client's.
        NonNull::new(unsafe { c::rd_kafka_topic_new(client.native_ptr(), name.as_ptr(), ptr::null_mut()) })
            .map(Self)
    }
}

struct Slot {
    partition: i32,
    key: Option<Range<usize>>,
    payload: Option<Range<usize>>,
}

/// Records without headers of one topic.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

impl Batch {
    /// Adds a record. Its headers are left out.
    pub(super) fn push(&mut self, record: &Outgoing) {
        let mut put = |bytes: &Option<Vec<u8>>| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes.as_deref()?);
            Some(start..self.bytes.len())
        };
        let (key, payload) = (put(&record.key), put(&record.payload));
        self.slots.push(Slot { partition: record.partition, key, payload });
    }

    /// Whether it is to be queued before the next record.
    pub(super) fn is_full(&self) -> bool {
        self.slots.len() >= RECORDS || self.bytes.len() >= BYTES
    }

    /// Forgets its records.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.slots.clear();
    }

    /// Gives the records to librdkafka, in their order.
    ///
    /// # Errors
    /// With the partition. After `QueueFull` those that found no place are still here; after
    /// another error those that were refused are gone.
    pub(super) fn queue(&mut self, topic: &Topic) -> Result<(), (i32, RDKafkaErrorCode)> {
        if self.slots.is_empty() {
            return Ok(());
        }
        let slice = |range: &Option<Range<usize>>| match range {
            Some(range) => (self.bytes[range.clone()].as_ptr().cast_mut().cast(), range.len()),
            None => (ptr::null_mut(), 0),
        };
        let mut messages: Vec<c::rd_kafka_message_t> = self
            .slots
            .iter()
            .map(|slot| {
                let ((key, key_len), (payload, len)) = (slice(&slot.key), slice(&slot.payload));
                c::rd_kafka_message_t {
                    err: c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
                    rkt: ptr::null_mut(),
                    partition: slot.partition,
                    payload,
                    len,
                    key,
                    key_len,
                    offset: 0,
                    _private: ptr::null_mut(),
                }
            })
            .collect();
        let flags = c::RD_KAFKA_MSG_F_COPY | c::RD_KAFKA_MSG_F_PARTITION;
        // SAFETY: the topic is alive; keys and payloads lie in `self.bytes`, which is not touched
        // meanwhile, and are copied; librdkafka writes to each message's `err` alone.
        unsafe {
            c::rd_kafka_produce_batch(
                topic.0.as_ptr(),
                UNASSIGNED,
                flags,
                messages.as_mut_ptr(),
                i32::try_from(messages.len()).unwrap_or(i32::MAX),
            );
        }
        let refused = messages
            .iter()
            .enumerate()
            .find(|(_, message)| message.err != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR)
            .map(|(at, message)| (at, message.partition, RDKafkaErrorCode::from(message.err)));
        match refused {
            // All that follow one without a place have none either.
            Some((at, partition, RDKafkaErrorCode::QueueFull)) => {
                self.slots.drain(..at);
                Err((partition, RDKafkaErrorCode::QueueFull))
            }
            Some((_, partition, code)) => {
                self.clear();
                Err((partition, code))
            }
            None => {
                self.clear();
                Ok(())
            }
        }
    }
}
