//! The buses that the configuration names, on the service: publishers that read the log, listeners that bring hints.

mod hints;
pub(crate) mod probe;

use std::sync::Arc;

use rida_core::{Publisher, StoreError};
use rida_fedmsg::amqp::{AmqpConfig, AmqpLink, AmqpListener, AmqpListenerConfig, AmqpPublisher};
use rida_fedmsg::fedmsg::sign::Signer;
use rida_fedmsg::fedmsg::verify::Trust;
use rida_fedmsg::fedmsg::{FedmsgConfig, FedmsgListener, FedmsgListenerConfig, FedmsgPublisher, Way};
use rida_fedmsg::{BusError, Inbox, MessageIds, Received, Topics};

pub use self::hints::Hints;
use crate::config::{AmqpSettings, BusConfig, FedmsgListening, FedmsgSettings, FedmsgWay};
use crate::service::Service;
use crate::worker::Reader;

/// The name of fedmsg's reader of the log.
pub(crate) const FEDMSG: &str = "fedmsg";
/// The name of fedora-messaging's.
pub(crate) const AMQP: &str = "amqp";

/// A bus cannot be attached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    #[error("a bus cannot be used")]
    Bus(#[from] BusError),
    #[error("the place of a bus in the log cannot be found")]
    Store(#[from] StoreError),
}

/// What is left to do for the buses once the service has ended.
#[derive(Default)]
pub(crate) struct Buses {
    fedmsg: Option<FedmsgPublisher>,
    amqp: Option<Arc<AmqpPublisher>>,
}

impl Buses {
    /// Opens the buses, and adds what they need to the service.
    pub(crate) async fn attach(config: &BusConfig, mut service: Service) -> Result<(Self, Service), AttachError> {
        let mut buses = Self::default();
        let parts = Names::new(config)?;
        let hints = Arc::new(Hints::new(Arc::clone(service.driver())));
        let inbox = Arc::new(Inbox::new(hints, &config.from_instance));
        if let Some(settings) = &config.fedmsg {
            if let Some(publisher) = fedmsg_publisher(settings, &parts)? {
                service.driver().begin_reader(FEDMSG).await?;
                let reader =
                    Reader { name: FEDMSG, doing: "publishing on fedmsg", publisher: Arc::new(publisher.clone()) };
                service = service.with_reader(reader);
                buses.fedmsg = Some(publisher);
            }
            if let Some(listening) = &settings.listening {
                let listener = FedmsgListener::open(&fedmsg_listener(listening), &inbox)?;
                let inbox = Arc::clone(&inbox);
                service = service.with(move |stopping| listener.run(inbox, stopping));
            }
        }
        if let Some(settings) = &config.amqp {
            if settings.announce {
                let publisher = Arc::new(amqp_publisher(settings, &parts)?);
                service.driver().begin_reader(AMQP).await?;
                let told: Arc<dyn Publisher> = publisher.clone();
                let reader = Reader { name: AMQP, doing: "publishing on fedora-messaging", publisher: told };
                service = service.with_reader(reader);
                buses.amqp = Some(publisher);
            }
            if let Some(queue) = &settings.queue {
                let listener = AmqpListener::new(amqp_listener(settings, queue), Arc::clone(&inbox))?;
                service = service.with(move |stopping| listener.run(stopping));
            }
        }
        count(&service, inbox.received().clone(), &buses);
        Ok((buses, service))
    }

    /// Lets what was handed over leave, and ends the connections.
    pub(crate) async fn close(self) {
        if let Some(fedmsg) = self.fedmsg {
            fedmsg.close().await;
        }
        if let Some(amqp) = self.amqp {
            amqp.close().await;
        }
    }

    /// Returns where fedmsg's messages leave.
    pub(crate) fn fedmsg_endpoint(&self) -> Option<&str> {
        self.fedmsg.as_ref().map(FedmsgPublisher::endpoint)
    }
}

/// What messages are called.
pub(crate) struct Names {
    topics: Topics,
    ids: MessageIds,
}

impl Names {
    pub(crate) fn new(config: &BusConfig) -> Result<Self, BusError> {
        let topics = Topics::new(&config.topic_prefix, &config.environment, &config.module_name)?;
        Ok(Self { topics, ids: MessageIds::new(&config.instance) })
    }
}

/// Makes fedmsg's publisher, where announcements leave by it.
pub(crate) fn fedmsg_publisher(settings: &FedmsgSettings, names: &Names) -> Result<Option<FedmsgPublisher>, BusError> {
    let way = match &settings.way {
        Some(FedmsgWay::Bind(places)) => Way::Bind(places.clone()),
        Some(FedmsgWay::Relay(place)) => Way::Connect(place.clone()),
        None => return Ok(None),
    };
    let mut config = FedmsgConfig::new(way);
    config.needs_listener = settings.needs_listener.unwrap_or(config.needs_listener);
    config.high_water_mark = settings.high_water_mark;
    config.linger = settings.linger;
    config.username.clone_from(&settings.username);
    let signer =
        settings.identity.as_ref().map(|(certificate, key)| Signer::from_files(certificate, key)).transpose()?;
    if signer.is_none() {
        tracing::warn!("messages on fedmsg are not signed: listeners that validate drop them");
    }
    FedmsgPublisher::open(&config, names.topics.clone(), names.ids.clone(), signer).map(Some)
}

pub(crate) fn fedmsg_listener(listening: &FedmsgListening) -> FedmsgListenerConfig {
    FedmsgListenerConfig {
        endpoints: listening.endpoints.clone(),
        topics: listening.topics.clone(),
        trust: Trust {
            authority: listening.authority.clone(),
            revoked: listening.revoked.clone(),
            policy: listening.senders.clone(),
            nitpicky: listening.nitpicky,
        },
    }
}

pub(crate) fn amqp_publisher(settings: &AmqpSettings, names: &Names) -> Result<AmqpPublisher, BusError> {
    let mut config = AmqpConfig::new(link(settings));
    config.exchange.clone_from(&settings.exchange);
    config.needs_queue = settings.needs_queue;
    AmqpPublisher::new(config, names.topics.clone(), names.ids.clone())
}

fn amqp_listener(settings: &AmqpSettings, queue: &str) -> AmqpListenerConfig {
    AmqpListenerConfig {
        link: link(settings),
        exchange: settings.exchange.clone(),
        queue: queue.to_owned(),
        topics: settings.topics.clone(),
        prefetch: settings.prefetch,
        dead_letters: settings.dead_letters.clone(),
    }
}

pub(crate) fn link(settings: &AmqpSettings) -> AmqpLink {
    AmqpLink { url: settings.url.clone(), authority: settings.authority.clone(), identity: settings.identity.clone() }
}

/// Adds what comes in, and what nobody wanted or got, to the metrics.
fn count(service: &Service, received: Received, buses: &Buses) {
    let counts = Counts { received, amqp: buses.amqp.clone(), fedmsg: buses.fedmsg.clone() };
    service.metrics().register(|registry| registry.register_collector(Box::new(counts)));
}

struct Counts {
    received: Received,
    amqp: Option<Arc<AmqpPublisher>>,
    fedmsg: Option<FedmsgPublisher>,
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counts").finish_non_exhaustive()
    }
}

