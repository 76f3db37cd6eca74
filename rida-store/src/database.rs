//! The connections, and the two ways to use them: to read and to write.

mod fill;
mod health;
mod owner;
mod postgres;
mod retry;
mod sqlite;
mod version;

use std::time::{Duration, Instant};

use rida_core::StoreError;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbBackend};
use sea_orm::{SqliteTransactionMode, TransactionOptions, TransactionTrait};

use crate::config::{Location, StoreConfig};
use crate::error::{Failed, Fate, SetupError, no_answer};
use crate::memory::Memory;
use crate::queries::{effects, readers};
use health::Health;
use owner::Owner;
use postgres::Outdated;
use retry::Patience;

/// How often the write lock of SQLite is asked for. It waits for most holders as long as it is told to, but answers at
/// once while another process recovers the journal.
const LOCK_TRIES: u32 = 3;

/// How much longer than a statement may take its answer is waited for: the network may have swallowed it.
const NETWORK: Duration = Duration::from_secs(5);

/// An SQL database that keeps builds. Its clones share the connections.
#[derive(Clone, Debug)]
pub struct Database {
    /// Can only read: the database itself refuses anything else.
    pub(crate) readers: DatabaseConnection,
    /// On SQLite one connection: the database has one writer at a time anyway, and who waits does so in order, without
    /// polling.
    writers: DatabaseConnection,
    busy_timeout: Duration,
    /// How long to wait for an answer that comes over a network; absent where there is none.
    answer_timeout: Option<Duration>,
    /// How many connections of each kind there are.
    connections: u32,
    outdated: Outdated,
    pub(crate) memory: Memory,
    health: Health,
    owner: Owner,
}

impl Database {
    /// Opens the database. The tables are as they were: see [`Self::migrate`].
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn connect(config: &StoreConfig) -> Result<Self, SetupError> {
        let outdated = Outdated::default();
        let ((writers, readers), owner) = match &config.location {
            Location::Sqlite(file) => (sqlite::connect(file, config).await?, Owner::of_file(file)),
            Location::Postgres(url) => (postgres::connect(url, config, &outdated).await?, Owner::nobody()),
        };
        let network = matches!(config.location, Location::Postgres(_));
        Ok(Self {
            readers,
            writers,
            busy_timeout: config.busy_timeout,
            answer_timeout: network.then(|| config.statement_timeout.saturating_add(NETWORK)),
            connections: config.readers.max(config.writers),
            outdated,
            memory: Memory::new(config.remembered),
            health: Health::default(),
            owner,
        })
    }

    /// Makes this process the only service of an SQLite file, until the last clone of this is dropped or the process is
    /// gone, however it went; returns whether that is so. On PostgreSQL any number may work together, and it is not.
    ///
    /// Commands that look after the database need not do this, and may be used meanwhile.
    ///
    /// # Errors
    /// [`InUse`](SetupError::InUse) when another service has the file; [`Lock`](SetupError::Lock) when nobody can.
    pub async fn own(&self) -> Result<bool, SetupError> {
        self.owner.lock().await
    }

