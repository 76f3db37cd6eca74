//! Answers: JSON bodies, and the one place where an error becomes a status code.

use std::error::Error;

use rida_core::{ApplyError, BuildId, PortError, PortErrorKind, StoreError, StoreErrorKind, SubmitError};
use serde::Serialize;
use warp::http::StatusCode;
use warp::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use warp::reply::Response;

pub(crate) use rida_core::error_chain as chain;

/// How long to wait before asking again, in seconds, when nothing better is known.
const SOON: u32 = 10;
/// The same, when builds must end first.
const LATER: u32 = 60;

/// A request that is answered with an error: what went wrong, in words for who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    problems: Vec<String>,
    id: Option<BuildId>,
    advice: Option<Advice>,
}

/// What a header of the answer advises.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Advice {
    /// `Allow`: the methods that there are.
    Allow(String),
    /// `Retry-After`: the seconds to wait.
    RetryAfter(u32),
}

/// The body of every error.
#[derive(Serialize)]
struct ErrorBody<'a> {
    status: u16,
    error: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    problems: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<BuildId>,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), problems: Vec::new(), id: None, advice: None }
    }

    /// Makes a 400: the request is not a valid one.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Makes a 403: the request is understood and not allowed.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// Makes a 404: there is nothing at the URL.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// Makes a 422: the request is valid, and what it names is not.
    pub fn unprocessable(message: impl Into<String>, problems: Vec<String>) -> Self {
        Self { problems, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, message) }
    }

    /// Makes a 501: the URL is valid and nothing handles the method there.
    pub fn not_implemented(message: impl Into<String>, allow: String) -> Self {
        Self { advice: Some(Advice::Allow(allow)), ..Self::new(StatusCode::NOT_IMPLEMENTED, message) }
    }

    /// Makes a 405, which the Module Build Service has for what is 501 elsewhere.
    pub fn not_allowed(message: impl Into<String>, allow: String) -> Self {
        Self { advice: Some(Advice::Allow(allow)), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, message) }
    }

    /// Makes a 503: the same request may succeed after some seconds.
    pub fn unavailable(message: impl Into<String>, retry_after: u32) -> Self {
        let advice = Some(Advice::RetryAfter(retry_after));
        Self { advice, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// Makes a 500. What happened goes to the log, under an id that the answer names.
    pub fn unexpected(doing: &str, error: &(dyn Error + 'static)) -> Self {
        Self::unexplained(doing, &chain(error))
    }

    /// Makes a 500 of a text for the log.
    pub(crate) fn unexplained(doing: &str, what: &str) -> Self {
        let id = crate::request_id::next();
        tracing::error!(error.id = %id, error = %what.escape_debug(), "unexpected error while {doing}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("an unexpected error occurred while {doing}; the operator finds it in the log as {id}"),
        )
    }

    /// Adds the build that the error is about.
    #[must_use]
    pub fn about(mut self, id: BuildId) -> Self {
        self.id = Some(id);
        self
    }

    /// Returns the status code.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Makes the answer.
    pub fn into_response(self) -> Response {
        let body = ErrorBody {
            status: self.status.as_u16(),
            error: self.status.canonical_reason().unwrap_or("Error"),
            message: &self.message,
            problems: &self.problems,
            id: self.id,
        };
        let mut response = json(self.status, &body);
        let header = match self.advice {
            Some(Advice::Allow(methods)) => HeaderValue::try_from(methods).ok().map(|value| (ALLOW, value)),
            Some(Advice::RetryAfter(seconds)) => Some((RETRY_AFTER, HeaderValue::from(seconds))),
            None => None,
        };
        response.headers_mut().extend(header);
        response
    }
}

/// Makes an answer of a status and a JSON body, which ends in a line feed for those who read it on a terminal.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            let mut response = Response::new(bytes.into());
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        // The fields of an error body are texts and numbers, so that this cannot come back here a second time.
        Err(error) => ApiError::unexpected("writing the answer", &error).into_response(),
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            // The log has it from the worker, once and not for each request.
            StoreErrorKind::Unavailable => {
                Self::unavailable(error.outside().unwrap_or("the database cannot be reached; try again later"), SOON)
            }
            StoreErrorKind::Conflict => {
                Self::unavailable("the build is being changed by others at this moment; try again", 1)
            }
            // A taken NSVC is told by the driver, in its own way; here it is as unexpected as what cannot be read.
            _ => Self::unexpected("asking the database", &error),
        }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let message = error.to_string();
        match error {
            SubmitError::BadUrl(_) | SubmitError::Strategy(_) | SubmitError::Donor(_) | SubmitError::Streams(_) => {
                Self::bad_request(message)
            }
            SubmitError::NotAllowed(_)
            | SubmitError::NoScratch
            | SubmitError::NoModulemd
            | SubmitError::NoPackages(_) => Self::forbidden(message),
            SubmitError::Unretrievable(cause) => {
                tracing::info!(error = %chain(&cause).escape_debug(), "a modulemd cannot be retrieved");
                Self::unprocessable(message, vec![cause.message().to_owned()])
            }
            SubmitError::DefaultModules { error, .. } => {
                tracing::warn!(error = %chain(&error).escape_debug(), "default modules cannot be read");
                if error.is_retryable() {
                    Self::unavailable(message, LATER)
                } else {
                    Self::unprocessable(message, Vec::new())
                }
            }
            SubmitError::Invalid(problems) => Self::unprocessable(message, problems),
            SubmitError::Exists { id, .. } => Self::new(StatusCode::CONFLICT, message).about(id),
            SubmitError::QueueFull { retry_after, .. } => {
                let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(LATER);
                Self::unavailable(message, seconds)
            }
            SubmitError::ScmUnavailable(cause) => {
                tracing::warn!(error = %chain(&cause).escape_debug(), "git cannot be asked");
                Self::unavailable(message, LATER)
            }
            SubmitError::Store(error) => error.into(),
            other => Self::unexpected("submitting a build", &other),
        }
    }
}

impl From<ApplyError> for ApiError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::NotFound(id) => Self::no_such_build(id),
            ApplyError::Illegal(why) => Self::bad_request(why),
            ApplyError::Store(error) => error.into(),
            other => Self::unexpected("changing a build", &other),
        }
    }
}

impl From<PortError> for ApiError {
    fn from(error: PortError) -> Self {
        match error.kind() {
            PortErrorKind::Temporary | PortErrorKind::Unavailable | PortErrorKind::Pending => {
                tracing::warn!(error = %chain(&error).escape_debug(), "the build system cannot be asked");
                Self::unavailable(error.message(), SOON)
            }
            PortErrorKind::Permanent => Self::not_found(error.message()),
            _ => Self::unexpected("asking the build system", &error),
        }
    }
}

impl ApiError {
    /// Makes the 404 of a component that is not there.
    pub fn no_such_component(id: impl std::fmt::Display) -> Self {
        Self::not_found(format!("there is no component {id}; the list of components has those that there are"))
    }

    /// Makes the 404 of a build that is not there.
    pub fn no_such_build(id: impl std::fmt::Display) -> Self {
        Self::not_found(format!("there is no module build {id}; the list of builds has those that there are"))
    }
}

#[cfg(test)]
mod tests;
