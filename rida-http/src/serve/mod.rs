//! The server: accepts connections, within limits, and ends them in order.
//!
//! The interface is a warp service mounted on hyper by hand: what warp itself starts has no limits of time or number,
//! and a panic or a shutdown with an open stream would hang its clients.

mod connection;
mod normal;
mod stall;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use self::connection::Connections;
pub(crate) use self::connection::panic_text;
#[cfg(feature = "fuzzing")]
pub(crate) use self::normal::normalised;
use crate::metrics::{Metrics, Stall};

/// Limits of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// How many connections are open at once; more wait until one ends.
    pub connections: usize,
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
    let permits = Arc::new(Semaphore::new(limits.connections));
    let mut open = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            Some(_) = open.join_next() => continue,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (served, counted) = (connections.serve(stream, &graceful), connections.metrics().connection());
                let metrics = connections.metrics().clone();
                open.spawn(async move {
                    let (_permit, _counted) = (permit, counted);
                    if let Err(error) = served.await {
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
