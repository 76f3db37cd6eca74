//! The client of the hub: calls, with or without a session, that come to one clear end.
//!
//! Reading needs no session and is repeated freely. Writing is done in a session, numbered, so that what is sent again
//! is not done again; when that a call was done is known and its answer is lost, the caller is told so and looks.

mod config;
mod head;
mod http;
pub(crate) mod kerberos;
mod report;
mod session;
mod tls;
mod trouble;
mod upload;
mod version;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::LOCATION;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

pub(crate) use self::config::wrong_with;
pub use self::config::{ClientConfig, Login};
use self::http::{Connection, Endpoint, Outgoing, Reply};
pub use self::kerberos::{Canonical, Kerberos};
pub use self::report::{CallReport, Outcome};
use self::session::Session;
use self::trouble::{
    Patience, Tries, Trouble, alert, error_lost, is_session_gone, still_lost, tells_nothing_of_the_call, unreachable,
};
pub use self::version::Version;
use crate::error::{KojiError, KojiErrorKind, fault};
use crate::wire::User;
use crate::xmlrpc::{Answer, Call, Fault, Value, cut, decode_response, encode_call};

/// How often a call that may have been done is sent again, at once: it may have been an idle connection that broke.
const RESENT: u32 = 1;
/// How often a call logs in anew.
const LOGINS: u32 = 2;
/// The longest request that the hub takes.
const LONGEST_REQUEST: usize = 4 * 1024 * 1024;

