//! Components that start at the same moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rida_core::{BuildSystem, ComponentKey, ComponentState, ModuleBuild, PortError, PortErrorKind, TaskId};
use rida_koji::fault;
use rida_koji::testing::{Trouble, When};
use rida_koji::xmlrpc::{Fault, Value};
use rida_koji::{KojiBuildSystem, KojiConfig};
use tokio::task::JoinHandle;

use crate::world::World;

const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// A module whose components, but for the macros, are all to start.
struct Batch {
    world: World,
    system: Arc<KojiBuildSystem>,
    build: ModuleBuild,
}

impl Batch {
    async fn new() -> Self {
        Self::that_gathers(Duration::ZERO).await
    }

    async fn that_gathers(gathering: Duration) -> Self {
        let world = World::new().await;
        let system = Arc::new(world.system_with(KojiConfig { gathering, ..world.config() }));
        let mut build = world.module(NAMES);
        world.prepare(&system, &build).await;
        for component in build.components.iter_mut().skip(1) {
            component.state = ComponentState::Submitted;
        }
        world.hub.world().calls.clear();
        Self { world, system, build }
    }

    fn keys(&self) -> Vec<ComponentKey> {
        (1..self.build.components.len()).map(|place| self.build.key(place).unwrap()).collect()
    }

    /// Begins with every start, the first a little before the others.
    async fn begin(&self) -> Vec<JoinHandle<Result<TaskId, PortError>>> {
        self.world.hub.world().trouble(When::method("multiCall"), Trouble::Slow(Duration::from_millis(200)));
        let start = |key: ComponentKey| {
            let (system, build) = (Arc::clone(&self.system), self.build.clone());
            tokio::spawn(async move { system.build(&build, &key).await })
        };
        let mut keys = self.keys().into_iter().map(start);
        let mut begun = vec![keys.next().unwrap()];
        tokio::time::sleep(Duration::from_millis(60)).await;
        begun.extend(keys);
        tokio::time::sleep(Duration::from_millis(60)).await;
        begun
    }

    /// Returns how many tasks there are of each component.
    fn started(&self) -> BTreeMap<String, usize> {
        let world = self.world.hub.world();
        let mut all = BTreeMap::new();
        for task in world.tasks().filter(|task| task.method == "build") {
            if let Some(Value::Struct(options)) = task.request.get(2) {
                let name = options.get("mbs_artifact_name").unwrap().text("name").unwrap();
                *all.entry(name.to_owned()).or_default() += 1;
            }
        }
        all
    }

    fn each_once(&self) -> bool {
        self.started() == NAMES.iter().map(|name| ((*name).to_owned(), 1)).collect()
    }
}

