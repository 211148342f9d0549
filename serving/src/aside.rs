//! Work that may never come back, such as reading from a mount that hangs, in a thread that nobody has to wait for.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

type Work = Box<dyn FnOnce() + Send>;

/// A thread that does one piece of work after another.
pub(crate) struct Aside {
    work: Sender<Work>,
}

impl Aside {
    /// Starts the thread, which ends once this is dropped and its work is done. Nobody joins it.
    ///
    /// # Errors
    /// Where the system gives none.
    pub(crate) fn start(name: &str) -> std::io::Result<Self> {
        let (work, given) = channel::<Work>();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || given.into_iter().for_each(|work| work()))?;
        Ok(Self { work })
    }

    /// Has `work` done; its result is waited for by the answer.
    pub(crate) fn give<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Pending<T> {
        let (done, result) = channel();
        // Where the thread is gone, and where nobody waits any more, there is nothing to tell.
        let _ = self.work.send(Box::new(move || drop(done.send(work()))));
        Pending { result, since: Instant::now() }
    }
}

/// Work that was given.
pub(crate) struct Pending<T> {
    result: Receiver<T>,
    since: Instant,
}

/// What waiting brought.
pub(crate) enum Waited<T> {
    Done(T),
    NotYet,
    /// The work panicked, or its thread is gone.
    Lost,
}

impl<T> Pending<T> {
    /// Waits up to `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> Waited<T> {
        match self.result.recv_timeout(timeout) {
            Ok(done) => Waited::Done(done),
            Err(RecvTimeoutError::Timeout) => Waited::NotYet,
            Err(RecvTimeoutError::Disconnected) => Waited::Lost,
        }
    }

    /// How long ago it was given.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }
}
