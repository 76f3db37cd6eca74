//! Bodies of requests, with limits on bytes and time.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, header};

use super::Api;
use crate::metrics::{Metrics, Stall};
use crate::reply::ApiError;

/// How much of a body that is too large is read, to be thrown away, before it is answered. A client that is still
/// sending when the connection closes would not see the answer.
const READ_TO_REFUSE: u64 = 16 * 1024 * 1024;

/// How many bodies that are larger than others may be are in memory at once.
const LARGE_AT_ONCE: usize = 16;

/// In how many seconds one of them may be done.
const SOON: u32 = 5;

/// A body, or why it is refused.
pub(super) type Body = Result<Received, ApiError>;

/// A body that has arrived.
pub(super) struct Received {
    pub(super) bytes: bytes::Bytes,
    /// The turn of a large one, which ends with it.
    _turn: Option<OwnedSemaphorePermit>,
}

/// How much of a body is read.
#[derive(Clone, Debug)]
struct Limits {
    /// How large it may be while others are as large.
    small: usize,
    /// How large it may be when it has a turn.
    large: usize,
    turns: Arc<Semaphore>,
    time: Duration,
}

/// Makes the turns of large bodies.
pub(super) fn turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(LARGE_AT_ONCE))
}

/// Builds a filter that reads the body, and never rejects: what is wrong with it is the handler's to answer. One that may
/// bring a document along may be larger, a few of them at once.
pub(super) fn limited(api: &Api, brings_a_document: bool) -> BoxedFilter<(Body,)> {
    let small = api.settings.max_body;
    let large = if brings_a_document { small.max(api.settings.max_submission) } else { small };
    let limits = Limits { small, large, turns: Arc::clone(&api.large_bodies), time: api.settings.body_timeout };
    let metrics = api.metrics.clone();
    warp::header::headers_cloned()
        .and(warp::body::stream())
        .then(move |headers: HeaderMap, stream| {
            let (limits, metrics) = (limits.clone(), metrics.clone());
            async move { read(&headers, std::pin::pin!(stream), &limits, &metrics).await }
        })
        .boxed()
}

async fn read<S, B, E>(
    headers: &HeaderMap,
    mut stream: std::pin::Pin<&mut S>,
    limits: &Limits,
    metrics: &Metrics,
) -> Body
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
        let message = "a body with a Content-Encoding is not read; send plain JSON without that header";
        return Err(ApiError::bad_request(message));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let max = limits.large;
    let too_large = || ApiError::bad_request(format!("the body is larger than {max} bytes, which is the limit"));
    if length.is_some_and(|length| length > READ_TO_REFUSE) {
        return Err(too_large());
    }
    let deadline = Instant::now() + limits.time;
    let (mut body, mut total, mut turn, mut full) = (BytesMut::new(), 0_u64, None, false);
    loop {
        let piece = timeout_at(deadline, stream.next()).await.map_err(|_| {
            metrics.stall(Stall::Body);
            let seconds = limits.time.as_secs_f32();
            ApiError::bad_request(format!("the body did not arrive within {seconds} seconds; send it faster"))
        })?;
        let mut piece = match piece {
            None if total > bounded(max) => return Err(too_large()),
            None if full => {
                let message = "as many large submissions as may be at once are being read; send it again";
                return Err(ApiError::unavailable(message, SOON));
            }
            None => return Ok(Received { bytes: body.freeze(), _turn: turn }),
            Some(Err(_)) => return Err(ApiError::bad_request("the body broke off; send all of it")),
            Some(Ok(piece)) => piece,
        };
        total = total.saturating_add(bounded(piece.remaining()));
        if total > READ_TO_REFUSE {
            return Err(too_large());
        }
        let is_too_large = total > bounded(max);
        if total > bounded(limits.small) && turn.is_none() && !full && !is_too_large {
            turn = Arc::clone(&limits.turns).try_acquire_owned().ok();
            full = turn.is_none();
        }
        if full || is_too_large {
            // What is refused takes no memory and no turn while the rest of it arrives.
            (body, turn) = (BytesMut::new(), None);
            continue;
        }
        while piece.has_remaining() {
            let chunk = piece.chunk();
            body.extend_from_slice(chunk);
            let taken = chunk.len();
            piece.advance(taken);
        }
    }
}

fn bounded(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
