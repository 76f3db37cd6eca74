use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::amqp::AmqpLink;

/// How many connections of the library have their thread in this process. No other test here makes any.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map_while(Result::ok);
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.trim() == "lapin-io-loop").count()
}

/// What a broker says first: who it is, and that it takes passwords.
fn start() -> Vec<u8> {
    let mut method = vec![0, 10, 0, 10, 0, 9, 0, 0, 0, 0];
    for text in [&b"PLAIN"[..], b"en_US"] {
        method.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        method.extend(text);
    }
    let mut frame = vec![1, 0, 0];
    frame.extend(u32::try_from(method.len()).unwrap().to_be_bytes());
    frame.extend(method);
    frame.push(0xce);
    frame
}

/// A broker that takes every connection, says something, and nothing more; it tells of each that was ended.
async fn silent(says: Vec<u8>) -> (u16, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (ended, over) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (says, ended) = (says.clone(), ended.clone());
            tokio::spawn(async move {
                let mut heard = [0; 1024];
                let _ = stream.write_all(&says).await;
                while stream.read(&mut heard).await.is_ok_and(|length| length > 0) {}
                let _ = ended.send(());
            });
        }
    });
    (port, over)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_says_nothing_costs_nothing_once_it_is_given_up() {
    const TRIES: usize = 10;
    for (scheme, says) in [("amqp", Vec::new()), ("amqps", Vec::new()), ("amqp", start())] {
        let (port, mut over) = silent(says).await;
        let link = AmqpLink { url: format!("{scheme}://guest:guest@127.0.0.1:{port}/%2f"), ..AmqpLink::default() };
        for _ in 0..TRIES {
            let error = link.connect_within("test", Duration::from_millis(100)).await.unwrap_err();
            assert!(error.is_retryable(), "{error:?}");
        }
        for _ in 0..TRIES {
            tokio::time::timeout(Duration::from_secs(60), over.recv()).await.expect("each socket is closed").unwrap();
        }
        let start = Instant::now();
        while threads() > 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "{} threads are left of {scheme}", threads());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
