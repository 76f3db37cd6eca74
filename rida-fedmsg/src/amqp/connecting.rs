//! Making a connection to the broker within a time, with nothing left of it when that is over.
//!
//! The library gives a connection a thread, which waits for as long as the other side keeps the socket: not to be waited
//! for any more is not told to it. So a second handle of the socket is kept while the two sides introduce themselves,
//! and the socket is shut down when they have not come to an end in time. The thread reads the end then.

use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};

/// Connects within a time; absent when the broker has not answered by then.
///
/// # Errors
/// When it cannot be reached, or refuses.
pub(super) async fn connect(
    uri: AMQPUri,
    name: &str,
    tls: OwnedTLSConfig,
    patience: Duration,
) -> lapin::Result<Option<Connection>> {
    let attempt = Attempt::default();
    let (socket, until) = (Arc::clone(&attempt.socket), Instant::now() + patience);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let runtime = lapin::runtime::default_runtime()?;
    // In the thread of the library, which waits for it for as long as it takes.
    let connecting = Connection::connector(
        uri,
        runtime,
        async move |uri: AMQPUri, runtime| {
            let opening = async {
                let place = (uri.authority.host.as_str(), uri.authority.port);
                let addresses: Vec<_> = lookup_host(place).await?.collect();
                let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    hold(&socket, plain.get_ref().as_fd().try_clone_to_owned()?.into())?;
                }
                match uri.scheme {
                    AMQPScheme::AMQP => Ok(stream),
                    AMQPScheme::AMQPS => stream.into_tls(&uri.authority.host, tls.as_ref()).await,
                }
            };
            let opened = timeout_at(until, opening).await;
            Ok(opened.unwrap_or_else(|late| Err(late.into()))?)
        },
        properties,
    );
    match timeout_at(until, connecting).await {
        Ok(Ok(connection)) => {
            attempt.succeeded();
            Ok(Some(connection))
        }
        Ok(Err(error)) if Instant::now() < until => Err(error),
        // The thread may have come to its end first.
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

/// One try, which ends with this.
#[derive(Default)]
struct Attempt {
    socket: Arc<Mutex<Socket>>,
}

#[derive(Default)]
enum Socket {
    #[default]
    Coming,
    Open(TcpStream),
    /// It is not wanted any more, or is the connection's own.
    Over,
}

impl Attempt {
    /// Leaves the socket to the connection: it is to end with that.
    fn succeeded(self) {
        *lock(&self.socket) = Socket::Over;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Socket::Open(socket) = std::mem::replace(&mut *lock(&self.socket), Socket::Over) {
            // The other side may have ended it before.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Keeps a handle of a socket, if it is wanted still.
fn hold(held: &Mutex<Socket>, opened: TcpStream) -> std::io::Result<()> {
    match &mut *lock(held) {
        Socket::Over => Err(std::io::ErrorKind::TimedOut.into()),
        held => {
            *held = Socket::Open(opened);
            Ok(())
        }
    }
}

fn lock(held: &Mutex<Socket>) -> std::sync::MutexGuard<'_, Socket> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
