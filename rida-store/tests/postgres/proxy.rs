//! Somebody between the store and PostgreSQL who breaks connections off at chosen messages.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rida_store::{Database, StoreConfig};
use rida_test_postgres::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

/// What is done with a commit.
pub(crate) enum Fate {
    /// It never reaches the server.
    Dropped,
    /// The server does it, and its answer is lost.
    Unanswered,
    /// The client is cut off first, and the server gets it a while later.
    Delayed(Duration),
    /// It vanishes, and the connection stays open without a sound.
    Swallowed,
    /// It is on its way until somebody lets it through. The first channel tells that it is there.
    Held(oneshot::Sender<()>, oneshot::Receiver<()>),
}

/// Passes messages on.
#[derive(Clone, Default)]
pub(crate) struct Proxy(Arc<State>);

#[derive(Default)]
struct State {
    /// What is done with the next commits; all further ones pass.
    commits: Mutex<VecDeque<Fate>>,
    /// How many messages of clients pass before one is the last of its connection.
    left: Mutex<Option<u32>>,
    cuts: Mutex<u32>,
}

impl Proxy {
    /// Starts between a client of what is returned and a database.
    pub(crate) async fn start(port: u16) -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (proxy, address) = (Self::default(), listener.local_addr().unwrap());
        let passing = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                // Small messages go at once.
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                tokio::spawn(passing.clone().pass(client, server));
            }
        });
        (proxy, address)
    }

    /// Connects to a database with one connection to write and one to read, each by way of the proxy.
    pub(crate) async fn database(address: SocketAddr, of: &TestDatabase<'_>) -> Database {
        let url = of.url_by("127.0.0.1", address.port()).parse().unwrap();
        let config = StoreConfig { readers: 1, writers: 1, ..StoreConfig::postgres(url) };
        Database::connect(&config).await.unwrap()
    }

    /// Says what is done with the next commit of which nothing is said yet.
    pub(crate) fn next_commit(&self, fate: Fate) {
        self.0.commits.lock().unwrap().push_back(fate);
    }

    /// Tells whether all that was said of commits was done.
    pub(crate) fn is_done(&self) -> bool {
        self.0.commits.lock().unwrap().is_empty()
    }

    /// Breaks one connection off after so many further messages.
    pub(crate) fn cut_after(&self, messages: u32) {
        *self.0.left.lock().unwrap() = Some(messages);
    }

    /// Returns how many connections were broken off so.
    pub(crate) fn cuts(&self) -> u32 {
        *self.0.cuts.lock().unwrap()
    }

    async fn pass(self, client: TcpStream, server: TcpStream) {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let link = Arc::new(Link::default());
        let answers = tokio::spawn(answer(from_server, to_client, Arc::clone(&link)));
        // Whatever ends it ends the connection.
        let _ = self.ask(from_client, to_server, &link).await;
        answers.abort();
    }

    async fn ask(&self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf, link: &Link) -> std::io::Result<()> {
        // The first message has no type.
        let mut startup = message(&mut client, Vec::new()).await?;
        server.write_all(&startup).await?;
        loop {
            startup.clear();
            startup.push(client.read_u8().await?);
            let whole = message(&mut client, std::mem::take(&mut startup)).await?;
            if self.is_last() {
                return Ok(());
            }
            let fate = if is_commit(&whole) { self.0.commits.lock().unwrap().pop_front() } else { None };
            match fate {
                None => {}
                Some(Fate::Dropped) => return Ok(()),
                Some(Fate::Unanswered) => {
                    link.silence();
                    server.write_all(&whole).await?;
                    link.heard().await;
                    return Ok(());
                }
                Some(Fate::Delayed(time)) => {
                    link.silence();
                    link.close();
                    drop(client);
                    tokio::time::sleep(time).await;
                    server.write_all(&whole).await?;
                    link.heard().await;
                    return Ok(());
                }
                Some(Fate::Swallowed) => {
                    link.silence();
                    *link.stays.lock().unwrap() = true;
                    std::future::pending::<()>().await;
                }
                Some(Fate::Held(there, go)) => {
                    there.send(()).unwrap();
                    go.await.unwrap();
                }
            }
            server.write_all(&whole).await?;
        }
    }

    fn is_last(&self) -> bool {
        let mut left = self.0.left.lock().unwrap();
        match left.as_mut() {
            Some(0) => {
                *left = None;
                *self.0.cuts.lock().unwrap() += 1;
                true
            }
            Some(more) => {
                *more -= 1;
                false
            }
            None => false,
        }
    }
}

/// What both directions of a connection know.
#[derive(Default)]
struct Link {
    silent: Mutex<bool>,
    /// The client's side stays open whatever the server does.
    stays: Mutex<bool>,
    heard: Notify,
    closed: Notify,
}

impl Link {
    fn silence(&self) {
        *self.silent.lock().unwrap() = true;
    }

    async fn heard(&self) {
        self.heard.notified().await;
    }

    fn close(&self) {
        self.closed.notify_one();
    }
}

/// Passes answers on until the link is silent: then the client hears nothing more.
async fn answer(mut server: OwnedReadHalf, client: OwnedWriteHalf, link: Arc<Link>) {
    let mut client = Some(client);
    let mut bytes = vec![0; 65536];
    loop {
        let read = tokio::select! {
            read = server.read(&mut bytes) => read,
            () = link.closed.notified() => {
                client = None;
                continue;
            }
        };
        let count = read.unwrap_or(0);
        let silent = *link.silent.lock().unwrap();
        if silent || count == 0 {
            link.heard.notify_one();
        }
        if count == 0 {
            if *link.stays.lock().unwrap() {
                std::future::pending::<()>().await;
            }
            return;
        }
        if let Some(client) = client.as_mut().filter(|_| !silent)
            && client.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}

/// Reads a message to its end; what comes before its length is given.
async fn message(client: &mut OwnedReadHalf, mut whole: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let length = client.read_u32().await?;
    whole.extend(length.to_be_bytes());
    let (start, rest) = (whole.len(), usize::try_from(length).unwrap() - 4);
    whole.resize(start + rest, 0);
    client.read_exact(&mut whole[start..]).await?;
    Ok(whole)
}

fn is_commit(message: &[u8]) -> bool {
    message.first() == Some(&b'Q') && message[5..].starts_with(b"COMMIT")
}
