//! `POST /rida/module-builds/`: submits a module.

use std::sync::Arc;

use rida_core::{BuildId, BuildState, Failure, FailureKind, ModuleBuild, Phase};
use tokio::time::{Duration, Instant, sleep_until, timeout_at};
use warp::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use warp::reply::Response;

use super::body::Body;
use super::build::as_service;
use super::{Api, Asked, same_origin};
use crate::api::{Accepted, Parameters, SubmitBody, problems};
use crate::dialect::{Dialect, ServiceVersion};
use crate::reply::{ApiError, json};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const RESPOND_ASYNC: &str = "respond-async";

/// How often the build is looked at while nothing in this process says that it changed: another may have done it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(super) async fn submit(api: Arc<Api>, asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    api.status.check().await?;
    same_origin(&headers)?;
    let all = match asked.dialect {
        Dialect::Rida => Parameters::read(&asked.query, &["all"])?.flag("all")?,
        Dialect::Service(version) => {
            Parameters::read(&asked.query, &[])?;
            version == ServiceVersion::Two
        }
    };
    let body = body?;
    let request = SubmitBody::read(&body.bytes)?.into_request(&api.settings.nobody);
    let at_once = prefers_async(&headers);
    let owner = request.owner.clone();
    let ids = api.driver.submit_all(request).await?;
    for id in &ids {
        tracing::info!(build.id = id.get(), owner = %owner.as_str().escape_debug(), "a build was submitted");
    }
    api.pulse.beat();
    // From here on the builds are accepted: whatever else happens, the answer says so.
    let deadline = Instant::now() + api.settings.submit_wait;
    let mut builds = Vec::new();
    for id in &ids {
        let build = if at_once { current(&api, *id).await } else { settled(&api, *id, deadline).await };
        if let Some(Phase::Failed(failure)) = build.as_ref().map(|build| &build.phase)
            && failure.from == BuildState::Init
            && failure.kind != FailureKind::Canceled
        {
            return Err(refused(*id, build.as_ref().and_then(|build| build.reason()), failure));
        }
        builds.push((*id, build));
    }
    tell_siblings(&api, &mut builds).await;
    let Some((id, first)) = builds.first() else {
        return Err(ApiError::unprocessable("the modulemd makes no build", Vec::new()));
    };
    let mut response = match asked.dialect {
        Dialect::Service(version) => {
            let mut shown = Vec::new();
            for (id, build) in &builds {
                shown.push(as_service(&api, *id, build.as_ref(), version).await);
            }
            if all { json(StatusCode::CREATED, &shown) } else { json(StatusCode::CREATED, &shown.first()) }
        }
        Dialect::Rida if all => {
            json(StatusCode::CREATED, &builds.iter().map(|(id, build)| shown(*id, build.as_ref())).collect::<Vec<_>>())
        }
        Dialect::Rida => json(StatusCode::CREATED, &shown(*id, first.as_ref())),
    };
    let answer = response.headers_mut();
    if let Ok(location) = HeaderValue::try_from(format!("{}{id}", asked.list("module-builds"))) {
        answer.insert(header::LOCATION, location);
    }
    if at_once {
        answer.insert(PREFERENCE_APPLIED, HeaderValue::from_static(RESPOND_ASYNC));
    }
    Ok(response)
}

/// Tells builds that were accepted which others there are of their document; where that cannot be read, those that they
/// were recorded with have to do.
async fn tell_siblings(api: &Api, builds: &mut [(BuildId, Option<ModuleBuild>)]) {
    let mut known: Vec<ModuleBuild> = builds.iter_mut().filter_map(|(_, build)| build.take()).collect();
    if let Err(error) = api.driver.find_siblings(&mut known).await {
        tracing::warn!(error = %crate::reply::chain(&error).escape_debug(), "the builds of a document cannot be listed");
    }
    for build in known {
        if let Some(place) = builds.iter_mut().find(|(id, _)| *id == build.id) {
            place.1 = Some(build);
        }
    }
}

/// Shows a build that was accepted, as far as it can be read again.
fn shown(id: BuildId, build: Option<&ModuleBuild>) -> Accepted<'_> {
    match build {
        Some(build) => Accepted::Known(build.into()),
        None => Accepted::Recorded { id },
    }
}

/// Makes the answer to a submission whose sources are missing or wrong.
fn refused(id: BuildId, reason: Option<&str>, failure: &Failure) -> ApiError {
    let problems = problems(failure);
    let why = match (problems.len(), reason) {
        (0, Some(reason)) => reason.to_owned(),
        (0, None) => "its components could not be checked".to_owned(),
        (1, _) => problems.concat(),
        (count, _) => format!("{count} components cannot be retrieved"),
    };
    let message = format!("module build {id} failed: {why}; correct it and submit the module again");
    ApiError::unprocessable(message, problems).about(id)
}

/// Waits for a build to leave `init`, for a while, and returns it as it then is.
async fn settled(api: &Api, id: BuildId, deadline: Instant) -> Option<ModuleBuild> {
    let (mut beats, mut status) = (api.pulse.listen(), api.status.clone());
    loop {
        let build = current(api, id).await?;
        if build.state() != BuildState::Init || Instant::now() >= deadline {
            return Some(build);
        }
        let pause = async {
            tokio::select! {
                () = beats.next() => {}
                () = sleep_until(Instant::now() + LOOK_EVERY) => {}
                () = status.drained() => {}
            }
        };
        let paused = timeout_at(deadline, pause).await;
        if paused.is_ok() && api.status.is_draining() {
            return Some(build);
        }
    }
}

async fn current(api: &Api, id: BuildId) -> Option<ModuleBuild> {
    api.driver.parts().store.load(id).await.ok().flatten()
}

/// Tells whether `Prefer: respond-async` (RFC 7240) is among the preferences.
fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|preference| {
        preference.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(RESPOND_ASYNC))
    })
}
