//! A connection whose client must send what it began, and take what it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::places::Turns;

/// Reads fail where a request that was begun, or the first one, is not whole in time; writes fail where an answer
/// is not taken in time, however slowly it is. How long the next request may be waited for is bounded where
/// requests are read.
pub(crate) struct Connection<S> {
    stream: S,
    turns: Turns,
    /// From the first byte of a request to its last.
    head: Deadline,
    /// From when the client did not take at once what it was sent until it has taken all of it.
    answer: Deadline,
}

impl<S> Connection<S> {
    /// A request may take `head`, an answer `answer`.
    pub(crate) fn new(stream: S, turns: Turns, head: Duration, answer: Duration) -> Self {
        let (mut head, answer) = (Deadline::new(head), Deadline::new(answer));
        // Who connects means to ask.
        head.begin();
        Self { stream, turns, head, answer }
    }

    fn bounded<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(_) => written,
            Poll::Pending => self.answer.begin().passed(cx).map(Err),
        }
    }
}

/// A time that something may take.
struct Deadline {
    within: Duration,
    sleep: Pin<Box<Sleep>>,
    is_running: bool,
}

impl Deadline {
    fn new(within: Duration) -> Self {
        Self { within, sleep: Box::pin(tokio::time::sleep(within)), is_running: false }
    }

    /// From now on, unless it runs already.
    fn begin(&mut self) -> &mut Self {
        if !self.is_running {
            self.is_running = true;
            self.sleep.as_mut().reset(Instant::now() + self.within);
        }
        self
    }

    fn end(&mut self) {
        self.is_running = false;
    }

    /// Whether it ran out; wakes the task when it does.
    fn passed(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self.is_running {
            true => self.sleep.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into()),
            false => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.turns.is_clients() {
            this.head.end();
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if this.turns.is_clients() && buffer.filled().len() > before {
            this.head.begin();
        }
        // Also where bytes came: who sends one a moment is never silent.
        match this.head.passed(cx) {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // An answer is written: the request that was begun is whole.
        self.head.end();
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.answer.end();
        }
        self.bounded(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bounded(cx, closed)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.head.end();
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
