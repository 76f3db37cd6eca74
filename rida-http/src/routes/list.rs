//! `GET /rida/module-builds/`: all builds, those that a filter matches, or a page of them.

use std::collections::HashSet;
use std::sync::Arc;

use rida_core::{BuildId, BuildSummary, ListQuery, OrderKey, StoreError};
use serde::Serialize;
use warp::http::{HeaderMap, HeaderValue, StatusCode, header};
use warp::reply::Response;

use super::build::show_all;
use super::stream::{Gone, Sink, streamed};
use super::{Api, Asked};
use crate::api::service::{Meta, Paged, Shown, View};
use crate::api::{ListItem, ListRequest, Page, Summary, links};
use crate::dialect::{Dialect, ServiceVersion};
use crate::reply::{ApiError, chain};

/// How many builds are read from the store at once.
const PIECE: u64 = 500;

pub(super) async fn list(api: Arc<Api>, asked: Asked, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Dialect::Service(version) = asked.dialect {
        let path = asked.list("module-builds");
        let request = ListRequest::read_service(&asked.query, &path, api.distribution())?;
        return with_meta(&api, &request, version, &headers, &path).await;
    }
    let request = ListRequest::read(&asked.query, api.distribution())?;
    match request.page {
        None if request.nothing => Ok(whole(request.verbose(), &[])),
        Some(page) => one_page(&api, &request, page).await,
        None => everything(api, request).await,
    }
}

async fn one_page(api: &Api, request: &ListRequest, page: Page) -> Result<Response, ApiError> {
    let (total, builds) = read(api, request, page).await?;
    let mut response = whole(request.verbose(), &builds);
    let links = links("/rida/module-builds/", &request.parameters, page, total);
    if let Ok(value) = HeaderValue::try_from(links) {
        response.headers_mut().insert(header::LINK, value);
    }
    Ok(response)
}

/// Answers with a page as the Module Build Service does. How often the store is asked does not grow with its length.
async fn with_meta(
    api: &Api,
    request: &ListRequest,
    version: ServiceVersion,
    headers: &HeaderMap,
    path: &str,
) -> Result<Response, ApiError> {
    let Some(page) = request.page else { return Err(ApiError::bad_request("say which page is wanted")) };
    let distribution = api.distribution();
    if let Some(query) = request.base_modules(distribution)? {
        // No build is called as a base module is, or has what only these have.
        let found = distribution.find(&query);
        let (skip, take) = (usize::try_from(page.offset()), usize::try_from(page.size));
        let page_of = found.iter().skip(skip.unwrap_or(usize::MAX)).take(take.unwrap_or(usize::MAX));
        let items: Vec<Shown> = page_of.map(|base| Shown::base(base, request.view)).collect();
        let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let meta = Meta::new(headers, path, &request.parameters, page, total);
        return Ok(crate::reply::json(StatusCode::OK, &Paged { items, meta }));
    }
    let (total, listed) = read(api, request, page).await?;
    let items: Vec<Shown> = if request.view == View::Short || listed.is_empty() {
        listed.iter().map(Shown::from).collect()
    } else {
        let ids: Vec<BuildId> = listed.iter().map(|build| build.id).collect();
        show_all(api, api.driver.parts().store.load_all(&ids).await?, request.view, version).await?
    };
    let meta = Meta::new(headers, path, &request.parameters, page, total);
    Ok(crate::reply::json(StatusCode::OK, &Paged { items, meta }))
}

/// Returns how many builds match in all, and those of a page.
async fn read(api: &Api, request: &ListRequest, page: Page) -> Result<(u64, Vec<BuildSummary>), StoreError> {
    if request.nothing {
        return Ok((0, Vec::new()));
    }
    let store = &api.driver.parts().store;
    let total = store.count(&request.filter).await?;
    Ok((total, store.list(&request.query(page.offset(), page.size)).await?))
}

/// Answers with all builds that match, a piece at a time, so that any number takes the memory of a few pieces.
async fn everything(api: Arc<Api>, request: ListRequest) -> Result<Response, ApiError> {
    let mut walk = Walk::new(api, request);
    // Before anything is sent an error can still be told.
    let first = walk.next().await?;
    if walk.done {
        return Ok(whole(walk.request.verbose(), &first));
    }
    let mut response = streamed(|sink| async move {
        let mut text = vec![b'['];
        write(&mut text, walk.request.verbose(), &first, true);
        sink.send(text).await?;
        rest(walk, sink).await
    });
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

async fn rest(mut walk: Walk, sink: Sink) -> Result<(), Gone> {
    while !walk.done {
        match walk.next().await {
            Ok(builds) => {
                let mut text = Vec::new();
                write(&mut text, walk.request.verbose(), &builds, false);
                sink.send(text).await?;
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error).escape_debug(), "a list of builds was broken off");
                return Ok(());
            }
        }
    }
    sink.send("]\n").await?;
    sink.end().await
}

/// Walks over all builds that a request matches.
///
/// By id each piece starts after the last one's end, whatever is submitted meanwhile. In any other order pieces are
/// counted; a build that changes its place meanwhile is listed once or, when it moves behind what was read, not at all.
struct Walk {
    api: Arc<Api>,
    request: ListRequest,
    after: Option<BuildId>,
    offset: u64,
    seen: HashSet<BuildId>,
    done: bool,
}

impl Walk {
    fn new(api: Arc<Api>, request: ListRequest) -> Self {
        Self { api, request, after: None, offset: 0, seen: HashSet::new(), done: false }
    }

    async fn next(&mut self) -> Result<Vec<BuildSummary>, StoreError> {
        let by_id = self.request.order.first().is_none_or(|key| *key == OrderKey::Id);
        let query = ListQuery { after: self.after, ..self.request.query(self.offset, PIECE) };
        let mut builds = self.api.driver.parts().store.list(&query).await?;
        self.done = u64::try_from(builds.len()).unwrap_or(u64::MAX) < PIECE;
        if by_id {
            self.after = builds.last().map(|build| build.id);
        } else {
            self.offset += PIECE;
            builds.retain(|build| self.seen.insert(build.id));
        }
        Ok(builds)
    }
}

fn whole(verbose: bool, builds: &[BuildSummary]) -> Response {
    if verbose {
        crate::reply::json(StatusCode::OK, &builds.iter().map(Summary::from).collect::<Vec<_>>())
    } else {
        crate::reply::json(StatusCode::OK, &builds.iter().map(ListItem::from).collect::<Vec<_>>())
    }
}

fn write(text: &mut Vec<u8>, verbose: bool, builds: &[BuildSummary], mut first: bool) {
    for build in builds {
        if !std::mem::take(&mut first) {
            text.push(b',');
        }
        if verbose { append(text, &Summary::from(build)) } else { append(text, &ListItem::from(build)) }
    }
}

fn append(text: &mut Vec<u8>, item: &impl Serialize) {
    // Numbers and texts are always written to memory.
    serde_json::to_writer(text, item).expect("numbers and texts can be written");
}
