//! `PATCH /rida/module-builds/{id}`: cancels a build, or marks it ready.

use std::sync::Arc;

use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::body::Body;
use super::build::{as_service, load};
use super::{Api, Asked, same_origin};
use crate::api::{ChangeBody, Item, Parameters, StateChange};
use crate::dialect::Dialect;
use crate::reply::{ApiError, json};

pub(super) async fn change(api: Arc<Api>, asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    api.status.check().await?;
    same_origin(&headers)?;
    let id = asked.build()?;
    Parameters::read(&asked.query, &[])?;
    let ChangeBody { change, owner } = ChangeBody::read(&body?.bytes)?;
    let by = owner.unwrap_or_else(|| api.settings.nobody.clone());
    let changed = match change {
        StateChange::Cancel => api.driver.cancel(id, by.clone()).await,
        StateChange::MarkReady => api.driver.mark_ready(id, by.clone()).await,
    };
    let state = changed?;
    api.pulse.beat();
    tracing::info!(build.id = id.get(), by = %by.as_str().escape_debug(), %state, "a build was changed on request");
    // The change is made whether or not the build can be read again.
    let build = load(&api, id).await;
    if let Dialect::Service(version) = asked.dialect {
        return Ok(json(StatusCode::OK, &as_service(&api, id, build.as_ref().ok(), version).await));
    }
    match build {
        Ok(build) => Ok(json(StatusCode::OK, &Item::from(&build))),
        Err(_) => Ok(json(StatusCode::OK, &serde_json::json!({"id": id, "state": state}))),
    }
}
