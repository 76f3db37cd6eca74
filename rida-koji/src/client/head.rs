//! How much may come before an answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many more bytes may come before the head of an answer is there, on one connection.
///
/// The head of the answer itself has a limit of its own. Before it may come any number of provisional answers, such as
/// `100 Continue`; whoever reads them does nothing else meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<AtomicUsize>);

impl Room {
    /// Any number of bytes.
    const WITHOUT_LIMIT: usize = usize::MAX;

    /// Makes room without a limit.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(Self::WITHOUT_LIMIT)))
    }

    /// Limits it from now on.
    pub(super) fn limit(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// Takes the limit away: the head is there.
    pub(super) fn lift(&self) {
        self.0.store(Self::WITHOUT_LIMIT, Ordering::Relaxed);
    }

    fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn take(&self, bytes: usize) {
        let left = |left| (left != Self::WITHOUT_LIMIT).then(|| usize::saturating_sub(left, bytes));
        // What has no limit stays as it is.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
    }
}

/// A connection on which no more comes before an answer than there is [`Room`] for.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    stream: S,
    room: Room,
}

impl<S> Bounded<S> {
    pub(super) fn new(stream: S, room: Room) -> Self {
        Self { stream, room }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.room.is_used_up() {
            return Poll::Ready(Err(io::Error::other("too much came before the answer")));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.room.take(buffer.filled().len().saturating_sub(before));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
