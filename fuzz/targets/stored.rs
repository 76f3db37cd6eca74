//! What is stored as JSON: what is read writes as what reads back the same, and no event, wherever it comes, makes a
//! step panic or takes an edge that there is not.

use std::fmt::Debug;
use std::sync::LazyLock;

use rida_core::testing::sample;
use rida_core::{
    Announcement, BuildState, Effect, Event, ModuleBuild, Policy, Step, deadline, look_at, step, waits_for,
};
use serde_json::Value;

/// A build in every phase of a life that ends well, and of one that does not.
static BUILDS: LazyLock<Vec<ModuleBuild>> = LazyLock::new(|| {
    let (id, nsvc) = (sample::id(1), sample::nsvc("foo:1:2:c0ffee"));
    let lives = [sample::life_to_ready(id, nsvc.clone()), sample::life_to_failed(id, nsvc)];
    lives.into_iter().flatten().map(|written| written.after).collect()
});

pub(crate) fn run(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    same_again::<Announcement>(&value);
    same_again::<Effect>(&value);
    let policy = Policy::default();
    if let Some(build) = same_again::<ModuleBuild>(&value) {
        let _ = (deadline(&build, &policy), look_at(&build, &policy, sample::at(0)));
        waits_for(&build, &Default::default(), &[], &policy, sample::at(0));
    }
    let Some(event) = same_again::<Event>(&value) else { return };
    for build in BUILDS.iter() {
        if let Ok(Step::Advance(advance)) = step(build, &event, &policy) {
            let (from, to) = (build.state(), advance.build.state());
            assert!(is_edge(from, to), "{from} to {to}");
            assert!(advance.build.revision > build.revision);
        }
    }
}

fn is_edge(from: BuildState, to: BuildState) -> bool {
    use BuildState::{Build, Done, Failed, Init, Ready, Wait};
    from == to
        || matches!(
            (from, to),
            (Init, Wait | Failed)
                | (Wait, Build | Failed)
                | (Build, Done | Failed | Ready)
                | (Done, Ready)
                | (Failed, Init | Wait)
        )
}

fn same_again<T: serde::Serialize + serde::de::DeserializeOwned + Debug + PartialEq>(value: &Value) -> Option<T> {
    let read = T::deserialize(value).ok()?;
    let written = serde_json::to_string(&read).expect("what was read can be written");
    let again = serde_json::from_str::<T>(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
    assert_eq!(again, read);
    Some(read)
}
