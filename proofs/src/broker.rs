//! What the broker keeps: the input, committed outputs, transactions, the group.

/// Partitions of the input.
pub const PARTITIONS: usize = 2;
/// Instances of the job.
pub const INSTANCES: usize = 2;

/// Offsets of the events; the others hold control records, which nobody is shown.
const EVENTS: [&[u8]; PARTITIONS] = [&[0, 2], &[0]];
/// The offset after the last control record or event.
pub const END: [u8; PARTITIONS] = [4, 1];

/// The next event at or after `position`.
pub fn next_event(partition: usize, position: u8) -> Option<u8> {
    EVENTS[partition].iter().copied().find(|offset| *offset >= position)
}

/// The events before `offset`.
pub fn events_before(partition: usize, offset: u8) -> impl Iterator<Item = u8> {
    EVENTS[partition].iter().copied().filter(move |event| *event < offset)
}

/// A user's state: which events went into it, in which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fold(u16);

impl Fold {
    /// The state after one more event.
    pub fn with(self, offset: u8) -> Self {
        Self(self.0.wrapping_mul(7).wrapping_add(u16::from(offset) + 1))
    }

    /// The state after all events before `offset`, each once, in order.
    pub fn before(partition: usize, offset: u8) -> Self {
        events_before(partition, offset).fold(Self::default(), Self::with)
    }
}

/// What was computed from one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Output {
    /// The event's partition.
    pub partition: usize,
    /// The event's offset.
    pub offset: u8,
    /// The state after it.
    pub state: Fold,
}

/// A transaction that was neither committed nor aborted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// Records in the log that a reader of committed records is not shown.
    pub outputs: Vec<Output>,
    /// The group's next offsets, as sent.
    pub offsets: [Option<u8>; PARTITIONS],
    /// Who sent them, in which generation.
    pub sender: Option<(u8, usize)>,
}

/// One transactional id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Producer {
    /// Requests with a lower epoch are refused.
    pub epoch: u8,
    /// Its open transaction.
    pub open: Option<Transaction>,
}

/// A commit on its way to the broker. Nobody need wait for it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndTransaction {
    /// The transactional id.
    pub id: usize,
    /// The producer's epoch.
    pub epoch: u8,
    /// The instance that sent it.
    pub from: usize,
}

/// A newer producer has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fenced;

/// Why offsets were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A newer producer has taken over.
    Fenced,
    /// The sender is not of the group's generation.
    IllegalGeneration,
}

/// The broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Broker {
    /// The group's generation; it grows with each change of members or assignment.
    pub generation: u8,
    /// Who owns each partition.
    pub owner: [usize; PARTITIONS],
    /// The generation in which it became the owner.
    pub since: [u8; PARTITIONS],
    /// The group's committed next offsets.
    pub committed: [Option<u8>; PARTITIONS],
    /// What a reader of committed records sees, by the input's partition.
    pub outputs: [Vec<Output>; PARTITIONS],
    /// Per transactional id.
    pub producers: [Producer; INSTANCES],
    /// Commits that have not arrived.
    pub network: Vec<EndTransaction>,
    /// Who committed each partition last, in which generation.
    pub committer: [Option<(u8, usize)>; PARTITIONS],
    /// Whether two instances committed one partition in one generation.
    pub two_committers: bool,
}

impl Broker {
    /// `init_transactions`: fences older producers of the id and aborts what they left open.
    pub fn init(&mut self, id: usize) -> u8 {
        let producer = &mut self.producers[id];
        producer.epoch += 1;
        producer.open = None;
        producer.epoch
    }

    fn open(&mut self, id: usize, epoch: u8) -> Result<&mut Transaction, Fenced> {
        let producer = &mut self.producers[id];
        if producer.epoch != epoch {
            return Err(Fenced);
        }
        Ok(producer.open.get_or_insert_default())
    }

    /// Adds a record to the id's transaction, and begins one where none is open.
    ///
    /// # Errors
    /// Where a newer producer has taken over.
    pub fn produce(&mut self, id: usize, epoch: u8, output: Output) -> Result<(), Fenced> {
        self.open(id, epoch)?.outputs.push(output);
        Ok(())
    }

    /// Adds offsets to the id's transaction. `generation` is none where the sender does not say.
    ///
    /// # Errors
    /// Where producer or member is not the present one.
    pub fn send_offsets(
        &mut self,
        id: usize,
        epoch: u8,
        from: usize,
        generation: Option<u8>,
        offsets: [Option<u8>; PARTITIONS],
    ) -> Result<(), Refusal> {
        let present = self.generation;
        let transaction = self.open(id, epoch).map_err(|Fenced| Refusal::Fenced)?;
        if generation.is_some_and(|generation| generation != present) {
            return Err(Refusal::IllegalGeneration);
        }
        for (pending, offset) in transaction.offsets.iter_mut().zip(offsets) {
            *pending = offset.or(*pending);
        }
        transaction.sender = Some((generation.unwrap_or(present), from));
        Ok(())
    }

    /// A commit arrives. It commits whatever the id has open by then.
    ///
    /// # Errors
    /// Where a newer producer has taken over.
    pub fn end(&mut self, end: EndTransaction) -> Result<(), Fenced> {
        let producer = &mut self.producers[end.id];
        if producer.epoch != end.epoch {
            return Err(Fenced);
        }
        let Some(transaction) = producer.open.take() else { return Ok(()) };
        self.make_visible(transaction.outputs);
        if let Some(sender) = transaction.sender {
            self.move_offsets(sender, transaction.offsets);
        }
        Ok(())
    }

    /// Records that every reader is shown from now on. A third copy tells no more than a second.
    pub fn make_visible(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            let seen = &mut self.outputs[output.partition];
            if seen.iter().filter(|other| **other == output).count() < 2 {
                seen.push(output);
            }
        }
    }

    /// The group's offsets move. An older offset overwrites a newer one, as in Kafka.
    pub fn move_offsets(&mut self, sender: (u8, usize), offsets: [Option<u8>; PARTITIONS]) {
        for (partition, offset) in offsets.into_iter().enumerate() {
            let Some(offset) = offset else { continue };
            self.committed[partition] = Some(offset);
            let (generation, from) = sender;
            let before = self.committer[partition].replace(sender);
            self.two_committers |= before.is_some_and(|(of, by)| of == generation && by != from);
        }
    }

    /// Discards the id's open transaction.
    ///
    /// # Errors
    /// Where a newer producer has taken over.
    pub fn abort(&mut self, id: usize, epoch: u8) -> Result<(), Fenced> {
        let producer = &mut self.producers[id];
        if producer.epoch != epoch {
            return Err(Fenced);
        }
        producer.open = None;
        Ok(())
    }

    /// A transaction was open for too long: it is aborted, and its producer fenced.
    pub fn expire(&mut self, id: usize) {
        self.init(id);
    }

    /// Whether no open transaction could still move the partition's committed offset.
    pub fn is_stable(&self, partition: usize) -> bool {
        self.producers
            .iter()
            .all(|producer| producer.open.as_ref().is_none_or(|open| open.offsets[partition].is_none()))
    }
}
