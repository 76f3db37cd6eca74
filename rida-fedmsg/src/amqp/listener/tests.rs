use std::sync::Mutex;

use async_trait::async_trait;
use lapin::BasicProperties;
use rida_core::PortError;

use super::*;
use crate::incoming::tests::Warnings;
use crate::{Incoming, Receiver};

/// Counts how often it is asked, and answers for as long as it is not away.
#[derive(Default)]
struct Hub {
    asked: Mutex<u32>,
    is_away: Mutex<bool>,
}

#[async_trait]
impl Receiver for Hub {
    async fn receive(&self, _: Incoming) -> Result<(), PortError> {
        *self.asked.lock().unwrap() += 1;
        if *self.is_away.lock().unwrap() { Err(PortError::unavailable("the hub is away")) } else { Ok(()) }
    }
}

fn delivery(number: u64) -> Delivery {
    let body = br#"{"tag": "x", "instance": "primary"}"#.to_vec();
    let mut delivery =
        Delivery::mock(number, "amq.topic".into(), "org.fedoraproject.prod.buildsys.tag".into(), number > 1, body);
    delivery.properties = BasicProperties::default().with_message_id(number.to_string().into());
    delivery
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_away_is_asked_less_and_less_often_and_told_of_once() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let hub = Arc::new(Hub::default());
    *hub.is_away.lock().unwrap() = true;
    let config = AmqpListenerConfig {
        link: AmqpLink { url: "amqp://guest:guest@localhost/%2f".to_owned(), ..AmqpLink::default() },
        exchange: "amq.topic".to_owned(),
        queue: "rida".to_owned(),
        topics: vec!["#".to_owned()],
        prefetch: 10,
        dead_letters: None,
    };
    let listener = AmqpListener::new(config, Arc::new(Inbox::new(hub.clone(), "primary"))).unwrap();
    let (mut again, start, mut number) = (Again::default(), tokio::time::Instant::now(), 0);
    // The broker brings each again at once, and others with it.
    while start.elapsed() < Duration::from_secs(600) {
        number += 1;
        listener.take(delivery(number), &mut again).await.unwrap();
    }
    let asked = *hub.asked.lock().unwrap();
    assert!((5..30).contains(&asked), "{asked} times in ten minutes");
    assert_eq!(warnings.count(), 1);

    // Once it is back nothing waits any more, and the next outage begins with short waits.
    *hub.is_away.lock().unwrap() = false;
    let back = tokio::time::Instant::now();
    listener.take(delivery(1000), &mut again).await.unwrap();
    assert_eq!(back.elapsed(), Duration::ZERO);
    *hub.is_away.lock().unwrap() = true;
    listener.take(delivery(1001), &mut again).await.unwrap();
    assert!(back.elapsed() < Duration::from_secs(2));
    assert_eq!(warnings.count(), 2);
}
