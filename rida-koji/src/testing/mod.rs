//! A double of Koji's hub, for tests: a real server that keeps state and behaves as the hub was measured to.
//!
//! It has users, sessions and call numbers, tags with inheritance, groups and packages, targets, tasks with courses,
//! builds, tagging that takes a task, a queue of repositories, policies, uploads, and the import of content generators; and it
//! can be offline, slow, lose answers, and stop at any call. Its clock goes on by itself and can be moved.

mod answer;
mod args;
mod auth;
mod builds;
mod content;
mod dispatch;
mod engine;
mod meddling;
mod messages;
mod policy;
mod price;
mod records;
mod repos;
mod serve;
mod tags;
mod tasks;
mod tickets;
mod trouble;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openssl::ssl::SslAcceptor;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use url::Url;

pub use self::messages::HubMessage;
pub use self::records::{HubBuild, HubTask};
pub use self::tickets::{Front, Judge, Judged};
pub use self::trouble::{Trouble, When};
pub use self::world::{Course, Dialect, World};

/// A hub that serves until it is dropped.
pub struct Hub {
    address: SocketAddr,
    is_secure: bool,
    state: Arc<State>,
    server: JoinHandle<()>,
}

struct State {
    world: Mutex<World>,
    front: Mutex<Front>,
    /// Told when a call stopped for ever.
    stopped: Notify,
}

impl State {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Starts a hub on a free port of this machine. It must be called within a tokio runtime.
    ///
    /// It has the users `rida` (password `secret`), who may do what an orchestrator needs, `plain`, who may do nothing,
    /// and `admin`; the tag `platform-build` with a repository of its own; the content generator
    /// `module-build-service`, which `rida` may import with; and the tag `modular-candidate`.
    ///
    /// # Errors
    /// When nothing can listen.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_with(None).await
    }

    /// Starts a hub behind TLS. Who shows a certificate that the acceptor takes can log in as who is named in it.
    ///
    /// # Errors
    /// When nothing can listen.
    pub async fn start_secure(acceptor: SslAcceptor) -> std::io::Result<Self> {
        Self::start_with(Some(acceptor)).await
    }

    async fn start_with(acceptor: Option<SslAcceptor>) -> std::io::Result<Self> {
        let is_secure = acceptor.is_some();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state =
            Arc::new(State { world: Mutex::new(World::new()), front: Mutex::default(), stopped: Notify::new() });
        let server = tokio::spawn(serve::serve(listener, acceptor, Arc::clone(&state)));
        Ok(Self { address, is_secure, state, server })
    }

    /// Returns the hub's address.
    pub fn url(&self) -> Url {
        // An address of a socket makes a good URL.
        let (scheme, host) = if self.is_secure { ("https", "localhost") } else { ("http", "127.0.0.1") };
        Url::parse(&format!("{scheme}://{host}:{}/kojihub", self.address.port()))
            .unwrap_or_else(|_| unreachable!("a socket's address"))
    }

    /// Returns the hub's state, to be looked at and changed. Nothing is answered while it is held.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.state.world();
        world.tick();
        world
    }

    /// Says who looks at the tickets of Kerberos.
    pub fn set_front(&self, front: Front) {
        *self.state.front.lock().unwrap_or_else(PoisonError::into_inner) = front;
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let mut world = self.state.world();
        world.advance(by.as_secs_f64());
        world.tick();
    }

    /// Waits until a call was stopped by [`Trouble::Stop`].
    pub async fn stopped(&self) {
        self.state.stopped.notified().await;
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.server.abort();
    }
}