    /// Ends every lease of instructions and of readers of the log, so that what workers who are gone were doing is due at
    /// once, and returns how many there were.
    ///
    /// Only for a process that is known to be the only one on this database, before it takes anything itself: what a
    /// worker still performs would be performed a second time meanwhile.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn release_leases(&self) -> Result<u64, StoreError> {
        Ok(effects::release(self).await?.saturating_add(readers::release_all(self).await?))
    }

    /// Closes all connections, and puts what is in the journal into the database file.
    pub async fn close(&self) {
        for pool in [&self.readers, &self.writers] {
            if let Err(error) = pool.close_by_ref().await {
                tracing::warn!(%error, "cannot close the database's connections");
            }
        }
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.readers.get_database_backend()
    }

    /// Reads. The work is done again when the connection was lost.
    pub(crate) async fn read<T, W>(&self, work: impl Fn() -> W) -> Result<T, Failed>
    where
        W: AsyncFnOnce(&DatabaseConnection) -> Result<T, Failed>,
    {
        let mut patience = Patience::new(self.connections);
        loop {
            match self.in_time(work()(&self.readers)).await {
                Err(error) if self.allows(&mut patience, &error) => patience.pause().await,
                answer => return answer,
            }
        }
    }

    /// Does all of `work` in one transaction, or none of it. For work that may be done twice: that is what happens when
    /// nobody knows whether it was committed, because the connection was lost.
    ///
    /// The transaction has the write lock of SQLite from its start on: one that takes it later fails at once when
    /// somebody else wrote in between, however long it is told to wait.
    pub(crate) async fn write<T, W>(&self, work: impl Fn() -> W) -> Result<T, Failed>
    where
        W: AsyncFnOnce(&DatabaseTransaction) -> Result<T, Failed>,
    {
        let mut patience = Patience::new(self.connections);
        loop {
            match self.attempt(work()).await {
                Attempt::Done(done) => return Ok(done),
                Attempt::Failed(error) | Attempt::Unknown(_, error) if self.allows(&mut patience, &error) => {
                    patience.pause().await;
                }
                Attempt::Failed(error) | Attempt::Unknown(_, error) => return Err(error),
            }
        }
    }

    /// Does all of `work` in one transaction, or none of it, for work that must not be done twice.
    ///
    /// When the connection was lost while it was being committed, `is_there` looks for what the work did. It must first
    /// wait for a lock that the work took: until then nothing is decided, as a commit may still be on its way.
    pub(crate) async fn write_once<T, W, L>(
        &self,
        work: impl Fn() -> W,
        is_there: impl Fn(&T) -> L,
    ) -> Result<T, Failed>
    where
        W: AsyncFnOnce(&DatabaseTransaction) -> Result<T, Failed>,
        L: AsyncFnOnce(&DatabaseTransaction) -> Result<bool, Failed>,
    {
        let mut patience = Patience::new(self.connections);
        let mut unknown: Option<T> = None;
        loop {
            if let Some(done) = &unknown {
                match self.attempt(is_there(done)).await {
                    Attempt::Done(true) | Attempt::Unknown(true, _) => {
                        tracing::info!("a change was committed though its answer was lost");
                        return unknown.ok_or_else(|| no_answer().into());
                    }
                    Attempt::Done(false) | Attempt::Unknown(false, _) => unknown = None,
                    Attempt::Failed(error) if self.allows(&mut patience, &error) => patience.pause().await,
                    Attempt::Failed(error) => return Err(error),
                }
                continue;
            }
            match self.attempt(work()).await {
                Attempt::Done(done) => return Ok(done),
                Attempt::Unknown(done, error) if self.allows(&mut patience, &error) => {
                    unknown = Some(done);
                    patience.pause().await;
                }
                Attempt::Failed(error) if self.allows(&mut patience, &error) => patience.pause().await,
                Attempt::Failed(error) | Attempt::Unknown(_, error) => return Err(error),
            }
        }
    }

    async fn attempt<T>(&self, work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, Failed>) -> Attempt<T> {
        let attempt = self.transaction(work).await;
        match &attempt {
            Attempt::Done(_) => self.health.written(),
            Attempt::Failed(error) | Attempt::Unknown(_, error) => self.health.refused(error),
        }
        attempt
    }

    async fn transaction<T>(&self, work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, Failed>) -> Attempt<T> {
        let tx = match self.in_time(self.begin()).await {
            Ok(tx) => tx,
            Err(error) => return Attempt::Failed(error),
        };
        match self.in_time(work(&tx)).await {
            Ok(done) => match self.in_time(async { Ok(tx.commit().await?) }).await {
                Ok(()) => Attempt::Done(done),
                Err(error) if matches!(error.fate(), Fate::RolledBack | Fate::Outdated) => Attempt::Failed(error),
                Err(error) => Attempt::Unknown(done, error),
            },
            // The pool finds out about a connection that does not answer, and lets it be.
            Err(error) if error.fate() == Fate::Silent => Attempt::Failed(error),
            Err(error) => {
                if let Err(error) = self.in_time(async { Ok(tx.rollback().await?) }).await {
                    // A full disk has ended the transaction already, or the connection is gone; the pool drops a
                    // connection that has a transaction left.
                    tracing::debug!(error = ?error, "cannot roll back");
                }
                Attempt::Failed(error)
            }
        }
    }

    /// Tells whether to try again, and leaves connections behind that would fail again.
    fn allows(&self, patience: &mut Patience, error: &Failed) -> bool {
        let fate = error.fate();
        if fate == Fate::Outdated {
            tracing::info!("the tables were changed; connecting to the database anew");
            self.outdated.all_until_now();
        }
        patience.allows(fate)
    }

    async fn begin(&self) -> Result<DatabaseTransaction, Failed> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let (start, mut tries) = (Instant::now(), 1);
        loop {
            match self.writers.begin_with_options(options).await.map_err(Failed::from) {
                Err(error) if error.is_busy() && tries < LOCK_TRIES && start.elapsed() < self.busy_timeout => {
                    tracing::warn!(tries, "another process holds the database's write lock; asking again");
                    tries += 1;
                }
                begun => return begun,
            }
        }
    }

    /// Waits for an answer no longer than the database may take for one.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
        match self.answer_timeout {
            Some(limit) => tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(no_answer().into())),
            None => answer.await,
        }
    }
}

/// What became of one transaction.
enum Attempt<T> {
    /// It was committed.
    Done(T),
    /// It was rolled back.
    Failed(Failed),
    /// The work was done, and whether it was committed is not known.
    Unknown(T, Failed),
}

#[cfg(test)]
mod tests;
