//! `/healthz` and `/readyz`: for those who start, watch and balance the service.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{StatVfsMountFlags, statvfs};
use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;

use super::{Api, Asked};
use crate::api::Parameters;
use crate::reply::ApiError;

/// How long the store may take to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// With less room than this there is none to speak of: a build that is recorded takes some kibibytes.
const NO_ROOM: u64 = 1024 * 1024;

/// Tells that the process lives and can answer; it asks nobody else.
pub(super) async fn health(asked: Asked) -> Result<Response, ApiError> {
    Parameters::read(&asked.query, &[])?;
    let body = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")});
    Ok(crate::reply::json(StatusCode::OK, &body))
}

/// Tells whether the service takes work: it neither shuts down nor is in maintenance, its database answers and can be
/// written, and the disk has room. Nothing is written for it but a few bytes once a minute.
///
/// A queue that is full passes by itself and concerns submissions alone, so it is no reason to send no requests here.
pub(super) async fn readiness(api: Arc<Api>, asked: Asked) -> Result<Response, ApiError> {
    Parameters::read(&asked.query, &[])?;
    api.status.check().await?;
    match tokio::time::timeout(PATIENCE, api.driver.parts().store.ping()).await {
        Ok(answer) => answer?,
        Err(_) => return Err(ApiError::unavailable("the database does not answer; try again later", 10)),
    }
    if let Some(data) = api.settings.data.clone() {
        let looked = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(move || trouble(&data))).await;
        // A disk that does not say how it is does not take anything either.
        let trouble =
            looked.map_or(Some("the disk of the server does not answer; try again later"), Result::unwrap_or_default);
        if let Some(trouble) = trouble {
            return Err(ApiError::unavailable(trouble, 10));
        }
    }
    Ok(crate::reply::json(StatusCode::OK, &json!({"status": "ready"})))
}

/// Says why nothing can be written to the disk that a folder is on.
fn trouble(folder: &Path) -> Option<&'static str> {
    let disk = statvfs(folder).ok()?;
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Some("the disk of the server may not be written; its administrator can mend that");
    }
    // Some disks have no number of files, and say that they have none at all.
    let no_files = disk.f_files > 0 && disk.f_favail == 0;
    let no_room = disk.f_bavail.saturating_mul(disk.f_frsize) < NO_ROOM;
    (no_files || no_room).then_some("the disk of the server is full; its administrator can make room")
}
