//! Listening to fedmsg: what is verified goes to the inbox, the rest is counted and dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::socket;
use super::verify::{Renewing, Trust, Verified};
use crate::again::Again;
use crate::error::BusError;
use crate::incoming::{Inbox, Verdict};

/// How to listen to fedmsg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FedmsgListenerConfig {
    /// The places to connect to: publishers, a relay, or a gateway.
    pub endpoints: Vec<String>,
    /// The beginnings of the topics to ask for.
    pub topics: Vec<String>,
    /// Who is believed.
    pub trust: Trust,
}

/// How many verified messages may wait to be followed. ZeroMQ queues behind them, and drops behind that: the build
/// system is asked in its turn all the same.
const QUEUE: usize = 256;
/// The most messages that ZeroMQ holds for this process.
const HIGH_WATER_MARK: i32 = 10_000;
/// The longest message, in bytes.
const LONGEST: i64 = 1024 * 1024;
/// How often the thread looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often one is tried; the look in its turn finds what it told of.
const TRIES: u32 = 5;

/// Listens to fedmsg.
pub struct FedmsgListener {
    messages: mpsc::Receiver<Heard>,
    stop: watch::Sender<bool>,
}

enum Heard {
    Connected,
    Message(Box<Verified>),
}

impl FedmsgListener {
    /// Connects, and starts the thread that receives and verifies.
    ///
    /// # Errors
    /// When the configuration cannot be.
    pub fn open(config: &FedmsgListenerConfig, inbox: &Inbox) -> Result<Self, BusError> {
        if config.endpoints.is_empty() {
            return Err(BusError::Config("fedmsg has no place to listen at".to_owned()));
        }
        if config.topics.is_empty() {
            return Err(BusError::Config(
                "no topic of fedmsg is asked for, so that nothing would ever come".to_owned(),
            ));
        }
        let verifier = Renewing::new(config.trust.clone())?;
        let context = zmq::Context::new();
        let socket = socket::open(&context, zmq::SUB)?;
        let configured = || {
            socket.set_rcvhwm(HIGH_WATER_MARK)?;
            socket.set_maxmsgsize(LONGEST)?;
            socket.set_linger(0)?;
            config.topics.iter().try_for_each(|topic| socket.set_subscribe(topic.as_bytes()))
        };
        configured().map_err(BusError::socket("configure a socket"))?;
        let monitor = watch_connections(&context, &socket)?;
        for endpoint in &config.endpoints {
            socket::is_endpoint(endpoint)?;
            socket.connect(endpoint).map_err(BusError::socket(format!("connect to {endpoint}")))?;
        }
        let (heard, messages) = mpsc::channel(QUEUE);
        let (stop, stopping) = watch::channel(false);
        let hearing = Hearing { socket, monitor, verifier, inbox: inbox.clone(), heard, stopping };
        let thread = std::thread::Builder::new().name("fedmsg-listener".to_owned());
        thread.spawn(move || hearing.run()).map_err(BusError::Thread)?;
        Ok(Self { messages, stop })
    }

    /// Passes messages on to the inbox until `stopping` says otherwise.
    pub async fn run(mut self, inbox: Arc<Inbox>, mut stopping: watch::Receiver<bool>) {
        let mut again = Again::default();
        loop {
            let heard = tokio::select! {
                heard = self.messages.recv() => heard,
                _ = stopping.wait_for(|stopping| *stopping) => break,
            };
            match heard {
                Some(Heard::Connected) => inbox.gap().await,
                Some(Heard::Message(message)) => {
                    let followed = follow(&inbox, &message, &mut again);
                    tokio::select! {
                        () = followed => {}
                        _ = stopping.wait_for(|stopping| *stopping) => break,
                    }
                }
                None => break,
            }
        }
        // The thread ends by itself within a moment.
        let _ = self.stop.send(true);
    }
}

/// Has a message followed, if that can be within some tries.
async fn follow(inbox: &Inbox, message: &Verified, again: &mut Again) {
    for _ in 0..TRIES {
        if inbox.take(&message.id, &message.topic, &message.body).await != Verdict::Again {
            again.succeeded();
            return;
        }
        tokio::time::sleep(again.failed()).await;
    }
}

/// Makes a socket on which ZeroMQ tells of new connections.
fn watch_connections(context: &zmq::Context, socket: &zmq::Socket) -> Result<zmq::Socket, BusError> {
    const PLACE: &str = "inproc://fedmsg-listener-connections";
    let watching = BusError::socket("watch its connections");
    let made = || {
        socket.monitor(PLACE, i32::from(zmq::SocketEvent::HANDSHAKE_SUCCEEDED.to_raw()))?;
        let monitor = context.socket(zmq::PAIR)?;
        monitor.connect(PLACE)?;
        Ok(monitor)
    };
    made().map_err(watching)
}

/// The thread's own.
struct Hearing {
    socket: zmq::Socket,
    monitor: zmq::Socket,
    verifier: Renewing,
    inbox: Inbox,
    heard: mpsc::Sender<Heard>,
    stopping: watch::Receiver<bool>,
}

impl Hearing {
    fn run(mut self) {
        while !*self.stopping.borrow() && !self.heard.is_closed() {
            let mut sockets = [self.socket.as_poll_item(zmq::POLLIN), self.monitor.as_poll_item(zmq::POLLIN)];
            if let Err(error) = zmq::poll(&mut sockets, i64::from(socket::millis(LOOK_EVERY))) {
                if error != zmq::Error::EINTR {
                    tracing::error!(%error, "fedmsg is not listened to any more");
                    return;
                }
                continue;
            }
            let [readable, connected] = sockets.map(|socket| socket.is_readable());
            if connected && self.monitor.recv_multipart(zmq::DONTWAIT).is_ok() && !self.tell(Heard::Connected) {
                return;
            }
            if readable && let Ok(frames) = self.socket.recv_multipart(zmq::DONTWAIT) {
                match self.verifier.current().verify(&frames) {
                    Ok(message) => {
                        if !self.tell(Heard::Message(Box::new(message))) {
                            return;
                        }
                    }
                    Err(refusal) => self.inbox.refuse(refusal),
                }
            }
        }
    }

    /// Passes on, waiting for room; false when nobody listens any more.
    fn tell(&self, heard: Heard) -> bool {
        self.heard.blocking_send(heard).is_ok()
    }
}

#[cfg(test)]
mod tests;
