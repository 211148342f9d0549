//! What librdkafka offers and the `rdkafka` crate does not: a topic's id, the generation of a
//! membership, a commit of offsets with a time limit, a flush that does not wait, and headers whose
//! names are not UTF-8 (the crate panics on those).
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientContext, TopicPartitionList};

use crate::Header;

/// The headers of a message, see [`raw_headers`].
pub(super) fn headers(message: &BorrowedMessage<'_>) -> Vec<Header> {
    // SAFETY: the message is alive.
    unsafe { raw_headers(message.ptr()) }
}

/// The headers of a message; bytes of a name that are not UTF-8 become U+FFFD, a header without
/// a value has an empty one.
///
/// # Safety
/// The message is alive, and came from a consumer.
pub(super) unsafe fn raw_headers(message: *const c::rd_kafka_message_t) -> Vec<Header> {
    let mut list = ptr::null_mut();
    // SAFETY: the message is alive; librdkafka sets `list` where it returns no error, and keeps
    // it for as long as the message.
    let error = unsafe { c::rd_kafka_message_headers(message, &mut list) };
    if error != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || list.is_null() {
        return Vec::new();
    }
    // SAFETY: `list` is a valid header list, see above.
    let count = unsafe { c::rd_kafka_header_cnt(list) };
    let mut headers = Vec::with_capacity(count);
    for at in 0..count {
        let (mut name, mut value, mut bytes) = (ptr::null(), ptr::null::<c_void>(), 0usize);
        // SAFETY: `at` is below the count; the three out-pointers are valid for writes.
        let error = unsafe { c::rd_kafka_header_get_all(list, at, &mut name, &mut value, &mut bytes) };
        if error != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
            continue;
        }
        // SAFETY: the name is NUL-terminated and lives as long as the message.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
        let value = if value.is_null() {
            Vec::new()
        } else {
            // SAFETY: librdkafka says that `bytes` bytes lie at `value`, as long as the message lives.
            unsafe { std::slice::from_raw_parts(value.cast::<u8>(), bytes) }.to_vec()
        };
        headers.push(Header { name, value });
    }
    headers
}

/// Frees what it points at when it goes.
pub(super) struct Owned<T>(pub(super) *mut T, unsafe extern "C" fn(*mut T));

impl<T> Owned<T> {
    pub(super) fn new(pointer: *mut T, free: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        // `then_some` would make the guard of a null pointer too, and free it.
        (!pointer.is_null()).then(|| Self(pointer, free))
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer is not null, is owned by this value alone, and `free` is the
        // function that librdkafka names for it.
        unsafe { (self.1)(self.0) }
    }
}

/// Sends what a producer holds without waiting for fuller batches, and waits up to `time` for its
/// delivery. Delivery reports are not handled meanwhile.
pub(super) fn flush<C: ClientContext>(client: &Client<C>, time: Duration) {
    // SAFETY: the client is alive. Whether all was delivered in time is asked elsewhere.
    unsafe { c::rd_kafka_flush(client.native_ptr(), i32::try_from(time.as_millis()).unwrap_or(i32::MAX)) };
}

/// The generation (classic) or epoch (KIP-848) of a consumer's membership; negative where it has none.
pub(super) fn generation<C: ClientContext>(client: &Client<C>) -> i32 {
    // SAFETY: the client is alive; what it returns is owned here, and read before it is freed.
    unsafe {
        Owned::new(
            c::rd_kafka_consumer_group_metadata(client.native_ptr()),
            c::rd_kafka_consumer_group_metadata_destroy,
        )
        .map_or(-1, |metadata| c::rd_kafka_consumer_group_metadata_generation_id(metadata.0))
    }
}

/// Commits a group's offsets and waits for the answer, `timeout` at most. After that they may be
/// committed yet.
///
/// # Errors
/// The brokers' code; `OperationTimedOut`.
pub(super) fn commit<C: ClientContext>(
    client: &Client<C>,
    offsets: &TopicPartitionList,
    timeout: Duration,
) -> Result<(), RDKafkaErrorCode> {
    let rk = client.native_ptr();
    // SAFETY: `rk` lives as long as `client`; the list is copied. No callback is given, so the
    // answer comes to the queue, which is freed after it.
    unsafe {
        let queue = Owned::new(c::rd_kafka_queue_new(rk), c::rd_kafka_queue_destroy)
            .ok_or(RDKafkaErrorCode::CriticalSystemResource)?;
        checked(c::rd_kafka_commit_queue(rk, offsets.ptr(), queue.0, None, ptr::null_mut()))?;
        let event = Owned::new(c::rd_kafka_queue_poll(queue.0, millis(timeout)), c::rd_kafka_event_destroy)
            .ok_or(RDKafkaErrorCode::OperationTimedOut)?;
        checked(c::rd_kafka_event_error(event.0))
    }
}

