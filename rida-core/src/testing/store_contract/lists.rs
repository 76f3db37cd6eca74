//! Lists and look-ups.

use super::commit;
use crate::build::{BuildRequire, ModuleBuild, Phase, Submission};
use crate::event::Fact;
use crate::id::{BuildId, ModuleName, StreamName};
use crate::plan::RebuildStrategy;
use crate::ports::{BuildFilter, BuildSummary, DonorQuery, ListQuery, OrderKey, Store};
use crate::scm::ScmUrl;
use crate::state::BuildState;
use crate::testing::sample::{self, Written, at, id, nsvc};

const EVERY_KEY: [OrderKey; 10] = [
    OrderKey::Id,
    OrderKey::Name,
    OrderKey::Stream,
    OrderKey::Version,
    OrderKey::Context,
    OrderKey::State,
    OrderKey::Owner,
    OrderKey::Submitted,
    OrderKey::Modified,
    OrderKey::Completed,
];

async fn list(store: &dyn Store, query: &ListQuery) -> Vec<BuildSummary> {
    store.list(query).await.expect("builds can be listed")
}

pub(super) async fn ids(store: &dyn Store, filter: BuildFilter) -> Vec<i64> {
    let counted = store.count(&filter).await.expect("builds can be counted");
    let found = list(store, &ListQuery { filter, limit: 1000, ..ListQuery::default() }).await;
    assert_eq!(u64::try_from(found.len()).ok(), Some(counted), "the count is the length of the list");
    found.iter().map(|summary| summary.id.get()).collect()
}

/// Writes a handful of builds that differ in everything that can be asked for, and returns them by id.
async fn write_some(store: &dyn Store) -> Vec<ModuleBuild> {
    let mut builds = Vec::new();
    let texts = ["foo:10:9:cafe", "foo:9:10:beef", "Bar:rhel8:10:cafe", "foo:10:18446744073709551615:cafe", "a:1:1:a"];
    for (number, text) in (1..).zip(texts) {
        let mut submission = sample::submission(nsvc(text));
        submission.at = at((number * 37) % 100);
        submission.owner = sample::owner(if number % 2 == 0 { "Ämilie" } else { "zoe" });
        submission.scratch = number == 4;
        if number == 4 {
            submission.scm_url = None;
        }
        let mut last = Written::of_submission(id(number), submission);
        commit(store, &last).await;
        let phases = [Phase::Wait, Phase::Preparing, Phase::Done, Phase::Ready];
        for phase in phases.into_iter().take(usize::try_from(number).unwrap_or(0) - 1) {
            last = last.entering(Fact::TimePassed { because: None }, phase, Some("it was time"));
            commit(store, &last).await;
        }
        builds.push(last.after);
    }
    builds
}

pub(super) async fn a_summary_tells_what_the_build_has(store: &dyn Store) {
    for build in write_some(store).await {
        let expected = BuildSummary {
            id: build.id,
            state: build.state(),
            nsvc: build.nsvc().clone(),
            owner: build.submission.owner.clone(),
            scm_url: build.submission.scm_url.as_ref().map(ToString::to_string),
            reason: build.reason().map(str::to_owned),
            scratch: build.is_scratch(),
            submitted_at: build.submission.at,
            modified_at: build.modified_at,
            completed_at: build.completed_at(),
        };
        assert_eq!(store.find(build.nsvc()).await.expect("a build can be found").as_ref(), Some(&expected));
        let listed = list(store, &ListQuery { limit: 1000, ..ListQuery::default() }).await;
        assert_eq!(listed.iter().find(|summary| summary.id == build.id), Some(&expected));
    }
    assert_eq!(store.find(&nsvc("foo:10:9:beef")).await.expect("it can be asked"), None);
}

