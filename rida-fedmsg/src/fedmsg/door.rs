//! Where listeners come in: at a place of this process, or at a relay's that this process connects to.

use std::io::ErrorKind;
use std::net::TcpListener as Bound;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::listeners::{ListenerId, Listeners, Next};
use super::zmtp::{self, Said, ZmtpError};
use crate::error::BusError;

/// How long somebody may take to say that he listens.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long connecting to a relay may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a relay may acknowledge nothing of what it is sent, in milliseconds, before its connection is given up: by
/// itself TCP goes on for a quarter of an hour, and all that is handed over meanwhile is lost.
const UNACKNOWLEDGED: u32 = 6000;
/// The waits before a relay is connected to again, as fedmsg's own.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Splits `tcp://host:port`; the host `*` is every address of this machine, the port `*` any that is free.
pub(super) fn host_and_port(place: &str) -> Result<(&str, u16), BusError> {
    let parts = place.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':'));
    let (host, port) = parts.filter(|(host, _)| !host.is_empty() && !host.contains('/')).ok_or_else(|| odd(place))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = if port == "*" { Some(0) } else { port.parse().ok() };
    Ok((if host == "*" { "0.0.0.0" } else { host }, port.ok_or_else(|| odd(place))?))
}

fn odd(place: &str) -> BusError {
    BusError::Config(format!("{:?} is no place for announcements, such as tcp://*:3000 or tcp://127.0.0.1:2001", place))
}

/// Takes the first of some places that is free.
pub(super) fn bind(places: &[String]) -> Result<Bound, BusError> {
    let mut last = BusError::Config("fedmsg has no place to bind to".to_owned());
    for place in places {
        match Bound::bind(host_and_port(place)?).and_then(|bound| bound.set_nonblocking(true).map(|()| bound)) {
            Ok(bound) => return Ok(bound),
            Err(error) if error.kind() == ErrorKind::AddrInUse => last = BusError::Taken { place: place.clone() },
            Err(source) => last = BusError::Place { place: place.clone(), source },
        }
    }
    Err(last)
}

/// Lets listeners in until this is dropped, no more than so many at once: also those count that say nothing.
pub(super) async fn let_in(bound: TcpListener, listeners: Listeners, most: usize) {
    let room = Arc::new(Semaphore::new(most));
    let mut is_full = false;
    loop {
        match bound.accept().await {
            Ok((stream, address)) => {
                let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                    if !std::mem::replace(&mut is_full, true) {
                        tracing::warn!(most, listener = %address, "too many are connected to fedmsg; no more are let in");
                    }
                    continue;
                };
                is_full = false;
                let listeners = listeners.clone();
                tokio::spawn(async move {
                    let _place = place;
                    let name = address.to_string();
                    // Scanners of ports and the like are none of an operator's business.
                    if let Err(error) = serve(stream, name.clone(), &listeners).await {
                        tracing::debug!(listener = name, error = %crate::chain(&error), "a listener of fedmsg is gone");
                    }
                });
            }
            // Too many open files, mostly.
            Err(error) => {
                tracing::debug!(%error, "a listener of fedmsg cannot be let in now");
                tokio::time::sleep(FIRST_WAIT).await;
            }
        }
    }
}

/// Connects to a relay, again and again, until this is dropped.
pub(super) async fn go_to(place: String, listeners: Listeners) {
    let mut wait = FIRST_WAIT;
    loop {
        let served = async {
            let address = host_and_port(&place).map_err(std::io::Error::other)?;
            let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
            let stream = stream.map_err(|_| std::io::Error::from(ErrorKind::TimedOut))??;
            wait = FIRST_WAIT;
            sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED).map_err(std::io::Error::from)?;
            serve(stream, place.clone(), &listeners).await
        };
        if let Err(error) = served.await {
            tracing::debug!(relay = place, error = %crate::chain(&error), "the relay of fedmsg is gone");
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Takes in one who listens, for as long as the connection holds.
async fn serve(mut stream: TcpStream, name: String, listeners: &Listeners) -> Result<(), ZmtpError> {
    configure(&stream)?;
    let shaken = tokio::time::timeout(HANDSHAKE, zmtp::shake_hands(&mut stream)).await;
    shaken.map_err(|_| std::io::Error::from(ErrorKind::TimedOut))??;
    let Some((id, calls)) = listeners.join(name.clone()) else { return Ok(()) };
    let _leaving = Leaving { listeners, id, name };
    let (reader, writer) = stream.into_split();
    tokio::select! {
        heard = hear(BufReader::new(reader), id, listeners) => heard,
        told = tell(writer, id, listeners, &calls.more) => told,
        () = calls.end.notified() => Ok(()),
    }
}

/// As fedmsg configures its sockets.
fn configure(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(60))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(5))?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    Ok(())
}

/// Takes a listener out when its connection ends, however it does.
struct Leaving<'a> {
    listeners: &'a Listeners,
    id: ListenerId,
    name: String,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let missed = self.listeners.leave(self.id);
        if missed > 0 {
            let listener = &self.name;
            tracing::warn!(
                listener,
                missed,
                "the connection of a listener of fedmsg ended before it had read everything"
            );
        }
    }
}

async fn hear(
    mut reader: BufReader<tokio::net::tcp::OwnedReadHalf>,
    id: ListenerId,
    listeners: &Listeners,
) -> Result<(), ZmtpError> {
    loop {
        match zmtp::hear(&mut reader).await? {
            Said::Wants(beginning) => {
                if !listeners.wants(id, beginning) {
                    return Ok(());
                }
            }
            Said::Other => {}
            Said::Leaves(beginning) => listeners.wants_no_more(id, &beginning),
            Said::Ping(context) => listeners.answer(id, &context),
        }
    }
}

async fn tell(
    mut writer: OwnedWriteHalf,
    id: ListenerId,
    listeners: &Listeners,
    more: &tokio::sync::Notify,
) -> Result<(), ZmtpError> {
    loop {
        match listeners.next(id) {
            Some(Next::Message(message)) => {
                writer.write_all(&message).await?;
                listeners.sent(id);
            }
            Some(Next::Answer(answer)) => writer.write_all(&answer).await?,
            None => more.notified().await,
        }
    }
}
