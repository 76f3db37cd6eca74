//! `GET /rida/module-builds/{id}/logs/{component}`: the log of a component, as far as it is there or as it grows.

use std::sync::Arc;

use rida_core::{BuildId, ComponentKey, ComponentName, ComponentState, ModuleBuild, PortError, PortErrorKind};
use warp::http::{HeaderValue, header};
use warp::reply::Response;

use super::build::load;
use super::stream::{Gone, Sink, streamed};
use super::{Api, Asked};
use crate::api::Parameters;
use crate::reply::{ApiError, chain};

/// How much of a log is read at once.
const PIECE: usize = 64 * 1024;

pub(super) async fn read(api: Arc<Api>, asked: Asked) -> Result<Response, ApiError> {
    let id = asked.build()?;
    let parameters = Parameters::read(&asked.query, &["offset", "follow", "attempt"])?;
    let offset = parameters.number("offset", 0, u64::MAX / 2)?.unwrap_or(0);
    let follow = parameters.flag("follow")?;
    let attempt = parameters.number("attempt", 1, u64::from(u32::MAX))?.and_then(|number| u32::try_from(number).ok());
    let key = origin(&api, key(&load(&api, id).await?, asked.part(1), attempt)?).await?;
    let mut log = Log { api: Arc::clone(&api), key, offset, complete: false };
    let first = match log.next().await {
        Ok(first) => first,
        // It may start later.
        Err(error) if follow && error.kind() == PortErrorKind::Permanent && log.is_expected().await => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let permit = if follow {
        let busy = || ApiError::unavailable("too many logs are followed at this moment; read it without follow", 10);
        Some(Arc::clone(&api.followers).try_acquire_owned().map_err(|_| busy())?)
    } else {
        None
    };
    let mut response = streamed(move |sink| async move {
        let _permit = permit;
        if !first.is_empty() {
            sink.send(first).await?;
        } else if !follow {
            return sink.end().await;
        }
        if follow { log.follow(sink).await } else { log.rest(sink).await }
    });
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    Ok(response)
}

/// Returns the key of the try that is asked for; by default the last one.
fn key(build: &ModuleBuild, component: &str, attempt: Option<u32>) -> Result<ComponentKey, ApiError> {
    let id = build.id;
    let name = ComponentName::new(component).ok();
    let Some((name, state)) = name.and_then(|name| build.component(&name).map(|(_, state)| (name.clone(), state)))
    else {
        let component: String = component.chars().take(60).collect();
        return Err(ApiError::not_found(format!("module build {id} has no component {component:?}")));
    };
    let last = state.attempt;
    match attempt {
        Some(attempt) if attempt > last => {
            Err(ApiError::not_found(format!("{name} of module build {id} was tried {last} times, not {attempt}")))
        }
        attempt => Ok(ComponentKey { build: id, component: name, attempt: attempt.unwrap_or(last) }),
    }
}

/// How many builds may have taken a component over, each from the one before, until its log is not looked for any more.
const LONGEST_CHAIN: usize = 1000;

/// Returns the key of the try that built a component, in whichever build that was.
async fn origin(api: &Api, mut key: ComponentKey) -> Result<ComponentKey, ApiError> {
    for _ in 0..LONGEST_CHAIN {
        let build = load(api, key.build).await?;
        let component = build.component(&key.component).map(|(_, component)| component);
        let last = component.filter(|component| component.attempt == key.attempt);
        let Some(taken) = last.and_then(|component| component.taken()) else { break };
        let donor = load(api, taken.build).await?;
        let attempt = donor.component(&key.component).map_or(1, |(_, component)| component.attempt);
        key = ComponentKey { build: donor.id, attempt, ..key };
    }
    Ok(key)
}

/// Reads a log from front to back.
struct Log {
    api: Arc<Api>,
    key: ComponentKey,
    offset: u64,
    complete: bool,
}

impl Log {
    async fn next(&mut self) -> Result<Vec<u8>, PortError> {
        let chunk = self.api.driver.parts().build_system.read_log(&self.key, self.offset, PIECE).await?;
        self.offset = self.offset.saturating_add(u64::try_from(chunk.bytes.len()).unwrap_or(u64::MAX));
        self.complete = chunk.complete;
        Ok(chunk.bytes)
    }

    /// Sends what is there now.
    async fn rest(mut self, sink: Sink) -> Result<(), Gone> {
        while !self.complete {
            match self.next().await {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => sink.send(bytes).await?,
                Err(error) => return self.broken(&error),
            }
        }
        sink.end().await
    }

    /// Sends what is there and what comes, until the log is complete or the service stops.
    async fn follow(mut self, sink: Sink) -> Result<(), Gone> {
        let mut status = self.api.status.clone();
        while !self.complete {
            // Asked before the log is: a log that is empty after its component ended stays so.
            let expected = self.is_expected().await;
            match self.next().await {
                Ok(bytes) if !bytes.is_empty() => {
                    sink.send(bytes).await?;
                    continue;
                }
                Ok(_) if self.complete => break,
                // The rest is there and cannot be read: the answer is cut, not ended.
                Err(error) if error.kind() != PortErrorKind::Permanent && !expected => return self.broken(&error),
                Ok(_) | Err(_) if expected => {}
                Ok(_) | Err(_) => break,
            }
            tokio::select! {
                () = tokio::time::sleep(self.api.settings.follow_every) => {}
                () = status.drained() => break,
                () = sink.gone() => return Err(Gone),
            }
        }
        sink.end().await
    }

    /// Tells whether more may come: the component's task runs, or has yet to start.
    async fn is_expected(&self) -> bool {
        let build = match self.api.driver.parts().store.load(self.key.build).await {
            Ok(Some(build)) => build,
            Ok(None) => return false,
            // The log may be there all the same.
            Err(_) => return true,
        };
        let under_way = |state: &ComponentState| match state {
            ComponentState::Waiting | ComponentState::Submitted | ComponentState::Building { .. } => true,
            ComponentState::Built(_)
            | ComponentState::Tagged(_)
            | ComponentState::Available(_)
            | ComponentState::Failed { .. }
            | ComponentState::Canceled { .. }
            | ComponentState::Unneeded => false,
        };
        let component = build.component(&self.key.component);
        build.state().is_active()
            && component.is_some_and(|(_, it)| it.attempt == self.key.attempt && under_way(&it.state))
    }

    fn broken(&self, error: &PortError) -> Result<(), Gone> {
        let id: BuildId = self.key.build;
        let error = chain(error);
        tracing::warn!(build.id = id.get(), component.name = %self.key.component, error = %error.escape_debug(), "a log was broken off");
        Ok(())
    }
}
