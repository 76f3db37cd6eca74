//! Bodies of requests, with limits on bytes and time.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::{Stream, StreamExt};
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

/// A body, or why it is refused.
pub(super) type Body = Result<bytes::Bytes, ApiError>;

/// Builds a filter that reads the body, and never rejects: what is wrong with it is the handler's to answer.
pub(super) fn limited(api: &Api) -> BoxedFilter<(Body,)> {
    let (max, time, metrics) = (api.settings.max_body, api.settings.body_timeout, api.metrics.clone());
    warp::header::headers_cloned()
        .and(warp::body::stream())
        .then(move |headers: HeaderMap, stream| {
            let metrics = metrics.clone();
            async move { read(&headers, std::pin::pin!(stream), max, time, &metrics).await }
        })
        .boxed()
}

async fn read<S, B, E>(
    headers: &HeaderMap,
    mut stream: std::pin::Pin<&mut S>,
    max: usize,
    time: Duration,
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
    let too_large = || ApiError::bad_request(format!("the body is larger than {max} bytes, which is the limit"));
    if length.is_some_and(|length| length > READ_TO_REFUSE) {
        return Err(too_large());
    }
    let deadline = Instant::now() + time;
    let (mut body, mut total) = (BytesMut::new(), 0_u64);
    loop {
        let piece = timeout_at(deadline, stream.next()).await.map_err(|_| {
            metrics.stall(Stall::Body);
            let seconds = time.as_secs_f32();
            ApiError::bad_request(format!("the body did not arrive within {seconds} seconds; send it faster"))
        })?;
        let mut piece = match piece {
            None if total > bounded(max) => return Err(too_large()),
            None => return Ok(body.freeze()),
            Some(Err(_)) => return Err(ApiError::bad_request("the body broke off; send all of it")),
            Some(Ok(piece)) => piece,
        };
        total = total.saturating_add(bounded(piece.remaining()));
        if total > READ_TO_REFUSE {
            return Err(too_large());
        }
        while total <= bounded(max) && piece.has_remaining() {
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
