//! What a list is asked for.

use rida_core::{BuildFilter, ListQuery, OrderKey, Timestamp};

use super::moment::{Side, moment};
use super::object::shown;
use super::service::View;
use super::submission::state_of;
use super::{Page, Parameters};
use crate::reply::ApiError;

/// Every parameter of the list.
const KNOWN: [&str; 20] = [
    "state",
    "name",
    "stream",
    "version",
    "context",
    "nsvc",
    "owner",
    "scratch",
    "submitted_after",
    "submitted_before",
    "modified_after",
    "modified_before",
    "completed_after",
    "completed_before",
    "order_by",
    "order_desc_by",
    "page",
    "per_page",
    "verbose",
    "short",
];

/// What builds can be ordered by, under the names that answers use, and shorter ones.
const ORDERS: [(&str, OrderKey); 13] = [
    ("id", OrderKey::Id),
    ("name", OrderKey::Name),
    ("stream", OrderKey::Stream),
    ("version", OrderKey::Version),
    ("context", OrderKey::Context),
    ("state", OrderKey::State),
    ("owner", OrderKey::Owner),
    ("time_submitted", OrderKey::Submitted),
    ("time_modified", OrderKey::Modified),
    ("time_completed", OrderKey::Completed),
    ("submitted", OrderKey::Submitted),
    ("modified", OrderKey::Modified),
    ("completed", OrderKey::Completed),
];

/// A request for a list of builds.
#[derive(Clone, Debug)]
pub(crate) struct ListRequest {
    /// Which builds.
    pub(crate) filter: BuildFilter,
    /// In which order.
    pub(crate) order: OrderKey,
    /// From the highest to the lowest.
    pub(crate) descending: bool,
    /// Which page; all of it when absent.
    pub(crate) page: Option<Page>,
    /// How much of each.
    pub(crate) view: View,
    /// The parameters as given, for links.
    pub(crate) parameters: Parameters,
}

impl ListRequest {
    /// Reads the query of a list.
    pub(crate) fn read(query: &str) -> Result<Self, ApiError> {
        let parameters = Parameters::read(query, &KNOWN)?;
        let page = Page::read(&parameters)?;
        // `short` is what is answered anyway; the name is known so that old scripts go on working.
        Self::of(parameters, page, false)
    }

    /// Reads the query of a list as the Module Build Service does: the newest first, and always a page. `path` is where
    /// the list is.
    pub(crate) fn read_service(query: &str, path: &str) -> Result<Self, ApiError> {
        let parameters = Parameters::read_list(query, &KNOWN, path)?;
        let page = Page::read_any(&parameters)?;
        let mut request = Self::of(parameters, Some(page), true)?;
        if request.view != View::Short {
            request.page = Some(page.of_whole_builds());
        }
        Ok(request)
    }

    fn of(parameters: Parameters, page: Option<Page>, newest_first: bool) -> Result<Self, ApiError> {
        let (order, descending) = order(&parameters)?.unwrap_or((OrderKey::Id, newest_first));
        let (filter, view) = (filter(&parameters)?, View::read(&parameters)?);
        Ok(Self { filter, order, descending, page, view, parameters })
    }

    /// Tells whether more than id and state is asked for.
    pub(crate) fn verbose(&self) -> bool {
        self.view == View::Verbose
    }

    /// Returns the query for one piece of the list.
    pub(crate) fn query(&self, offset: u64, limit: u64) -> ListQuery {
        ListQuery {
            filter: self.filter.clone(),
            order: self.order,
            descending: self.descending,
            after: None,
            offset,
            limit,
        }
    }
}

fn filter(parameters: &Parameters) -> Result<BuildFilter, ApiError> {
    let text = |name: &str| parameters.one(name).map(|value| value.map(str::to_owned));
    let time = |name: &str, side: Side| -> Result<Option<Timestamp>, ApiError> {
        parameters.one(name)?.map(|value| moment(name, value, side)).transpose()
    };
    let mut filter = BuildFilter {
        states: parameters.all("state").map(state_of).collect::<Result<_, _>>()?,
        name: text("name")?,
        stream: text("stream")?,
        version: parameters.number("version", 0, u64::MAX)?,
        context: text("context")?,
        owner: text("owner")?,
        scratch: parameters.all("scratch").next().map(|_| parameters.flag("scratch")).transpose()?,
        submitted_after: time("submitted_after", Side::After)?,
        submitted_before: time("submitted_before", Side::Before)?,
        modified_after: time("modified_after", Side::After)?,
        modified_before: time("modified_before", Side::Before)?,
        completed_after: time("completed_after", Side::After)?,
        completed_before: time("completed_before", Side::Before)?,
    };
    if let Some(nsvc) = parameters.one("nsvc")? {
        narrow(&mut filter, nsvc)?;
    }
    Ok(filter)
}

/// Adds `name[:stream[:version[:context]]]` to a filter.
fn narrow(filter: &mut BuildFilter, nsvc: &str) -> Result<(), ApiError> {
    let bad = || {
        ApiError::bad_request(format!("nsvc={} is not name, stream, version and context joined by colons", shown(nsvc)))
    };
    let twice = |name: &str| ApiError::bad_request(format!("{name} is given twice, by itself and in nsvc"));
    let mut parts = nsvc.split(':');
    for (name, slot) in [("name", &mut filter.name), ("stream", &mut filter.stream)] {
        put(slot, parts.next().map(str::to_owned)).map_err(|()| twice(name))?;
    }
    let version = parts.next().map(|text| text.parse().map_err(|_| bad())).transpose()?;
    put(&mut filter.version, version).map_err(|()| twice("version"))?;
    put(&mut filter.context, parts.next().map(str::to_owned)).map_err(|()| twice("context"))?;
    if parts.next().is_some() || nsvc.split(':').any(str::is_empty) { Err(bad()) } else { Ok(()) }
}

fn put<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), ()> {
    match value {
        None => Ok(()),
        Some(_) if slot.is_some() => Err(()),
        value => {
            *slot = value;
            Ok(())
        }
    }
}

fn order(parameters: &Parameters) -> Result<Option<(OrderKey, bool)>, ApiError> {
    let (name, descending) = match (parameters.one("order_by")?, parameters.one("order_desc_by")?) {
        (None, None) => return Ok(None),
        (Some(name), None) => (name, false),
        (None, Some(name)) => (name, true),
        (Some(_), Some(_)) => return Err(both_orders()),
    };
    match ORDERS.iter().find(|(known, _)| *known == name) {
        Some((_, key)) => Ok(Some((*key, descending))),
        None => {
            let known: Vec<&str> = ORDERS.iter().map(|(name, _)| *name).collect();
            let (name, known) = (shown(name), known.join(", "));
            Err(ApiError::bad_request(format!("builds cannot be ordered by {name}; they can be by {known}")))
        }
    }
}

/// Refuses an order and its reverse together.
pub(super) fn both_orders() -> ApiError {
    ApiError::bad_request("order_by and order_desc_by are both given; give one of them")
}

#[cfg(test)]
mod tests;
