//! Listeners of ZeroMQ's own library across a restart of who announces.

use std::time::Duration;

use rida_core::Publisher;
use rida_fedmsg::fedmsg::{FedmsgConfig, Way};

use crate::announcements;
use crate::fedmsg::{bound, publisher};

/// How many listen: each tries again at another moment of the second.
const LISTENERS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn who_was_connected_before_a_restart_hears_the_first_message_after_it() {
    let first = publisher(&bound(), None);
    let (place, context) = (first.endpoint().to_owned(), zmq::Context::new());
    let mut listeners = Vec::new();
    for number in 0..LISTENERS {
        let listener = context.socket(zmq::SUB).unwrap();
        // As fedmsg configures it.
        listener.set_reconnect_ivl(100).unwrap();
        listener.set_reconnect_ivl_max(1000).unwrap();
        listener.set_rcvtimeo(60_000).unwrap();
        listener.set_subscribe(b"").unwrap();
        listener.connect(&place).unwrap();
        // ZeroMQ tells what a listener wants from its own thread, and only while that waits for something.
        listeners.push(std::thread::spawn(move || listener.recv_multipart(0).is_ok()));
        while first.listeners() <= number {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    first.close().await;
    drop(first);
    // Until they try as seldom as they ever do.
    tokio::time::sleep(Duration::from_secs(5)).await;

    let config = FedmsgConfig::new(Way::Bind(vec![place.replace("tcp://0.0.0.0", "tcp://127.0.0.1")]));
    let again = publisher(&config, None);
    again.publish(&announcements()[0]).await.unwrap();
    let heard = listeners.into_iter().filter_map(|listener| listener.join().ok()).filter(|heard| *heard).count();
    assert_eq!(heard, LISTENERS);
    again.close().await;
}
