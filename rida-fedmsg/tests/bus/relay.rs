//! Announcing through a relay that is away, comes, is killed in the middle, and comes back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rida_core::Publisher;
use rida_fedmsg::fedmsg::{FedmsgConfig, Way};

use crate::fedmsg::{command, publisher, settings, signer};
use crate::programs::{PATIENCE, Program};
use crate::{announcements, free_port};

/// How many messages are sent while the relay is killed and started again.
const MANY: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_killed_in_the_middle_is_found_again() {
    let (inbound, outbound) = (format!("tcp://127.0.0.1:{}", free_port()), format!("tcp://127.0.0.1:{}", free_port()));
    let publisher = publisher(&FedmsgConfig::new(Way::Connect(inbound.clone())), Some(signer("signer")));
    let announcement = &announcements()[0];
    let error = publisher.publish(announcement).await.unwrap_err();
    assert!(error.is_retryable() && error.message().contains("relay"), "nothing is dropped while it is away: {error}");

    let folder = settings(&outbound, &inbound);
    let (mut relay, mut again) = (Some(command("fedmsg-relay", &folder, &[])), None);
    let mut listener = Program::python("fedmsg", "fedmsg_hear.py", &[&outbound]);
    listener.event("listening");
    let topic = publisher.message(announcement).unwrap().0;
    tokio::time::timeout(PATIENCE, publisher.listened_to(&topic)).await.unwrap().unwrap();
    // Until the listener has found the relay's other side, which only its messages tell.
    let start = Instant::now();
    loop {
        let _ = publisher.publish(announcement).await;
        if listener.event_within("message", Duration::from_millis(300)).is_some() {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{}", listener.said());
    }

    let (mut numbered, mut sent, mut refused) = (announcement.clone(), 0, 0);
    let start = Instant::now();
    while sent < MANY {
        numbered.id.revision = 1000 + u64::try_from(sent).unwrap();
        match publisher.publish(&numbered).await {
            Ok(_) => sent += 1,
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                refused += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        if sent == MANY / 2
            && let Some(killed) = relay.take()
        {
            killed.kill();
            tokio::time::sleep(Duration::from_millis(300)).await;
            again = Some(command("fedmsg-relay", &folder, &[]));
        }
        assert!(start.elapsed() < PATIENCE, "{sent} sent, {refused} refused");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(again.is_some() && refused > 0, "while the relay was away nothing was handed over to nobody");
    let (mut ids, mut numbers) = (BTreeSet::new(), Vec::new());
    while let Some(message) = listener.event_within("message", Duration::from_secs(3)) {
        assert_eq!(message["good"], true, "a relay's copy is believed, too: {message}");
        let of = message["msg"]["announcement"].as_str().unwrap().split('.').nth(1).unwrap();
        let number: usize = of.parse().unwrap();
        // The rest is what was sent until the listener was there.
        if number >= 1000 {
            assert!(
                ids.insert(message["id"].as_str().unwrap().to_owned()),
                "each has an id of its own, and comes once"
            );
            numbers.push(number - 1000);
        }
    }
    assert!(numbers.is_sorted(), "in order: {numbers:?}");
    // What the relay had not passed on when it was killed is lost, and what comes before the listener has found the
    // next one: that is fedmsg.
    let good = numbers.len();
    let before = numbers.iter().filter(|number| **number < MANY / 2).count();
    assert!(before > MANY / 4 && good > before, "{before} before and {good} of {MANY} in all arrived");
    println!("{good} of {MANY} arrived across the death of the relay, {before} of them before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_machine_vanishes_is_missed_within_seconds() {
    let mut relay = Program::python("fedmsg", "fedmsg_gone.py", &[]);
    let port = relay.line(|line| line.starts_with("port ")).replace("port ", "");
    let publisher = publisher(&FedmsgConfig::new(Way::Connect(format!("tcp://127.0.0.1:{port}"))), None);
    let announcement = &announcements()[0];
    let topic = publisher.message(announcement).unwrap().0;
    tokio::time::timeout(PATIENCE, publisher.listened_to(&topic)).await.unwrap().unwrap();
    publisher.publish(announcement).await.unwrap();
    relay.say_line("");
    relay.line(|line| line == "gone");
    let start = Instant::now();
    let error = loop {
        match publisher.publish(announcement).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => break error,
        }
        assert!(start.elapsed() < Duration::from_secs(30), "everything is handed over to nobody");
    };
    assert!(error.is_retryable() && error.message().contains("the relay of fedmsg is away"), "{error}");
    assert!(start.elapsed() > Duration::from_secs(3), "a network may be slow for a moment: {:?}", start.elapsed());
    publisher.close().await;
}
