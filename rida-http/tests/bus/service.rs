//! Readers of the log on a whole service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rida_core::testing::MemoryPublisher;
use rida_core::{Announcement, PortError, Publisher, Receipt, Store};
use rida_http::{Reader, Service, ServiceSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::hints::World;

/// A bus that is away until somebody says otherwise.
#[derive(Default)]
struct Away {
    is_back: AtomicBool,
    tries: AtomicUsize,
    told: MemoryPublisher,
}

#[async_trait]
impl Publisher for Away {
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError> {
        if self.is_back.load(Ordering::SeqCst) {
            return self.told.publish(announcement).await;
        }
        self.tries.fetch_add(1, Ordering::SeqCst);
        Err(PortError::unavailable("the bus is away"))
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came to this: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_is_away_delays_nobody_and_is_told_all_of_it_later() {
    let world = World::new(Duration::from_secs(1)).await;
    let (file, bus) = (MemoryPublisher::default(), Arc::new(Away::default()));
    let mut parts = world.driver.parts().clone();
    parts.publisher = Arc::new(file.clone());
    let away: Arc<dyn Publisher> = bus.clone();
    let (hint, hints) = mpsc::channel(1);
    let service = Service::new(parts, ServiceSettings::default(), hints);
    let service =
        service.with_reader(Reader { name: "away", doing: "publishing on a bus that is away", publisher: away });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(service.run(listener, async {
        let _ = stopped.await;
    }));
    until("the file has what was announced", || file.published().len() > 1).await;
    assert_eq!(bus.told.published().len(), 0);
    let metrics = get(address, "/metrics").await;
    let line = |name: &str| {
        let start = format!("{name}{{reader=\"away\"}} ");
        let found = metrics.lines().find_map(|line| line.strip_prefix(start.as_str())).map(str::to_owned);
        found.unwrap_or_else(|| panic!("{name} is missing in\n{metrics}")).parse::<f64>().unwrap()
    };
    assert!(line("rida_reader_lag_lines") >= 1.0 && line("rida_reader_stops_total") >= 1.0);
    assert!(
        metrics.contains("rida_reader_announcements_total{reader=\"publisher\",receipt=\"confirmed\"}"),
        "{metrics}"
    );

    // Whatever happens meanwhile, each look being a beat for all that waits.
    for _ in 0..1000 {
        hint.send(rida_core::testing::sample::id(1)).await.unwrap();
    }
    let tries = bus.tries.load(Ordering::SeqCst);
    assert!(tries < 20, "it is tried less and less often: {tries}");

    bus.is_back.store(true, Ordering::SeqCst);
    until("the bus has it, too", || bus.told.published().len() >= file.published().len()).await;
    let ids = |publisher: &MemoryPublisher| -> Vec<_> { publisher.published().iter().map(|told| told.id).collect() };
    let (first, second) = (ids(&file), ids(&bus.told));
    assert!(second.starts_with(&first[..2]) && !world.store.log_after(0, 10).await.unwrap().is_empty());
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), running).await.unwrap().unwrap();
}

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
