//! A network in which everything vanishes: no answer, no end of a connection, nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rida_core::testing::sample::{Written, id, nsvc};
use rida_core::{BuildFilter, Store, StoreErrorKind};
use rida_store::{Database, StoreConfig};
use rida_test_postgres::Cluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes on until something vanishes; what has vanished on a connection never comes back, and the connection stays.
async fn pass(from: TcpStream, to: TcpStream, vanishes: Arc<AtomicBool>) {
    let ((mut a, mut b), (mut c, mut d)) = (from.into_split(), to.into_split());
    let (first, second) = (Arc::clone(&vanishes), vanishes);
    let one = async move {
        let mut bytes = vec![0; 65536];
        while let Ok(count) = a.read(&mut bytes).await {
            if first.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if count == 0 || d.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    let other = async move {
        let mut bytes = vec![0; 65536];
        while let Ok(count) = c.read(&mut bytes).await {
            if second.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if count == 0 || b.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = one => {},
        () = other => {},
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_is_waited_for_no_longer_than_the_limits_and_its_connections_are_let_be() {
    let (of, port) = (Cluster::shared().database(), Cluster::shared().port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let vanishes = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&vanishes);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let now = Arc::clone(&now);
            tokio::spawn(
                async move { pass(client, TcpStream::connect(("127.0.0.1", port)).await.unwrap(), now).await },
            );
        }
    });
    let config = StoreConfig {
        readers: 2,
        writers: 2,
        connect_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(1),
        ..StoreConfig::postgres(of.url_by("127.0.0.1", address.port()).parse().unwrap())
    };
    let database = Database::connect(&config).await.unwrap();
    database.migrate().await.unwrap();
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    database.commit(first.commit()).await.unwrap();

    vanishes.store(true, Ordering::SeqCst);
    let second = Written::new(id(2), nsvc("bar:1:1:c0ffee"));
    let everything = BuildFilter::default();
    // More often than there are connections.
    for _ in 0..4 {
        let began = Instant::now();
        let (written, counted, asked) =
            tokio::join!(database.commit(second.commit()), database.count(&everything), database.ping(),);
        for error in [written.unwrap_err(), counted.unwrap_err(), asked.unwrap_err()] {
            assert_eq!(error.kind(), &StoreErrorKind::Unavailable, "{error}");
        }
        // A connection, and an answer with what the network may take, and room for a busy machine.
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }

    vanishes.store(false, Ordering::SeqCst);
    let began = Instant::now();
    while let Err(error) = database.commit(second.commit()).await {
        assert!(began.elapsed() < Duration::from_secs(30), "it has no connections left: {error}");
    }
    assert_eq!(database.count(&everything).await.unwrap(), 2);
    database.ping().await.unwrap();
}
