//! How much of one kind of work is done at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rida_core::PortError;
use rida_core::scm::Repository;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Hosts are forgotten that nothing is read from when there are more than this.
const MANY_HOSTS: usize = 256;

/// The places for one kind of work, of which one host gets about half: it may never answer.
#[derive(Debug)]
pub(super) struct Slots {
    all: Semaphore,
    for_one_host: usize,
    /// Those of hosts that something is read from, or waits to be.
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
    wait: Duration,
}

/// A place, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    _one: SemaphorePermit<'a>,
    _of_host: Option<OwnedSemaphorePermit>,
}

impl Slots {
    /// Makes so many places, each of which somebody waits for no longer than `wait`.
    pub(super) fn new(number: usize, wait: Duration) -> Self {
        let number = number.max(1);
        Self { all: Semaphore::new(number), for_one_host: number.div_ceil(2), hosts: Mutex::default(), wait }
    }

    /// Waits for a place to read from a repository, or from a lookaside cache.
    pub(super) async fn take(&self, repository: Option<&Repository>) -> Result<Slot<'_>, PortError> {
        let of_host = repository.and_then(Repository::host).map(|host| self.of_host(host));
        let both = async {
            // First that of the host: who waits for a busy host keeps no place from others.
            let of_host = match of_host {
                Some(of_host) => Some(of_host.acquire_owned().await?),
                None => None,
            };
            Ok(Slot { _one: self.all.acquire().await?, _of_host: of_host })
        };
        match tokio::time::timeout(self.wait, both).await {
            Ok(taken) => taken.map_err(|_: tokio::sync::AcquireError| {
                PortError::unavailable("the server is shutting down; try again later")
            }),
            Err(_) => Err(PortError::unavailable("git is busy with other repositories; try again later")),
        }
    }

    fn of_host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(host).and_then(Weak::upgrade) {
            return known;
        }
        if hosts.len() >= MANY_HOSTS {
            hosts.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let new = Arc::new(Semaphore::new(self.for_one_host));
        hosts.insert(host.to_owned(), Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests;
