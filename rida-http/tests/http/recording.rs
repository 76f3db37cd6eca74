//! What the log says of requests and errors.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{Server, until};

/// A log in memory.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Keeps what this thread logs; the runtime of a test runs on it alone.
    pub(crate) fn keep() -> (Self, tracing::subscriber::DefaultGuard) {
        // Somebody listens on every thread, to nothing: where nobody does, tracing can take a place in the code that a
        // thread of another test passes first for one that nobody anywhere listens to.
        static SOMEBODY: std::sync::Once = std::sync::Once::new();
        SOMEBODY.call_once(|| {
            let somebody = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
            tracing::subscriber::set_global_default(somebody).unwrap();
        });
        let log = Self::default();
        let kept = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        (log, tracing::subscriber::set_default(kept))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn an_unexpected_error_is_found_by_its_id() {
    let (log, _guard) = Log::keep();
    let server = Server::still().await;
    server.store.fail_lists_after(0);
    let message = server.get("/rida/module-builds/").await.error(500);
    let id = message.rsplit(' ').next().unwrap();
    let text = log.text();
    let line = text.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("{id} is not in\n{text}"));
    assert!(line.contains("the test broke the list"), "{line}");
    assert_eq!(text.matches("the test broke the list").count(), 1, "{text}");
}

#[tokio::test]
async fn a_request_is_a_line_that_nobody_can_forge() {
    let (log, _guard) = Log::keep();
    let server = Server::still().await;
    let answer = server.get("/rida/module-builds/%0AERROR%1B[31m-forged?x=1").await;
    answer.error(404);
    let text = log.text();
    let line = text.lines().find(|line| line.contains("forged")).unwrap();
    let parts =
        [answer.header("x-request-id"), "http.method=GET", "http.status=404", "took_ms=", "%0AERROR%1B[31m-forged"];
    for part in parts {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    let body = "{\"scmurl\": \"https://src.example.org/modules/foo.git?#main\", \"owner\": \"a\u{2028}b\"}";
    server.post(body).await;
    assert!(!log.text().contains('\u{2028}'), "{}", log.text());
    assert!(log.text().contains("a\\u{2028}b"), "{}", log.text());
}

#[tokio::test]
async fn a_store_that_is_away_is_told_once() {
    let (log, _guard) = Log::keep();
    let server = Server::start().await;
    server.store.down.store(true, std::sync::atomic::Ordering::SeqCst);
    until("it is told", async || log.text().contains("granting slots fails")).await;
    for _ in 0..5 {
        server.get("/rida/module-builds/").await.error(503);
    }
    server.store.down.store(false, std::sync::atomic::Ordering::SeqCst);
    until("it is told", async || log.text().contains("granting slots works again")).await;
    assert_eq!(log.text().matches("granting slots fails").count(), 1, "{}", log.text());
}

#[tokio::test]
async fn each_change_is_a_line_that_names_its_build() {
    let (log, _guard) = Log::keep();
    let server = Server::start().await;
    let answer = server.post(r#"{"scmurl": "https://src.example.org/modules/foo.git?#main"}"#).await;
    let id = &answer.json()["id"];
    until("it is ready", async || log.text().contains(" is in ready")).await;
    let text = log.text();
    for part in ["is in init", "is in wait", "is in build", "is in done", "component foo of build 1 is building"] {
        let line = text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part} is not in\n{text}"));
        assert!(line.contains(&format!("build.id={id}")), "{line}");
    }
    assert!(text.contains("component.name=foo"), "{text}");
}
