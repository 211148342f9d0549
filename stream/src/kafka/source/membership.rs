//! How a source joins its group, leaves it and joins anew, and what the group assigns to it.

use std::sync::Arc;

use rdkafka::consumer::Consumer;

use super::{KafkaSource, open};
use crate::kafka::GroupProtocol;
use crate::kafka::client::close;
use crate::kafka::member;
use crate::kafka::rebalance::Change;
use crate::kafka::watch::{Watch, Watched};
use crate::{Error, ErrorKind, Polled, Result, TopicInfo};

impl KafkaSource {
    /// Joins the group, once.
    pub(super) fn join(&mut self) -> Result<()> {
        let (Some(consumer), Some(queue), None) = (&self.consumer, &self.queue, &self.member) else {
            return Ok(());
        };
        consumer
            .subscribe(&[&self.topic.name])
            .map_err(|error| self.unanswered(&format!("subscribing to {}", self.topic.name), error))?;
        let member = member::start(consumer.clone(), queue.clone(), self.patience).map_err(|error| {
            Error::caused(ErrorKind::Unavailable, "no thread can be started for the membership", error)
        })?;
        self.member = Some(member);
        let watched = Watched {
            group: self.group_id.clone(),
            topic: self.topic.name.clone(),
            brokers: self.settings.brokers.clone(),
            partitions: self.topic.partitions,
            hand_over: self.patience.revoke,
            timeout: self.timeout,
            tells_owners: self.settings.group_protocol == GroupProtocol::Classic,
        };
        let watch = Watch::start(consumer.clone(), watched).map_err(|error| {
            Error::caused(ErrorKind::Unavailable, "no thread can be started that watches the group", error)
        })?;
        self.watch = Some(watch);
        Ok(())
    }

    /// Leaves the group, unless the member has a name, and lets everything of the consumer go.
    pub(super) fn leave(&mut self) {
        let Some(consumer) = self.consumer.take() else { return };
        if let Err(error) = consumer.context().close(&consumer) {
            tracing::debug!(%error, "partitions could not be let go");
        }
        // The threads see the end of the context within one poll.
        if self.member.take().is_some_and(|member| member.join().is_err()) {
            tracing::error!("the thread of the membership ended by a panic");
        }
        if let Some(watch) = self.watch.take() {
            watch.join();
        }
        self.queue = None;
        close(consumer, &self.group_id);
    }

    /// Where partitions stay without an owner: first tells the reader that all of its own go, and joins
    /// anew when that polls again. A member that starts makes the group assign everything.
    pub(super) fn rejoin(&mut self) -> Result<Option<Polled>> {
        if self.rejoining {
            // The new one first: so there always is one.
            let (consumer, queue) = open(&self.settings, &self.topic.name)?;
            self.leave();
            (self.consumer, self.queue) = (Some(Arc::new(consumer)), Some(Arc::new(queue)));
            self.rejoining = false;
            self.join()?;
        } else if self.watch.as_ref().is_some_and(Watch::wants_rejoin) {
            tracing::warn!(topic = self.topic.name, group = self.group_id, "joining the group anew");
            self.rejoining = true;
            self.positions.clear();
            self.held.clear();
            let lost: Vec<i32> = std::mem::take(&mut self.assigned).into_iter().collect();
            lost.iter().for_each(|partition| self.blocks.forget(*partition));
            return Ok(Some(Polled::Revoked(lost)));
        }
        Ok(None)
    }

    /// The next change of the assignment, applied to what is kept here.
    pub(super) fn change(&mut self) -> Result<Option<Polled>> {
        let Some(change) = self.consumer().context().take_change() else { return Ok(None) };
        Ok(match change {
            Change::Gained(partitions) => {
                if let Some(new) = partitions.iter().find(|partition| **partition >= self.topic.partitions) {
                    let TopicInfo { name, partitions, .. } = &self.topic;
                    return Err(Error::new(
                        ErrorKind::Configuration,
                        format!(
                            "the topic {name} has grown: partition {new} was added to the {partitions} that it \
                             had. Keys move to other partitions by that, so what is kept per partition does \
                             not fit any more: write the records anew, in order, to a new topic of that many \
                             partitions, and start there without state"
                        ),
                    ));
                }
                self.assigned.extend(&partitions);
                Some(Polled::Assigned(partitions))
            }
            Change::Lost(partitions) => {
                for partition in &partitions {
                    self.assigned.remove(partition);
                    self.positions.remove(partition);
                    self.blocks.forget(*partition);
                }
                self.held.retain(|record| !partitions.contains(&record.partition));
                Some(Polled::Revoked(partitions))
            }
        })
    }
}
