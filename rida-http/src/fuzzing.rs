//! What reads requests, for the fuzz targets: each reads or refuses with a reason.

use std::collections::{BTreeMap, BTreeSet};

use rida_core::BaseStreams;
use warp::http::{HeaderValue, StatusCode, Uri};

use crate::api::service::Distribution;
use crate::api::{ChangeBody, ListRequest, SubmitBody, links};
use crate::reply::ApiError;
use crate::serve::normalised;

/// Gives bytes to everything that reads a part of a request.
///
/// # Panics
/// When a promise is broken.
pub fn request(data: &[u8]) {
    let query = String::from_utf8_lossy(data);
    let (modules, tags) = (BTreeSet::from(["platform".parse().expect("a good name")]), BTreeMap::new());
    let streams = BaseStreams::default();
    let distribution = Distribution { modules: &modules, streams: &streams, tags: &tags, arches: &[] };
    if let Some(list) = good(ListRequest::read_service(&query, "/", distribution)) {
        let found = good(list.base_modules(distribution)).flatten().map(|query| distribution.find(&query));
        assert!(found.is_none_or(|found| found.len() <= 1), "no more are known than are named");
    }
    if let Some(list) = good(ListRequest::read(&query, distribution)) {
        let _ = list.query(0, 1);
        if let Some(page) = list.page {
            let links = links("/", &list.parameters, page, 7);
            assert!(HeaderValue::try_from(links.as_str()).is_ok() && !links.contains(['\r', '\n']), "{links:?}");
        }
    }
    good(SubmitBody::read(data));
    good(ChangeBody::read(data));
    let Ok(uri) = Uri::try_from(data) else { return };
    let Some(plain) = normalised(&uri) else { return };
    let parts = |uri: &Uri| uri.path().split('/').count();
    assert_eq!((parts(&plain), plain.query()), (parts(&uri), uri.query()), "{uri} became {plain}");
}

/// Returns what was read; what was not is a bad request that says why.
fn good<T>(read: Result<T, ApiError>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(refused) => {
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
            assert_eq!(refused.into_response().status(), StatusCode::BAD_REQUEST);
            None
        }
    }
}
