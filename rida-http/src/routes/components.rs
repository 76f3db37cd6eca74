//! `GET /module-build-service/{version}/component-builds/`: components of all builds.

use std::sync::Arc;

use rida_core::{ComponentFilter, ComponentId, ComponentQuery, ComponentSummary};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::{Api, Asked};
use crate::api::Parameters;
use crate::api::service::{Component, ComponentRequest, Meta, Paged, trace};
use crate::dialect::{Dialect, ServiceVersion};
use crate::reply::{ApiError, json};

pub(super) async fn list(api: Arc<Api>, asked: Asked, headers: HeaderMap) -> Result<Response, ApiError> {
    let path = asked.list("component-builds");
    let request = ComponentRequest::read(&asked.query, &path)?;
    let (store, query) = (&api.driver.parts().store, request.query());
    let total = store.count_components(&query.filter).await?;
    let found = store.list_components(&query).await?;
    let version = version(&asked);
    // The way of each through its states is in the log, which is read for one at a time only.
    let shown = |it: ComponentSummary| {
        if request.verbose { Component::verbose(it, Vec::new(), version) } else { Component::from(it) }
    };
    let items: Vec<Component> = found.into_iter().map(shown).collect();
    let meta = Meta::new(&headers, &path, &request.parameters, request.page, total);
    Ok(json(StatusCode::OK, &Paged { items, meta }))
}

pub(super) async fn show(api: Arc<Api>, asked: Asked) -> Result<Response, ApiError> {
    let id = asked.component()?;
    let parameters = Parameters::read(&asked.query, &["verbose", "short"])?;
    let (verbose, _) = (parameters.flag("verbose")?, parameters.flag("short")?);
    let component = load(&api, id).await?;
    if !verbose {
        return Ok(json(StatusCode::OK, &Component::from(component)));
    }
    let log = api.driver.parts().store.log_of(id.build).await?;
    let trace = trace(&log, &component.name);
    Ok(json(StatusCode::OK, &Component::verbose(component, trace, version(&asked))))
}

/// Loads a component that somebody named.
pub(super) async fn load(api: &Api, id: ComponentId) -> Result<ComponentSummary, ApiError> {
    let filter = ComponentFilter { build: Some(id.build), ..ComponentFilter::default() };
    // Those of one build are in the order of their indices, without gaps.
    let query = ComponentQuery { filter, offset: id.index.into(), limit: 1, ..ComponentQuery::default() };
    let found = api.driver.parts().store.list_components(&query).await?;
    found.into_iter().find(|it| it.id == id).ok_or_else(|| ApiError::no_such_component(id.get()))
}

fn version(asked: &Asked) -> ServiceVersion {
    match asked.dialect {
        Dialect::Service(version) => version,
        Dialect::Rida => ServiceVersion::Two,
    }
}
