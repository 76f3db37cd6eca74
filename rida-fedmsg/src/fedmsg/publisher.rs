//! Announcing over ZeroMQ, from a thread of its own.
//!
//! ZeroMQ drops silently: what nobody has asked for, and what exceeds its queues. So nothing waits in its queues that
//! need not, announcements wait in a bounded queue here, and through an XPUB socket it is known who has asked for what:
//! with a relay that is away, nothing is handed over.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rida_core::{Announcement, PortError, Publisher, Receipt};
use tokio::sync::oneshot;

use super::envelope::Envelope;
use super::sign::Signer;
use super::socket;
use super::wanted::Wanted;
use crate::body::Body;
use crate::error::BusError;
use crate::ids::MessageIds;
use crate::topics::Topics;

/// How many messages are kept for a listener that is behind, some 60 MB: more than hours of a busy service.
const HIGH_WATER_MARK: i32 = 10_000;
/// The longest message that a listener may send: which topics it wants. ZeroMQ ends the connection of who sends more.
const LONGEST_WISH: i64 = 512;

/// How the messages leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Listeners connect to this process, at the first of these places that is free.
    Bind(Vec<String>),
    /// This process connects to a relay.
    Connect(String),
}

/// How to announce on fedmsg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FedmsgConfig {
    /// How the messages leave.
    pub way: Way,
    /// Announce only while somebody listens to the topic: the announcements wait otherwise. By its nature true of a
    /// relay; a bus that listeners join and leave is not held up by their absence.
    pub needs_listener: bool,
    /// How many messages may wait in this process.
    pub queue: usize,
    /// How many messages ZeroMQ keeps for one listener that is behind; what comes then is not for that one, and nobody is
    /// told. 0 is no limit: who is connected and reads nothing costs more and more memory then, for as long as it is.
    pub high_water_mark: i32,
    /// How long listeners have to connect before the first message.
    pub settle: Duration,
    /// How long what was handed over may take to leave at the end.
    pub linger: Duration,
    /// Who sends it, as the envelope tells.
    pub username: String,
}

impl FedmsgConfig {
    /// Makes the configuration of a way, with defaults for everything else.
    pub fn new(way: Way) -> Self {
        Self {
            needs_listener: matches!(way, Way::Connect(_)),
            way,
            queue: 1024,
            high_water_mark: HIGH_WATER_MARK,
            settle: Duration::from_millis(500),
            linger: Duration::from_secs(5),
            username: "rida".to_owned(),
        }
    }
}

/// Announces on fedmsg. Clones share the thread; it ends with the last.
#[derive(Clone)]
pub struct FedmsgPublisher {
    inner: Arc<Inner>,
}

