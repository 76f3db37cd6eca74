//! Showing tickets to the hub's server (RFC 4559).

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};

use super::super::http::{Connection, Outgoing};
use super::super::{Inner, Trouble, lock};
use super::Kerberos;
use super::talk::{Next, Talk};
use crate::error::{KojiError, KojiErrorKind};
use crate::xmlrpc::Answer;

/// How often the two sides show each other something. Kerberos needs one round.
const ROUNDS: usize = 4;

impl Inner {
    /// Logs in with a ticket. The hub shows who it is in turn, or what it says is not believed.
    pub(in super::super) async fn log_in_by_ticket(
        &self,
        kerberos: &Kerberos,
        outgoing: &Outgoing,
    ) -> Result<(Answer, Connection), Trouble> {
        let limit = self.config.login_timeout;
        // What fails here fails of settings, or of a KDC that the library has asked several times.
        let begun = Talk::begin(kerberos, self.logins.host(), limit).await;
        let (mut talk, mut token) = begun.map_err(Trouble::Final)?;
        *lock(&self.principal) = Some(talk.principal().to_owned());
        let mut connection = self.logins.connect().await?;
        for _ in 0..ROUNDS {
            if !connection.is_usable() {
                connection = self.logins.connect().await?;
            }
            let mut shown = outgoing.clone();
            shown.headers.push(authorization(&token).map_err(Trouble::Final)?);
            let reply = connection.send(&self.logins, &shown, limit).await?;
            match (reply.status, answer(&reply.headers)) {
                (StatusCode::OK, Some(answer)) => match talk.answer(answer).await.map_err(Trouble::Final)? {
                    Next::Nothing => return Ok((self.classify(&reply)?, connection)),
                    Next::Token(_) => break,
                },
                // What is not there for anybody needs no proof; a session does.
                (StatusCode::OK, None) => match self.classify(&reply)? {
                    Err(fault) => return Ok((Err(fault), connection)),
                    Ok(_) => break,
                },
                (StatusCode::UNAUTHORIZED, Some(answer)) => match talk.answer(answer).await.map_err(Trouble::Final)? {
                    Next::Token(next) => token = next,
                    Next::Nothing => return Err(Trouble::Final(talk.rejected(""))),
                },
                (StatusCode::UNAUTHORIZED, None) => {
                    let told = "it answered 401 Unauthorized and says no more; its log may";
                    return Err(Trouble::Final(talk.rejected(told)));
                }
                (StatusCode::FORBIDDEN, _) => {
                    return Err(Trouble::Final(talk.rejected("it answered 403 Forbidden")));
                }
                _ => return Ok((self.classify(&reply)?, connection)),
            }
        }
        let message = "the hub's server does not show by Kerberos that it is the hub";
        Err(Trouble::Final(KojiError::new(KojiErrorKind::Login, message)))
    }
}

fn authorization(token: &str) -> Result<(HeaderName, HeaderValue), KojiError> {
    let mut value = HeaderValue::try_from(format!("Negotiate {token}"))
        .map_err(|error| KojiError::new(KojiErrorKind::Invalid, "a ticket cannot be sent").because(error))?;
    value.set_sensitive(true);
    Ok((AUTHORIZATION, value))
}

/// Returns what the other side shows, when it shows something.
fn answer(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| {
        let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("negotiate") && !token.is_empty()).then_some(token)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_other_side_shows_is_found() {
        let mut headers = HeaderMap::new();
        assert_eq!(answer(&headers), None);
        for value in ["Basic realm=\"x\"", "Negotiate", "Negotiate ", "negotiate  YII= ", "Negotiate later"] {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        assert_eq!(answer(&headers), Some("YII="));
    }
}