pub(super) async fn each_part_of_a_filter_filters(store: &dyn Store) {
    let builds = write_some(store).await;
    let all = BuildFilter::default;
    let expect = |matches: &dyn Fn(&ModuleBuild) -> bool| -> Vec<i64> {
        let found: Vec<i64> = builds.iter().filter(|build| matches(build)).map(|build| build.id.get()).collect();
        assert!(!found.is_empty() && found.len() < builds.len(), "the check must tell builds apart");
        found
    };
    assert_eq!(ids(store, all()).await, [1, 2, 3, 4, 5]);
    for state in crate::state::BUILD_STATES {
        if state != BuildState::Failed {
            let filter = BuildFilter { states: vec![state], ..all() };
            assert_eq!(ids(store, filter).await, expect(&|build| build.state() == state));
        }
    }
    let filter = BuildFilter { states: vec![BuildState::Init, BuildState::Ready, BuildState::Failed], ..all() };
    assert_eq!(ids(store, filter).await, [1, 5]);
    let filter = BuildFilter { name: Some("foo".to_owned()), ..all() };
    assert_eq!(ids(store, filter).await, expect(&|build| build.nsvc().name.as_str() == "foo"));
    let filter = BuildFilter { stream: Some("10".to_owned()), ..all() };
    assert_eq!(ids(store, filter).await, expect(&|build| build.nsvc().stream.as_str() == "10"));
    let filter = BuildFilter { version: Some(10), ..all() };
    assert_eq!(ids(store, filter).await, expect(&|build| build.nsvc().version == 10));
    let filter = BuildFilter { context: Some("cafe".to_owned()), ..all() };
    assert_eq!(ids(store, filter).await, expect(&|build| build.nsvc().context.as_str() == "cafe"));
    let filter = BuildFilter { owner: Some("Ämilie".to_owned()), ..all() };
    assert_eq!(ids(store, filter).await, expect(&|build| build.submission.owner.as_str() == "Ämilie"));
    for scratch in [true, false] {
        let filter = BuildFilter { scratch: Some(scratch), ..all() };
        assert_eq!(ids(store, filter).await, expect(&|build| build.is_scratch() == scratch));
    }

    let submitted = builds[3].submission.at;
    let filter = BuildFilter { submitted_after: Some(submitted), ..all() };
    assert_eq!(ids(store, filter).await, expect(&|build| build.submission.at >= submitted));
    let filter = BuildFilter { submitted_before: Some(submitted), ..all() };
    assert_eq!(ids(store, filter).await, expect(&|build| build.submission.at <= submitted));
    let modified = builds[3].modified_at;
    let filter = BuildFilter { modified_after: Some(modified), ..all() };
    assert_eq!(ids(store, filter).await, expect(&|build| build.modified_at >= modified));
    let filter = BuildFilter { modified_before: Some(modified), ..all() };
    assert_eq!(ids(store, filter).await, expect(&|build| build.modified_at <= modified));
    let completed = builds[3].completed_at().expect("the fourth is done");
    let filter = BuildFilter { completed_after: Some(completed), ..all() };
    assert_eq!(ids(store, filter).await, expect(&|build| build.completed_at().is_some_and(|at| at >= completed)));
    let filter = BuildFilter { completed_before: Some(completed), ..all() };
    assert_eq!(ids(store, filter).await, expect(&|build| build.completed_at().is_some_and(|at| at <= completed)));

    let both = BuildFilter { name: Some("foo".to_owned()), context: Some("beef".to_owned()), ..all() };
    assert_eq!(ids(store, both).await, [2], "all parts must match");
}

