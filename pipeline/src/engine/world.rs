//! What the engine asks of the world besides records and state: the time, and at its named
//! moments whether to go on.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Result;

macro_rules! points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)*) => {
        /// A moment at which a crash must change nothing that a reader of committed records, or a
        /// later start, can see.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Point {
            $($(#[$doc])* $point,)*
        }

        impl Point {
            /// Every point, in the order of a turn.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$point),*];

            /// Its name, as in `before-commit`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

points! {
    /// Before records are asked for.
    BeforePoll = "before-poll",
    /// After they came.
    AfterPoll = "after-poll",
    /// Before one partition's records are applied to the cache.
    BeforeProcess = "before-process",
    /// After they were, their outputs produced.
    AfterProcess = "after-process",
    /// Before an output goes to the sink.
    BeforeProduce = "before-produce",
    /// After it did.
    AfterProduce = "after-produce",
    /// Before the input offsets join the transaction.
    BeforeSendOffsets = "before-send-offsets",
    /// After they did.
    AfterSendOffsets = "after-send-offsets",
    /// Before the transaction's commit.
    BeforeCommit = "before-commit",
    /// After it, before any state is written.
    AfterCommit = "after-commit",
    /// Before one partition's `WriteBatch`.
    BeforeWriteBatch = "before-write-batch",
    /// After it.
    AfterWriteBatch = "after-write-batch",
    /// Before a file of a checkpoint is uploaded.
    BeforeCheckpointUpload = "before-checkpoint-upload",
    /// After all of them are, before the manifest is.
    AfterCheckpointUpload = "after-checkpoint-upload",
    /// Before the pointer to the newest checkpoint is moved.
    BeforeCheckpointRename = "before-checkpoint-rename",
    /// After it was.
    AfterCheckpointRename = "after-checkpoint-rename",
}

/// Time and kill points. [`SystemWorld`] is the one of production; a simulation has a clock of its
/// own and may end the engine at any [`Point`].
pub trait World: Send + Sync {
    /// Time since some fixed moment; it never goes back.
    fn now(&self) -> Duration;

    /// Epoch milliseconds, for metrics only: no outcome depends on it.
    fn wall_ms(&self) -> i64;

    /// Waits.
    fn sleep(&self, time: Duration);

    /// The engine is at `point`.
    ///
    /// # Errors
    /// An error ends the engine as if its process had died there.
    fn reached(&self, point: Point) -> Result<()> {
        let _ = point;
        Ok(())
    }
}

/// The machine's clock, and no interference.
#[derive(Debug)]
pub struct SystemWorld {
    began: Instant,
}

impl Default for SystemWorld {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

impl World for SystemWorld {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wall_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
