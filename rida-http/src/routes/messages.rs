//! `GET /module-build-service/{version}/module-builds/{id}/messages`, and the same of a component: what happened.

use std::sync::Arc;

use serde::Serialize;
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::build::load;
use super::{Api, Asked, components};
use crate::api::service::{Meta, messages};
use crate::api::{Page, Parameters};
use crate::reply::{ApiError, json};

/// A page of messages.
#[derive(Serialize)]
struct Answer<T> {
    messages: T,
    meta: Meta,
}

pub(super) async fn read(
    api: Arc<Api>,
    asked: Asked,
    headers: HeaderMap,
    of_component: bool,
) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&asked.query, &["page", "per_page"])?;
    let page = Page::read_any(&parameters)?;
    let (build, component, path) = if of_component {
        let id = asked.component()?;
        let component = components::load(&api, id).await?;
        (id.build, Some(component.name), format!("{}{}/messages", asked.list("component-builds"), id.get()))
    } else {
        let id = asked.build()?;
        load(&api, id).await?;
        (id, None, format!("{}{id}/messages", asked.list("module-builds")))
    };
    let log = api.driver.parts().store.log_of(build).await?;
    let all = messages(&log, component.as_ref());
    let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let (skip, take) = (page.offset(), page.size);
    let bounded = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let messages: Vec<_> = all.into_iter().skip(bounded(skip)).take(bounded(take)).collect();
    let meta = Meta::new(&headers, &path, &parameters, page, total);
    Ok(json(StatusCode::OK, &Answer { messages, meta }))
}
