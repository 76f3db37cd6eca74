//! `GET /rida/module-builds/{id}/final-modulemd`: the document of a finished module for each architecture.

use std::sync::Arc;

use rida_core::BuildState;
use warp::http::StatusCode;
use warp::reply::Response;

use super::build::load;
use super::{Api, Asked};
use crate::api::Parameters;
use crate::reply::{ApiError, json};

pub(super) async fn read(api: Arc<Api>, asked: Asked) -> Result<Response, ApiError> {
    let id = asked.build()?;
    Parameters::read(&asked.query, &[])?;
    let build = load(&api, id).await?;
    let state = build.state();
    if !matches!(state, BuildState::Done | BuildState::Ready) {
        let message = format!("module build {id} is {state}; its final modulemd is there once it is done");
        return Err(ApiError::not_found(message));
    }
    let documents = api.driver.parts().build_system.final_modulemd(&build).await?;
    Ok(json(StatusCode::OK, &documents))
}