pub(super) async fn each_key_orders(store: &dyn Store) {
    let builds = write_some(store).await;
    for order in EVERY_KEY {
        let mut expected: Vec<&ModuleBuild> = builds.iter().collect();
        match order {
            OrderKey::Id => {}
            OrderKey::Name => expected.sort_by_key(|build| build.nsvc().name.as_str()),
            OrderKey::Stream => expected.sort_by_key(|build| build.nsvc().stream.as_str()),
            OrderKey::Version => expected.sort_by_key(|build| build.nsvc().version),
            OrderKey::Context => expected.sort_by_key(|build| build.nsvc().context.as_str()),
            OrderKey::State => expected.sort_by_key(|build| build.state().code()),
            OrderKey::Owner => expected.sort_by_key(|build| build.submission.owner.as_str()),
            OrderKey::Submitted => expected.sort_by_key(|build| build.submission.at),
            OrderKey::Modified => expected.sort_by_key(|build| build.modified_at),
            OrderKey::Completed => expected.sort_by_key(|build| build.completed_at()),
        }
        let mut expected: Vec<BuildId> = expected.iter().map(|build| build.id).collect();
        for descending in [false, true] {
            let listed =
                list(store, &ListQuery { order: vec![order], descending, limit: 1000, ..ListQuery::default() }).await;
            let listed: Vec<BuildId> = listed.iter().map(|summary| summary.id).collect();
            assert_eq!(listed, expected, "by {order:?}, descending: {descending}");
            expected.reverse();
        }
    }
    // Between equals the next key decides.
    let order = vec![OrderKey::Name, OrderKey::Submitted];
    let mut wanted: Vec<&ModuleBuild> = builds.iter().collect();
    wanted.sort_by_key(|build| (build.nsvc().name.as_str(), build.submission.at));
    let wanted: Vec<BuildId> = wanted.iter().map(|build| build.id).collect();
    assert!(!wanted.is_sorted(), "the check must tell the second key from the id");
    let listed = list(store, &ListQuery { order, limit: 1000, ..ListQuery::default() }).await;
    let listed: Vec<BuildId> = listed.iter().map(|summary| summary.id).collect();
    assert_eq!(listed, wanted);
}

pub(super) async fn versions_order_as_numbers(store: &dyn Store) {
    let versions = [u64::MAX, 9, 10, 0, 9_223_372_036_854_775_808, 20_180_920_144_631, 9_223_372_036_854_775_807];
    for (number, version) in (1..).zip(versions) {
        commit(store, &Written::new(id(number), nsvc(&format!("foo:1:{version}:c0ffee")))).await;
        let filter = BuildFilter { version: Some(version), ..BuildFilter::default() };
        assert_eq!(ids(store, filter).await, [number]);
    }
    let query = ListQuery { order: vec![OrderKey::Version], limit: 10, ..ListQuery::default() };
    let listed: Vec<u64> = list(store, &query).await.iter().map(|summary| summary.nsvc.version).collect();
    let mut expected = versions.to_vec();
    expected.sort_unstable();
    assert_eq!(listed, expected);
}

pub(super) async fn a_page_is_a_piece_of_the_list(store: &dyn Store) {
    write_some(store).await;
    for order in EVERY_KEY {
        let query = ListQuery { order: vec![order], descending: true, limit: 1000, ..ListQuery::default() };
        let whole = list(store, &query).await;
        for (offset, limit) in [(0, 2), (1, 2), (4, 2), (5, 2), (1, 0)] {
            let page = list(store, &ListQuery { offset, limit, ..query.clone() }).await;
            let skip = usize::try_from(offset).unwrap_or(0);
            let take = usize::try_from(limit).unwrap_or(0);
            let expected: Vec<BuildSummary> = whole.iter().skip(skip).take(take).cloned().collect();
            assert_eq!(page, expected, "by {order:?}, from {offset} on {limit}");
        }
    }
}

pub(super) async fn walking_by_id_meets_each_build_once(store: &dyn Store) {
    write_some(store).await;
    for (descending, expected) in [(false, [1, 2, 3, 4, 5]), (true, [5, 4, 3, 2, 1])] {
        let mut met: Vec<i64> = Vec::new();
        let mut after = None;
        loop {
            let query = ListQuery { descending, after, limit: 2, ..ListQuery::default() };
            let piece = list(store, &query).await;
            let Some(last) = piece.last() else { break };
            after = Some(last.id);
            met.extend(piece.iter().map(|summary| summary.id.get()));
            assert!(met.len() <= expected.len(), "the walk does not end");
        }
        assert_eq!(met, expected);
    }
    let filter = BuildFilter { name: Some("foo".to_owned()), ..BuildFilter::default() };
    let query = ListQuery { filter, after: Some(id(1)), limit: 10, ..ListQuery::default() };
    let met: Vec<i64> = list(store, &query).await.iter().map(|summary| summary.id.get()).collect();
    assert_eq!(met, [2, 4], "filters hold on the way");
}

