//! `GET /rida/module-builds/{id}`: one build.

use std::sync::Arc;

use rida_core::{BuildId, BuildState, ModuleBuild, Parts, Queue, waits_for};
use warp::http::StatusCode;
use warp::reply::Response;

use super::{Api, Asked};
use crate::api::service::{Requires, Shown, View};
use crate::api::{Detail, Item, Parameters};
use crate::dialect::{Dialect, ServiceVersion};
use crate::reply::{ApiError, json};

pub(super) async fn show(api: Arc<Api>, asked: Asked) -> Result<Response, ApiError> {
    let id = asked.build()?;
    if let Dialect::Service(version) = asked.dialect {
        let view = View::read(&Parameters::read(&asked.query, &["verbose", "short"])?)?;
        let build = load(&api, id).await?;
        let shown = show_all(&api, vec![build], view, version).await?;
        return Ok(json(StatusCode::OK, &shown.first()));
    }
    let verbose = Parameters::read(&asked.query, &["verbose"])?.flag("verbose")?;
    let mut build = load(&api, id).await?;
    if !verbose {
        return Ok(json(StatusCode::OK, &Item::from(&build)));
    }
    api.driver.find_siblings(std::slice::from_mut(&mut build)).await?;
    let Parts { store, policy, clock, .. } = api.driver.parts();
    let queue = if build.state() == BuildState::Wait { store.queue().await? } else { Queue::default() };
    let pending = if build.state().is_active() { store.pending(id).await? } else { Vec::new() };
    let mut waits_for = waits_for(&build, &queue, &pending, policy, clock.now());
    if let Some(unanswered) =
        api.driver.unanswered(id).filter(|told| build.state() == BuildState::Build && told.since >= build.phase_since)
    {
        waits_for.insert(0, unanswered.to_string());
    }
    Ok(json(StatusCode::OK, &Detail::new(&build, waits_for)))
}

/// Shows builds as the Module Build Service does. What they are built against is read at once.
pub(super) async fn show_all(
    api: &Api,
    mut builds: Vec<ModuleBuild>,
    view: View,
    version: ServiceVersion,
) -> Result<Vec<Shown>, ApiError> {
    let requires = match view {
        View::Short => Requires::new(Vec::new(), api.distribution()),
        View::Usual | View::Verbose => {
            api.driver.find_siblings(&mut builds).await?;
            let required = Requires::of(&builds);
            let known =
                if required.is_empty() { Vec::new() } else { api.driver.parts().store.load_all(&required).await? };
            Requires::new(known, api.distribution())
        }
    };
    Ok(builds.iter().map(|build| Shown::new(build, view, &requires, version)).collect())
}

/// Shows everything of a build as the Module Build Service does, after a change that is made whether or not the build
/// can be read again.
pub(super) async fn as_service(api: &Api, id: BuildId, build: Option<&ModuleBuild>, version: ServiceVersion) -> Shown {
    let recorded = Shown::Recorded { id };
    let Some(build) = build else { return recorded };
    let shown = show_all(api, vec![build.clone()], View::Verbose, version).await;
    shown.ok().and_then(|shown| shown.into_iter().next()).unwrap_or(recorded)
}

/// Loads a build that somebody named.
pub(super) async fn load(api: &Api, id: BuildId) -> Result<ModuleBuild, ApiError> {
    api.driver.parts().store.load(id).await?.ok_or_else(|| ApiError::no_such_build(id))
}
