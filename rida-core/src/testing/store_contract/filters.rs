//! What clients of other services filter lists by.

use std::collections::BTreeMap;

use super::commit;
use super::lists::ids;
use crate::base_streams::StreamVersion;
use crate::build::{BuildRequire, ModuleBuild, Phase, Submission};
use crate::event::Fact;
use crate::id::{BuildId, ModuleName, StreamName};
use crate::plan::RebuildStrategy;
use crate::ports::{BaseModuleFilter, BuildFilter, Store};
use crate::testing::sample::{self, Written, id, nsvc};

const HOSTILE: [&str; 6] = ["' OR '1'='1", "module-%", "foo\0", "", "?1", "$1"];

pub(super) async fn builds_are_found_by_tag_place_strategy_and_reason(store: &dyn Store) {
    // Too long for the name of a tag, which has a hash in its place.
    let long = "s".repeat(120);
    let texts =
        ["foo:1:9:cafe".to_owned(), "foo:1:9:cafe_1".to_owned(), format!("{long}:{long}:9:cafe"), "a:1:1:a".into()];
    let mut builds: Vec<ModuleBuild> = Vec::new();
    for (number, text) in (1..).zip(texts) {
        let mut submission = sample::submission(nsvc(&text));
        submission.scratch = number == 2;
        if number == 3 {
            submission.scm_url = None;
            submission.rebuild_strategy = RebuildStrategy::OnlyChanged;
            submission.build_requires.clear();
        }
        let new = Written::of_submission(id(number), submission);
        commit(store, &new).await;
        let reason = (number == 4).then_some("it had its turn");
        let next = new.entering(Fact::TimePassed { because: None }, Phase::Wait, reason);
        commit(store, &next).await;
        builds.push(next.after);
    }
    let all = BuildFilter::default;
    for build in &builds {
        let tag = Some(build.tag().to_string());
        assert_eq!(ids(store, BuildFilter { tag, ..all() }).await, [build.id.get()]);
        let alike = |other: &&ModuleBuild| other.submission.build_context() == build.submission.build_context();
        let alike: Vec<i64> = builds.iter().filter(alike).map(|other| other.id.get()).collect();
        assert_ne!(alike.len(), builds.len(), "the check must tell builds apart");
        let build_context = Some(build.submission.build_context());
        assert_eq!(ids(store, BuildFilter { build_context, ..all() }).await, alike);
    }
    let scm_url = builds.first().and_then(|build| build.submission.scm_url.as_ref()).map(ToString::to_string);
    assert_eq!(ids(store, BuildFilter { scm_url: scm_url.clone(), ..all() }).await, [1, 2]);
    let both = BuildFilter { scm_url, scratch: Some(false), ..all() };
    assert_eq!(ids(store, both).await, [1], "all parts must match");
    for (strategy, found) in [
        (RebuildStrategy::All, vec![1, 2, 4]),
        (RebuildStrategy::OnlyChanged, vec![3]),
        (RebuildStrategy::ChangedAndAfter, vec![]),
    ] {
        assert_eq!(ids(store, BuildFilter { rebuild_strategy: Some(strategy), ..all() }).await, found);
    }
    let reason = Some("it had its turn".to_owned());
    assert_eq!(ids(store, BuildFilter { reason, ..all() }).await, [4]);
    for text in HOSTILE {
        let text = Some(text.to_owned());
        for filter in [
            BuildFilter { tag: text.clone(), ..all() },
            BuildFilter { scm_url: text.clone(), ..all() },
            BuildFilter { build_context: text.clone(), ..all() },
            BuildFilter { reason: text.clone(), ..all() },
        ] {
            assert!(ids(store, filter).await.is_empty(), "{text:?}");
        }
    }
}

