//! What must be true: always, by invariant, and sometimes, so that the model is not empty.
//!
//! 1. State and input offset move together.
//! 2. Outputs and the committed offset move together.
//! 3. A store is written after the transaction has committed; what is not committed goes as a whole.
//! 4. A store that is behind is replayed muted up to the committed offset; every other
//!    disagreement is refused.
//! 5. After an outcome that is not known a new producer is made; a gained partition waits for the
//!    transactions that are open.
//! 6. Without transactions: outputs are flushed, then offsets committed, then stores written.
//! 7. Outputs and state follow from the events alone.

use stateright::Property;

use crate::broker::{Fold, Output, PARTITIONS, events_before, next_event};
use crate::instance::{Instance, Partition, Phase, Store};
use crate::model::{Commit, Delivery, State};

/// What must hold in every state, by invariant, and what must happen in some.
pub(crate) fn of(model: &Commit) -> Vec<Property<Commit>> {
    let mut properties = vec![
        Property::always("1 state and offset move together", |_, state: &State| {
            state.stores().all(|(partition, store)| store.state == Fold::before(partition, store.next))
        }),
        Property::always("1, 3 the cache holds exactly what the position says", |_, state: &State| {
            state
                .started()
                .all(|(number, partition)| partition.cache == Fold::before(number, partition.position))
        }),
        Property::always("2, 6 no output is lost", |_, state: &State| {
            (0..PARTITIONS).all(|partition| {
                let seen = &state.broker.outputs[partition];
                events_before(partition, state.broker.committed[partition].unwrap_or(0))
                    .all(|offset| seen.iter().any(|output| output.offset == offset))
            })
        }),
        Property::always("3, 6 no store is ahead of the committed offset", |_, state: &State| {
            state.stores().all(|(partition, store)| Some(store.next) <= state.broker.committed[partition])
        }),
        Property::always("4 no start is refused", |_, state: &State| {
            state.instances.iter().all(|instance| !instance.refused)
        }),
        Property::always("4 a replay is muted exactly up to the committed offset", |_, state: &State| {
            state.owners().all(|(number, partition)| {
                partition.position >= partition.mute_until
                    || state.broker.committed[number] == Some(partition.mute_until)
            })
        }),
        Property::always("5 no two instances commit a partition in one generation", |_, state: &State| {
            !state.broker.two_committers
        }),
        Property::always("7 outputs follow from the events alone", |_, state: &State| {
            state
                .broker
                .outputs
                .iter()
                .flatten()
                .all(|output| output.state == Fold::before(output.partition, output.offset + 1))
        }),
        Property::sometimes("everything is committed and stored", |_, state: &State| state.is_done()),
        Property::sometimes("everything is done after every fault", |model: &Commit, state: &State| {
            state.faults.total() == model.faults && state.is_done()
        }),
        Property::sometimes("a crash", |_, state: &State| state.faults.crashes > 0),
        Property::sometimes("a lost disk", |_, state: &State| state.faults.lost_disks > 0),
        Property::sometimes("an outcome that is not known", |_, state: &State| state.faults.silences > 0),
        Property::sometimes("a rebalance", |_, state: &State| state.faults.rebalances > 0),
        Property::sometimes("a store behind the committed offset is started", |_, state: &State| {
            state.started().any(|(_, partition)| partition.position < partition.mute_until)
        }),
    ];
    if model.delivery == Delivery::ExactlyOnce {
        properties.extend([
            Property::always(
                "2 outputs and the committed offset agree, each output once",
                |_, state: &State| {
                    (0..PARTITIONS).all(|partition| {
                        let committed = state.broker.committed[partition].unwrap_or(0);
                        state.broker.outputs[partition]
                            .iter()
                            .map(|output| output.offset)
                            .eq(events_before(partition, committed))
                    })
                },
            ),
            Property::sometimes("a refused transaction", |_, state: &State| state.faults.refusals > 0),
            Property::sometimes("an expired transaction", |_, state: &State| state.faults.expiries > 0),
            Property::sometimes("a partition waits for an open transaction", |_, state: &State| {
                state.broker.generation > 2 && state.someone_waits()
            }),
            Property::sometimes(
                "a commit that nobody waits for can still take effect",
                |_, state: &State| {
                    state.broker.network.iter().any(|end| {
                        state.instances[end.from].phase != Phase::Committing
                            && state.broker.producers[end.id].epoch == end.epoch
                            && state.broker.producers[end.id].open.is_some()
                    })
                },
            ),
        ]);
    } else {
        properties.push(Property::sometimes("an output is doubled", |_, state: &State| {
            let doubled =
                |outputs: &Vec<Output>| (1..outputs.len()).any(|at| outputs[..at].contains(&outputs[at]));
            state.broker.outputs.iter().any(doubled)
        }));
    }
    // With equal ids the instances fence each other for as long as both are started again.
    if model.ids[0] != model.ids[1] {
        properties.push(Property::always(
            "a run that cannot go on has done everything",
            |model: &Commit, state: &State| {
                let mut steps = Vec::new();
                model.steps(state, &mut steps);
                !steps.is_empty() || state.is_done() || state.launches >= model.launches
            },
        ));
    }
    properties
}

impl State {
    fn stores(&self) -> impl Iterator<Item = (usize, Store)> {
        self.instances.iter().flat_map(|instance| {
            instance.stores.iter().enumerate().filter_map(|(number, store)| Some((number, (*store)?)))
        })
    }

    fn started(&self) -> impl Iterator<Item = (usize, Partition)> {
        self.instances.iter().flat_map(started_of)
    }

    /// Started partitions at the instances that own them and know it.
    fn owners(&self) -> impl Iterator<Item = (usize, Partition)> {
        self.instances.iter().enumerate().flat_map(move |(at, instance)| {
            let present = instance.generation == self.broker.generation;
            started_of(instance).filter(move |(number, _)| present && self.broker.owner[*number] == at)
        })
    }

    fn someone_waits(&self) -> bool {
        self.instances.iter().any(|instance| {
            instance.phase == Phase::Running
                && (0..PARTITIONS).any(|number| {
                    instance.partitions[number].is_some_and(|partition| !partition.started)
                        && !self.broker.is_stable(number)
                })
        })
    }

    /// Every event is committed, and in the store of the instance that owns its partition.
    fn is_done(&self) -> bool {
        (0..PARTITIONS).all(|number| {
            let committed = self.broker.committed[number];
            let store = self.instances[self.broker.owner[number]].stores[number];
            next_event(number, committed.unwrap_or(0)).is_none() && store.map(|store| store.next) == committed
        })
    }
}

fn started_of(instance: &Instance) -> impl Iterator<Item = (usize, Partition)> {
    let partitions = instance.partitions.iter().enumerate();
    partitions.filter_map(|(number, partition)| Some((number, partition.filter(|found| found.started)?)))
}
