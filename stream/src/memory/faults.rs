//! What can go wrong between a client and the broker.

use std::time::Duration;

/// A request that a client makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// Records, or news of the group.
    Poll,
    /// The group's committed offset.
    Committed,
    /// Where the log begins and ends.
    Bounds,
    /// Offsets outside of a transaction.
    CommitOffsets,
    /// A new producer takes over.
    Init,
    /// A record.
    Produce,
    /// Offsets within a transaction.
    SendOffsets,
    /// The commit of a transaction.
    Commit,
    /// Its abort.
    Abort,
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The broker cannot be reached; nothing is done.
    Unavailable,
    /// The broker refuses the transaction; it has no effect and must be aborted.
    Refused,
    /// No answer comes in time.
    Unanswered(Effect),
    /// The answer takes this long.
    Slow(Duration),
}

/// What became of a request without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It was done.
    Done,
    /// The end of a transaction is still on its way, see `Broker::deliver_late`; every other request
    /// is lost.
    Late,
    /// It is lost.
    Lost,
}

/// Decides on each request; none where it goes well.
pub type Faults = Box<dyn FnMut(Call) -> Option<Fault> + Send>;