pub(super) async fn builds_are_found_by_what_they_took_over(store: &dyn Store) {
    for (number, text) in (1..).zip(["foo:1:1:a", "foo:1:2:a", "foo:1:3:a"]) {
        let mut last = Written::new(id(number), nsvc(text));
        commit(store, &last).await;
        let reuse = (number > 1).then(|| sample::reuse(id(1)));
        let fact = Fact::EnvironmentPrepared {
            reuse: reuse.clone().map(Into::into),
            without: Vec::new(),
            changed: Vec::new(),
        };
        last = last.then(fact, |build| {
            // As a step takes a decision: the build says so from then on.
            let decided = reuse.into_iter().flat_map(|decision| decision.components);
            for (name, decision) in decided {
                let Some(index) = build.submission.plan.index_of(&name) else { continue };
                if let Some(component) = build.components.get_mut(index) {
                    component.reuse = Some(decision.into());
                }
            }
        });
        commit(store, &last).await;
        assert_eq!(last.after.donor(), (number > 1).then(|| id(1)));
    }
    let reused =
        async |number| ids(store, BuildFilter { reused: BuildId::new(number), ..BuildFilter::default() }).await;
    assert_eq!(reused(1).await, [2, 3]);
    assert_eq!(reused(2).await, [0_i64; 0]);
    assert_eq!(reused(i64::MAX).await, [0_i64; 0]);
}

pub(super) async fn builds_are_found_by_their_base_module(store: &dyn Store) {
    let against = |name: &str, stream: &str, build| BuildRequire {
        build,
        name: ModuleName::new(name).expect("a good name"),
        stream: StreamName::new(stream).expect("a good stream"),
    };
    let builds = [
        vec![against("platform", "el8.1.0", None)],
        vec![against("perl", "el8.2.0", BuildId::new(1)), against("platform", "el8.2.0", None)],
        vec![against("platform", "f42", None)],
        vec![against("platform", "rawhide", None), against("bootstrap", "el8.2.0", None)],
        vec![],
    ];
    for (number, build_requires) in (1..).zip(builds) {
        let text = format!("foo:1:{number}:a");
        let submission = Submission { build_requires, ..sample::submission(nsvc(&text)) };
        commit(store, &Written::of_submission(id(number), submission)).await;
    }
    let all = BaseModuleFilter::default;
    let found = async |base| ids(store, BuildFilter { base_module: Some(base), ..BuildFilter::default() }).await;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found(all()).await, [1, 2, 3, 4], "each once");
    assert_eq!(found(BaseModuleFilter { name: text("platform"), ..all() }).await, [1, 2, 3, 4]);
    assert_eq!(found(BaseModuleFilter { name: text("bootstrap"), ..all() }).await, [4]);
    assert_eq!(found(BaseModuleFilter { name: text("perl"), ..all() }).await, [0_i64; 0], "it is a build");
    assert_eq!(found(BaseModuleFilter { stream: text("el8.2.0"), ..all() }).await, [2, 4]);
    let both = BaseModuleFilter { name: text("platform"), stream: text("el8.2.0"), ..all() };
    assert_eq!(found(both.clone()).await, [2], "all parts must match one of them");
    let number = |number| Some(StreamVersion::new(number));
    let numbers = BTreeMap::new();
    let range = |least, most| BaseModuleFilter { least, most, numbers: numbers.clone(), ..all() };
    assert_eq!(found(range(number(80_100), None)).await, [1, 2, 3, 4]);
    assert_eq!(found(range(number(80_101), number(80_200))).await, [2, 4]);
    assert_eq!(found(range(None, number(80_100))).await, [1]);
    assert_eq!(found(range(number(420_000), number(420_000))).await, [3]);
    assert_eq!(found(range(number(420_001), None)).await, [0_i64; 0], "rawhide has no number");
    // What somebody says goes before what a name tells.
    let said = |stream: &str, number| {
        let required = against("platform", stream, None);
        ((required.name, required.stream), StreamVersion::new(number))
    };
    let numbers = BTreeMap::from([said("rawhide", 430_000), said("el8.1.0", 80_700)]);
    let range =
        |least, most| BaseModuleFilter { least, most, numbers: numbers.clone(), name: text("platform"), ..all() };
    assert_eq!(found(range(number(420_001), None)).await, [4]);
    assert_eq!(found(range(None, number(80_100))).await, [0_i64; 0]);
    assert_eq!(found(range(number(80_200), number(80_700))).await, [1, 2]);
    let narrow = BuildFilter { name: text("bar"), base_module: Some(both), ..BuildFilter::default() };
    assert_eq!(ids(store, narrow).await, [0_i64; 0]);
    for hostile in HOSTILE {
        assert_eq!(found(BaseModuleFilter { name: text(hostile), ..all() }).await, [0_i64; 0], "{hostile:?}");
        assert_eq!(found(BaseModuleFilter { stream: text(hostile), ..all() }).await, [0_i64; 0], "{hostile:?}");
    }
}
