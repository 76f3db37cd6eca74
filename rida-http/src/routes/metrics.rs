//! `GET /metrics`: what the service counts, for Prometheus.

use std::sync::Arc;

use warp::http::{HeaderValue, header};
use warp::reply::Response;

use super::{Api, Asked};
use crate::api::Parameters;
use crate::reply::ApiError;

/// The form that the registry writes: OpenMetrics, which Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Tells what was counted. It answers while the database is away, and says that it is.
pub(super) async fn read(api: Arc<Api>, asked: Asked) -> Result<Response, ApiError> {
    Parameters::read(&asked.query, &[])?;
    let text =
        api.metrics.text(&api.driver).await.map_err(|error| ApiError::unexpected("writing the metrics", &error))?;
    let mut response = Response::new(text.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    Ok(response)
}
