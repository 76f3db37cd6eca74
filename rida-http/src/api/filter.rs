//! What a list is asked for.

pub(super) mod base;

use rida_core::{BuildFilter, BuildId, ListQuery, OrderKey, Timestamp};

use self::base::base_module;
use super::moment::{Side, moment};
use super::object::shown;
use super::service::{BaseQuery, Distribution, View};
use super::submission::state_of;
use super::{Page, Parameters};
use crate::reply::ApiError;

/// Every parameter of the list.
const KNOWN: [&str; 34] = [
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
    "koji_tag",
    "scmurl",
    "rebuild_strategy",
    "reused_module_id",
    "build_context",
    "state_reason",
    "base_module_br",
    "base_module_br_name",
    "base_module_br_stream",
    "base_module_br_version",
    "base_module_br_context",
    "base_module_br_stream_version",
    "base_module_br_stream_version_lte",
    "base_module_br_stream_version_gte",
    "order_by",
    "order_desc_by",
    "page",
    "per_page",
    "verbose",
    "short",
];

/// What only base modules have, so that it is known where these are told as builds.
const KNOWN_OF_BASE_MODULES: [&str; 3] = ["virtual_stream", "stream_version", "stream_version_lte"];

/// The number of streams, as a key of the order.
const STREAM_VERSION: &str = "stream_version";

/// The state that the Module Build Service has for what is not to be used any more, as its name and code. No build is in
/// it here; streams of base modules may be.
const GARBAGE: [&str; 2] = ["garbage", "6"];

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
    /// No build can match, whatever there is.
    pub(crate) nothing: bool,
    /// In which order.
    pub(crate) order: Vec<OrderKey>,
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
    pub(crate) fn read(query: &str, distribution: Distribution<'_>) -> Result<Self, ApiError> {
        let parameters = Parameters::read(query, &KNOWN)?;
        let page = Page::read(&parameters)?;
        // `short` is what is answered anyway; the name is known so that old scripts go on working.
        Self::of(parameters, page, false, distribution)
    }

    /// Reads the query of a list as the Module Build Service does: the newest first, and always a page. `path` is where
    /// the list is.
    pub(crate) fn read_service(query: &str, path: &str, distribution: Distribution<'_>) -> Result<Self, ApiError> {
        let known: Vec<&str> = KNOWN.into_iter().chain(KNOWN_OF_BASE_MODULES).collect();
        let parameters = Parameters::read_list(query, &known, path)?;
        let page = Page::read_any(&parameters)?;
        let mut request = Self::of(parameters, Some(page), true, distribution)?;
        if request.view != View::Short {
            request.page = Some(page.of_whole_builds());
        }
        Ok(request)
    }

    fn of(
        parameters: Parameters,
        page: Option<Page>,
        newest_first: bool,
        distribution: Distribution<'_>,
    ) -> Result<Self, ApiError> {
        let (order, descending) = order(&parameters)?.unwrap_or((Vec::new(), newest_first));
        // Only base modules have that number: among builds it decides nothing.
        let order = order.into_iter().flatten().collect();
        let mut nothing = false;
        let filter = filter(&parameters, distribution, &mut nothing)?;
        let view = View::read(&parameters)?;
        Ok(Self { filter, nothing, order, descending, page, view, parameters })
    }

    /// Tells whether more than id and state is asked for.
    pub(crate) fn verbose(&self) -> bool {
        self.view == View::Verbose
    }

    /// Returns the query for one piece of the list.
    pub(crate) fn query(&self, offset: u64, limit: u64) -> ListQuery {
        ListQuery {
            filter: self.filter.clone(),
            order: self.order.clone(),
            descending: self.descending,
            after: None,
            offset,
            limit,
        }
    }

    /// Returns what of base modules is asked for when the client means those: by their name or tag, or by what only they
    /// have.
    pub(crate) fn base_modules(&self, distribution: Distribution<'_>) -> Result<Option<BaseQuery>, ApiError> {
        let Self { filter, parameters, .. } = self;
        let named = filter.name.as_ref().is_some_and(|name| distribution.has(name));
        let tagged = filter.tag.as_ref().is_some_and(|tag| distribution.has_tag(tag));
        let only_theirs = KNOWN_OF_BASE_MODULES.iter().any(|name| parameters.all(name).next().is_some());
        if !(named || tagged || only_theirs) {
            return Ok(None);
        }
        let states = parameters.all("state");
        Ok(Some(BaseQuery {
            filter: filter.clone(),
            any_state: states.clone().next().is_none(),
            garbage: states.clone().any(|state| GARBAGE.contains(&state)),
            virtual_streams: parameters.all("virtual_stream").map(str::to_owned).collect(),
            range: base::own_range(parameters)?,
            order: order(parameters)?.map(|(order, _)| order).unwrap_or_default(),
            descending: self.descending,
        }))
    }
}

fn filter(
    parameters: &Parameters,
    distribution: Distribution<'_>,
    nothing: &mut bool,
) -> Result<BuildFilter, ApiError> {
    let text = |name: &str| parameters.one(name).map(|value| value.map(str::to_owned));
    let time = |name: &str, side: Side| -> Result<Option<Timestamp>, ApiError> {
        parameters.one(name)?.map(|value| moment(name, value, side)).transpose()
    };
    let states = parameters.all("state");
    let of_builds = states.clone().filter(|state| !GARBAGE.contains(state)).map(state_of);
    let of_builds = of_builds.collect::<Result<Vec<_>, _>>()?;
    let reused = parameters.number("reused_module_id", 0, u64::MAX)?;
    let reused = reused.map(|number| i64::try_from(number).ok().and_then(BuildId::new));
    let strategy = parameters.one("rebuild_strategy")?.map(|name| {
        name.parse().map_err(|_| ApiError::bad_request(format!("there is no rebuild strategy {}", shown(name))))
    });
    let mut filter = BuildFilter {
        states: of_builds,
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
        tag: text("koji_tag")?,
        scm_url: text("scmurl")?,
        rebuild_strategy: strategy.transpose()?,
        reused: reused.flatten(),
        build_context: text("build_context")?,
        reason: text("state_reason")?,
        base_module: base_module(parameters, distribution, nothing)?,
    };
    if let Some(nsvc) = parameters.one("nsvc")? {
        narrow(&mut filter, nsvc)?;
    }
    // No build is in that state, nor has such a number.
    *nothing |= (filter.states.is_empty() && states.clone().next().is_some()) || reused == Some(None);
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

pub(super) fn put<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), ()> {
    match value {
        None => Ok(()),
        Some(_) if slot.is_some() => Err(()),
        value => {
            *slot = value;
            Ok(())
        }
    }
}

/// What a list is ordered by: keys, of which one is only that of base modules, and whether from the highest on.
type Order = (Vec<Option<OrderKey>>, bool);

fn order(parameters: &Parameters) -> Result<Option<Order>, ApiError> {
    let read = |name| parameters.all(name).map(order_key).collect::<Result<Vec<_>, _>>();
    let (up, down) = (read("order_by")?, read("order_desc_by")?);
    match (up.is_empty(), down.is_empty()) {
        (true, true) => Ok(None),
        (false, true) => Ok(Some((up, false))),
        (true, false) => Ok(Some((down, true))),
        (false, false) => Err(both_orders()),
    }
}

fn order_key(name: &str) -> Result<Option<OrderKey>, ApiError> {
    if name == STREAM_VERSION {
        return Ok(None);
    }
    match ORDERS.iter().find(|(known, _)| *known == name) {
        Some((_, key)) => Ok(Some(*key)),
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
