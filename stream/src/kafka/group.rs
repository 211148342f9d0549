//! A group as its coordinator sees it.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings as c;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::rebalance::SourceContext;

/// A member, and what it has of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// The id that the coordinator gave it.
    pub(super) id: String,
    /// Its partitions.
    pub(super) partitions: Vec<i32>,
}

/// A group, as for one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Its state in the protocol's words: `Stable`, `PreparingRebalance`, ….
    pub(super) state: String,
    /// Its members.
    pub(super) members: Vec<Member>,
}

impl Group {
    /// Whether the answer tells who has what: in the middle of a classic rebalance it does not.
    pub(super) fn tells_owners(&self) -> bool {
        !["PreparingRebalance", "CompletingRebalance", "Dead"].contains(&self.state.as_str())
    }

    /// Whether no rebalance is under way.
    pub(super) fn is_stable(&self) -> bool {
        self.state == "Stable"
    }

    /// Partitions of a topic that has `partitions` which no member has.
    pub(super) fn unowned(&self, partitions: i32) -> Vec<i32> {
        let is_owned = |partition: &i32| self.members.iter().any(|it| it.partitions.contains(partition));
        (0..partitions).filter(|partition| !is_owned(partition)).collect()
    }

    /// The place of a member in the order of ids, so that members agree who acts first; the first
    /// where it is none.
    pub(super) fn rank(&self, id: &str) -> u32 {
        let is_member = self.members.iter().any(|member| member.id == id);
        let before = self.members.iter().filter(|member| member.id.as_str() < id).count();
        if is_member { u32::try_from(before).unwrap_or(u32::MAX) } else { 0 }
    }

    /// In words, for people.
    pub(super) fn text(&self) -> String {
        let of = |member: &Member| format!("{} has {}", member.id, member.partitions.len());
        let members: Vec<String> = self.members.iter().take(20).map(of).collect();
        let more = if self.members.len() > members.len() { ", …" } else { "" };
        format!("{} with {} members ({}{more})", self.state, self.members.len(), members.join(", "))
    }
}

/// Asks the brokers, by the requests of the classic protocol.
///
/// Not by librdkafka's DescribeConsumerGroups, which also knows the protocol `consumer`: where its
/// coordinator does not answer in time it aborts the process (librdkafka #4605). Of a group of that
/// protocol the answer is `Dead`, which tells nothing; there the brokers themselves see to it that
/// every partition is somebody's.
///
/// # Errors
/// The brokers' code; `OperationTimedOut`.
pub(super) fn describe(
    consumer: &BaseConsumer<SourceContext>,
    group: &str,
    topic: &str,
    timeout: Duration,
) -> Result<Group, RDKafkaErrorCode> {
    let name = CString::new(group).map_err(|_| RDKafkaErrorCode::InvalidArgument)?;
    let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    let mut list = std::ptr::null();
    // SAFETY: the client is alive, and the name until the call has ended.
    let code = unsafe {
        c::rd_kafka_list_groups(consumer.client().native_ptr(), name.as_ptr(), &raw mut list, millis)
    };
    // SAFETY: where it is not null, the list is ours until it is freed, with all that it points to.
    let found = unsafe { list.as_ref().and_then(|list| read(list, group, topic)) };
    if !list.is_null() {
        // SAFETY: it is ours, and not used after this.
        unsafe { c::rd_kafka_group_list_destroy(list) };
    }
    match (found, RDKafkaErrorCode::from(code)) {
        // Every broker is asked, and one that is away does not answer: that of the group has.
        (Some(Ok(group)), _) => Ok(group),
        (Some(Err(code)), _) => Err(code),
        (None, RDKafkaErrorCode::NoError) => Ok(Group { state: "Dead".to_owned(), members: Vec::new() }),
        (None, code) => Err(code),
    }
}

