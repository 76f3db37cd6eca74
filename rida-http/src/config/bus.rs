//! The settings of the buses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is announced where, and what is listened to. Without a place to announce at, a bus is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusConfig {
    /// What topics start with: `org.fedoraproject`.
    pub topic_prefix: String,
    /// `prod`, `stg` or `dev`, by custom.
    pub environment: String,
    /// Whose topics these are: `mbs`, which listeners of the Module Build Service know.
    pub module_name: String,
    /// Tells apart the ids of several services on one bus.
    pub instance: String,
    /// The instance of the build system whose messages are followed.
    pub from_instance: String,
    /// fedmsg; absent when neither a place to announce at nor one to listen to is set.
    pub fedmsg: Option<FedmsgSettings>,
    /// fedora-messaging; absent when no broker is set.
    pub amqp: Option<AmqpSettings>,
}

impl BusConfig {
    /// Tells whether any bus is on.
    pub fn is_on(&self) -> bool {
        self.fedmsg.is_some() || self.amqp.is_some()
    }

    /// Returns the files that are read, each with the setting that names it.
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        let mut files: Vec<(&'static str, Option<&PathBuf>)> = Vec::new();
        if let Some(FedmsgSettings { identity, listening, .. }) = &self.fedmsg {
            files.push(("bus.fedmsg.certificate", identity.as_ref().map(|(certificate, _)| certificate)));
            files.push(("bus.fedmsg.key", identity.as_ref().map(|(_, key)| key)));
            files.push(("bus.fedmsg.authority", listening.as_ref().map(|listening| &listening.authority)));
            files.push(("bus.fedmsg.revoked", listening.as_ref().and_then(|listening| listening.revoked.as_ref())));
        }
        if let Some(AmqpSettings { identity, authority, .. }) = &self.amqp {
            files.push(("bus.amqp.authority", authority.as_ref()));
            files.push(("bus.amqp.certificate", identity.as_ref().map(|(certificate, _)| certificate)));
            files.push(("bus.amqp.key", identity.as_ref().map(|(_, key)| key)));
        }
        files.into_iter().filter_map(|(key, file)| Some((key, file?.as_path()))).collect()
    }
}

/// How fedmsg is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FedmsgSettings {
    /// How announcements leave; absent when none do.
    pub way: Option<FedmsgWay>,
    /// The certificate and its key; unsigned without.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Who sends, as envelopes tell.
    pub username: String,
    /// Hold announcements back while nobody listens; by default with a relay only.
    pub needs_listener: Option<bool>,
    /// How many messages are kept for a listener that is behind. Others wait for it then, for a while.
    pub high_water_mark: usize,
    /// How long what was handed over may take to leave at the end.
    pub linger: Duration,
    /// What is listened to; absent when nothing is.
    pub listening: Option<FedmsgListening>,
}

/// How announcements leave on fedmsg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FedmsgWay {
    /// Listeners connect here.
    Bind(Vec<String>),
    /// To a relay.
    Relay(String),
}

/// What is listened to on fedmsg, and who is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FedmsgListening {
    /// Where.
    pub endpoints: Vec<String>,
    /// The beginnings of topics.
    pub topics: Vec<String>,
    /// The certificate authority.
    pub authority: PathBuf,
    /// Its list of revoked certificates.
    pub revoked: Option<PathBuf>,
    /// Who may send each topic.
    pub senders: BTreeMap<String, Vec<String>>,
    /// Whether topics that are not named there are refused.
    pub nitpicky: bool,
}

/// How fedora-messaging is used.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpSettings {
    /// The broker's address, with a password perhaps.
    pub url: String,
    /// The broker's certificate authority.
    pub authority: Option<PathBuf>,
    /// The client certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The exchange.
    pub exchange: String,
    /// Whether announcements are made.
    pub announce: bool,
    /// Hold announcements back while no queue is bound to their topic.
    pub needs_queue: bool,
    /// The queue to listen on; absent when nothing is listened to.
    pub queue: Option<String>,
    /// The topics that it is bound to.
    pub topics: Vec<String>,
    /// How many messages are sent ahead.
    pub prefetch: u16,
    /// The exchange for what is no message of the build system.
    pub dead_letters: Option<String>,
}

impl std::fmt::Debug for AmqpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may have a password in it.
        f.debug_struct("AmqpSettings")
            .field("exchange", &self.exchange)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
