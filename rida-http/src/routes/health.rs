//! `/healthz` and `/readyz`: for those who start, watch and balance the service.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;

use super::{Api, Asked};
use crate::api::Parameters;
use crate::reply::ApiError;

/// How long the store may take to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells that the process lives and can answer; it asks nobody else.
pub(super) async fn health(asked: Asked) -> Result<Response, ApiError> {
    Parameters::read(&asked.query, &[])?;
    let body = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")});
    Ok(crate::reply::json(StatusCode::OK, &body))
}

/// Tells whether the service takes work: it neither shuts down nor is in maintenance, and its database answers.
///
/// A queue that is full passes by itself and concerns submissions alone, so it is no reason to send no requests here.
pub(super) async fn readiness(api: Arc<Api>, asked: Asked) -> Result<Response, ApiError> {
    Parameters::read(&asked.query, &[])?;
    api.status.check().await?;
    match tokio::time::timeout(PATIENCE, api.driver.parts().store.ping()).await {
        Ok(answer) => answer?,
        Err(_) => return Err(ApiError::unavailable("the database does not answer; try again later", 10)),
    }
    Ok(crate::reply::json(StatusCode::OK, &json!({"status": "ready"})))
}
