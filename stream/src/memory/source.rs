//! Reading from the broker in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use super::broker::Connection;
use super::faults::Call;
use super::group::{Group, News};
use crate::{Error, ErrorKind, Limits, Polled, Result, Source, TopicInfo};

/// A member of a group, as it knows itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryGroup {
    pub(super) name: String,
    pub(super) member: u32,
    pub(super) generation: u32,
}

/// A member of a consumer group that reads one topic, committed records only.
///
/// Like Kafka's: a partition is read from its first seek on; a revoked one is let go at the poll
/// after the one that returned it; the generation is the one of the last poll; a member that was
/// thrown out learns of it at its next poll, loses everything, and joins again with the one after.
pub struct MemorySource {
    connection: Connection,
    topic: TopicInfo,
    group: MemoryGroup,
    positions: BTreeMap<i32, i64>,
    owned: Vec<i32>,
    leaving: Vec<i32>,
    outside: bool,
}

impl MemorySource {
    /// Joins the group.
    ///
    /// # Errors
    /// Kind `MissingTopic`.
    pub fn new(connection: &Connection, topic: &str, group: &str) -> Result<Self> {
        let mut inner = connection.broker.inner();
        let partitions =
            inner.topics.get(topic).map(|logs| logs.len() as i32).ok_or_else(|| {
                Error::new(ErrorKind::MissingTopic, format!("topic `{topic}` does not exist"))
            })?;
        let now = inner.now;
        let member = inner.groups.entry(group.to_owned()).or_insert_with(|| Group::new(partitions)).join(now);
        drop(inner);
        Ok(Self {
            connection: connection.clone(),
            topic: TopicInfo { name: topic.to_owned(), id: format!("{topic} in memory"), partitions },
            group: MemoryGroup { name: group.to_owned(), member, generation: 0 },
            positions: BTreeMap::new(),
            owned: Vec::new(),
            leaving: Vec::new(),
            outside: false,
        })
    }

    fn forget(&mut self, lost: &[i32]) {
        self.owned.retain(|partition| !lost.contains(partition));
        self.positions.retain(|partition, _| !lost.contains(partition));
    }

    /// What the group has to say.
    fn news(&mut self) -> Result<Option<Polled>> {
        let (group, owned, released, outside) = (&self.group, &self.owned, &self.leaving, self.outside);
        let (news, member, generation) =
            self.connection.request(Call::Poll, ErrorKind::Unavailable, |inner| {
                let now = inner.now;
                let Some(found) = inner.groups.get_mut(&group.name) else { return Ok((News::Unknown, 0, 0)) };
                let member = if outside { found.join(now) } else { group.member };
                Ok((found.poll(member, owned, released, now), member, found.generation()))
            })?;
        if news != News::Unknown {
            (self.group.member, self.group.generation) = (member, generation);
        }
        self.leaving.clear();
        self.outside = news == News::Unknown;
        Ok(match news {
            News::None => None,
            News::Gained(partitions) => {
                self.owned.extend(&partitions);
                Some(Polled::Assigned(partitions))
            }
            News::Lost(partitions) => {
                self.forget(&partitions);
                self.leaving = partitions.clone();
                Some(Polled::Revoked(partitions))
            }
            News::Unknown => {
                let lost = std::mem::take(&mut self.owned);
                self.positions.clear();
                (!lost.is_empty()).then_some(Polled::Revoked(lost))
            }
        })
    }
}

impl Source for MemorySource {
    type Group = MemoryGroup;

    fn topic(&self) -> &TopicInfo {
        &self.topic
    }

    fn group_id(&self) -> &str {
        &self.group.name
    }

    fn group(&self) -> MemoryGroup {
        self.group.clone()
    }

    /// Where there is nothing to read, the broker's clock goes on by `timeout`.
    fn poll(&mut self, limits: Limits, timeout: Duration) -> Result<Polled> {
        if let Some(news) = self.news()? {
            return Ok(news);
        }
        let inner = self.connection.broker.inner();
        let logs = inner.topics.get(&self.topic.name).map_or(&[][..], Vec::as_slice);
        let share = Limits {
            records: (limits.records / self.positions.len().max(1)).max(1),
            bytes: (limits.bytes / self.positions.len().max(1)).max(1),
        };
        let mut records = Vec::new();
        for (partition, position) in &mut self.positions {
            let Some(log) = logs.get(*partition as usize) else { continue };
            let (more, next) = log.read(*position, share, &inner.fates);
            records.extend(more);
            *position = next;
        }
        drop(inner);
        if records.is_empty() {
            self.connection.broker.advance(timeout);
        }
        Ok(Polled::Records(records))
    }

    fn seek(&mut self, partition: i32, offset: i64) -> Result<()> {
        if !self.owned.contains(&partition) {
            let text = format!("partition {partition} of the topic {} is not assigned", self.topic.name);
            return Err(Error::new(ErrorKind::Unavailable, text));
        }
        self.positions.insert(partition, offset);
        Ok(())
    }

    fn committed(&mut self, partition: i32) -> Result<Option<i64>> {
        let name = &self.group.name;
        self.connection.request(Call::Committed, ErrorKind::Unavailable, |inner| {
            if inner.is_stable(name, partition) {
                return Ok(inner.groups.get(name).and_then(|group| group.committed(partition)));
            }
            let text = format!("an open transaction holds the offset of partition {partition} back");
            Err(Error::new(ErrorKind::Unavailable, text))
        })
    }

    fn bounds(&mut self, partition: i32) -> Result<(i64, i64)> {
        let topic = &self.topic.name;
        self.connection.request(Call::Bounds, ErrorKind::Unavailable, |inner| {
            Ok((0, inner.log(topic, partition)?.end_offset()))
        })
    }

    fn commit(&mut self, offsets: &[(i32, i64)]) -> Result<()> {
        let group = &self.group;
        self.connection.request(Call::CommitOffsets, ErrorKind::Unavailable, |inner| {
            inner.require_member(group)?;
            if let Some(found) = inner.groups.get_mut(&group.name) {
                offsets.iter().for_each(|(partition, offset)| found.commit(*partition, *offset));
            }
            Ok(())
        })
    }

    fn known_end(&self, partition: i32) -> Option<i64> {
        Some(self.connection.broker.inner().log(&self.topic.name, partition).ok()?.end_offset())
    }
}

impl Drop for MemorySource {
    fn drop(&mut self) {
        if !self.connection.is_alive() {
            return;
        }
        if let Some(group) = self.connection.broker.inner().groups.get_mut(&self.group.name) {
            group.leave(self.group.member);
        }
    }
}