/// What is called with each call that ended.
type Hook = Box<dyn Fn(&CallReport<'_>) + Send + Sync>;

/// A client of a hub. Clones share its connections and sessions. It is used within a tokio runtime.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    calls: Endpoint,
    logins: Endpoint,
    readers: Semaphore,
    idle_readers: Mutex<Vec<Connection>>,
    writers: Semaphore,
    idle_sessions: Mutex<Vec<Session>>,
    user: OnceCell<User>,
    version: Mutex<Option<Version>>,
    /// Who logged in last by Kerberos.
    principal: Mutex<Option<String>>,
    hook: Hook,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Settings`](KojiErrorKind::Settings) when what the settings name cannot be used.
    pub fn new(config: ClientConfig) -> Result<Self, KojiError> {
        Self::with_hook(config, |_| {})
    }

    /// Makes a client that tells of each call how it ended, for metrics.
    ///
    /// # Errors
    /// [`Settings`](KojiErrorKind::Settings) when what the settings name cannot be used.
    pub fn with_hook(
        config: ClientConfig,
        hook: impl Fn(&CallReport<'_>) + Send + Sync + 'static,
    ) -> Result<Self, KojiError> {
        if let Login::Kerberos(kerberos) = &config.login {
            kerberos.check()?;
        }
        let inner = Inner {
            calls: Endpoint::calls(&config)?,
            logins: Endpoint::logins(&config)?,
            readers: Semaphore::new(config.readers.max(1)),
            idle_readers: Mutex::default(),
            writers: Semaphore::new(config.sessions.max(1)),
            idle_sessions: Mutex::default(),
            user: OnceCell::new(),
            version: Mutex::default(),
            principal: Mutex::default(),
            hook: Box::new(hook),
            config,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns how the hub is reached.
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// Returns the Kerberos principal that the last login was tried as.
    pub fn principal(&self) -> Option<String> {
        lock(&self.inner.principal).clone()
    }

    /// Makes a call that changes nothing, without a session.
    ///
    /// # Errors
    /// When it has no answer, or the answer is a fault.
    pub async fn read(&self, call: &Call) -> Result<Value, KojiError> {
        self.read_within(self.inner.config.timeout, call).await
    }

    async fn read_within(&self, limit: Duration, call: &Call) -> Result<Value, KojiError> {
        let outgoing = outgoing(call)?;
        self.inner.measured(&call.method, self.inner.read(outgoing, limit)).await
    }

    /// Makes several calls that change nothing, few at a time, and returns the answer of each.
    ///
    /// # Errors
    /// When they have no answer.
    pub async fn read_many(&self, calls: &[Call]) -> Result<Vec<Answer>, KojiError> {
        self.read_many_within(self.inner.config.timeout, calls).await
    }

    /// Does as [`read_many`](Self::read_many), and gives each request this much time, should that be less than the
    /// settings do.
    ///
    /// # Errors
    /// When they have no answer.
    pub async fn read_many_within(&self, limit: Duration, calls: &[Call]) -> Result<Vec<Answer>, KojiError> {
        let limit = limit.min(self.inner.config.timeout);
        let mut answers = Vec::with_capacity(calls.len());
        for chunk in calls.chunks(self.inner.config.batch.max(1)) {
            let answer = self.read_within(limit, &Call::several(chunk)).await?;
            answers.extend(take_apart(answer, chunk.len())?);
        }
        Ok(answers)
    }

    /// Makes a call in a session.
    ///
    /// # Errors
    /// When it has no answer, or the answer is a fault. [`Lost`](KojiErrorKind::Lost) and
    /// [`Committed`](KojiErrorKind::Committed) say that it may have been done, and was done.
    pub async fn write(&self, call: &Call) -> Result<Value, KojiError> {
        let outgoing = outgoing(call)?;
        self.inner.measured(&call.method, self.inner.write(outgoing)).await
    }

    /// Makes several calls in a session and returns the answer of each. Each is done or undone by itself.
    ///
    /// # Errors
    /// As [`write`](Self::write); then any of them may have been done.
    pub async fn write_many(&self, calls: &[Call]) -> Result<Vec<Answer>, KojiError> {
        let mut answers = Vec::with_capacity(calls.len());
        for chunk in calls.chunks(self.inner.config.batch.max(1)) {
            let answer = self.write(&Call::several(chunk)).await?;
            answers.extend(take_apart(answer, chunk.len())?);
        }
        Ok(answers)
    }

    /// Returns who the hub takes this client for.
    ///
    /// # Errors
    /// When it cannot log in.
    pub async fn user(&self) -> Result<&User, KojiError> {
        let ask = async {
            let answer = self.write(&Call::new("getLoggedInUser", [])).await?;
            User::from_value(answer).map_err(unreadable)
        };
        self.inner.user.get_or_try_init(|| ask).await
    }

    /// Returns the hub's version. Hubs that do not tell theirs are older than 1.23, and taken for 1.22.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn version(&self) -> Result<Version, KojiError> {
        if let Some(version) = *lock(&self.inner.version) {
            return Ok(version);
        }
        let told = match self.read(&Call::new("getKojiVersion", [])).await {
            Ok(answer) => answer.text("getKojiVersion").ok().and_then(Version::parse),
            Err(error) if error.kind() == KojiErrorKind::Refused => None,
            Err(error) => return Err(error),
        };
        let version = told.unwrap_or(Version(1, 22));
        *lock(&self.inner.version) = Some(version);
        Ok(version)
    }

    /// Ends the sessions that are not in use. The hub would keep them for a day.
    pub async fn close(&self) {
        let sessions = std::mem::take(&mut *lock(&self.inner.idle_sessions));
        let Ok(logout) = outgoing(&Call::new("logout", [])) else { return };
        for mut session in sessions {
            let id = session.id();
            if self.inner.in_session(&mut session, &logout).await.is_err() {
                tracing::debug!(session.id = id, "a session of Koji's hub was not ended; it expires by itself");
            }
        }
    }
}

impl Inner {
    /// Makes a call, in a span of its own, and tells how it ended.
    async fn measured<T>(
        &self,
        method: &str,
        call: impl Future<Output = Result<T, KojiError>>,
    ) -> Result<T, KojiError> {
        let span = tracing::debug_span!("koji.call", koji.method = method);
        let started = Instant::now();
        let answer = call.instrument(span).await;
        let outcome = answer.as_ref().map_or_else(|error| Outcome::Failed(error.kind()), |_| Outcome::Done);
        (self.hook)(&CallReport { method, outcome, took: started.elapsed() });
        answer
    }

    async fn read(&self, outgoing: Outgoing, limit: Duration) -> Result<Value, KojiError> {
        let _permit = permit(&self.readers).await?;
        let mut patience = Patience::new(&self.config);
        let mut tries = Tries::new(limit);
        loop {
            tries.begin();
            match self.read_once(&outgoing, tries.until()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(fault)) if fault.code == fault::OFFLINE && patience.wait().await => tries.forget(),
                Ok(Err(fault)) => return Err(KojiError::of_fault(fault)),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::NotSent(error) | Trouble::Lost(error)) if tries.are_over() => {
                    return Err(unreachable(error));
                }
                Err(_) => self.pause(tries.made).await,
            }
        }
    }

    async fn read_once(&self, outgoing: &Outgoing, until: Instant) -> Result<Answer, Trouble> {
        let idle = lock(&self.idle_readers).pop();
        let mut connection = self.connection(idle, until).await?;
        let left = until.saturating_duration_since(Instant::now());
        let reply = connection.send(&self.calls, outgoing, left).await?;
        let answer = self.classify(&reply)?;
        if connection.is_usable() {
            lock(&self.idle_readers).push(connection);
        }
        Ok(answer)
    }

    /// Takes a connection that was used before, or makes one.
    async fn connection(&self, known: Option<Connection>, until: Instant) -> Result<Connection, Trouble> {
        if let Some(connection) = known.filter(Connection::is_usable) {
            return Ok(connection);
        }
        let too_long = || KojiError::new(KojiErrorKind::Unreachable, "connecting takes too long");
        let made = timeout_at(until, self.calls.connect()).await;
        made.unwrap_or_else(|_| Err(Trouble::NotSent(too_long())))
    }

    async fn write(&self, outgoing: Outgoing) -> Result<Value, KojiError> {
        let _permit = permit(&self.writers).await?;
        let mut logins = 0;
        loop {
            let idle = lock(&self.idle_sessions).pop();
            let mut session = match idle {
                Some(session) => session,
                None => {
                    logins += 1;
                    self.log_in().await?
                }
            };
            match self.in_session(&mut session, &outgoing).await {
                // The session is gone, and the call was not done.
                Err(error) if is_session_gone(&error) && logins < LOGINS => {
                    tracing::debug!(session.id = session.id(), error = %error, "the session is gone; logging in again");
                }
                Err(error) if is_session_gone(&error) => return Err(error),
                // What was done is not known, or the numbers are out of step: the session is not used again.
                Err(error) if error.fault().is_none() && error.kind() != KojiErrorKind::Unreachable => {
                    return Err(error);
                }
                Err(error) if error.kind() == KojiErrorKind::Lost => return Err(error),
                answer => {
                    lock(&self.idle_sessions).push(session);
                    return answer;
                }
            }
        }
    }

    /// Makes a call in a session. The number of the call stays the same however often it is sent. All tries have the time
    /// of one call: who has waited that long looks what became of it.
    async fn in_session(&self, session: &mut Session, outgoing: &Outgoing) -> Result<Value, KojiError> {
        let mut patience = Patience::new(&self.config);
        let mut numbered = outgoing.clone();
        let query = session.query();
        if !query.is_empty() {
            numbered.query = format!("{}{}{query}", outgoing.query, if outgoing.query.is_empty() { '?' } else { '&' });
        }
        numbered.headers.extend(session.headers()?);
        let (mut tries, mut lost) = (Tries::new(self.config.timeout), 0);
        loop {
            match self.in_session_once(session, &numbered, tries.until()).await {
                Ok(Err(fault)) if fault.code == fault::OFFLINE => {
                    if !patience.wait().await {
                        let error = KojiError::of_fault(fault);
                        return Err(if lost == 0 { error } else { still_lost(error) });
                    }
                    tries.forget();
                }
                Ok(Err(fault)) if lost > 0 && tells_nothing_of_the_call(&fault) => {
                    return Err(still_lost(KojiError::of_fault(fault)));
                }
                Ok(answer) => {
                    session.answered();
                    return answer.map_err(KojiError::of_fault);
                }
                Err(Trouble::Final(error)) => return Err(if lost == 0 { error } else { still_lost(error) }),
                Err(Trouble::NotSent(error)) => {
                    session.connection = None;
                    tries.begin();
                    if tries.are_over() {
                        return Err(if lost == 0 { unreachable(error) } else { error_lost(error) });
                    }
                    self.pause(tries.made).await;
                }
                Err(Trouble::Lost(error)) => {
                    session.connection = None;
                    if lost == RESENT || tries.are_over() {
                        return Err(error_lost(error));
                    }
                    lost += 1;
                }
            }
        }
    }

    async fn in_session_once(
        &self,
        session: &mut Session,
        outgoing: &Outgoing,
        until: Instant,
    ) -> Result<Answer, Trouble> {
        let mut connection = self.connection(session.connection.take(), until).await?;
        let left = until.saturating_duration_since(Instant::now());
        let reply = connection.send(&self.calls, outgoing, left).await?;
        let answer = self.classify(&reply)?;
        session.connection = Some(connection);
        Ok(answer)
    }

    /// Logs in. A login whose answer is lost leaves a session that expires unused.
    async fn log_in(&self) -> Result<Session, KojiError> {
        // Calls go on where a password was shown; certificates and tickets are shown elsewhere.
        let (endpoint, stays, call) = match &self.config.login {
            Login::Anonymous => {
                return Err(KojiError::new(KojiErrorKind::Login, "no way to log in is configured"));
            }
            Login::Password { user, password } => {
                let arguments = [Value::from(user.as_str()), Value::from(password.as_str())];
                (&self.calls, true, Call::new("login", arguments).with("opts", Value::Nil))
            }
            Login::Certificate { .. } | Login::Kerberos(_) => {
                (&self.logins, false, Call::new("sslLogin", []).with("proxyuser", Value::Nil))
            }
        };
        self.measured(&call.method, self.log_in_at(endpoint, stays, outgoing(&call)?)).await
    }

    async fn log_in_at(&self, endpoint: &Endpoint, stays: bool, outgoing: Outgoing) -> Result<Session, KojiError> {
        let mut patience = Patience::new(&self.config);
        let mut tries = Tries::new(self.config.login_timeout);
        loop {
            tries.begin();
            match self.log_in_once(endpoint, &outgoing).await {
                Ok((Ok(answer), connection)) => {
                    let mut session = Session::from_login(answer)?;
                    session.connection = stays.then_some(connection);
                    tracing::debug!(session.id = session.id(), "logged in to Koji's hub");
                    return Ok(session);
                }
                Ok((Err(fault), _)) if fault.code == fault::OFFLINE && patience.wait().await => tries.forget(),
                Ok((Err(fault), _)) if fault.code == fault::OFFLINE => return Err(KojiError::of_fault(fault)),
                Ok((Err(fault), _)) => {
                    return Err(KojiError::new(KojiErrorKind::Login, fault.message.clone()).because(fault));
                }
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::NotSent(error) | Trouble::Lost(error)) if alert(&error).is_some() => {
                    let message = format!("its server refuses what is shown ({})", alert(&error).unwrap_or_default());
                    return Err(KojiError::new(KojiErrorKind::Login, message).because(error));
                }
                Err(Trouble::NotSent(error) | Trouble::Lost(error)) if tries.are_over() => {
                    return Err(unreachable(error));
                }
                Err(_) => self.pause(tries.made).await,
            }
        }
    }

    async fn log_in_once(&self, endpoint: &Endpoint, outgoing: &Outgoing) -> Result<(Answer, Connection), Trouble> {
        if let Login::Kerberos(kerberos) = &self.config.login {
            return self.log_in_by_ticket(kerberos, outgoing).await;
        }
        let mut connection = endpoint.connect().await?;
        let reply = connection.send(endpoint, outgoing, self.config.login_timeout).await?;
        Ok((self.classify(&reply)?, connection))
    }

    /// Reads a reply: an answer, or why there is none.
    fn classify(&self, reply: &Reply) -> Result<Answer, Trouble> {
        if let Some(version) = reply.headers.get("koji-version").and_then(|value| value.to_str().ok()) {
            *lock(&self.version) = Version::parse(version);
        }
        let status = reply.status;
        if status == StatusCode::OK {
            return decode_response(&reply.body).map_err(|error| {
                let error = if is_hubs(&reply.body) {
                    KojiError::new(KojiErrorKind::Invalid, format!("Koji's answer cannot be read: {error}"))
                } else {
                    KojiError::new(KojiErrorKind::NotTheHub, format!("what came is no answer of a hub: {error}"))
                };
                Trouble::Final(error)
            });
        }
        let told = match reply.headers.get(LOCATION).and_then(|value| value.to_str().ok()) {
            // It is not followed: what is sent may be a password, and what is written down can be mended.
            // Hubs before 1.31 have the session's secret in the address, which comes back in the other one.
            Some(to) if status.is_redirection() => {
                let to = to.split(['?', '#']).next().unwrap_or_default();
                format!("its server answered {status}, to {}", cut(to, 200))
            }
            _ => format!("its server answered {status}"),
        };
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Trouble::Final(KojiError::new(KojiErrorKind::Login, told))
            }
            StatusCode::REQUEST_TIMEOUT => Trouble::Lost(KojiError::new(KojiErrorKind::Lost, told)),
            status if status.is_server_error() => Trouble::Lost(KojiError::new(KojiErrorKind::Lost, told)),
            // Of requests, the hub's own server refuses those that are no call, or too long.
            StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::LENGTH_REQUIRED
            | StatusCode::PAYLOAD_TOO_LARGE => {
                let told = format!("Koji takes no such request: {told}");
                Trouble::Final(KojiError::new(KojiErrorKind::Invalid, told))
            }
            _ => Trouble::Final(KojiError::new(KojiErrorKind::NotTheHub, told)),
        })
    }

    /// Waits before another try: not at all before the first, then longer each time.
    async fn pause(&self, tries: u32) {
        let pause = self.config.pause;
        match tries {
            0 => {}
            1 => sleep(pause / 4).await,
            more => sleep(pause.saturating_mul(more)).await,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn permit(semaphore: &Semaphore) -> Result<SemaphorePermit<'_>, KojiError> {
    // It is never closed.
    semaphore
        .acquire()
        .await
        .map_err(|error| KojiError::new(KojiErrorKind::Invalid, "the client is closed").because(error))
}

/// Tells whether a body begins as the hub's answers do, whatever it is then.
fn is_hubs(body: &[u8]) -> bool {
    const BEGIN: &[u8] = b"<methodResponse";
    body.get(..1024).unwrap_or(body).windows(BEGIN.len()).any(|part| part == BEGIN)
}

fn outgoing(call: &Call) -> Result<Outgoing, KojiError> {
    let invalid = |message: String| KojiError::new(KojiErrorKind::Invalid, message);
    let text = encode_call(call).map_err(|error| invalid(format!("{} cannot be called: {error}", call.method)))?;
    if text.len() > LONGEST_REQUEST {
        return Err(invalid(format!("the call of {} is longer than Koji takes", call.method)));
    }
    Ok(Outgoing { query: String::new(), content_type: "text/xml", headers: Vec::new(), body: Bytes::from(text) })
}

/// Takes the answers to several calls apart.
fn take_apart(answer: Value, expected: usize) -> Result<Vec<Answer>, KojiError> {
    let answers = answer.array("multiCall").map_err(unreadable)?;
    if answers.len() != expected {
        let message = format!("Koji answered {} of {expected} calls", answers.len());
        return Err(KojiError::new(KojiErrorKind::Invalid, message));
    }
    let each = answers.into_iter().map(|answer| match answer {
        Value::Array(mut result) if result.len() == 1 => Ok(Ok(result.pop().unwrap_or(Value::Nil))),
        other => match Fault::from_value(&other) {
            Some(fault) => Ok(Err(fault)),
            None => Err(unreadable(other.shape("multiCall", "a result or a fault"))),
        },
    });
    each.collect()
}

pub(crate) fn unreadable(error: crate::xmlrpc::Shape) -> KojiError {
    KojiError::new(KojiErrorKind::Invalid, format!("Koji's answer cannot be read: {error}"))
}
