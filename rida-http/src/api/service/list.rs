//! Pages of lists, which always come with where the others are.

use rida_core::{ComponentFilter, ComponentQuery, TaskId};
use serde::Serialize;
use warp::http::uri::Authority;
use warp::http::{HeaderMap, header};

use super::states_of;
use crate::api::{Page, Parameters};
use crate::reply::ApiError;

/// Every parameter of the list of components.
const KNOWN: [&str; 16] = [
    "package",
    "nvr",
    "ref",
    "state",
    "task_id",
    "batch",
    "module_id",
    "module_build",
    "tagged",
    "format",
    "order_by",
    "order_desc_by",
    "page",
    "per_page",
    "verbose",
    "short",
];

/// The names of states in which a component is in its module's tag.
const TAGGED: [&str; 2] = ["tagged", "available"];

/// A page and where it is among the others.
#[derive(Debug, Serialize)]
pub(crate) struct Paged<T> {
    /// What is on the page.
    pub(crate) items: T,
    /// Where the others are.
    pub(crate) meta: Meta,
}

/// Where the pages of a list are.
#[derive(Debug, Serialize)]
pub(crate) struct Meta {
    first: String,
    last: String,
    next: Option<String>,
    page: u64,
    pages: u64,
    per_page: u64,
    prev: Option<String>,
    total: u64,
}

impl Meta {
    /// Tells where a page is. `path` is where the list was asked for, and `headers` whom.
    pub(crate) fn new(headers: &HeaderMap, path: &str, parameters: &Parameters, page: Page, total: u64) -> Self {
        let (place, pages) = (place(headers), total.div_ceil(page.size));
        let sized = parameters.set("per_page", page.size);
        let link = |number: u64| format!("{place}{path}?{}", sized.with("page", number));
        Self {
            first: link(1),
            last: link(pages.max(1)),
            next: (page.number < pages).then(|| link(page.number + 1)),
            page: page.number,
            pages,
            per_page: page.size,
            prev: (page.number > 1).then(|| link((page.number - 1).min(pages.max(1)))),
            total,
        }
    }
}

/// Returns where the service is for who asked it, as far as that can be told; links are relative otherwise.
fn place(headers: &HeaderMap) -> String {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // A proxy that takes off the encryption says that there was some.
    let forwarded = text(header::HeaderName::from_static("x-forwarded-proto"));
    let scheme = if forwarded == Some("https") { "https" } else { "http" };
    let host = text(header::HOST).and_then(|host| host.parse::<Authority>().ok());
    host.map(|host| format!("{scheme}://{host}")).unwrap_or_default()
}

/// A request for a list of components.
#[derive(Clone, Debug)]
pub(crate) struct ComponentRequest {
    filter: ComponentFilter,
    descending: bool,
    /// Which page.
    pub(crate) page: Page,
    /// With everything.
    pub(crate) verbose: bool,
    /// The parameters as given, for links.
    pub(crate) parameters: Parameters,
}

impl ComponentRequest {
    /// Reads the query of a list. `path` is where the list is.
    pub(crate) fn read(query: &str, path: &str) -> Result<Self, ApiError> {
        let parameters = Parameters::read_list(query, &KNOWN, path)?;
        let descending = match (parameters.one("order_by")?, parameters.one("order_desc_by")?) {
            (None, None | Some("id")) => true,
            (Some("id"), None) => false,
            (Some(_), Some(_)) => return Err(crate::api::filter::both_orders()),
            (Some(other), None) | (None, Some(other)) => {
                let other = crate::api::shown(other);
                return Err(ApiError::bad_request(format!(
                    "components cannot be ordered by {other}; they can be by id"
                )));
            }
        };
        parameters.flag("short")?;
        let filter = filter(&parameters)?;
        let (page, verbose) = (Page::read_any(&parameters)?, parameters.flag("verbose")?);
        Ok(Self { filter, descending, page, verbose, parameters })
    }

    /// Returns what is asked of the store.
    pub(crate) fn query(&self) -> ComponentQuery {
        let Self { filter, descending, page, .. } = self;
        ComponentQuery { filter: filter.clone(), descending: *descending, offset: page.offset(), limit: page.size }
    }
}

fn filter(parameters: &Parameters) -> Result<ComponentFilter, ApiError> {
    let text = |name: &str| parameters.one(name).map(|value| value.map(str::to_owned));
    let largest = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
    let number = |name: &str| parameters.number(name, 0, largest).map(|it| it.map(u64::cast_signed));
    let build = match (number("module_id")?, number("module_build")?) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request("module_id and module_build are the same; give one of them"));
        }
        (id, other) => id.or(other),
    };
    let mut states: Option<Vec<&'static str>> = None;
    for state in parameters.all("state") {
        states.get_or_insert_default().extend(states_of(state)?);
    }
    if parameters.all("tagged").next().is_some() {
        let tagged = parameters.flag("tagged")?;
        let all = || rida_core::ComponentState::NAMES.to_vec();
        states.get_or_insert_with(all).retain(|state| TAGGED.contains(state) == tagged);
    }
    // There are no builds below 1, and no other format.
    let none = build.is_some_and(|build| build < 1) || parameters.one("format")?.is_some_and(|it| it != "rpms");
    Ok(ComponentFilter {
        build: build.and_then(rida_core::BuildId::new),
        name: text("package")?,
        states: if none { Some(Vec::new()) } else { states },
        task: number("task_id")?.map(TaskId),
        nvr: text("nvr")?,
        batch: parameters
            .number("batch", 0, u64::from(u32::MAX))?
            .map(|batch| u32::try_from(batch).unwrap_or(u32::MAX)),
        commit: text("ref")?,
    })
}