impl prometheus_client::collector::Collector for Counts {
    fn encode(&self, mut encoder: prometheus_client::encoding::DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        use prometheus_client::encoding::EncodeMetric;
        use prometheus_client::metrics::counter::ConstCounter;
        use prometheus_client::metrics::gauge::ConstGauge;
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "Messages of the build system that came in over a bus, by what became of them";
        let mut family = encoder.encode_descriptor("bus_received", help, None, kind)?;
        for (outcome, count) in self.received.counts() {
            ConstCounter::new(count).encode(family.encode_family(&[("outcome", outcome)])?)?;
        }
        let mut count =
            |name, help, count| ConstCounter::new(count).encode(encoder.encode_descriptor(name, help, None, kind)?);
        if let Some(amqp) = &self.amqp {
            let help = "Announcements that the broker confirmed although no queue was bound to their topic";
            count("bus_unrouted", help, amqp.unrouted())?;
            let help =
                "Tries to announce that were held back because no queue was bound to the topic (bus.amqp.needs_queue)";
            count("bus_held", help, amqp.held())?;
        }
        if let Some(fedmsg) = &self.fedmsg {
            let help = "Messages that were kept for a listener of fedmsg and never reached it";
            count("bus_missed", help, fedmsg.missed())?;
            let help = "Listeners of fedmsg that were cut off because they read too little";
            count("bus_cut_off", help, fedmsg.cut_off())?;
            let help = "Listeners that are connected to fedmsg's place, or the relay";
            let listeners = ConstGauge::new(i64::try_from(fedmsg.listeners()).unwrap_or(i64::MAX));
            listeners.encode(encoder.encode_descriptor("bus_listeners", help, None, listeners.metric_type())?)?;
        }
        Ok(())
    }
}