pub(super) async fn hostile_text_matches_nothing(store: &dyn Store) {
    write_some(store).await;
    for text in ["' OR '1'='1", "foo' --", "f%", "f_o", "\"foo\"", "foo\0", "", "FOO", "\u{fffd}", "?1", ":name", "$1"]
    {
        let text = Some(text.to_owned());
        for filter in [
            BuildFilter { name: text.clone(), ..BuildFilter::default() },
            BuildFilter { stream: text.clone(), ..BuildFilter::default() },
            BuildFilter { context: text.clone(), ..BuildFilter::default() },
            BuildFilter { owner: text.clone(), ..BuildFilter::default() },
        ] {
            assert!(ids(store, filter).await.is_empty(), "{text:?}");
        }
    }
}

pub(super) async fn extreme_numbers_are_harmless(store: &dyn Store) {
    write_some(store).await;
    let all = ListQuery { limit: u64::MAX, ..ListQuery::default() };
    assert_eq!(list(store, &all).await.len(), 5);
    assert_eq!(list(store, &ListQuery { offset: u64::MAX, ..all.clone() }).await, []);
    assert_eq!(list(store, &ListQuery { after: BuildId::new(i64::MAX), ..all.clone() }).await, []);
    let filter = BuildFilter { version: Some(u64::MAX - 1), ..BuildFilter::default() };
    assert!(ids(store, filter).await.is_empty());
    let last = crate::timestamp::Timestamp::from_millis(i64::MAX);
    let filter = BuildFilter { submitted_after: Some(last), ..BuildFilter::default() };
    assert!(ids(store, filter).await.is_empty());
}

pub(super) async fn the_latest_ready_build_has_the_highest_version(store: &dyn Store) {
    let name = ModuleName::new("foo").expect("a good name");
    let stream = |text: &str| StreamName::new(text).expect("a good stream");
    assert_eq!(store.latest_ready(&name, &stream("1")).await.expect("it can be asked"), None);
    let builds = [("foo:1:9:a", true), ("foo:1:10:a", true), ("foo:1:11:a", false), ("foo:2:12:a", true)];
    for (number, (text, ready)) in (1..).zip(builds) {
        let new = Written::new(id(number), nsvc(text));
        commit(store, &new).await;
        let phase = if ready { Phase::Ready } else { Phase::Done };
        commit(store, &new.entering(Fact::TimePassed { because: None }, phase, None)).await;
    }
    // A server of an earlier version may release what is only tried.
    let scratch = Submission { scratch: true, ..sample::submission(nsvc("foo:1:12:a_1")) };
    let scratch = Written::of_submission(id(5), scratch);
    commit(store, &scratch).await;
    commit(store, &scratch.entering(Fact::TimePassed { because: None }, Phase::Ready, None)).await;
    let latest = store.latest_ready(&name, &stream("1")).await.expect("it can be asked");
    assert_eq!(latest.map(|summary| summary.id), Some(id(2)));
    let latest = store.latest_ready(&name, &stream("2")).await.expect("it can be asked");
    assert_eq!(latest.map(|summary| summary.id), Some(id(4)));
    assert_eq!(store.latest_ready(&name, &stream("3")).await.expect("it can be asked"), None);
}

