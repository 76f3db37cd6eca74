//! Who looks at the tickets of Kerberos, as the server before a hub does.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};

use super::{PoisonError, State};

/// Who looks at the tickets of Kerberos.
#[derive(Clone, Default)]
pub enum Front {
    /// Nobody: they are not asked for.
    #[default]
    Nobody,
    /// The double's own server, by what this says of each.
    Judge(Judge),
    /// A server before it, which says whose they are in this header.
    Header(&'static str),
}

/// Says of a ticket whose it is.
pub type Judge = Arc<dyn Fn(&[u8]) -> Judged + Send + Sync>;

/// What is said of a ticket.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Whose it is; absent means that it is not taken, or not yet.
    pub principal: Option<String>,
    /// What the client is shown in turn.
    pub token: Option<Vec<u8>>,
}

/// What became of the ticket that a request shows.
pub(super) enum Seen {
    /// It is this one's, and the client is to be shown that.
    Principal(Option<String>, Option<HeaderValue>),
    /// It, or another, is asked for.
    Asked(HeaderValue),
}

impl State {
    /// Looks at the ticket of a login.
    pub(super) async fn look_at_ticket(&self, headers: &HeaderMap) -> Seen {
        let front = self.front.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let judge = match front {
            Front::Nobody => return Seen::Principal(None, None),
            Front::Header(name) => return Seen::Principal(header(name), None),
            Front::Judge(judge) => judge,
        };
        let shown = header(AUTHORIZATION.as_str());
        let token = shown.as_ref().and_then(|shown| STANDARD.decode(shown.strip_prefix("Negotiate ")?).ok());
        let Some(token) = token else { return Seen::Asked(HeaderValue::from_static("Negotiate")) };
        // A judge may ask another process.
        let judged = tokio::task::spawn_blocking(move || judge(&token)).await.unwrap_or_default();
        let answer = judged.token.and_then(|token| format!("Negotiate {}", STANDARD.encode(token)).parse().ok());
        match (judged.principal, answer) {
            (None, None) => Seen::Asked(HeaderValue::from_static("Negotiate")),
            (None, Some(answer)) => Seen::Asked(answer),
            (principal, answer) => Seen::Principal(principal, answer),
        }
    }
}

/// Shows the client something in turn.
pub(super) fn show(headers: &mut HeaderMap, answer: HeaderValue) {
    headers.insert(WWW_AUTHENTICATE, answer);
}