/// What the list says of the group; the coordinator's error where it gave one.
///
/// # Safety
/// The list was filled by librdkafka.
unsafe fn read(
    list: &c::rd_kafka_group_list,
    group: &str,
    topic: &str,
) -> Option<Result<Group, RDKafkaErrorCode>> {
    // SAFETY: librdkafka gives the lengths of its arrays, and ends its texts with a NUL.
    unsafe {
        let found =
            slice(list.groups, list.group_cnt).iter().find(|it| text(it.group).as_deref() == Some(group))?;
        if found.err != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Some(Err(found.err.into()));
        }
        let member = |it: &c::rd_kafka_group_member_info| Member {
            id: text(it.member_id).unwrap_or_default(),
            partitions: assigned(slice(it.member_assignment.cast(), it.member_assignment_size), topic)
                .unwrap_or_default(),
        };
        let members = slice(found.members, found.member_cnt).iter().map(member).collect();
        Some(Ok(Group { state: text(found.state).unwrap_or_default(), members }))
    }
}

/// # Safety
/// Where it is not null, so many values lie at `start`, for as long as the slice is used.
unsafe fn slice<'a, T>(start: *const T, length: c_int) -> &'a [T] {
    match usize::try_from(length) {
        // SAFETY: see above.
        Ok(length) if !start.is_null() => unsafe { std::slice::from_raw_parts(start, length) },
        _ => &[],
    }
}

/// The partitions of a topic in an assignment of Kafka's protocol for consumers: a version, then topics,
/// each with its partitions; none where it is cut short.
fn assigned(mut bytes: &[u8], topic: &str) -> Option<Vec<i32>> {
    let int = |bytes: &mut &[u8]| Some(i32::from_be_bytes(*bytes.split_off(..4)?.first_chunk()?));
    bytes.split_off(..2)?;
    let mut partitions = Vec::new();
    for _ in 0..int(&mut bytes)? {
        let length = u16::from_be_bytes(*bytes.split_off(..2)?.first_chunk()?);
        let name = bytes.split_off(..usize::from(length))?;
        for _ in 0..int(&mut bytes)? {
            let partition = int(&mut bytes)?;
            if name == topic.as_bytes() {
                partitions.push(partition);
            }
        }
    }
    Some(partitions)
}

/// The id that the coordinator gave this consumer; none before it has joined.
pub(super) fn member_id<C: ClientContext>(client: &Client<C>) -> Option<String> {
    let rk = client.native_ptr();
    // SAFETY: the client is alive; the text is ours, and freed by librdkafka after it was copied.
    unsafe {
        let id = c::rd_kafka_memberid(rk);
        let copy = text(id);
        if !id.is_null() {
            c::rd_kafka_mem_free(rk, id.cast());
        }
        copy.filter(|id| !id.is_empty())
    }
}

/// # Safety
/// Where it is not null, a NUL-terminated text lies at `start`.
unsafe fn text(start: *const c_char) -> Option<String> {
    // SAFETY: see above.
    (!start.is_null()).then(|| unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, partitions: &[i32]) -> Member {
        Member { id: id.to_owned(), partitions: partitions.to_vec() }
    }

    #[test]
    fn what_nobody_has_is_unowned_and_members_have_an_order() {
        let group =
            Group { state: "Stable".to_owned(), members: vec![member("b", &[2, 3]), member("a", &[])] };
        assert_eq!(group.unowned(4), [0, 1]);
        assert_eq!(group.unowned(0), [0; 0]);
        assert_eq!((group.rank("a"), group.rank("b"), group.rank("stranger")), (0, 1, 0));
        assert_eq!(group.text(), "Stable with 2 members (b has 2, a has 0)");
        let rebalancing = Group { state: "PreparingRebalance".to_owned(), ..group };
        assert!(!rebalancing.tells_owners());
    }

    #[test]
    fn an_assignment_gives_the_partitions_of_its_topic() {
        let bytes = b"\0\x01\0\0\0\x02\0\x01a\0\0\0\x01\0\0\0\x07\0\x01b\0\0\0\x02\0\0\0\x02\0\0\0\x03\xff\xff\xff\xff";
        assert_eq!(assigned(bytes, "a"), Some(vec![7]));
        assert_eq!(assigned(bytes, "b"), Some(vec![2, 3]));
        assert_eq!(assigned(bytes, "c"), Some(Vec::new()));
        for length in 0..bytes.len() - 4 {
            assert_eq!(assigned(&bytes[..length], "b"), None, "{length}");
        }
    }
}
