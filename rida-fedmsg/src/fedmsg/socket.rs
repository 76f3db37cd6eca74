//! ZeroMQ sockets as fedmsg configures them.

use std::time::Duration;

use crate::error::BusError;

/// How long a peer may be silent before its connection is given up: one that reads nothing any more would have
/// everything kept for it in memory for ever.
const SILENCE: Duration = Duration::from_secs(120);

/// Makes a socket with fedmsg's settings for TCP, and with probes of ZeroMQ's own, which fedmsg does not send but
/// answers.
pub(super) fn open(context: &zmq::Context, kind: zmq::SocketType) -> Result<zmq::Socket, BusError> {
    let socket = context.socket(kind).map_err(BusError::socket("make a socket"))?;
    let configured = || {
        socket.set_tcp_keepalive(1)?;
        socket.set_tcp_keepalive_cnt(3)?;
        socket.set_tcp_keepalive_idle(60)?;
        socket.set_tcp_keepalive_intvl(5)?;
        socket.set_reconnect_ivl(100)?;
        socket.set_reconnect_ivl_max(1000)?;
        socket.set_heartbeat_ivl(millis(SILENCE / 4))?;
        socket.set_heartbeat_timeout(millis(SILENCE))
    };
    configured().map_err(BusError::socket("configure a socket"))?;
    Ok(socket)
}

/// Returns a time as ZeroMQ takes it.
pub(super) fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// Checks the form of the name of a place.
pub(super) fn is_endpoint(endpoint: &str) -> Result<(), BusError> {
    let good = ["tcp://", "ipc://"].iter().any(|scheme| endpoint.len() > scheme.len() && endpoint.starts_with(scheme));
    if good && !endpoint.contains('\0') {
        return Ok(());
    }
    Err(BusError::Config(format!("{endpoint:?} is no place for ZeroMQ, such as tcp://*:3000 or tcp://127.0.0.1:2001")))
}