pub(super) async fn the_donor_is_the_one_that_ended_last_of_those_that_fit(store: &dyn Store) {
    use RebuildStrategy::{All, ChangedAndAfter, OnlyChanged};
    let against = |stream: &str| {
        let (name, stream) = (ModuleName::new("platform"), StreamName::new(stream));
        let (name, stream) = (name.expect("a good name"), stream.expect("a good stream"));
        vec![BuildRequire { build: None, name, stream }]
    };
    // In the order in which they end.
    let builds = [
        ("foo:1:9:a", "el8", All, Phase::Ready),
        ("foo:1:3:b", "el8", ChangedAndAfter, Phase::Ready),
        ("foo:1:4:a", "el8", OnlyChanged, Phase::Ready),
        ("foo:1:5:a", "el9", All, Phase::Ready),
        ("foo:2:6:a", "el8", All, Phase::Ready),
        ("bar:1:7:a", "el8", All, Phase::Ready),
        ("foo:1:8:a", "el8", All, Phase::Done),
        ("foo:1:2:a", "el8", All, Phase::Preparing),
    ];
    for (number, (nsvc_, platform, rebuild_strategy, phase)) in (1..).zip(builds) {
        let build_requires = against(platform);
        let submission = Submission {
            build_requires,
            rebuild_strategy,
            at: sample::at(number * 100),
            ..sample::submission(nsvc(nsvc_))
        };
        let new = Written::of_submission(id(number), submission);
        commit(store, &new).await;
        // It ends with `done`, whatever becomes of it then.
        let done = new.entering(Fact::TimePassed { because: None }, Phase::Done, None);
        match phase {
            Phase::Ready => {
                commit(store, &done).await;
                commit(store, &done.entering(Fact::TimePassed { because: None }, Phase::Ready, None)).await;
            }
            phase => {
                commit(store, &new.entering(Fact::TimePassed { because: None }, phase, None)).await;
            }
        }
    }
    let context_on = |platform: &str| {
        let build_requires = against(platform);
        Submission { build_requires, ..sample::submission(nsvc("foo:1:1:a")) }.build_context()
    };
    let ask_on = async |name: &str, stream: &str, platforms: &[&str], strategies: &[RebuildStrategy]| {
        let wanted = DonorQuery {
            name: ModuleName::new(name).expect("a good name"),
            stream: StreamName::new(stream).expect("a good stream"),
            build_contexts: platforms.iter().map(|platform| context_on(platform)).collect(),
            strategies: strategies.to_vec(),
        };
        store.donor(&wanted).await.expect("it can be asked").map(BuildId::get)
    };
    let ask = async |name, stream, platform: &str, strategies| ask_on(name, stream, &[platform], strategies).await;
    let all = RebuildStrategy::ALL;
    assert_eq!(ask("foo", "1", "el8", &all).await, Some(3), "the one that ended last, not that of the highest version");
    assert_eq!(ask("foo", "1", "el8", ChangedAndAfter.donors()).await, Some(2), "the strategies are a part of it");
    assert_eq!(ask("foo", "1", "el8", &[All]).await, Some(1));
    assert_eq!(ask("foo", "1", "el8", &[]).await, None);
    assert_eq!(ask("foo", "1", "el9", &all).await, Some(4), "so is what it was built against");
    assert_eq!(ask("foo", "2", "el8", &all).await, Some(5));
    assert_eq!(ask("bar", "1", "el8", &all).await, Some(6));
    assert_eq!(ask("bar", "2", "el8", &all).await, None);
    assert_eq!(ask("foo", "1", "el7", &all).await, None);
    assert_eq!(ask_on("foo", "1", &["el9", "el8"], &all).await, Some(4), "the first has one");
    assert_eq!(ask_on("foo", "1", &["el8", "el9"], &all).await, Some(3));
    assert_eq!(ask_on("foo", "1", &["el7", "el9", "el8"], &all).await, Some(4), "the first has none");
    assert_eq!(ask_on("foo", "1", &["el9", "el8"], ChangedAndAfter.donors()).await, Some(4));
    assert_eq!(ask_on("foo", "1", &["el9", "el8"], &[OnlyChanged]).await, Some(3));
    assert_eq!(ask_on("foo", "1", &[], &all).await, None);
}

pub(super) async fn builds_of_one_document_are_found(store: &dyn Store) {
    let url = |text: &str| text.parse::<ScmUrl>().expect("a good URL");
    let (here, there) = (url("https://src.example.org/a.git?#main"), url("https://src.example.org/a.git?#other"));
    let builds = [
        ("foo:1:1:a", &here, false),
        ("foo:1:2:b", &there, false),
        ("bar:1:1:a", &here, false),
        ("foo:1:1:a_1", &here, true),
    ];
    for (number, (text, scm_url, scratch)) in (1..).zip(builds) {
        let submission = Submission { scm_url: Some(scm_url.clone()), scratch, ..sample::submission(nsvc(text)) };
        commit(store, &Written::of_submission(id(number), submission)).await;
    }
    let found = async |urls: &[ScmUrl], limit| {
        let found = store.of_documents(urls, limit).await.expect("it can be asked");
        found.iter().map(|build| build.id.get()).collect::<Vec<_>>()
    };
    assert_eq!(found(std::slice::from_ref(&here), 10).await, [1, 3], "but what is only tried");
    assert_eq!(found(&[there.clone(), here.clone()], 10).await, [1, 2, 3]);
    assert_eq!(found(&[there, here], 2).await, [1, 2]);
    assert!(found(&[url("https://src.example.org/a.git?#x")], 10).await.is_empty());
    assert!(found(&[], 10).await.is_empty());
}

