//! Every step that instances and broker can take, and what must be true after each.

use stateright::{Model, Property};

use crate::broker::{Broker, EndTransaction, INSTANCES, PARTITIONS, next_event};
use crate::instance::{Instance, Partition, Phase};

/// How outputs and offsets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// In one transaction.
    ExactlyOnce,
    /// Outputs first, then the offsets.
    AtLeastOnce,
}

/// A mistake, for the models that must fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Stores are written before the transaction commits.
    WritesStoreFirst,
    /// A commit's outcome is not known, and the same producer goes on.
    KeepsProducer,
    /// A refused transaction is aborted, and processing goes on from where it was.
    DoesNotSeekBack,
    /// The position goes back, what is in the cache stays.
    KeepsCache,
    /// A gained partition does not wait for the transactions that are open.
    IgnoresOpenTransactions,
    /// Offsets are sent without the group's generation.
    SendsNoGeneration,
    /// A store that is behind writes outputs while it catches up.
    ReplaysAloud,
    /// A partition that was lost and came back goes on where it was.
    MissesRevocation,
    /// Without transactions: offsets are committed before the outputs have arrived.
    CommitsBeforeFlush,
}

/// How many faults one run has seen, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A process ended.
    pub crashes: u8,
    /// A process ended and its disk is gone.
    pub lost_disks: u8,
    /// A transaction was refused.
    pub refusals: u8,
    /// A call was not answered in time: it took effect, will, or never does.
    pub silences: u8,
    /// A transaction was open for too long.
    pub expiries: u8,
    /// A partition went to the other instance.
    pub rebalances: u8,
}

impl Faults {
    pub(crate) fn total(self) -> u8 {
        self.crashes + self.lost_disks + self.refusals + self.silences + self.expiries + self.rebalances
    }
}

/// The system at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The broker.
    pub broker: Broker,
    /// The instances.
    pub instances: [Instance; INSTANCES],
    /// Faults so far.
    pub faults: Faults,
    /// Processes started so far.
    pub launches: u8,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A process starts: a new producer, a new member of the group.
    Launch(usize),
    /// It learns which partitions it has.
    Poll(usize),
    /// A partition is started, where the offset is known: (instance, partition).
    Start(usize, usize),
    /// The next event is processed: (instance, partition).
    Process(usize, usize),
    /// The transaction gets its offsets; without transactions: outputs are flushed.
    SendOffsets(usize),
    /// The commit is sent; without transactions: the offsets are committed.
    SendCommit(usize),
    /// A commit arrives at the broker.
    Deliver(EndTransaction),
    /// One store's batch is written.
    Write(usize),
    /// A new sink takes the old one's place.
    NewSink(usize),
    /// Fault: the process ends.
    Crash(usize),
    /// Fault: the process ends, its disk is lost.
    LoseDisk(usize),
    /// Fault: the broker refuses the commit.
    Refuse(usize),
    /// Fault: no answer to the call that was made.
    Silence(usize),
    /// Fault: the id's transaction was open for too long.
    Expire(usize),
    /// Fault: the partition goes to the other instance, whoever knows of it.
    Rebalance(usize),
}

/// The model, with what bounds it.
#[derive(Debug, Clone)]
pub struct Commit {
    /// How outputs and offsets are written.
    pub delivery: Delivery,
    /// The transactional id of each instance; equal ones fence each other.
    pub ids: [usize; INSTANCES],
    /// Faults in one run, at most.
    pub faults: u8,
    /// Processes started in one run, at most.
    pub launches: u8,
    /// What it does wrong.
    pub mistake: Option<Mistake>,
}

impl Commit {
    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// The steps that need no fault.
    pub(crate) fn steps(&self, state: &State, actions: &mut Vec<Action>) {
        for (at, instance) in state.instances.iter().enumerate() {
            match instance.phase {
                Phase::Dead if !instance.refused && state.launches < self.launches => {
                    actions.push(Action::Launch(at));
                }
                Phase::Dead | Phase::Committing => {}
                Phase::Running => self.loop_steps(state, at, actions),
                Phase::OffsetsSent => actions.push(Action::SendCommit(at)),
                Phase::Writing => actions.push(Action::Write(at)),
                Phase::WithoutSink => actions.push(Action::NewSink(at)),
            }
        }
        actions.extend(state.broker.network.iter().copied().map(Action::Deliver));
    }

