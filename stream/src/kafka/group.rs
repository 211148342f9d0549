//! A group as its coordinator sees it, which the `rdkafka` crate cannot ask for in both protocols.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings as c;
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode;

use super::ffi::{Owned, checked, millis};

/// A member, and what it has of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// The id that the coordinator gave it.
    pub(super) id: String,
    /// The name that it keeps over restarts (`group_instance_id`), if it has one.
    pub(super) name: Option<String>,
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
        !["PreparingRebalance", "CompletingRebalance", "Unknown"].contains(&self.state.as_str())
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
        let of = |member: &Member| {
            format!("{} has {}", member.name.as_ref().unwrap_or(&member.id), member.partitions.len())
        };
        let members: Vec<String> = self.members.iter().take(20).map(of).collect();
        let more = if self.members.len() > members.len() { ", …" } else { "" };
        format!("{} with {} members ({}{more})", self.state, self.members.len(), members.join(", "))
    }
}

/// Asks the coordinator.
///
/// # Errors
/// The brokers' code; `OperationTimedOut`.
pub(super) fn describe<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    topic: &str,
    timeout: Duration,
) -> Result<Group, RDKafkaErrorCode> {
    let name = CString::new(group).map_err(|_| RDKafkaErrorCode::InvalidGroupId)?;
    let mut names: [*const c_char; 1] = [name.as_ptr()];
    let missing = RDKafkaErrorCode::CriticalSystemResource;
    let rk = client.native_ptr();
    // SAFETY: `rk` lives as long as `client`; `names` holds one NUL-terminated string, which
    // librdkafka copies. Each object is freed by its own function, in the reverse order.
    unsafe {
        let queue = Owned::new(c::rd_kafka_queue_new(rk), c::rd_kafka_queue_destroy).ok_or(missing)?;
        let options = Owned::new(
            c::rd_kafka_AdminOptions_new(
                rk,
                c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
            ),
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
        c::rd_kafka_DescribeConsumerGroups(rk, names.as_mut_ptr(), names.len(), options.0, queue.0);
        let event = Owned::new(c::rd_kafka_queue_poll(queue.0, millis(timeout)), c::rd_kafka_event_destroy)
            .ok_or(RDKafkaErrorCode::OperationTimedOut)?;
        described(event.0, topic)
    }
}

/// The group in a DescribeConsumerGroups event.
///
/// # Safety
/// `event` is alive, and of no type but what librdkafka itself made.
unsafe fn described(event: *mut c::rd_kafka_event_t, topic: &str) -> Result<Group, RDKafkaErrorCode> {
    // SAFETY: librdkafka returns null where the event is of another type; what it returns
    // otherwise lives as long as the event, and its texts are NUL-terminated or null.
    unsafe {
        checked(c::rd_kafka_event_error(event))?;
        let result = c::rd_kafka_event_DescribeConsumerGroups_result(event);
        if result.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let mut count = 0;
        let groups = c::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
        if groups.is_null() || count == 0 {
            return Err(RDKafkaErrorCode::Fail);
        }
        let group = *groups;
        let error = c::rd_kafka_ConsumerGroupDescription_error(group);
        if !error.is_null() {
            checked(c::rd_kafka_error_code(error))?;
        }
        let state = c::rd_kafka_ConsumerGroupDescription_state(group);
        let state = text(c::rd_kafka_consumer_group_state_name(state)).unwrap_or_default();
        let members = (0..c::rd_kafka_ConsumerGroupDescription_member_count(group))
            .map(|at| member(c::rd_kafka_ConsumerGroupDescription_member(group, at), topic))
            .collect();
        Ok(Group { state, members })
    }
}

/// # Safety
/// `member` is alive.
unsafe fn member(member: *const c::rd_kafka_MemberDescription_t, topic: &str) -> Member {
    // SAFETY: see above; an assignment's list has `cnt` elements.
    unsafe {
        let mut partitions = Vec::new();
        let assignment = c::rd_kafka_MemberDescription_assignment(member);
        let list = match assignment.is_null() {
            true => std::ptr::null(),
            false => c::rd_kafka_MemberAssignment_partitions(assignment),
        };
        if let Some(list) = list.as_ref().filter(|list| !list.elems.is_null()) {
            let elements = std::slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or(0));
            let of_topic =
                elements.iter().filter(|element| text(element.topic).is_some_and(|name| name == topic));
            partitions.extend(of_topic.map(|element| element.partition));
        }
        Member {
            id: text(c::rd_kafka_MemberDescription_consumer_id(member)).unwrap_or_default(),
            name: text(c::rd_kafka_MemberDescription_group_instance_id(member)).filter(|it| !it.is_empty()),
            partitions,
        }
    }
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
        Member { id: id.to_owned(), name: None, partitions: partitions.to_vec() }
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
}