pub(super) async fn ready_builds_are_found_by_what_they_are_built_against(store: &dyn Store) {
    let name = |text: &str| ModuleName::new(text).expect("a good name");
    let stream = |text: &str| StreamName::new(text).expect("a good stream");
    let builds = [
        ("foo:1:9:a", Some("f28"), Phase::Ready),
        ("foo:1:10:b", Some("f29"), Phase::Ready),
        ("foo:1:8:c", Some("f28"), Phase::Ready),
        ("foo:1:11:d", Some("f28"), Phase::Done),
        ("foo:2:1:a", None, Phase::Ready),
        ("foo:3:1:a", Some("f28"), Phase::Done),
        ("bar:4:1:a", Some("f28"), Phase::Ready),
        ("foo:1:9:e", Some("f28"), Phase::Ready),
        ("foo:4:1:a", None, Phase::Ready),
        ("foo:4:2:a", Some("f29"), Phase::Ready),
        ("foo:4:3:a", Some("f28"), Phase::Ready),
    ];
    for (number, (text, platform, phase)) in (1..).zip(builds) {
        let mut submission = sample::submission(nsvc(text));
        let required =
            |module: &str, text: &str| BuildRequire { build: None, name: name(module), stream: stream(text) };
        submission.build_requires = platform.map(|platform| required("platform", platform)).into_iter().collect();
        submission.build_requires.push(required("perl", "f27"));
        let new = Written::of_submission(id(number), submission);
        commit(store, &new).await;
        commit(store, &new.entering(Fact::TimePassed { because: None }, phase, None)).await;
    }
    let tried = Submission { scratch: true, ..sample::submission(nsvc("foo:9:1:a_1")) };
    let tried = Written::of_submission(id(20), tried);
    commit(store, &tried).await;
    commit(store, &tried.entering(Fact::TimePassed { because: None }, Phase::Ready, None)).await;
    let found = async |of: &str, platforms: &[&str]| {
        let platforms: Vec<StreamName> = platforms.iter().map(|it| stream(it)).collect();
        let all: Vec<_> = ["1", of, "nothere"].map(|of| (name("foo"), stream(of))).into();
        let ids = |found: &[BuildSummary]| found.iter().map(|summary| summary.id.get()).collect::<Vec<_>>();
        let together = store.latest_ready_on(&all, &name("platform"), &platforms).await.expect("it can be asked");
        let [first, found, nothing] = together.as_slice() else { panic!("each has an answer: {together:?}") };
        let alone = store.latest_ready_on(&all[..1], &name("platform"), &platforms).await.expect("it can be asked");
        assert_eq!((alone.as_slice(), ids(nothing)), (std::slice::from_ref(first), vec![]), "each as if alone");
        ids(found)
    };
    assert!(store.latest_ready_on(&[], &name("platform"), &[stream("f28")]).await.expect("it can be asked").is_empty());
    assert_eq!(found("1", &["f28"]).await, [8, 1], "those of the highest version that is ready");
    assert_eq!(found("1", &["f29"]).await, [2]);
    assert!(found("1", &["f30"]).await.is_empty());
    assert_eq!(found("1", &["f29", "f28"]).await, [2, 8, 1], "in the order of the platforms");
    assert_eq!(found("1", &["f28", "f30", "f29"]).await, [8, 1, 2]);
    assert!(found("1", &[]).await.is_empty());
    assert_eq!(found("2", &["f30"]).await, [5], "it is not built against any");
    assert_eq!(found("4", &["f30", "f29"]).await, [9, 10], "which counts for the first");
    assert_eq!(found("4", &["f29"]).await, [10], "and is older there");
    assert!(found("9", &["el8"]).await.is_empty(), "it is only tried");
    let streams = async |of: &str, limit| {
        let found = store.ready_streams(&name(of), limit).await.expect("it can be asked");
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(streams("foo", 10).await, ["1", "2", "4"]);
    assert_eq!(streams("foo", 1).await, ["1"]);
    assert!(streams("baz", 10).await.is_empty());
}