async fn ended(begun: Vec<JoinHandle<Result<TaskId, PortError>>>) -> Vec<Result<TaskId, PortError>> {
    let mut all = Vec::new();
    for start in begun {
        all.push(start.await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_looked_for_and_started_in_one_go() {
    // It ends with the last of them; a slow machine may take its time.
    let batch = Batch::that_gathers(Duration::from_secs(50)).await;
    let started = ended(batch.begin().await).await;
    assert!(started.iter().all(Result::is_ok), "{started:?}");
    assert!(batch.each_once(), "{:?}", batch.started());
    let calls = batch.world.hub.world().calls.clone();
    assert_eq!(calls.len(), 3, "a look, the starts, and a look for cancellations: {calls:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_started_elsewhere_is_waited_for_a_moment_only() {
    let batch = Batch::that_gathers(Duration::from_millis(300)).await;
    let mut keys = batch.keys();
    keys.pop();
    let start = |key: ComponentKey| {
        let (system, build) = (Arc::clone(&batch.system), batch.build.clone());
        tokio::spawn(async move { system.build(&build, &key).await })
    };
    let started = ended(keys.into_iter().map(start).collect()).await;
    assert!(started.iter().all(Result::is_ok), "{started:?}");
    assert_eq!(batch.started().len(), NAMES.len() - 1, "the last one is another process's");
    let calls = batch.world.hub.world().calls.clone();
    assert_eq!(calls.len(), 3, "{calls:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_nobody_starts_at_once_and_the_others_follow() {
    let batch = Batch::new().await;
    let started = ended(batch.begin().await).await;
    assert!(started.iter().all(Result::is_ok), "{started:?}");
    assert!(batch.each_once(), "{:?}", batch.started());
    let calls = batch.world.hub.world().calls.clone();
    let of = |what: &str| calls.iter().filter(|call| call.contains(what)).count();
    assert_eq!(of("listTasks"), 2, "one look for the first, one for all others: {calls:#?}");
    assert_eq!(of(" build"), 2, "{calls:#?}");
    assert_eq!(calls.len(), 6, "a look, the start, and a look for cancellations, twice: {calls:#?}");
    // Who asks again is told the same.
    let again = batch.system.build(&batch.build, &batch.keys()[3]).await.unwrap();
    assert_eq!(again, *started[3].as_ref().unwrap());
    assert_eq!(batch.world.hub.world().calls.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_refused_keeps_no_other_from_starting() {
    let batch = Batch::new().await;
    let refusal = Fault { code: fault::GENERIC, message: "No such channel: fast".to_owned() };
    batch.world.hub.world().trouble(When::Among("build".to_owned(), 4), Trouble::Fault(refusal));
    let started = ended(batch.begin().await).await;
    let failed: Vec<&PortError> = started.iter().filter_map(|started| started.as_ref().err()).collect();
    assert_eq!(failed.len(), 1, "{started:?}");
    assert_eq!(
        (failed[0].kind(), failed[0].message()),
        (PortErrorKind::Permanent, "Koji answers: No such channel: fast")
    );
    assert_eq!(batch.started().len(), NAMES.len() - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_answer_is_lost_is_not_started_twice() {
    for trouble in [Trouble::BreakAfter, Trouble::BreakBefore, Trouble::StatusAfter(502), Trouble::Status(503)] {
        let batch = Batch::new().await;
        let begun = batch.begin().await;
        // The look of the first goes on, and the others wait for it.
        batch.world.hub.world().trouble(When::Having("build".to_owned()), trouble.clone());
        let started = ended(begun).await;
        for (key, started) in batch.keys().iter().zip(started) {
            // What nobody knows is looked for before it is done again.
            let task = match started {
                Ok(task) => task,
                Err(error) if error.is_retryable() => batch.system.build(&batch.build, key).await.unwrap(),
                Err(error) => panic!("{trouble:?}: {error}"),
            };
            assert_eq!(batch.system.build(&batch.build, key).await.unwrap(), task);
        }
        assert!(batch.each_once(), "{trouble:?}: {:?}", batch.started());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_starts_for_others_may_end_at_any_moment() {
    for moment in [0, 100, 250, 300] {
        let batch = Batch::new().await;
        let mut begun = batch.begin().await;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        begun.remove(0).abort();
        let started = ended(begun).await;
        assert!(started.iter().all(Result::is_ok), "{moment}: {started:?}");
        batch.system.build(&batch.build, &batch.keys()[0]).await.unwrap();
        assert!(batch.each_once(), "{moment}: {:?}", batch.started());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_want_the_same_get_the_same() {
    let batch = Batch::new().await;
    let begun = batch.begin().await;
    let more = batch.begin().await;
    let (one, other) = (ended(begun).await, ended(more).await);
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one.as_ref().unwrap(), other.as_ref().unwrap());
    }
    assert!(batch.each_once(), "{:?}", batch.started());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_batch_what_was_cancelled_meanwhile_is_ended_and_the_rest_goes_on() {
    let batch = Batch::new().await;
    let begun = batch.begin().await;
    // The start of the others is held up, so that the cancellation is noted and looks for tasks before it.
    batch.world.hub.world().trouble(When::Having("build".to_owned()), Trouble::Slow(Duration::from_millis(600)));
    tokio::time::sleep(Duration::from_millis(350)).await;
    let key = &batch.keys()[5];
    batch.world.system().cancel(&batch.build, key, None).await.unwrap();
    let started = ended(begun).await;
    for (place, started) in started.iter().enumerate() {
        assert_eq!(started.is_ok(), place != 5, "{place}: {started:?}");
    }
    let world = batch.world.hub.world();
    assert_eq!(world.tasks().filter(|t| t.method == "build" && t.state.is_active()).count(), NAMES.len() - 1);
}
