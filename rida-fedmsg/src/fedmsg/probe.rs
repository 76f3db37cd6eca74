//! One message there and back.

use std::time::{Duration, Instant};

use rida_core::{PortError, Timestamp};

use super::envelope::Envelope;
use super::publisher::FedmsgPublisher;
use super::socket;
use super::verify::{Refusal, Trust, Verifier};
use crate::error::BusError;
use crate::ids::random;
use crate::json::Json;

/// Sends a message and receives it: at the publisher's own place, or, where it goes to a relay, at the relay's other
/// side, when that is among the places that are listened to. Returns how that went, in words after "a message left and".
///
/// # Errors
/// When it does not come, or is not believed.
pub async fn probe(
    publisher: &FedmsgPublisher,
    topic: &str,
    at: Timestamp,
    listened: Option<Vec<String>>,
    trust: Option<Trust>,
    patience: Duration,
) -> Result<&'static str, PortError> {
    let failed = |error: BusError| PortError::permanent("the message cannot be received").because(error);
    let is_relayed = publisher.is_relayed();
    let places = match (is_relayed, listened) {
        (false, _) => vec![publisher.endpoint().to_owned()],
        (true, Some(places)) => places,
        (true, None) => Vec::new(),
    };
    let uuid = random();
    let envelope = Envelope {
        topic: topic.to_owned(),
        msg: Json::object([("probe", uuid.as_str().into())]),
        timestamp: at.millis().div_euclid(1000),
        msg_id: format!("{}-{uuid}", at.to_string().get(..4).unwrap_or("1970")),
        i: 1,
        username: "rida".to_owned(),
    };
    if places.is_empty() {
        await_listener(publisher, topic, patience).await?;
        publisher.send(&envelope).await?;
        return Ok("was handed over to the relay; set bus.fedmsg.listen to its other side to see it come back");
    }
    let receiving = open(&places, topic).map_err(failed)?;
    // The place is our own, or the policy speaks of the build system's topics alone: the signature is what counts.
    let trust = trust.map(|trust| Trust { policy: std::collections::BTreeMap::new(), nitpicky: false, ..trust });
    let verifier = trust.as_ref().map(Verifier::new).transpose().map_err(failed)?;
    await_listener(publisher, topic, patience).await?;
    let wanted = envelope.msg_id.clone();
    let waiting = tokio::task::spawn_blocking(move || receive(&receiving, &wanted, verifier.as_ref(), patience));
    // A relay's other side may not be connected yet, and drops until it is.
    let sending = async {
        loop {
            publisher.send(&envelope).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        sent = sending => sent,
        came = waiting => came.unwrap_or_else(|_| Err(PortError::permanent("the message was not received"))),
    }
}

async fn await_listener(publisher: &FedmsgPublisher, topic: &str, patience: Duration) -> Result<(), PortError> {
    let waited = tokio::time::timeout(patience, publisher.listened_to(topic)).await;
    waited.unwrap_or_else(|_| Err(publisher.unheard()))
}

fn open(places: &[String], topic: &str) -> Result<zmq::Socket, BusError> {
    let context = zmq::Context::new();
    let receiving = socket::open(&context, zmq::SUB)?;
    let configured = || {
        receiving.set_linger(0)?;
        receiving.set_rcvtimeo(200)?;
        receiving.set_subscribe(topic.as_bytes())
    };
    configured().map_err(BusError::socket("configure a socket"))?;
    for place in places {
        // What is bound to all addresses is reached at one of them.
        let place = place.replace("//*:", "//127.0.0.1:").replace("//0.0.0.0:", "//127.0.0.1:");
        receiving.connect(&place).map_err(BusError::socket(format!("connect to {place}")))?;
    }
    Ok(receiving)
}

fn receive(
    receiving: &zmq::Socket,
    wanted: &str,
    verifier: Option<&Verifier>,
    patience: Duration,
) -> Result<&'static str, PortError> {
    let start = Instant::now();
    while start.elapsed() < patience {
        let Ok(frames) = receiving.recv_multipart(0) else { continue };
        let is_ours = frames.get(1).is_some_and(|frame| String::from_utf8_lossy(frame).contains(wanted));
        if !is_ours {
            continue;
        }
        return match verifier.map(|verifier| verifier.verify(&frames)) {
            None => Ok("came back; set bus.fedmsg.listen and bus.fedmsg.authority to have its signature checked"),
            Some(Ok(_)) => Ok("came back, and its signature is good"),
            Some(Err(refusal)) => {
                let complaint =
                    verifier.filter(|_| refusal == Refusal::Certificate).and_then(|it| it.complaint(&frames));
                let why = complaint.map(|why| format!(" ({why})")).unwrap_or_default();
                let message = format!("the message came back and is not believed: {refusal}{why}");
                Err(PortError::permanent(message))
            }
        };
    }
    Err(PortError::unavailable("the message did not come back"))
}
