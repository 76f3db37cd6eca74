//! Any build comes back from the database as it went in.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed assertion, in helpers too")]

use std::sync::Arc;

use proptest::prelude::*;
use rida_core::plan::{Plan, Reuse, Taken};
use rida_core::testing::sample::{self, Written, id};
use rida_core::{
    BuildState, Built, ComponentBuild, ComponentState, Fact, Failure, FailureKind, Nsvc, Owner, Phase, SourceProblem,
    Store, TaskId, TaskProgress, Timestamp, Transition,
};
use rida_store::Database;
use support::Place;

mod support;

/// Text with what databases, JSON and shells stumble over.
fn text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec!['\0', '\'', '"', '\\', '\u{1f4a5}', '\n', '\u{feff}', '\u{2028}', '%', '{']);
    prop::collection::vec(prop_oneof![any::<char>(), odd], 0..20).prop_map(|chars| chars.into_iter().collect())
}

fn shared() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Into::into)
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn owner() -> impl Strategy<Value = Owner> {
    text().prop_filter_map("a user's name", |text| Owner::new(&text).ok())
}

fn nsvc() -> impl Strategy<Value = Nsvc> {
    let word = "[a-zA-Z0-9][a-zA-Z0-9._+-]{0,127}";
    (word, word, any::<u64>(), "[a-zA-Z0-9_]{1,13}").prop_map(|(name, stream, version, context)| Nsvc {
        name: name.parse().unwrap(),
        stream: stream.parse().unwrap(),
        version,
        context: context.parse().unwrap(),
    })
}

fn state() -> impl Strategy<Value = BuildState> {
    (0..6_i64).prop_map(|code| BuildState::try_from(code).unwrap())
}

fn phase() -> impl Strategy<Value = Phase> {
    let kind = prop::sample::select(vec![
        FailureKind::Sources,
        FailureKind::Components,
        FailureKind::Infrastructure,
        FailureKind::Deadline,
        FailureKind::Canceled,
    ]);
    let problem = text().prop_map(|message| SourceProblem { component: sample::component("foo"), message });
    let failure = (kind, state(), prop::collection::vec(problem, 0..3))
        .prop_map(|(kind, from, problems)| Phase::Failed(Failure { kind, from, problems }));
    let building = prop::option::of(prop::collection::vec(any::<usize>(), 0..4))
        .prop_map(|regenerating| Phase::Building { regenerating });
    prop_oneof![
        Just(Phase::Init),
        Just(Phase::Wait),
        Just(Phase::Preparing),
        building,
        Just(Phase::Finishing),
        Just(Phase::Done),
        failure,
        Just(Phase::Ready),
    ]
}

fn component() -> impl Strategy<Value = ComponentBuild> {
    let task = || any::<i64>().prop_map(TaskId);
    let built = || {
        (task(), "[a-z]{1,8}-[0-9.]{1,5}-[0-9a-z.+~^]{1,9}")
            .prop_map(|(task, nvr)| Built { task, nvr: Arc::new(nvr.parse().unwrap()) })
    };
    let progress = prop_oneof![Just(TaskProgress::Free), Just(TaskProgress::Assigned), Just(TaskProgress::Open)];
    let state = prop_oneof![
        Just(ComponentState::Waiting),
        Just(ComponentState::Submitted),
        (task(), progress).prop_map(|(task, progress)| ComponentState::Building { task, progress }),
        built().prop_map(ComponentState::Built),
        built().prop_map(ComponentState::Tagged),
        built().prop_map(ComponentState::Available),
        (prop::option::of(task()), shared()).prop_map(|(task, reason)| ComponentState::Failed { task, reason }),
        prop::option::of(task()).prop_map(|task| ComponentState::Canceled { task }),
        Just(ComponentState::Unneeded),
    ];
    let donor = (1..=i64::MAX).prop_map(id);
    let taken = (donor, built()).prop_map(|(build, built)| Reuse::Taken(Taken { build, built }));
    let reuse = prop::option::of(prop_oneof![taken, shared().prop_map(Reuse::Rebuilt)].prop_map(Arc::new));
    let source = prop::option::of(Just(Arc::new(sample::source("foo"))));
    (source, any::<u32>(), state, reuse).prop_map(|(source, attempt, state, reuse)| ComponentBuild {
        source,
        attempt,
        state,
        reuse,
    })
}

