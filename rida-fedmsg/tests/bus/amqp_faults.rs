//! What goes wrong between a publisher or a listener and a real broker, one thing at a time.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};
use rida_core::{Publisher, Receipt};
use rida_fedmsg::amqp::{AmqpConfig, AmqpLink, AmqpListener, AmqpListenerConfig, AmqpPublisher};
use rida_fedmsg::{Inbox, MessageIds, Topics};
use serde_json::json;
use tokio::sync::watch;

use crate::amqp::{connections, drain, tried_until_taken};
use crate::broker::{Broker, broker};
use crate::fedmsg_listening::{Keeper, until};
use crate::programs::Program;
use crate::{announcements, authority};

async fn channel(broker: &Broker) -> (Connection, Channel) {
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_queue_is_full_has_little_repeated_to_the_others() {
    let broker = broker().await;
    let (_connection, channel) = channel(&broker).await;
    let (first, full) = ("rida-test-first", "rida-test-full");
    for queue in [first, full] {
        let mut arguments = FieldTable::default();
        if queue == full {
            arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
            arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        }
        channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments).await.unwrap();
        let options = QueueBindOptions::default();
        let bound =
            channel.queue_bind(queue.into(), "amq.topic".into(), "org.full.#".into(), options, FieldTable::default());
        bound.await.unwrap();
    }
    let topics = Topics::new("org.full", "stg", "mbs").unwrap();
    let publisher = AmqpPublisher::new(AmqpConfig::new(broker.link()), topics, MessageIds::new("test")).unwrap();
    let mut announcement = announcements()[0].clone();
    announcement.id.revision = 0;
    assert_eq!(publisher.publish(&announcement).await.unwrap(), Receipt::Confirmed, "there is room for one");
    announcement.id.revision = 1;
    let (before, start) = (connections(), Instant::now());
    let mut tries = 0;
    while start.elapsed() < Duration::from_secs(3) {
        let error = publisher.publish(&announcement).await.unwrap_err();
        assert!(error.is_retryable() && error.message().contains("refuses the message"), "{error}");
        tries += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(tries > 20 && connections() == before, "{tries} tries, {} after {before}", connections());
    assert_eq!(drain(&broker, full, 1).await, [(1, 0)]);
    // The next try, seconds later, is taken: there is room again.
    tried_until_taken(&publisher, &announcement).await;
    let got = drain(&broker, first, 3).await;
    assert_eq!(got, [(1, 0), (1, 1), (1, 1)], "the first, and the second once for each of two tries");
    for queue in [first, full] {
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_is_missing_is_waited_for() {
    let broker = broker().await;
    let config = AmqpConfig { exchange: "rida-test-missing".to_owned(), ..AmqpConfig::new(broker.link()) };
    let publisher = AmqpPublisher::new(config, Topics::default(), MessageIds::new("test")).unwrap();
    let announcement = &announcements()[0];
    for _ in 0..3 {
        let error = publisher.publish(announcement).await.unwrap_err();
        assert!(error.is_retryable(), "parked, it would need somebody to have it tried again: {error:?}");
        assert!(error.in_full().contains("NOT_FOUND"), "also while the next try is yet to come: {}", error.in_full());
    }
    let (_connection, channel) = channel(&broker).await;
    let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
    let made =
        channel.exchange_declare("rida-test-missing".into(), ExchangeKind::Topic, options, FieldTable::default());
    made.await.unwrap();
    tried_until_taken(&publisher, announcement).await;
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_the_certificate_of_another_host_is_not_spoken_to() {
    // A place of our own, since the certificate names the other addresses of this machine that the broker has.
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_certificate_chain_file(authority("broker.crt")).unwrap();
    acceptor.set_private_key_file(authority("broker.key"), SslFiletype::PEM).unwrap();
    let acceptor = acceptor.build();
    let mut whys = Vec::new();
    for host in ["127.0.0.2", "127.0.0.1"] {
        let listener = std::net::TcpListener::bind((host, 0)).unwrap();
        let (port, acceptor) = (listener.local_addr().unwrap().port(), acceptor.clone());
        let speaking = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut said = [0; 4];
            acceptor.accept(stream).ok().and_then(|mut stream| stream.read_exact(&mut said).ok()).map(|()| said)
        });
        let link = AmqpLink {
            url: format!("amqps://guest:guest@{host}:{port}/%2f"),
            authority: Some(authority("ca.crt")),
            identity: None,
        };
        let publisher = AmqpPublisher::new(AmqpConfig::new(link), Topics::default(), MessageIds::new("test")).unwrap();
        let error = publisher.publish(&announcements()[0]).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        whys.push((speaking.join().unwrap(), error.in_full()));
    }
    assert_eq!(whys[0].0, None, "nothing was said: {}", whys[0].1);
    assert!(whys[0].1.contains("certificate verify failed"), "{}", whys[0].1);
    assert_eq!(whys[1].0, Some(*b"AMQP"), "the same certificate is one for this host: {}", whys[1].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_nobody_listened_outlives_the_brokers_death() {
    const QUEUE: &str = "rida-test-kept";
    let mut broker = broker().await;
    let keeper = Arc::new(Keeper::default());
    let inbox = Arc::new(Inbox::new(keeper.clone(), "primary"));
    let config = AmqpListenerConfig {
        link: broker.link(),
        exchange: "amq.topic".to_owned(),
        queue: QUEUE.to_owned(),
        topics: vec!["org.kept.prod.buildsys.#".to_owned()],
        prefetch: 10,
        dead_letters: None,
    };
    let listen = || {
        let (stop, stopping) = watch::channel(false);
        let listener = AmqpListener::new(config.clone(), Arc::clone(&inbox)).unwrap();
        (stop, tokio::spawn(listener.run(stopping)))
    };
    let (stop, listening) = listen();
    until("the queue is there", || keeper.gaps() == 1).await;
    stop.send(true).unwrap();
    listening.await.unwrap();

    let mut koji = Program::python("fedora-messaging", "fedora_say.py", &[&broker.url()]);
    koji.say(&json!({"topic": "org.kept.prod.buildsys.tag", "body": {"tag": "kept", "instance": "primary"}}));
    koji.line(|line| line == "said");
    broker.kill();
    broker.start().await;
    let (stop, listening) = listen();
    until("what was said comes", || keeper.tags() == ["kept"]).await;
    stop.send(true).unwrap();
    listening.await.unwrap();
    let (_connection, channel) = channel(&broker).await;
    channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await.unwrap();
}