    fn loop_steps(&self, state: &State, at: usize, actions: &mut Vec<Action>) {
        let instance = &state.instances[at];
        if instance.generation != state.broker.generation {
            actions.push(Action::Poll(at));
        }
        for number in 0..PARTITIONS {
            let Some(partition) = instance.partitions[number] else { continue };
            let known = self.makes(Mistake::IgnoresOpenTransactions) || state.broker.is_stable(number);
            if !partition.started && known {
                actions.push(Action::Start(at, number));
            }
            if partition.started && next_event(number, partition.position).is_some() {
                actions.push(Action::Process(at, number));
            }
        }
        if instance.dirty {
            actions.push(if instance.open { Action::SendOffsets(at) } else { Action::Write(at) });
        }
    }

    fn fault_steps(&self, state: &State, actions: &mut Vec<Action>) {
        if state.faults.total() >= self.faults {
            return;
        }
        for (at, instance) in state.instances.iter().enumerate() {
            if instance.phase != Phase::Dead {
                actions.extend([Action::Crash(at), Action::LoseDisk(at)]);
            }
            match instance.phase {
                Phase::Committing => actions.extend([Action::Refuse(at), Action::Silence(at)]),
                Phase::OffsetsSent => actions.push(Action::Silence(at)),
                _ => {}
            }
        }
        if self.delivery == Delivery::ExactlyOnce {
            let open = |id: &usize| state.broker.producers[*id].open.is_some();
            actions.extend((0..INSTANCES).filter(open).map(Action::Expire));
        }
        actions.extend((0..PARTITIONS).map(Action::Rebalance));
    }
}

impl Model for Commit {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let broker = Broker { generation: 1, owner: [0, 1], since: [1, 1], ..Broker::default() };
        let instances = [Instance::new(), Instance::new()];
        vec![State { broker, instances, faults: Faults::default(), launches: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.fault_steps(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let State { broker, instances, faults, launches } = &mut state;
        match action {
            Action::Launch(at) => {
                *launches += 1;
                broker.generation += 1;
                instances[at].epoch = broker.init(self.ids[at]);
                instances[at].phase = Phase::Running;
            }
            Action::Poll(at) => self.poll(broker, &mut instances[at], at),
            Action::Start(at, number) => self.start(broker, &mut instances[at], number),
            Action::Process(at, number) => self.process(broker, &mut instances[at], self.ids[at], number),
            Action::SendOffsets(at) => self.send_offsets(broker, &mut instances[at], at),
            Action::SendCommit(at) => self.send_commit(broker, &mut instances[at], at),
            Action::Deliver(end) => self.deliver(&mut state, end),
            Action::Write(at) => {
                instances[at].phase = Phase::Writing;
                instances[at].write();
            }
            Action::NewSink(at) => {
                instances[at].epoch = broker.init(self.ids[at]);
                instances[at].phase = Phase::Running;
            }
            Action::Crash(at) => {
                faults.crashes += 1;
                instances[at].die();
            }
            Action::LoseDisk(at) => {
                faults.lost_disks += 1;
                instances[at] = Instance::new();
            }
            Action::Refuse(at) => {
                faults.refusals += 1;
                broker.network.retain(|end| end.from != at);
                self.aborted(broker, &mut instances[at], self.ids[at]);
            }
            Action::Silence(at) => {
                faults.silences += 1;
                self.silence(broker, &mut instances[at], at);
            }
            Action::Expire(id) => {
                faults.expiries += 1;
                broker.expire(id);
            }
            Action::Rebalance(number) => {
                faults.rebalances += 1;
                broker.generation += 1;
                broker.owner[number] = (broker.owner[number] + 1) % INSTANCES;
                broker.since[number] = broker.generation;
            }
        }
        state.forget_what_cannot_matter(self.delivery);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        crate::properties::of(self)
    }
}

impl State {
    /// States that differ only in what nobody will look at again become one.
    fn forget_what_cannot_matter(&mut self, delivery: Delivery) {
        let (producers, instances) = (&self.broker.producers, &self.instances);
        self.broker.network.retain(|end| {
            let waiting = &instances[end.from];
            producers[end.id].epoch == end.epoch
                || (waiting.phase == Phase::Committing && waiting.epoch == end.epoch)
        });
        self.broker.network.sort_unstable();
        self.broker.network.dedup();
        if delivery == Delivery::AtLeastOnce {
            self.broker.outputs.iter_mut().for_each(|outputs| outputs.sort_unstable());
        }
        for partition in
            self.instances.iter_mut().flat_map(|instance| instance.partitions.iter_mut().flatten())
        {
            if !partition.started {
                *partition = Partition { cache: partition.cache, ..Partition::default() };
            }
        }
    }
}
