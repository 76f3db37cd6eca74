//! A connection that is given up when its client reads too slowly.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How many bytes a client has to read within its time. One that reads a few now and then would be as good as one that
/// reads none.
const ENOUGH: usize = 64 * 1024;

/// A stream whose writes fail when the client makes them wait for too long. Without it, clients that ask for long
/// answers and do not read them would hold connections for ever.
pub(super) struct Stalling<S> {
    stream: S,
    patience: Duration,
    /// When to give up; counting only while a write waits.
    deadline: Pin<Box<Sleep>>,
    /// Since when a write waits.
    waiting: Option<Instant>,
    /// How long writes have waited since the client last had read enough.
    waited: Duration,
    /// How many bytes it has read since then.
    read: usize,
}

impl<S> Stalling<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        let deadline = Box::pin(tokio::time::sleep(patience));
        Self { stream, patience, deadline, waiting: None, waited: Duration::ZERO, read: 0 }
    }

    /// Passes on how a write went, or fails when the client has made writes wait for too long.
    fn judge(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = &written {
            if let Some(since) = self.waiting.take() {
                self.waited = self.waited.saturating_add(since.elapsed());
            }
            self.read = self.read.saturating_add(*outcome.as_ref().unwrap_or(&0));
            if self.read >= ENOUGH {
                (self.waited, self.read) = (Duration::ZERO, 0);
            }
            return written;
        }
        if self.waiting.is_none() {
            let now = Instant::now();
            self.waiting = Some(now);
            self.deadline.as_mut().reset(now + self.patience.saturating_sub(self.waited));
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.judge(context, written)
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_given_up() {
        let (near, far) = tokio::io::duplex(16);
        let mut stream = Stalling::new(near, Duration::from_millis(20));
        let error = stream.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(far);
    }

    #[tokio::test]
    async fn a_client_that_reads_a_byte_now_and_then_is_given_up() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut stream = Stalling::new(near, Duration::from_millis(100));
        let reading = tokio::spawn(async move {
            while far.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        let writing = tokio::time::timeout(Duration::from_secs(10), stream.write_all(&[0; 1 << 20]));
        let error = writing.await.expect("it is held for as long as the client likes").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(stream);
        reading.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_waits_for_more_is_not_given_up() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut stream = Stalling::new(near, Duration::from_millis(100));
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.map(|_| all.len())
        });
        for _ in 0..5 {
            // Each of them has to wait for room, but none for long.
            stream.write_all(&[0; 64]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        drop(stream);
        assert_eq!(reading.await.unwrap().unwrap(), 5 * 64);
    }
}
