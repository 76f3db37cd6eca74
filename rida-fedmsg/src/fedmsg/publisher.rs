//! Announcing over ZeroMQ, to listeners that connect, or to a relay.
//!
//! ZeroMQ's own library drops silently: what nobody has asked for, and what exceeds its queues. So what is kept for each
//! listener is kept [here](super::listeners), up to a limit; announcements wait in the log for one that is behind, and
//! what it misses in the end is counted and told. With a relay that is away, nothing is handed over.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rida_core::{Announcement, PortError, Publisher, Receipt};
use tokio::sync::watch;

use super::door;
use super::envelope::Envelope;
use super::listeners::{Limits, Listeners, Offered};
use super::sign::Signer;
use super::zmtp;
use crate::body::Body;
use crate::error::BusError;
use crate::ids::MessageIds;
use crate::topics::Topics;

/// How many messages are kept for a listener that is behind, some 60 MB: more than hours of a busy service.
const HIGH_WATER_MARK: usize = 10_000;

/// How many may be connected to a place, whether they say something or not.
const CONNECTIONS: usize = 1000;

/// How long a place that listeners connect to is open before the first message: those that were connected before a
/// restart try again within a second and a bit, as fedmsg configures them.
const SETTLE: Duration = Duration::from_secs(2);

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
    /// How many messages are kept for one listener that is behind, at least one. Further announcements wait then.
    pub high_water_mark: usize,
    /// How long they wait for it to read half of that, before it is cut off: it connects again, and what it missed is
    /// counted and told.
    pub patience: Duration,
    /// How many may be connected at once to where listeners connect. Each takes an open file.
    pub connections: usize,
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
        let is_relayed = matches!(way, Way::Connect(_));
        Self {
            needs_listener: is_relayed,
            way,
            high_water_mark: HIGH_WATER_MARK,
            patience: Duration::from_secs(60),
            connections: CONNECTIONS,
            // Whether a relay listens is known.
            settle: if is_relayed { Duration::ZERO } else { SETTLE },
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
    needs_listener: bool,
    not_before: Instant,
    linger: Duration,
    listeners: Listeners,
    ending: watch::Sender<bool>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl FedmsgPublisher {
    /// Takes the place, and starts the thread that serves who listens.
    ///
    /// # Errors
    /// When no place is free, or the configuration cannot be.
    pub fn open(
        config: &FedmsgConfig,
        topics: Topics,
        ids: MessageIds,
        signer: Option<Signer>,
    ) -> Result<Self, BusError> {
        let listeners = Listeners::new(Limits { queue: config.high_water_mark.max(1), patience: config.patience });
        let (door, endpoint) = Door::open(config)?;
        let (ending, mut ended) = watch::channel(false);
        let (linger, shared) = (config.linger, listeners.clone());
        let (tell, told) = std::sync::mpsc::channel();
        let serving = move || {
            let closing = Closing(shared);
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(error)),
            };
            drop(tell);
            runtime.block_on(async {
                tokio::select! {
                    () = door.serve(&closing.0) => {}
                    _ = ended.wait_for(|ended| *ended) => {}
                }
                closing.0.close();
                let _ = tokio::time::timeout(linger, closing.0.emptied()).await;
            });
        };
        let thread = std::thread::Builder::new().name("fedmsg-publisher".to_owned());
        let thread = thread.spawn(serving).map_err(BusError::Thread)?;
        if let Ok(error) = told.recv() {
            return Err(BusError::Thread(error));
        }
        let inner = Inner {
            topics,
            ids,
            signer,
            username: config.username.clone(),
            endpoint,
            is_relayed: matches!(config.way, Way::Connect(_)),
            needs_listener: config.needs_listener,
            not_before: Instant::now() + config.settle,
            linger: config.linger,
            listeners,
            ending,
            thread: std::sync::Mutex::new(Some(thread)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns how many messages were kept for listeners that never got them: they were too far behind, or their
    /// connection broke.
    pub fn missed(&self) -> u64 {
        self.inner.listeners.missed()
    }

    /// Returns how many listeners were cut off because they were too far behind.
    pub fn cut_off(&self) -> u64 {
        self.inner.listeners.cut_off()
    }

    /// Returns how many listeners are connected.
    pub fn listeners(&self) -> usize {
        self.inner.listeners.connected()
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
        if self.inner.listeners.wait_for(topic).await { Ok(()) } else { Err(ended()) }
    }

    /// Returns the error of a message that nobody listens to.
    pub(super) fn unheard(&self) -> PortError {
        let Inner { is_relayed, endpoint, .. } = &*self.inner;
        let why =
            if *is_relayed { "the relay of fedmsg is away, or is none:" } else { "nobody listens to the topic at" };
        PortError::unavailable(format!("{why} {endpoint}"))
    }

    /// Sends the two frames of a message as they are.
    ///
    /// # Errors
    /// As [`Publisher::publish`] has them.
    pub async fn send_frame(&self, topic: String, frame: String) -> Result<(), PortError> {
        let Inner { listeners, not_before, needs_listener, .. } = &*self.inner;
        tokio::time::sleep_until((*not_before).into()).await;
        if *needs_listener && !listeners.any(&topic) {
            return Err(self.unheard());
        }
        let message = zmtp::message(topic.as_bytes(), frame.as_bytes());
        match listeners.offer(topic.as_bytes(), &message, Instant::now()) {
            Offered::Taken => Ok(()),
            Offered::Closed => Err(ended()),
            Offered::Full { name } => {
                let message = format!("the listener at {name} reads too little; messages wait for it, for a while");
                Err(PortError::unavailable(message))
            }
        }
    }

    /// Lets what was handed over leave, for the time of lingering at most, and ends the thread. Nothing is published
    /// afterwards.
    pub async fn close(&self) {
        self.inner.ending.send_replace(true);
        let thread = self.inner.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let joining = tokio::task::spawn_blocking(move || thread.join());
        // A thread that hangs all the same is left behind.
        let _ = tokio::time::timeout(self.inner.linger.saturating_add(Duration::from_secs(5)), joining).await;
    }
}

/// Has everybody know that nothing leaves any more, however the thread ends.
struct Closing(Listeners);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Where messages leave.
enum Door {
    Bound(std::net::TcpListener, usize),
    Relay(String),
}

impl Door {
    /// Opens it, and returns the place as others have to know it.
    fn open(config: &FedmsgConfig) -> Result<(Self, String), BusError> {
        match &config.way {
            Way::Bind(places) => {
                let bound = door::bind(places)?;
                let place = bound.local_addr().map(|address| format!("tcp://{address}"));
                let place = place.map_err(|source| BusError::Place { place: places.join(", "), source })?;
                Ok((Self::Bound(bound, config.connections), place))
            }
            Way::Connect(place) => {
                door::host_and_port(place)?;
                Ok((Self::Relay(place.clone()), place.clone()))
            }
        }
    }

    async fn serve(self, listeners: &Listeners) {
        match self {
            Self::Bound(bound, most) => match tokio::net::TcpListener::from_std(bound) {
                Ok(bound) => door::let_in(bound, listeners.clone(), most).await,
                Err(error) => tracing::error!(%error, "nobody can listen on fedmsg"),
            },
            Self::Relay(place) => door::go_to(place, listeners.clone()).await,
        }
    }
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
