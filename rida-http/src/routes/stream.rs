//! Bodies that are made while they are sent, in bounded memory.

use std::future::Future;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use warp::Reply;
use warp::reply::Response;

/// How many pieces may wait to be sent.
const AHEAD: usize = 2;

/// What a body is made of.
enum Piece {
    Bytes(Bytes),
    /// The body is complete. Without it the connection is cut, so that nobody takes half an answer for a whole one.
    End,
}

/// Takes the pieces of a body.
pub(super) struct Sink(mpsc::Sender<Piece>);

/// The reader is gone.
pub(super) struct Gone;

/// The body cannot be completed; the log says why.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
struct BrokenOff;

impl Sink {
    /// Sends a piece once there is room for it.
    pub(super) async fn send(&self, bytes: impl Into<Bytes>) -> Result<(), Gone> {
        self.0.send(Piece::Bytes(bytes.into())).await.map_err(|_| Gone)
    }

    /// Completes the body.
    pub(super) async fn end(self) -> Result<(), Gone> {
        self.0.send(Piece::End).await.map_err(|_| Gone)
    }

    /// Returns once the reader is gone.
    pub(super) async fn gone(&self) {
        self.0.closed().await;
    }
}

/// Makes an answer whose body `produce` writes, in a task of its own. A body that it does not
/// [`end`](Sink::end) is cut off.
pub(super) fn streamed<P, F>(produce: P) -> Response
where
    P: FnOnce(Sink) -> F,
    F: Future<Output = Result<(), Gone>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(produce(Sink(sender)));
    let body = stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::End) => None,
            None => Some((Err(BrokenOff), None)),
        }
    });
    warp::reply::stream(body).into_response()
}
