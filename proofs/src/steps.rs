//! What an instance does in each step: as the engine does it, mistakes apart.

use crate::broker::{Broker, END, EndTransaction, Fenced, Fold, Output, PARTITIONS, Refusal, next_event};
use crate::instance::{Instance, Partition, Phase};
use crate::model::{Commit, Delivery, Mistake, State};

impl Commit {
    /// Nothing uncommitted survives, as far as no mistake is made.
    pub(crate) fn go_back(&self, instance: &mut Instance) {
        if self.makes(Mistake::DoesNotSeekBack) {
            (instance.open, instance.phase) = (false, Phase::Running);
        } else {
            instance.restart();
        }
    }

    /// The transaction was refused: everything goes back, and it is aborted.
    pub(crate) fn aborted(&self, broker: &mut Broker, instance: &mut Instance, id: usize) {
        self.go_back(instance);
        if broker.abort(id, instance.epoch).is_err() {
            instance.phase = Phase::WithoutSink;
        }
    }

    pub(crate) fn poll(&self, broker: &mut Broker, instance: &mut Instance, at: usize) {
        let known = std::mem::replace(&mut instance.generation, broker.generation);
        let stays = |number: usize| {
            broker.owner[number] == at
                && (broker.since[number] <= known || self.makes(Mistake::MissesRevocation))
        };
        let lost: Vec<usize> = (0..PARTITIONS)
            .filter(|&number| instance.partitions[number].is_some() && !stays(number))
            .collect();
        if !lost.is_empty() {
            lost.into_iter().for_each(|number| instance.partitions[number] = None);
            let was_open = instance.open;
            instance.restart();
            if was_open && broker.abort(self.ids[at], instance.epoch).is_err() {
                return instance.die();
            }
        }
        for number in (0..PARTITIONS).filter(|&number| broker.owner[number] == at) {
            instance.partitions[number].get_or_insert_default();
        }
    }

    pub(crate) fn start(&self, broker: &Broker, instance: &mut Instance, number: usize) {
        let store = instance.stores[number];
        match instance.decide(number, broker.committed[number], END[number]) {
            Ok(start) => {
                let cache = instance.partitions[number].unwrap_or_default().cache;
                let committed = store.map_or(Fold::default(), |store| store.state);
                instance.partitions[number] = Some(Partition {
                    started: true,
                    position: start.offset as u8,
                    mute_until: if self.makes(Mistake::ReplaysAloud) {
                        start.offset as u8
                    } else {
                        start.mute_until as u8
                    },
                    cache: if self.makes(Mistake::KeepsCache) && cache != Fold::default() {
                        cache
                    } else {
                        committed
                    },
                });
            }
            Err(_) => {
                instance.refused = true;
                instance.die();
            }
        }
    }

    pub(crate) fn process(&self, broker: &mut Broker, instance: &mut Instance, id: usize, number: usize) {
        let Some(partition) = &mut instance.partitions[number] else { return };
        let Some(offset) = next_event(number, partition.position) else { return };
        partition.cache = partition.cache.with(offset);
        partition.position = offset + 1;
        instance.dirty = true;
        if offset >= partition.mute_until {
            instance.open = true;
            let output = Output { partition: number, offset, state: partition.cache };
            if broker.produce(id, instance.epoch, output) == Err(Fenced) {
                instance.die();
            }
        }
    }

    pub(crate) fn send_offsets(&self, broker: &mut Broker, instance: &mut Instance, at: usize) {
        let id = self.ids[at];
        if self.makes(Mistake::WritesStoreFirst) {
            while instance.unwritten().is_some() {
                instance.write();
            }
            (instance.dirty, instance.open) = (true, true);
        }
        instance.phase = Phase::OffsetsSent;
        if self.delivery == Delivery::AtLeastOnce {
            return if self.makes(Mistake::CommitsBeforeFlush) {
                self.commit_offsets(broker, instance, at);
            } else {
                flush(broker, id);
            };
        }
        let generation = (!self.makes(Mistake::SendsNoGeneration)).then_some(instance.generation);
        match broker.send_offsets(id, instance.epoch, at, generation, instance.offsets()) {
            Ok(()) => {}
            Err(Refusal::Fenced) => instance.die(),
            Err(Refusal::IllegalGeneration) => self.aborted(broker, instance, id),
        }
    }

    /// Without transactions: the offsets of a member of the present generation are taken.
    pub(crate) fn commit_offsets(&self, broker: &mut Broker, instance: &mut Instance, at: usize) {
        if instance.generation != broker.generation && !self.makes(Mistake::SendsNoGeneration) {
            return instance.restart();
        }
        broker.move_offsets((broker.generation, at), instance.offsets());
    }

    pub(crate) fn send_commit(&self, broker: &mut Broker, instance: &mut Instance, at: usize) {
        if self.delivery == Delivery::ExactlyOnce {
            instance.phase = Phase::Committing;
            broker.network.push(EndTransaction { id: self.ids[at], epoch: instance.epoch, from: at });
        } else if self.makes(Mistake::CommitsBeforeFlush) {
            flush(broker, self.ids[at]);
            instance.phase = Phase::Writing;
        } else {
            self.commit_offsets(broker, instance, at);
            if instance.phase == Phase::OffsetsSent {
                instance.phase = Phase::Writing;
            }
        }
    }

    pub(crate) fn deliver(&self, state: &mut State, end: EndTransaction) {
        state.broker.network.retain(|request| *request != end);
        let ended = state.broker.end(end);
        let instance = &mut state.instances[end.from];
        if instance.phase == Phase::Committing && instance.epoch == end.epoch {
            match ended {
                Ok(()) => instance.phase = Phase::Writing,
                Err(Fenced) => instance.die(),
            }
        }
    }

    /// No answer: what was asked for may have been done, be done later, or never.
    pub(crate) fn silence(&self, broker: &mut Broker, instance: &mut Instance, at: usize) {
        if self.delivery == Delivery::AtLeastOnce {
            self.commit_offsets(broker, instance, at);
        }
        instance.restart();
        if !self.makes(Mistake::KeepsProducer) {
            instance.phase = Phase::WithoutSink;
        }
    }
}

/// Outputs on their way arrive.
fn flush(broker: &mut Broker, id: usize) {
    let sent = broker.producers[id].open.take().unwrap_or_default();
    broker.make_visible(sent.outputs);
}