pub(super) fn checked(code: c::rd_kafka_resp_err_t) -> Result<(), RDKafkaErrorCode> {
    match code {
        c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(code.into()),
    }
}

pub(super) fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// The id that a broker gave the topic when it was made (KIP-516), base64; none where the broker
/// is older than Kafka 3.1 and has no ids.
///
/// # Errors
/// The brokers' code; `OperationTimedOut`.
pub(super) fn topic_id<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Option<String>, RDKafkaErrorCode> {
    let name = CString::new(topic).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
    let mut names: [*const c_char; 1] = [name.as_ptr()];
    let missing = RDKafkaErrorCode::CriticalSystemResource;
    let rk = client.native_ptr();
    // SAFETY: `rk` lives as long as `client`; `names` holds one NUL-terminated string, which
    // librdkafka copies. Each object is freed by its own function, in the reverse order.
    unsafe {
        let topics = Owned::new(
            c::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
            c::rd_kafka_TopicCollection_destroy,
        )
        .ok_or(missing)?;
        let queue = Owned::new(c::rd_kafka_queue_new(rk), c::rd_kafka_queue_destroy).ok_or(missing)?;
        let options = Owned::new(
            c::rd_kafka_AdminOptions_new(rk, c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS),
            c::rd_kafka_AdminOptions_destroy,
        )
        .ok_or(missing)?;
        let mut text: [c_char; 256] = [0; 256];
        c::rd_kafka_AdminOptions_set_request_timeout(
            options.0,
            millis(timeout),
            text.as_mut_ptr(),
            text.len(),
        );
        c::rd_kafka_DescribeTopics(rk, topics.0, options.0, queue.0);
        let event = Owned::new(c::rd_kafka_queue_poll(queue.0, millis(timeout)), c::rd_kafka_event_destroy)
            .ok_or(RDKafkaErrorCode::OperationTimedOut)?;
        match described_id(event.0) {
            Err(RDKafkaErrorCode::UnsupportedFeature) => Ok(None),
            answer => answer,
        }
    }
}

/// The id in a DescribeTopics event.
///
/// # Safety
/// `event` is alive, and of no type but what librdkafka itself made.
unsafe fn described_id(event: *mut c::rd_kafka_event_t) -> Result<Option<String>, RDKafkaErrorCode> {
    // SAFETY: librdkafka returns null where the event is of another type; what it returns
    // otherwise lives as long as the event.
    unsafe {
        checked(c::rd_kafka_event_error(event))?;
        let result = c::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let mut count = 0;
        let described = c::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        if described.is_null() || count == 0 {
            return Err(RDKafkaErrorCode::Fail);
        }
        let error = c::rd_kafka_TopicDescription_error(*described);
        if !error.is_null() {
            checked(c::rd_kafka_error_code(error))?;
        }
        let id = c::rd_kafka_TopicDescription_topic_id(*described);
        if id.is_null()
            || (c::rd_kafka_Uuid_most_significant_bits(id), c::rd_kafka_Uuid_least_significant_bits(id))
                == (0, 0)
        {
            return Ok(None);
        }
        let text = c::rd_kafka_Uuid_base64str(id);
        if text.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        Ok(Some(CStr::from_ptr(text).to_string_lossy().into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static FREED: AtomicUsize = AtomicUsize::new(0);

    unsafe extern "C" fn free(_: *mut u8) {
        FREED.fetch_add(1, Ordering::Relaxed);
    }

    /// A consumer that is closed has no metadata any more; librdkafka does not free a null pointer.
    #[test]
    fn what_is_not_there_is_not_freed() {
        assert!(Owned::new(ptr::null_mut(), free).is_none());
        assert_eq!(FREED.load(Ordering::Relaxed), 0);
        let mut value = 7u8;
        drop(Owned::new(&raw mut value, free));
        assert_eq!(FREED.load(Ordering::Relaxed), 1);
    }
}
