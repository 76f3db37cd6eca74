use std::sync::Mutex;

use async_trait::async_trait;
use rida_core::PortError;

use super::*;
use crate::json::Json;
use crate::{Incoming, Receiver};

/// Fails a number of times, and notes when it was asked.
struct Hub {
    failures: usize,
    asked: Mutex<Vec<tokio::time::Instant>>,
}

#[async_trait]
impl Receiver for Hub {
    async fn receive(&self, _: Incoming) -> Result<(), PortError> {
        let mut asked = self.asked.lock().unwrap();
        asked.push(tokio::time::Instant::now());
        if asked.len() <= self.failures { Err(PortError::unavailable("the hub is away")) } else { Ok(()) }
    }
}

/// Has a message followed by a hub that fails so often, and returns how long it took each time and whether it was.
async fn followed(failures: usize) -> (Vec<u64>, bool) {
    let hub = Arc::new(Hub { failures, asked: Mutex::default() });
    let inbox = Inbox::new(hub.clone(), "primary");
    let message = Verified {
        topic: "org.fedoraproject.prod.buildsys.tag".to_owned(),
        id: "2027-6c6ea4d3-1b0c-4c4a-9b9e-0b6b1d6a8d65".to_owned(),
        body: Json::object([("tag", "x".into())]),
        signer: "koji".to_owned(),
    };
    follow(&inbox, &message, &mut Again::default()).await;
    let asked = hub.asked.lock().unwrap();
    let waits = asked.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs()).collect();
    (waits, inbox.received().count("taken") == 1)
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_followed_is_tried_five_times_with_growing_waits() {
    assert_eq!(followed(0).await, (vec![], true));
    assert_eq!(followed(4).await, (vec![1, 2, 4, 8], true), "the last try counts");
    assert_eq!(followed(5).await, (vec![1, 2, 4, 8], false), "then it is left to the look in its turn");
}
