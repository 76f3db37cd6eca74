//! Base modules, told as builds: what asks another Module Build Service for the modules of a platform asks it for the
//! platform first. Here base modules are settings, so that what is told of them is made of these.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use rida_core::modulemd::{License, ModuleStream, Xmd};
use rida_core::plan::RebuildStrategy;
use rida_core::{
    BaseStream, BaseStreams, BuildFilter, BuildState, ModuleName, OrderKey, StreamName, StreamUse, StreamVersion,
    context,
};

use crate::api::filter::base::StreamRange;

/// The version of every base module.
pub(crate) const BASE_VERSION: u64 = 1;
/// What stands for the context of a base module, which has none.
pub(crate) const BASE_CONTEXT: &str = "00000000";
/// What stands for the commit of a base module, which has none.
pub(super) const BASE_REF: &str = "virtual";
/// Who is told to have submitted base modules; that service has the same name for what was brought into it.
pub(super) const BASE_OWNER: &str = "mbs_import";
/// The state that the service has for what is not to be used any more.
const GARBAGE: (u8, &str) = (6, "garbage");

/// What the settings say of the distribution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distribution<'a> {
    pub(crate) modules: &'a BTreeSet<ModuleName>,
    pub(crate) streams: &'a BaseStreams,
    /// The build system's tags of base modules, by `name:stream`.
    pub(crate) tags: &'a BTreeMap<String, String>,
    /// The architectures that modules are built for; empty when the build system decides.
    pub(crate) arches: &'a [String],
}

/// Which base modules are asked for, in which order.
#[derive(Clone, Debug)]
pub(crate) struct BaseQuery {
    /// What is asked of builds.
    pub(crate) filter: BuildFilter,
    /// In whatever state.
    pub(crate) any_state: bool,
    /// Those also that are not to be used any more.
    pub(crate) garbage: bool,
    /// With one of these virtual streams; all when empty.
    pub(crate) virtual_streams: Vec<String>,
    /// With such a number.
    pub(crate) range: StreamRange,
    /// By these keys, of which an absent one is the number of the stream.
    pub(crate) order: Vec<Option<OrderKey>>,
    /// From the highest to the lowest.
    pub(crate) descending: bool,
}

/// A stream of a base module.
#[derive(Clone, Debug)]
pub(crate) struct BaseModule<'a> {
    pub(super) name: &'a ModuleName,
    pub(super) stream: StreamName,
    pub(super) known: BaseStream,
    pub(super) number: Option<StreamVersion>,
    pub(super) tag: Option<&'a str>,
}

impl<'a> Distribution<'a> {
    /// Tells whether a name is that of a base module.
    pub(crate) fn has(self, name: &str) -> bool {
        self.modules.contains(name)
    }

    /// Tells whether a tag is that of a base module.
    pub(crate) fn has_tag(self, tag: &str) -> bool {
        self.tags.values().any(|known| known == tag)
    }

    /// Returns the numbers of streams whose names do not tell them.
    pub(crate) fn numbers(self) -> BTreeMap<(ModuleName, StreamName), StreamVersion> {
        let of = |name: &'a ModuleName| self.streams.of(name).map(move |(stream, known)| (name, stream, known.version));
        let all = self.modules.iter().flat_map(of);
        all.filter_map(|(name, stream, number)| Some(((name.clone(), stream.clone()), number?))).collect()
    }

    /// Returns the build system's tag of a stream of a base module.
    pub(super) fn tag(self, name: &ModuleName, stream: &StreamName) -> Option<&'a str> {
        self.tags.get(&format!("{name}:{stream}")).map(String::as_str)
    }

    /// Returns the base modules that match, in the order that is asked for.
    pub(crate) fn find(self, query: &BaseQuery) -> Vec<BaseModule<'a>> {
        let streams = self.modules.iter().flat_map(|name| {
            let known: Vec<_> = self.streams.of(name).map(|(stream, known)| (stream.clone(), known.clone())).collect();
            // Where no stream is known, every one that somebody names is as good as another.
            let named = query.filter.stream.as_ref().filter(|_| known.is_empty() && self.names(query, name));
            let named = named.and_then(|stream| Some((StreamName::new(stream).ok()?, BaseStream::default())));
            known.into_iter().chain(named).map(move |(stream, known)| (name, stream, known))
        });
        let mut found: Vec<BaseModule<'a>> = streams
            .map(|(name, stream, known)| BaseModule {
                number: known.version.or_else(|| StreamVersion::of(&stream)),
                tag: self.tag(name, &stream),
                name,
                stream,
                known,
            })
            .filter(|base| base.matches(query))
            .collect();
        found.sort_by(|a, b| a.compare(b, &query.order));
        if query.descending {
            found.reverse();
        }
        found
    }

    fn names(self, query: &BaseQuery, name: &ModuleName) -> bool {
        query.filter.name.as_deref() == Some(name.as_str())
    }
}

