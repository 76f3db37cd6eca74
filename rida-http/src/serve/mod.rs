//! The server: accepts connections, within limits, and ends them in order.
//!
//! The interface is a warp service mounted on hyper by hand: what warp itself starts has no limits of time or number,
//! and a panic or a shutdown with an open stream would hang its clients.

mod connection;
mod normal;
mod seats;
mod stall;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use self::connection::Connections;
pub(crate) use self::connection::panic_text;
#[cfg(feature = "fuzzing")]
pub(crate) use self::normal::normalised;
use self::seats::Seats;
use crate::metrics::{Metrics, Stall};

/// Limits of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// How many connections are open at once. Who comes when all are taken gets that of a client which says nothing.
    pub connections: usize,
    /// How many of them one address may have; more of its connections are closed at once.
    pub for_one_client: usize,
    /// The largest head of a request, in bytes.
    pub head: usize,
    /// How long a head may take to arrive, and how long a connection may idle.
    pub head_timeout: Duration,
    /// How long a client may take no byte of an answer.
    pub write_timeout: Duration,
    /// How long requests that run may go on after the shutdown began.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        const TEN_SECONDS: Duration = Duration::from_secs(10);
        Self {
            connections: 1024,
            for_one_client: 256,
            head: 16 * 1024,
            head_timeout: TEN_SECONDS,
            write_timeout: Duration::from_secs(60),
            grace: TEN_SECONDS,
        }
    }
}

/// Serves until `shutdown` is done, and then until all requests that run have ended, at most for the time of grace.
///
/// `draining` is set when the shutdown begins: from then on connections that are kept are told that no new work is
/// taken, and answers without an end find theirs.
pub async fn serve(
    listener: TcpListener,
    routes: BoxedFilter<(Response,)>,
    limits: ServerLimits,
    metrics: Metrics,
    draining: watch::Sender<bool>,
    shutdown: impl Future<Output = ()>,
) {
    let connections = Connections::new(routes, limits, metrics);
    let graceful = GracefulShutdown::new();
    let seats = Arc::new(Seats::new(limits.connections, limits.for_one_client));
    let mut open = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(seat) = seats.admit(peer.ip()) else {
                    connections.metrics().stall(Stall::Many);
                    tracing::debug!(%peer, "a client has all the connections that one may have; one more is closed");
                    continue;
                };
                let mut seating = std::pin::pin!(seats.seat(seat));
                let seat = loop {
                    tokio::select! {
                        seat = &mut seating => break Some(seat),
                        Some(_) = open.join_next() => {}
                        () = &mut shutdown => break None,
                    }
                };
                let Some(seat) = seat else { break };
                let (served, counted) =
                    (connections.serve(stream, seat.watch(), &graceful), connections.metrics().connection());
                let metrics = connections.metrics().clone();
                open.spawn(async move {
                    let _counted = counted;
                    let ended = tokio::select! {
                        ended = served => ended,
                        () = seat.given_up() => {
                            metrics.stall(Stall::Head);
                            tracing::debug!(%peer, "a connection that nothing came of was needed for somebody else");
                            Ok(())
                        }
                    };
                    if let Err(error) = ended {
                        if let Some(stall) = stall_of(&error) {
                            metrics.stall(stall);
                        }
                        tracing::debug!(%peer, %error, "a connection ended early");
                    }
                });
            }
            // Out of file handles, or the client is gone already: neither ends the server, nor makes it spin.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    draining.send_replace(true);
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests still ran after {} seconds of grace; they are cut off", limits.grace.as_secs_f32());
    }
    open.shutdown().await;
}

/// Tells what a client was too slow with, when that ended its connection.
fn stall_of(error: &hyper::Error) -> Option<Stall> {
    if error.is_timeout() {
        return Some(Stall::Head);
    }
    let io = std::error::Error::source(error)?.downcast_ref::<std::io::Error>()?;
    (io.kind() == std::io::ErrorKind::TimedOut).then_some(Stall::Reader)
}