struct Inner {
    topics: Topics,
    ids: MessageIds,
    signer: Option<Signer>,
    username: String,
    endpoint: String,
    is_relayed: bool,
    linger: Duration,
    sender: SyncSender<Command>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

enum Command {
    Send { topic: String, frame: String, sent: oneshot::Sender<Result<(), PortError>> },
    AwaitListener { topic: String, found: oneshot::Sender<()> },
    End,
}

impl FedmsgPublisher {
    /// Opens the socket and starts the thread.
    ///
    /// # Errors
    /// When no place is free, or the configuration cannot be.
    pub fn open(
        config: &FedmsgConfig,
        topics: Topics,
        ids: MessageIds,
        signer: Option<Signer>,
    ) -> Result<Self, BusError> {
        let context = zmq::Context::new();
        let socket = socket::open(&context, zmq::XPUB)?;
        let configured = || {
            socket.set_sndhwm(config.high_water_mark)?;
            socket.set_maxmsgsize(LONGEST_WISH)?;
            socket.set_linger(socket::millis(config.linger))?;
            // Queue nothing for a relay that is not there.
            socket.set_immediate(matches!(config.way, Way::Connect(_)))
        };
        configured().map_err(BusError::socket("configure a socket"))?;
        let endpoint = attach(&socket, &config.way)?;
        let (sender, commands) = sync_channel(config.queue.max(1));
        let sending = Sending {
            socket,
            wanted: Wanted::default(),
            needs_listener: config.needs_listener,
            is_relayed: matches!(config.way, Way::Connect(_)),
            not_before: Instant::now() + config.settle,
            waiting: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("fedmsg-publisher".to_owned());
        let thread = thread.spawn(move || sending.run(&commands)).map_err(BusError::Thread)?;
        let inner = Inner {
            topics,
            ids,
            signer,
            username: config.username.clone(),
            endpoint,
            is_relayed: matches!(config.way, Way::Connect(_)),
            linger: config.linger,
            sender,
            thread: std::sync::Mutex::new(Some(thread)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the place that listeners connect to, or the relay's.
    pub fn endpoint(&self) -> &str {
        &self.inner.endpoint
    }

    /// Tells whether messages leave through a relay.
    pub(super) fn is_relayed(&self) -> bool {
        self.inner.is_relayed
    }

    /// Makes the message of an announcement: topic and frame.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn message(&self, announcement: &Announcement) -> Result<(String, String), BusError> {
        let Inner { topics, ids, username, signer, .. } = &*self.inner;
        let body = Body::of(announcement);
        let envelope = Envelope {
            topic: topics.of(body.topic),
            msg: body.json,
            timestamp: announcement.at.millis().div_euclid(1000),
            msg_id: ids.fedmsg(announcement),
            i: i64::try_from(announcement.id.revision).unwrap_or(i64::MAX),
            username: username.clone(),
        };
        let frame = envelope.frame(signer.as_ref())?;
        Ok((envelope.topic, frame))
    }

    /// Signs an envelope as this publisher's messages are, and sends it.
    ///
    /// # Errors
    /// As [`Publisher::publish`] has them.
    pub async fn send(&self, envelope: &Envelope) -> Result<(), PortError> {
        let frame = envelope.frame(self.inner.signer.as_ref())?;
        self.send_frame(envelope.topic.clone(), frame).await
    }

    /// Returns once somebody listens to a topic.
    ///
    /// # Errors
    /// When this publisher was closed, so that nobody ever will.
    pub async fn listened_to(&self, topic: &str) -> Result<(), PortError> {
        loop {
            let (found, told) = oneshot::channel();
            match self.inner.sender.try_send(Command::AwaitListener { topic: topic.to_owned(), found }) {
                Ok(()) => return told.await.map_err(|_| ended()),
                Err(TrySendError::Full(_)) => tokio::time::sleep(LOOK_EVERY).await,
                Err(TrySendError::Disconnected(_)) => return Err(ended()),
            }
        }
    }

    /// Returns the error of a message that nobody listens to.
    pub(super) fn unheard(&self) -> PortError {
        unheard(self.inner.is_relayed)
    }

    /// Sends the two frames of a message as they are.
    ///
    /// # Errors
    /// As [`Publisher::publish`] has them.
    pub async fn send_frame(&self, topic: String, frame: String) -> Result<(), PortError> {
        let (sent, told) = oneshot::channel();
        match self.inner.sender.try_send(Command::Send { topic, frame, sent }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(PortError::unavailable("too many messages wait for fedmsg in this process"));
            }
            Err(TrySendError::Disconnected(_)) => return Err(ended()),
        }
        told.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Lets what was handed over leave, for the time of lingering at most, and ends the thread. Nothing is published
    /// afterwards.
    pub async fn close(&self) {
        // A full queue is sent first; the thread reads on until it comes to this.
        let sender = self.inner.sender.clone();
        let thread = self.inner.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let ending = tokio::task::spawn_blocking(move || {
            let _ = sender.send(Command::End);
            let _ = thread.join();
        });
        // The socket lingers within its own limit; a thread that hangs all the same is left behind.
        let _ = tokio::time::timeout(self.inner.linger.saturating_add(Duration::from_secs(5)), ending).await;
    }
}

fn unheard(is_relayed: bool) -> PortError {
    let why = if is_relayed { "nobody listens: the relay of fedmsg is away" } else { "nobody listens to the topic" };
    PortError::unavailable(why)
}

fn ended() -> PortError {
    PortError::unavailable("the connection to fedmsg was closed")
}

#[async_trait]
impl Publisher for FedmsgPublisher {
    /// Signs and sends an announcement. fedmsg confirms nothing: who listens has most likely got it.
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError> {
        let (topic, frame) = self.message(announcement)?;
        self.send_frame(topic, frame).await?;
        Ok(Receipt::HandedOver)
    }
}

/// Binds or connects, and returns the place.
fn attach(socket: &zmq::Socket, way: &Way) -> Result<String, BusError> {
    match way {
        Way::Bind(places) => {
            let mut last = BusError::Config("fedmsg has no place to bind to".to_owned());
            for place in places {
                socket::is_endpoint(place)?;
                match socket.bind(place) {
                    Ok(()) => {
                        let bound = socket.get_last_endpoint().map_err(BusError::socket("tell where it is"))?;
                        return Ok(bound.unwrap_or_else(|_| place.clone()));
                    }
                    Err(zmq::Error::EADDRINUSE) => last = BusError::Taken { place: place.clone() },
                    Err(error) => last = BusError::socket(format!("bind to {place}"))(error),
                }
            }
            Err(last)
        }
        Way::Connect(place) => {
            socket::is_endpoint(place)?;
            socket.connect(place).map_err(BusError::socket(format!("connect to {place}")))?;
            Ok(place.clone())
        }
    }
}

/// The thread's own.
struct Sending {
    socket: zmq::Socket,
    wanted: Wanted,
    needs_listener: bool,
    is_relayed: bool,
    not_before: Instant,
    waiting: Vec<(String, oneshot::Sender<()>)>,
}

/// How often it is looked who listens while nothing is sent.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a look may take.
const LOOK_FOR: Duration = Duration::from_millis(20);

impl Sending {
    fn run(mut self, commands: &Receiver<Command>) {
        let mut is_more = false;
        loop {
            match commands.recv_timeout(if is_more { Duration::ZERO } else { LOOK_EVERY }) {
                Ok(Command::Send { topic, frame, sent }) => {
                    std::thread::sleep(self.not_before.saturating_duration_since(Instant::now()));
                    let _ = self.look();
                    // Who asked may be gone.
                    let _ = sent.send(self.send(&topic, &frame));
                }
                Ok(Command::AwaitListener { topic, found }) => self.waiting.push((topic, found)),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Command::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
            is_more = self.look();
            for (topic, found) in std::mem::take(&mut self.waiting) {
                if self.wanted.has(&topic) {
                    let _ = found.send(());
                } else if !found.is_closed() {
                    self.waiting.push((topic, found));
                }
            }
        }
    }

    fn send(&self, topic: &str, frame: &str) -> Result<(), PortError> {
        if self.needs_listener && !self.wanted.has(topic) {
            return Err(unheard(self.is_relayed));
        }
        let sent = self.socket.send_multipart([topic, frame], zmq::DONTWAIT);
        sent.map_err(|error| PortError::unavailable("fedmsg takes no more messages now").because(error))
    }

    /// Takes note of who began and who ceased to listen, for a moment at most: who never ends to tell must not keep
    /// messages from leaving. Returns whether there may be more.
    fn look(&mut self) -> bool {
        let until = Instant::now() + LOOK_FOR;
        while let Ok(told) = self.socket.recv_bytes(zmq::DONTWAIT) {
            self.wanted.heard(&told);
            if Instant::now() >= until {
                return true;
            }
        }
        false
    }
}
