//! The server in front of the hub.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use openssl::nid::Nid;
use openssl::ssl::{Ssl, SslAcceptor};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_openssl::SslStream;

use super::State;
use super::answer::fault;
use super::auth::Claim;
use super::tickets::{Seen, show};
use super::trouble::{Trouble, When};
use super::world::World;
use crate::error::fault;
use crate::xmlrpc::{Answer, Call, Value, decode_call, encode_fault, encode_response};

/// How long requests may be.
const LONGEST: usize = 64 * 1024 * 1024;
/// How long calls may be.
const LONGEST_CALL: usize = 4 * 1024 * 1024;

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, acceptor: Option<SslAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let (state, acceptor) = (Arc::clone(&state), acceptor.clone());
        connections.spawn(async move {
            let Some(acceptor) = acceptor else { return speak(stream, None, state).await };
            let Ok(stream) = Ssl::new(acceptor.context()).and_then(|ssl| SslStream::new(ssl, stream)) else { return };
            let mut stream = Box::pin(stream);
            if stream.as_mut().accept().await.is_err() {
                return;
            }
            let certificate = stream.ssl().peer_certificate();
            let name = certificate.and_then(|certificate| {
                let entry = certificate.subject_name().entries_by_nid(Nid::COMMONNAME).next()?;
                entry.data().to_string().ok()
            });
            speak(stream, name, state).await;
        });
    }
}

async fn speak<S>(stream: S, certificate: Option<String>, state: Arc<State>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| {
        let (state, certificate) = (Arc::clone(&state), certificate.clone());
        async move { answer(request, certificate, &state).await.ok_or(Broken) }
    });
    // A connection that is broken on purpose ends with an error, which is nobody's concern.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// The connection is broken on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the connection is broken on purpose")]
struct Broken;

type Reply = Response<Full<Bytes>>;

/// Answers a request, or breaks the connection.
async fn answer(request: Request<Incoming>, certificate: Option<String>, state: &State) -> Option<Reply> {
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        return Some(plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
    }
    if !head.headers.contains_key(CONTENT_LENGTH) {
        return Some(plain(StatusCode::LENGTH_REQUIRED, "Length Required"));
    }
    let body = Limited::new(body, LONGEST).collect().await.ok()?.to_bytes();
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let is_upload = query.iter().any(|(name, _)| name == "filename");
    if !is_upload && (body.is_empty() || body.len() > LONGEST_CALL) {
        return Some(plain(StatusCode::BAD_REQUEST, "Request too long"));
    }
    let call = if is_upload {
        None
    } else {
        match decode_call(&body) {
            Ok(call) => Some(call),
            Err(error) => return Some(plain(StatusCode::BAD_REQUEST, &error.to_string())),
        }
    };
    let is_login = head.uri.path().ends_with("/ssllogin");
    let (principal, shown) = if is_login && certificate.is_none() {
        match state.look_at_ticket(&head.headers).await {
            Seen::Principal(principal, answer) => (principal, answer),
            Seen::Asked(answer) => {
                let mut reply = plain(StatusCode::UNAUTHORIZED, "Unauthorized");
                show(reply.headers_mut(), answer);
                return Some(reply);
            }
        }
    } else {
        (None, None)
    };
    let method = call.as_ref().map_or("upload", |call| call.method.as_str()).to_owned();
    let among = call.as_ref().map(methods).unwrap_or_default();
    let trouble = take_trouble(&mut state.world(), &method, &among);
    match &trouble {
        Some(Trouble::BreakBefore) => return None,
        Some(Trouble::Status(code)) => return Some(status(*code)),
        Some(Trouble::Slow(time)) => tokio::time::sleep(*time).await,
        Some(Trouble::Stop) => {
            state.stopped.notify_one();
            std::future::pending::<Infallible>().await;
        }
        _ => {}
    }
    let (result, version) = {
        let mut world = state.world();
        world.tick();
        // As with the hub's own server, a certificate is asked for at one place only.
        let certificate = certificate.filter(|_| is_login);
        let claim = claim(&head.headers, &query, &world).map(|claim| Claim { certificate, principal, ..claim });
        let result = match (&trouble, claim, call) {
            (Some(Trouble::Fault(fault)), _, _) => Err(fault.clone()),
            (_, Err(fault), _) => Err(fault),
            (_, Ok(claim), Some(call)) => world.handle(&claim, call),
            (_, Ok(claim), None) => world.upload(&claim, &query, body),
        };
        (result, world.dialect.version.clone())
    };
    match trouble {
        Some(Trouble::BreakAfter) => None,
        Some(Trouble::StatusAfter(code)) => Some(status(code)),
        Some(Trouble::StopAfter) => {
            state.stopped.notify_one();
            std::future::pending::<Infallible>().await;
            None
        }
        _ => {
            let mut reply = written(&result, &version);
            if let Some(answer) = shown {
                show(reply.headers_mut(), answer);
            }
            Some(reply)
        }
    }
}

