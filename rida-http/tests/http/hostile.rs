//! Requests as nobody but an attacker sends them.

use std::sync::atomic::Ordering;

use rida_core::BuildFilter;
use rida_core::Store;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use warp::http::Method;

use crate::harness::{Server, read_to_end, until};
use crate::recording::Log;

const SUBMIT: &str = "/rida/module-builds/";
const URL: &str = "https://src.example.org/modules/foo.git?#main";

/// Bodies that are no submission, each with why.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let owner = |owner: &str| json!({"scmurl": URL, "owner": owner}).to_string().into_bytes();
    let url = |url: String| json!({ "scmurl": url }).to_string().into_bytes();
    vec![
        ("deep lists", [b"{\"scmurl\":".to_vec(), vec![b'['; 60_000]].concat()),
        ("deep objects", "{\"a\":".repeat(10_000).into_bytes()),
        ("deep and closed", [vec![b'['; 200], vec![b']'; 200]].concat()),
        ("many members", format!("{{{}\"z\":1}}", "\"a\":0,".repeat(9_000)).into_bytes()),
        ("many elements", format!("{{\"scmurl\":[{}0]}}", "0,".repeat(30_000)).into_bytes()),
        ("a key twice", text(r#"{"scmurl": "a", "scmurl": "b"}"#)),
        ("a key twice, once escaped", text(r#"{"scmurl": "a", "\u0073cmurl": "b"}"#)),
        ("another case", text(r#"{"SCMURL": "https://src.example.org/modules/foo.git?#main"}"#)),
        ("a key that looks alike", text("{\"\u{0455}cmurl\": \"https://src.example.org/modules/foo.git?#main\"}")),
        ("a prototype", text(r#"{"__proto__": {"scmurl": "a"}, "constructor": 1}"#)),
        ("a number", text(r#"{"scmurl": 7}"#)),
        ("a huge number", text(&format!("{{\"scmurl\": 1{}}}", "0".repeat(5_000)))),
        ("a number beyond all", text(r#"{"scmurl": 1e999999999}"#)),
        ("no number", text(r#"{"scmurl": NaN}"#)),
        ("a list", text(r#"{"scmurl": ["https://src.example.org/modules/foo.git?#main"]}"#)),
        ("an object", text(r#"{"scmurl": {"$ne": null}}"#)),
        ("true", text(r#"{"scmurl": true}"#)),
        ("null", text(r#"{"scmurl": null}"#)),
        ("two documents", text(r#"{"scmurl": "a"}{"scmurl": "b"}"#)),
        ("a comment", text("{\"scmurl\": \"a\" /* b */}")),
        ("a form", text("scmurl=https://src.example.org/modules/foo.git?%23main")),
        ("XML", text("<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]><x>&y;</x>")),
        ("YAML", text("scmurl: !!python/object/apply:os.system [id]")),
        ("bytes that are no UTF-8", b"{\"scmurl\": \"\xff\xfe\"}".to_vec()),
        ("a surrogate by itself", text(r#"{"scmurl": "\ud800"}"#)),
        ("overlong UTF-8", b"{\"scmurl\": \"\xc0\xaf\"}".to_vec()),
        ("a byte order mark", "\u{feff}{\"scmurl\": \"a\"}".as_bytes().to_vec()),
        ("UTF-16", "{\"scmurl\": \"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a zero byte", b"{\"scmurl\": \"a\0b\"}".to_vec()),
        ("an escaped zero", url("https://src.example.org/modules/foo.git\0?#main".to_owned())),
        ("a line break", url("https://src.example.org/modules/foo.git?#main\r\nhost: evil".to_owned())),
        ("a line break in the host", url("https://src.example.org\n.evil.example.org/foo.git?#main".to_owned())),
        ("a space", url("https://src.example.org/modules/foo .git?#main".to_owned())),
        ("a tab", url("https://src.example.org/modules/foo.git?#ma\tin".to_owned())),
        ("a URL without an end", url(format!("https://src.example.org/{}?#main", "x/".repeat(20_000)))),
        ("direction marks", url("https://src.example.org/modules/\u{202e}oof.git?#main".to_owned())),
        ("nothing that is seen", url("https://src.example.org/modules/f\u{200b}oo.git?#main".to_owned())),
        ("wide letters", url("https://src.example.org/modules/\u{ff0e}\u{ff0e}/foo.git?#main".to_owned())),
        ("no owner", owner("")),
        ("a line break in the owner", owner("a\r\nset-cookie: x")),
        ("a zero in the owner", owner("a\0b")),
        ("an escape in the owner", owner("\u{1b}[31madmin")),
        ("an owner without an end", owner(&"a".repeat(10_000))),
    ]
}

#[tokio::test]
async fn no_body_is_taken_that_is_no_submission() {
    let server = Server::start().await;
    for (what, body) in bodies() {
        let began = std::time::Instant::now();
        let answer = server.post(body).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        let message = answer.error(400);
        assert!(message.len() < 6_000, "{what}: all of it is repeated, {} bytes", message.len());
        assert!(!message.chars().any(char::is_control), "{what}: {message:?}");
        assert!(began.elapsed().as_secs() < 5, "{what} took {:?}", began.elapsed());
    }
    // A branch is only compared with the stream that the modulemd says: nothing is ever asked for it.
    for branch in ["--upload-pack=id", "../../x", "a\nb"] {
        let answer = server.post(json!({"scmurl": URL, "branch": branch}).to_string()).await;
        assert!([400, 422].contains(&answer.status.as_u16()), "{branch}: {}", answer.text());
    }
    assert_eq!(server.store.count(&BuildFilter::default()).await.unwrap(), 0);
}

/// Addresses of modules that are refused, whoever allows them.
const URLS: &[&str] = &[
    "--upload-pack=touch /tmp/x",
    "-c core.sshCommand=id",
    "ext::sh -c id",
    "EXT::sh -c id",
    "fd::17/foo",
    "file:///etc/passwd?#main",
    "file://src.example.org/etc?#main",
    "/etc/passwd",
    "../../etc/passwd",
    "ssh://-oProxyCommand=id/foo.git?#main",
    "ssh://src.example.org:-oProxyCommand=id/foo.git?#main",
    "git@src.example.org:modules/foo.git",
    "https://src.example.org:0/modules/foo.git?#main",
    "https://src.example.org:65536/modules/foo.git?#main",
    "https://src.example.org:443:443/modules/foo.git?#main",
    "https://src.example.org:٤٤٣/modules/foo.git?#main",
    "https://src.example.org\\@evil.example.org/modules/foo.git?#main",
    "https://src.example.org/modules\\..\\x.git?#main",
    "https://src.example.org/modules/%2e%2e/x.git?#main",
    "https://src.example.org/modules/..%2fx.git?#main",
    "https://src.example.org/modules//x.git?#main",
    "https://src.example.org/modules/./x.git?#main",
    "https://src.example.org/modules/../x.git?#main",
    "https://src.example.org/modules/foo.git?#main?x",
    "https://src.example.org/modules/foo.git?#--orphan=evil",
    "https://src.example.org/modules/foo.git?#main..HEAD",
    "https://src.example.org/modules/foo.git?#main@{1}",
    "https://src.example.org/modules/foo.git?#main:foo.yaml",
    "https://src.example.org/modules/foo.git?#refs/heads/../../x",
    "https://src.example.org/modules/foo.git?#+main:main",
    "https://src.example.org/modules/foo.git?../../etc#main",
    "https://src.example.org/modules/foo.git?/etc#main",
    "javascript:alert(1)",
    "data:text/plain,x",
    "http://169.254.169.254/latest/meta-data?#main",
    "https://[::1/modules/foo.git?#main",
    "https://0x7f000001/modules/foo.git?#main",
    "https:///modules/foo.git?#main",
    "https://?#main",
    "https:src.example.org/modules/foo.git?#main",
    "",
];

#[tokio::test]
async fn no_address_is_read_that_is_not_allowed() {
    let server = Server::start().await;
    // Whoever gets as far as git is told.
    server.world.git_panics.store(true, Ordering::SeqCst);
    for url in URLS {
        let answer = server.post(json!({ "scmurl": url }).to_string()).await;
        assert!([400, 403].contains(&answer.status.as_u16()), "{url}: {}", answer.text());
    }
    // Letters that look like those of an allowed host, and what punycode makes of them.
    for host in [
        "src.exаmple.org",
        "xn--src.example.org",
        "src.example.org.evil.example.org",
        "src.example.org.",
        "SRC.example.ORG.evil",
    ] {
        let answer = server.post(json!({"scmurl": format!("https://{host}/modules/foo.git?#main")}).to_string()).await;
        let code = answer.status.as_u16();
        assert!([400, 403].contains(&code) || host == "src.example.org." && code == 500, "{host}: {}", answer.text());
    }
}

#[tokio::test]
async fn credentials_in_a_url_are_neither_told_nor_logged() {
    let (log, _guard) = Log::keep();
    let server = Server::start().await;
    for url in [
        "https://alice:hunter2@src.example.org/modules/foo.git?#main",
        "https://hunter2@src.example.org/modules/foo.git?#main",
        "ssh://alice:hunter2@src.example.org/modules/foo.git?#main",
        "https://alice:hunter2@elsewhere.example.org/modules/foo.git?#main",
        "https://alice:hunter2%40src.example.org/modules/foo.git?#main",
        "https://alice:hunter2/x#y@src.example.org/modules/foo.git?#main",
        "alice:hunter2@src.example.org:modules/foo.git?#main",
    ] {
        let answer = server.post(json!({ "scmurl": url }).to_string()).await;
        assert!([400, 403, 422].contains(&answer.status.as_u16()), "{url}: {}", answer.text());
        assert!(!answer.text().contains("hunter2"), "{url}: {}", answer.text());
    }
    // What is asked for is not logged with its query, and no header is.
    let headers = [("authorization", "Bearer hunter2"), ("cookie", "session=hunter2")];
    server.send(Method::GET, "/rida/module-builds/?owner=hunter2", &headers, "").await;
    assert!(log.text().contains("http.path=/rida/module-builds/"), "{}", log.text());
    assert!(!log.text().contains("hunter2"), "{}", log.text());
}

/// Texts for every parameter and every open part of a path.
const TEXTS: &[&str] = &[
    "' OR '1'='1",
    "1; DROP TABLE module_builds",
    "\" UNION SELECT 1 --",
    "%",
    "_",
    "*",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "a\r\nset-cookie: x=1",
    "\0",
    "\u{202e}",
    "\u{1b}[2J",
    "99999999999999999999999999",
    "-1",
    "1e9",
    "NaN",
    "é",
    "\u{10ffff}",
];

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn no_parameter_is_more_than_a_value() {
    const PARAMETERS: &[&str] = &[
        "state",
        "name",
        "stream",
        "version",
        "context",
        "nsvc",
        "owner",
        "submitted_after",
        "submitted_before",
        "modified_after",
        "modified_before",
        "completed_after",
        "completed_before",
        "order_by",
        "order_desc_by",
        "page",
        "per_page",
        "verbose",
        "short",
    ];
    let server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", usize::MAX).await;
    for text in TEXTS {
        let text = encoded(text);
        for parameter in PARAMETERS {
            let answer = server.get(&format!("/rida/module-builds/?{parameter}={text}")).await;
            match answer.status.as_u16() {
                200 => assert_eq!(answer.text(), "[]\n", "{parameter}={text} matches something"),
                _ => drop(answer.error(400)),
            }
            let paged = server.get(&format!("/rida/module-builds/?per_page=1&{parameter}={text}")).await;
            assert!([200, 400].contains(&paged.status.as_u16()), "{parameter}={text}");
            assert!(!paged.header("link").contains(['\r', '\n', '\'', '<']) || paged.header("link").starts_with("</"));
            assert_eq!(paged.header("set-cookie"), "");
        }
        for path in [format!("/rida/module-builds/{text}"), format!("/rida/module-builds/1/logs/{text}")] {
            server.get(&path).await.error(404);
        }
        for parameter in ["offset", "attempt", "follow", "nothing"] {
            server.get(&format!("/rida/module-builds/1/logs/foo?{parameter}={text}")).await.error(400);
        }
        server.get(&format!("/rida/module-builds/?{text}=1")).await.error(400);
    }
    let many: String = (0..1_000).map(|_| "state=init&").collect();
    assert_eq!(server.get(&format!("/rida/module-builds/?{many}page=1000000000000")).await.text(), "[]\n");
}

/// One connection, from which the answers are counted.
async fn statuses(server: &Server, bytes: &[u8]) -> Vec<String> {
    let text = server.raw(bytes).await;
    text.match_indices("HTTP/1.").filter_map(|(at, _)| Some(text.get(at + 9..at + 12)?.to_owned())).collect()
}

#[tokio::test]
async fn a_request_cannot_be_smuggled_within_another() {
    let server =
        Server::still_with(|settings| settings.server.head_timeout = std::time::Duration::from_millis(300)).await;
    let inner = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let head = "POST /rida/module-builds/ HTTP/1.1\r\nhost: x\r\n";
    let chunked = format!("0\r\n\r\n{inner}");
    let with = |headers: &str| format!("{head}{headers}\r\n{chunked}");
    // A proxy that goes by the other of two lengths would take the rest for a request, or the other way round: the
    // connection must not go on with it.
    for headers in [
        format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", chunked.len()),
        format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n", chunked.len()),
        "transfer-encoding: chunked\r\ncontent-length: 0\r\n".to_owned(),
        "content-length: 0\r\ncontent-length: 5\r\n".to_owned(),
        "content-length: 0, 5\r\n".to_owned(),
        "content-length: +5\r\n".to_owned(),
        "content-length: -1\r\n".to_owned(),
        "content-length: 0x5\r\n".to_owned(),
        "content-length: 5 5\r\n".to_owned(),
        "transfer-encoding: chunked, identity\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n".to_owned(),
        "transfer-encoding : chunked\r\n".to_owned(),
        "transfer-encoding:\x0bchunked\r\n".to_owned(),
        " transfer-encoding: chunked\r\n".to_owned(),
        "x: y\r\n transfer-encoding: chunked\r\n".to_owned(),
        "x: y\rtransfer-encoding: chunked\r\n".to_owned(),
    ] {
        let statuses = statuses(&server, with(&headers).as_bytes()).await;
        assert!(statuses.is_empty() || statuses == ["400"], "{headers:?}: {statuses:?}");
    }
    for chunk in ["-1\r\nx\r\n", "ffffffffffffffffff\r\nx", "1;\0\r\nx\r\n", "0x1\r\nx\r\n", "1\nx\n0\n\n", "g\r\n"] {
        let bytes = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}{inner}");
        let statuses = statuses(&server, bytes.as_bytes()).await;
        assert!(statuses.is_empty() || statuses == ["400"], "{chunk:?}: {statuses:?}");
    }
    // As it should be, one after the other.
    let good = format!("{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{inner}");
    assert_eq!(statuses(&server, good.as_bytes()).await, ["400", "200"]);
}

#[tokio::test]
async fn unusual_requests_are_answered_as_usual() {
    let server =
        Server::still_with(|settings| settings.server.head_timeout = std::time::Duration::from_millis(300)).await;
    server.keep(1, "foo:1:2:c0ffee", 2).await;
    let close = "host: x\r\nconnection: close\r\n\r\n";
    for (request, expected) in [
        // Absolute targets are what proxies get; whatever host they name, this is the one that was asked.
        (format!("GET http://evil.example.org/rida/module-builds/1 HTTP/1.1\r\n{close}"), "200"),
        (format!("GET http://evil.example.org HTTP/1.1\r\n{close}"), "404"),
        (format!("GET file:///etc/passwd HTTP/1.1\r\n{close}"), "400"),
        (format!("CONNECT evil.example.org:443 HTTP/1.1\r\n{close}"), "404"),
        (format!("OPTIONS * HTTP/1.1\r\n{close}"), "404"),
        ("GET /healthz HTTP/1.0\r\n\r\n".to_owned(), "200"),
        ("GET /healthz HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\n\r\n".to_owned(), "200"),
        (format!("GET /healthz#/../x HTTP/1.1\r\n{close}"), "200"),
        (format!("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n{close}"), "200"),
        // Methods are the request line's alone.
        (
            format!(
                "GET /rida/module-builds/1 HTTP/1.1\r\nx-http-method-override: PATCH\r\nx-http-method: DELETE\r\n{close}"
            ),
            "200",
        ),
        (format!("POST /rida/module-builds/1?_method=PATCH HTTP/1.1\r\ncontent-length: 0\r\n{close}"), "501"),
        (format!("get /healthz HTTP/1.1\r\n{close}"), "501"),
        // Another version, or none.
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        ("GET /healthz\r\n\r\n".to_owned(), "400"),
        (format!("GET /healthz HTTP/3.7\r\n{close}"), "400"),
        (format!("GET  /healthz HTTP/1.1\r\n{close}"), "400"),
        (format!("GET /health z HTTP/1.1\r\n{close}"), "400"),
        (format!("GET /h\u{e9} HTTP/1.1\r\n{close}"), "404"),
    ] {
        let statuses = statuses(&server, request.as_bytes()).await;
        let fits =
            if expected.is_empty() { statuses.is_empty() || statuses == ["400"] } else { statuses == [expected] };
        assert!(fits, "{request:?}: {statuses:?}");
    }
    assert_eq!(server.get("/rida/module-builds/1").await.json()["state"], "wait", "nothing was changed");
    // A hundred requests at once on one connection are answered one after the other.
    let many = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
    assert_eq!(statuses(&server, many.as_bytes()).await, vec!["200"; 100]);
    // A protocol that is not spoken is not switched to.
    let upgrade = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n";
    assert_eq!(statuses(&server, upgrade.as_bytes()).await, ["200"]);
}

#[tokio::test]
async fn whatever_a_log_says_it_is_only_text() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", usize::MAX).await;
    let bytes = b"\x1b]0;owned\x07\x1b[2J<script>alert(1)</script>\xff\xfe\0\r\nset-cookie: x=1\r\n\r\n<html>".to_vec();
    server.world.logs.lock().unwrap().insert("bar".to_owned(), (bytes.clone(), true));
    for path in ["/rida/module-builds/1/logs/bar", "/rida/module-builds/1/logs/bar?offset=3"] {
        let answer = server.get(path).await;
        assert!(bytes.ends_with(&answer.body) && !answer.body.is_empty(), "it is told as it is");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'; sandbox");
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn slow_clients_hold_nobody_up() {
    let server = Server::still_with(|settings| {
        settings.server.write_timeout = std::time::Duration::from_millis(500);
        settings.server.head_timeout = std::time::Duration::from_millis(500);
        settings.api.body_timeout = std::time::Duration::from_millis(500);
    })
    .await;
    server.keep(1, "foo:1:2:c0ffee", usize::MAX).await;
    server.world.log("bar", &"x".repeat(8_000_000), true);
    let mut slow = Vec::new();
    for number in 0..60 {
        let mut stream = server.connect().await;
        let start: &[u8] = match number % 3 {
            0 => b"GET /healthz HTTP/1.1\r\nx: ",
            1 => b"POST /rida/module-builds/ HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n{",
            _ => b"GET /rida/module-builds/1/logs/bar HTTP/1.1\r\nhost: x\r\n\r\n",
        };
        stream.write_all(start).await.unwrap();
        slow.push(stream);
    }
    for _ in 0..20 {
        let began = std::time::Instant::now();
        assert_eq!(server.get("/rida/module-builds/1").await.status, 200);
        assert!(began.elapsed().as_millis() < 2_000, "it took {:?}", began.elapsed());
    }
    until("all of them are given up", async || {
        server.get("/metrics").await.text().contains("rida_http_connections 1\n")
    })
    .await;
    for stream in &mut slow {
        read_to_end(stream).await;
    }
}

#[tokio::test]
async fn no_answer_tells_of_this_machine() {
    let (log, _guard) = Log::keep();
    let server = Server::start().await;
    server.keep(1, "foo:1:2:c0ffee", usize::MAX).await;
    let data = server.data.path().display().to_string();
    let secrets = [data.as_str(), "hunter2", "/var/lib", "panicked at", ".rs:", "SELECT", "sqlx"];
    let mut answers = Vec::new();
    for kind in [
        rida_core::PortErrorKind::Permanent,
        rida_core::PortErrorKind::Unavailable,
        rida_core::PortErrorKind::Temporary,
    ] {
        *server.world.git_fails.lock().unwrap() = Some(kind);
        answers.push(server.post(json!({ "scmurl": URL }).to_string()).await);
    }
    *server.world.git_fails.lock().unwrap() = None;
    server.world.git_panics.store(true, Ordering::SeqCst);
    answers.push(server.post(json!({ "scmurl": URL }).to_string()).await);
    server.store.fail_lists_after(0);
    answers.push(server.get(SUBMIT).await);
    server.store.panics.store(true, Ordering::SeqCst);
    server.store.fail_lists_after(0);
    answers.push(server.get(SUBMIT).await);
    server.store.down.store(true, Ordering::SeqCst);
    for path in [SUBMIT, "/rida/module-builds/1", "/rida/module-builds/1/logs/bar", "/readyz", "/metrics", "/healthz"] {
        answers.push(server.get(path).await);
    }
    answers.push(server.patch("/rida/module-builds/1", r#"{"state": "failed"}"#).await);
    for answer in answers {
        let all = format!("{:?} {}", answer.headers, answer.text());
        for secret in secrets {
            assert!(!all.contains(secret), "{secret} is in {all}");
        }
        assert_eq!(answer.header("server"), "");
    }
    // The operator's log has the causes, and nothing of the folder.
    assert!(log.text().contains("hunter2") && !log.text().contains(&data), "{}", log.text());
}