impl BaseModule<'_> {
    /// Returns the state that the service would tell it in, as code and name.
    pub(super) fn state(&self) -> (u8, &'static str) {
        match self.known.usage {
            StreamUse::Ended => GARBAGE,
            StreamUse::Offered | StreamUse::Named => (BuildState::Ready.code(), BuildState::Ready.name()),
        }
    }

    fn matches(&self, query: &BaseQuery) -> bool {
        // Without a rest pattern, so that a new part of the filter cannot be forgotten here.
        let BuildFilter {
            states,
            name,
            stream,
            version,
            context,
            owner,
            scratch,
            submitted_after,
            submitted_before,
            modified_after,
            modified_before,
            completed_after,
            completed_before,
            tag,
            scm_url,
            rebuild_strategy,
            reused,
            build_context,
            reason,
            base_module,
        } = &query.filter;
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text);
        let times =
            [submitted_after, submitted_before, modified_after, modified_before, completed_after, completed_before];
        let state = match self.known.usage {
            StreamUse::Ended => query.garbage,
            StreamUse::Offered | StreamUse::Named => states.contains(&BuildState::Ready),
        };
        let mut virtually = query.virtual_streams.iter().filter_map(|name| StreamName::new(name).ok());
        let StreamRange { least, most } = query.range;
        (query.any_state || state)
            && is(name, self.name.as_str())
            && is(stream, self.stream.as_str())
            && version.is_none_or(|version| version == BASE_VERSION)
            && is(context, BASE_CONTEXT)
            && is(owner, BASE_OWNER)
            && *scratch != Some(true)
            && times.iter().all(|time| time.is_none())
            && tag.as_deref().is_none_or(|tag| self.tag == Some(tag))
            && scm_url.is_none()
            && rebuild_strategy.is_none_or(|strategy| strategy == RebuildStrategy::All)
            && reused.is_none()
            && is(build_context, &context::build_context(&BTreeMap::new()))
            && reason.is_none()
            && base_module.is_none()
            && (query.virtual_streams.is_empty() || virtually.any(|name| self.known.virtual_streams.contains(&name)))
            && least.is_none_or(|least| self.number.is_some_and(|number| number >= least))
            && most.is_none_or(|most| self.number.is_some_and(|number| number <= most))
    }

    /// Compares by some keys, and in the end by name, number and stream.
    fn compare(&self, other: &Self, order: &[Option<OrderKey>]) -> Ordering {
        let by = |key: &Option<OrderKey>| match key {
            None => self.number.cmp(&other.number),
            Some(OrderKey::Name) => self.name.cmp(other.name),
            Some(OrderKey::Stream) => self.stream.cmp(&other.stream),
            Some(OrderKey::State) => self.state().cmp(&other.state()),
            // All have the same, or none.
            Some(
                OrderKey::Id
                | OrderKey::Version
                | OrderKey::Context
                | OrderKey::Owner
                | OrderKey::Submitted
                | OrderKey::Modified
                | OrderKey::Completed,
            ) => Ordering::Equal,
        };
        let asked = order.iter().map(by).fold(Ordering::Equal, Ordering::then);
        let own = || (self.name, self.number, &self.stream).cmp(&(other.name, other.number, &other.stream));
        asked.then_with(own)
    }

    /// Writes a document that says of it what a resolver asks.
    pub(super) fn modulemd(&self) -> String {
        let text = |text: &str| Xmd::text(text.to_owned());
        let none = || Xmd::Map(Default::default());
        let mut mbs =
            vec![("buildrequires", none()), ("commit", text(BASE_REF)), ("mse", Xmd::Bool(true)), ("requires", none())];
        mbs.extend(self.tag.map(|tag| ("koji_tag", text(tag))));
        mbs.extend(self.known.dist_tag_marking.as_ref().map(|marking| ("disttag_marking", text(marking.as_str()))));
        if !self.known.virtual_streams.is_empty() {
            let streams = self.known.virtual_streams.iter().map(|stream| text(stream.as_str())).collect();
            mbs.push(("virtual_streams", Xmd::List(streams)));
        }
        let map = |entries: Vec<(&str, Xmd)>| {
            Xmd::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        };
        let about = format!("The distribution, as modules are built for its stream {}.", self.stream);
        ModuleStream {
            name: Some(self.name.to_string()),
            stream: Some(self.stream.to_string()),
            version: Some(BASE_VERSION),
            context: Some(BASE_CONTEXT.to_owned()),
            summary: about.clone(),
            description: about,
            license: License { module: BTreeSet::from(["MIT".to_owned()]), content: BTreeSet::new() },
            xmd: map(vec![("mbs", map(mbs))]),
            ..ModuleStream::default()
        }
        .to_yaml()
    }
}
