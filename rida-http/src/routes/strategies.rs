//! `GET /rida/rebuild-strategies/`: how much of a module may be built again.

use std::sync::Arc;

use rida_core::plan::RebuildStrategy;
use serde::Serialize;
use warp::http::StatusCode;
use warp::reply::Response;

use super::{Api, Asked};
use crate::api::Parameters;
use crate::reply::ApiError;

/// A strategy as the Module Build Service shows it.
#[derive(Serialize)]
struct Strategy {
    name: &'static str,
    description: &'static str,
    /// A submission may ask for it, or gets it when it does not ask.
    allowed: bool,
    /// It is what happens when a submission does not ask.
    default: bool,
}

pub(super) async fn list(api: Arc<Api>, asked: Asked) -> Result<Response, ApiError> {
    Parameters::read(&asked.query, &[])?;
    let policy = &api.driver.parts().policy.rebuild;
    let items = RebuildStrategy::ALL.map(|strategy| Strategy {
        name: strategy.name(),
        description: describe(strategy),
        allowed: policy.choices.contains(&strategy) || policy.strategy == strategy,
        default: policy.strategy == strategy,
    });
    Ok(crate::reply::json(StatusCode::OK, &serde_json::json!({"items": items})))
}

const fn describe(strategy: RebuildStrategy) -> &'static str {
    match strategy {
        RebuildStrategy::All => "every component is built",
        RebuildStrategy::ChangedAndAfter => "what changed is built, and all components of later batches",
        RebuildStrategy::OnlyChanged => "only what changed is built",
    }
}