/// Returns the methods of several calls in one.
fn methods(call: &Call) -> Vec<String> {
    let calls = match call.parameters().into_iter().next() {
        Some(Value::Array(calls)) if call.method == "multiCall" => calls,
        _ => return Vec::new(),
    };
    let named = calls.into_iter().filter_map(|call| match call {
        Value::Struct(mut members) => members.remove("methodName"),
        _ => None,
    });
    named.filter_map(|name| name.text("methodName").ok().map(str::to_owned)).collect()
}

fn take_trouble(world: &mut World, method: &str, among: &[String]) -> Option<Trouble> {
    let number = world.call_number;
    world.call_number += 1;
    let fits = |when: &When| match when {
        When::Method(name) => name == method,
        When::Number(wanted) => *wanted == number,
        When::Having(name) => among.contains(name),
        // Of one call, where that is done.
        When::Among(..) => false,
        When::Always => true,
    };
    let index = world.troubles.iter().position(|(when, _)| fits(when))?;
    world.troubled.push(if among.is_empty() { method.to_owned() } else { format!("{method}({})", among.join(" ")) });
    if matches!(world.troubles.get(index), Some((When::Always, _))) {
        return world.troubles.get(index).map(|(_, trouble)| trouble.clone());
    }
    world.troubles.remove(index).map(|(_, trouble)| trouble)
}

/// Reads who makes a call: from headers, or from the address where the hub takes that.
fn claim(headers: &HeaderMap, query: &[(String, String)], world: &World) -> Result<Claim, crate::xmlrpc::Fault> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let asked = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let (id, key, callnum) = if headers.contains_key("koji-session-id") {
        let callnum = world.dialect.callnum_headers.iter().find_map(|name| header(name));
        (header("koji-session-id"), header("koji-session-key"), callnum)
    } else {
        (asked("session-id"), asked("session-key"), asked("callnum"))
    };
    let number = |text: String| {
        let wrong = format!("<class 'ValueError'>: invalid literal for int() with base 10: '{text}'");
        text.parse::<i64>().map_err(|_| fault(fault::PYTHON, wrong))
    };
    let missing = || fault(fault::PYTHON, "<class 'KeyError'>: 'HTTP_KOJI_SESSION_KEY'");
    let session = match id {
        Some(id) => Some((number(id)?, key.ok_or_else(missing)?)),
        None => None,
    };
    Ok(Claim { session, callnum: callnum.map(number).transpose()?, ..Claim::default() })
}

fn written(answer: &Answer, version: &str) -> Reply {
    let text = match answer {
        Ok(value) => encode_response(value),
        Err(fault) => encode_fault(fault),
    };
    // What the double makes can be written.
    let text = text.unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/xml"));
    if let Ok(version) = version.parse() {
        headers.insert("koji-version", version);
    }
    response
}

fn status(code: u16) -> Reply {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    plain(status, "<html><body>something in between</body></html>")
}

fn plain(status: StatusCode, text: &str) -> Reply {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = status;
    response
}

impl From<Broken> for std::io::Error {
    fn from(broken: Broken) -> Self {
        Self::other(broken)
    }
}

/// Keeps the answer to several calls apart from that to one.
pub(super) fn several(answers: Vec<Answer>) -> Value {
    let each = answers.into_iter().map(|answer| match answer {
        Ok(value) => Value::Array(vec![value]),
        Err(fault) => Value::from([
            ("faultCode", Value::Int(fault.code)),
            ("faultString", Value::from(fault.message)),
            ("traceback", Value::Array(vec![Value::from("Traceback (most recent call last):")])),
        ]),
    });
    Value::Array(each.collect())
}
