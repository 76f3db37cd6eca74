//! `GET /module-build-service/{version}/about/`: what the interface is.

use warp::http::StatusCode;
use warp::reply::Response;

use super::Asked;
use crate::api::Parameters;
use crate::dialect::ServiceVersion;
use crate::reply::{ApiError, json};

pub(super) async fn introduce(asked: Asked) -> Result<Response, ApiError> {
    Parameters::read(&asked.query, &[])?;
    let about = serde_json::json!({
        "api_version": ServiceVersion::NEWEST,
        // There are no users: clients that log in do so by themselves when they are asked to, which they are not.
        "auth_method": "none",
        "version": env!("CARGO_PKG_VERSION"),
    });
    Ok(json(StatusCode::OK, &about))
}