fn transition() -> impl Strategy<Value = Transition> {
    (state(), time(), prop::option::of(shared())).prop_map(|(state, at, reason)| Transition { state, at, reason })
}

fn new_build() -> impl Strategy<Value = Written> {
    (1..=i64::MAX, nsvc(), owner(), text(), time(), any::<bool>(), changes()).prop_map(
        |(number, nsvc, owner, modulemd, at, components, change)| {
            let mut submission = sample::submission(nsvc);
            submission.owner = owner;
            submission.modulemd = modulemd.into();
            submission.at = at;
            if !components {
                submission.plan = Plan::default();
            }
            let mut written = Written::of_submission(id(number), submission);
            change.apply(&mut written);
            written
        },
    )
}

/// What differs between two revisions of a build.
#[derive(Clone, Debug)]
struct Changed {
    phase: Phase,
    since: Timestamp,
    components: Vec<ComponentBuild>,
    counts: (u32, u32, u32),
    history: Vec<Transition>,
    modified_at: Timestamp,
}

impl Changed {
    fn apply(&self, written: &mut Written) {
        let build = &mut written.after;
        build.phase = self.phase.clone();
        build.phase_since = self.since;
        let components = self.components.iter().cloned();
        build.components.iter_mut().zip(components).for_each(|(before, after)| *before = after);
        (build.effects_issued, build.run_started, build.repository_generation) = self.counts;
        build.history.clone_from(&self.history);
        build.modified_at = self.modified_at;
    }
}

fn changes() -> impl Strategy<Value = Changed> {
    let components = prop::collection::vec(component(), 0..6);
    let history = prop::collection::vec(transition(), 0..5);
    (phase(), time(), components, any::<(u32, u32, u32)>(), history, time()).prop_map(
        |(phase, since, components, counts, history, modified_at)| Changed {
            phase,
            since,
            components,
            counts,
            history,
            modified_at,
        },
    )
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn any_build_comes_back_from_sqlite_as_it_went_in() {
    any_build_comes_back_as_it_went_in(&Place::sqlite());
}

#[test]
fn any_build_comes_back_from_postgres_as_it_went_in() {
    any_build_comes_back_as_it_went_in(&Place::postgres());
}

fn any_build_comes_back_as_it_went_in(place: &Place) {
    let runtime = runtime();
    let database = runtime.block_on(async {
        let mut config = place.config();
        config.durability = rida_store::Durability::Normal;
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        database
    });
    proptest!(ProptestConfig::with_cases(128), |(new in new_build(), later in prop::collection::vec(changes(), 0..4))| {
        runtime.block_on(async {
            // Another case may have taken what identifies this one.
            if database.load(new.after.id).await.unwrap().is_some() || database.find(new.after.nsvc()).await.unwrap().is_some() {
                return;
            }
            let mut last = new.clone();
            database.commit(last.commit()).await.unwrap();
            assert_eq!(database.load(new.after.id).await.unwrap().as_ref(), Some(&last.after));
            for change in later {
                let mut next = last.then(Fact::TimePassed { because: None }, |_| ());
                change.apply(&mut next);
                database.commit(next.commit()).await.unwrap();
                assert_eq!(database.load(new.after.id).await.unwrap().as_ref(), Some(&next.after));
                last = next;
            }
            let found = database.find(new.after.nsvc()).await.unwrap().unwrap();
            assert_eq!((found.id, found.state, &found.owner), (new.after.id, last.after.state(), &new.after.submission.owner));
            assert_eq!((found.modified_at, found.completed_at), (last.after.modified_at, last.after.completed_at()));
        });
    });
    assert_eq!(runtime.block_on(database.integrity_check()).unwrap(), Vec::<String>::new());
}
