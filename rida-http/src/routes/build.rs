//! `GET /rida/module-builds/{id}`: one build.

use std::sync::Arc;

use rida_core::{BuildId, BuildState, ModuleBuild, Parts, Queue, waits_for};
use warp::http::StatusCode;
use warp::reply::Response;

use super::{Api, Asked};
use crate::api::{Detail, Item, Parameters};
use crate::reply::{ApiError, json};

pub(super) async fn show(api: Arc<Api>, asked: Asked) -> Result<Response, ApiError> {
    let id = asked.build()?;
    let verbose = Parameters::read(&asked.query, &["verbose"])?.flag("verbose")?;
    let build = load(&api, id).await?;
    if !verbose {
        return Ok(json(StatusCode::OK, &Item::from(&build)));
    }
    let Parts { store, policy, clock, .. } = api.driver.parts();
    let queue = if build.state() == BuildState::Wait { store.queue().await? } else { Queue::default() };
    let pending = if build.state().is_active() { store.pending(id).await? } else { Vec::new() };
    let waits_for = waits_for(&build, &queue, &pending, policy, clock.now());
    Ok(json(StatusCode::OK, &Detail::new(&build, waits_for)))
}

/// Loads a build that somebody named.
pub(super) async fn load(api: &Api, id: BuildId) -> Result<ModuleBuild, ApiError> {
    api.driver.parts().store.load(id).await?.ok_or_else(|| ApiError::no_such_build(id))
}
