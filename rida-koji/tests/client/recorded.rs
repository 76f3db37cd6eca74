//! Exchanges in the form that a hub of 1.35.3 was recorded to make, replayed through the client byte by byte.

use std::time::Duration;

use rida_koji::wire::{Build, BuildState, Repository, Tag, Task, TaskState};
use rida_koji::xmlrpc::{Call, Value, decode_call, encode_call};
use rida_koji::{Client, ClientConfig, KojiErrorKind, Login, fault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers each request with the next of these answers, on one connection, and returns the requests.
async fn replay(answers: Vec<String>) -> (url::Url, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/kojihub", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut requests = Vec::new();
        for answer in answers {
            let mut request = Vec::new();
            loop {
                let mut piece = [0; 4096];
                let length = stream.read(&mut piece).await.unwrap();
                assert!(length > 0, "the client went away: {}", String::from_utf8_lossy(&request));
                request.extend_from_slice(&piece[..length]);
                if request.ends_with(b"</methodCall>\n") {
                    break;
                }
            }
            requests.push(String::from_utf8(request).unwrap());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (url::Url::parse(&url).unwrap(), server)
}

/// Puts a body into an answer as Apache in front of a hub does.
fn apache(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 10:32:45 GMT\r\nServer: Apache/2.4 (Unix) OpenSSL/3.0\r\n\
         Content-Length: {length}\r\nKoji-Version: 1.35.3\r\nKeep-Alive: timeout=15\r\nConnection: Keep-Alive\r\n\
         Content-Type: text/xml\r\n\r\n{body}"
    )
}

fn fixture(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn a_recorded_session_is_replayed() {
    let answers = ["login.xml", "createTag.xml", "exists.xml", "multiCall.xml"].map(|name| apache(&fixture(name)));
    let (url, server) = replay(answers.to_vec()).await;
    let login = Login::Password { user: "mbs".to_owned(), password: "mbspw".to_owned() };
    let config = ClientConfig { pause: Duration::from_millis(4), ..ClientConfig::new(url, login) };
    let client = Client::new(config).unwrap();
    let create = Call::new("createTag", [Value::from("module-testmodule-master-1-c2c572ec")]);
    assert_eq!(client.write(&create).await.unwrap(), Value::Int(11));
    let error = client.write(&create).await.unwrap_err();
    assert_eq!((error.kind(), error.fault().unwrap().code), (KojiErrorKind::Refused, fault::GENERIC));
    let answers = client.write_many(&[create.clone(), create.clone()]).await.unwrap();
    assert_eq!(answers[0], Ok(Value::Nil));
    assert_eq!(answers[1].as_ref().unwrap_err().message, "No such entry in table groups: nogroup");
    let requests = server.await.unwrap();
    assert!(!requests[0].to_lowercase().contains("koji-session"), "the login has no session");
    for (number, request) in requests[1..].iter().enumerate() {
        let request = request.to_lowercase();
        for header in [
            "koji-session-id: 85".to_owned(),
            "koji-session-key: 2-b5bybllplwfqjgw21kx".to_owned(),
            format!("koji-session-callnum: {number}"),
            format!("koji-callnum: {number}"),
            "content-type: text/xml".to_owned(),
        ] {
            assert!(request.contains(&format!("\r\n{header}\r\n")), "{header} in {request}");
        }
        assert!(request.contains("content-length: ") && !request.contains("transfer-encoding"), "{request}");
    }
}

#[tokio::test]
async fn recorded_answers_have_the_shapes_that_are_expected() {
    let names = ["getTag.xml", "getTaskInfo.xml", "getBuild.xml", "getRepo.xml", "nothing.xml"];
    let (url, server) = replay(names.map(|name| apache(&fixture(name))).to_vec()).await;
    let client = Client::new(ClientConfig::new(url, Login::Anonymous)).unwrap();
    let ask = async |method: &str| client.read(&Call::new(method, [])).await.unwrap();
    let tag = Tag::from_value(ask("getTag").await).unwrap().unwrap();
    assert_eq!(tag.arches, ["aarch64", "x86_64"]);
    assert_eq!((tag.id, tag.permission.as_deref(), tag.locked), (12, Some("modularity"), false));
    assert_eq!(tag.extra["repo_include_all"], Value::Bool(true));
    assert!(tag.rest.contains_key("maven_support"), "what is not named is kept");
    let task = Task::from_value(ask("getTaskInfo").await).unwrap();
    assert_eq!((task.id, task.state, task.method.as_str()), (74, TaskState::Free, "newRepo"));
    assert_eq!(task.created, Some(1_795_343_567.759_722));
    let build = Build::from_value(ask("getBuild").await).unwrap();
    assert_eq!(build.nvr, "module-build-macros-0.1-1.module_f99+43565+c2c572ec");
    assert_eq!((build.state, build.task), (BuildState::Complete, Some(73)));
    let repository = Repository::from_value(ask("getRepo").await).unwrap().unwrap();
    assert_eq!((repository.id, repository.state, repository.event), (11, Repository::READY, 212));
    assert_eq!(Tag::from_value(ask("getTag").await).unwrap(), None);
    server.await.unwrap();
}

#[test]
fn a_recorded_call_is_written_as_it_was_read() {
    for name in ["call-login.xml", "call-build.xml", "call-setInheritanceData.xml"] {
        let call = decode_call(fixture(name).as_bytes()).unwrap();
        let again = decode_call(encode_call(&call).unwrap().as_bytes()).unwrap();
        assert_eq!(again, call, "{name}");
    }
    let login = decode_call(fixture("call-login.xml").as_bytes()).unwrap();
    assert_eq!(login, Call::new("login", [Value::from("mbs"), Value::from("mbspw")]).with("opts", Value::Nil));
}
