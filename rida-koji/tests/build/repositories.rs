//! Repositories that fail: what is taken instead, how often they are asked for, and what is told meanwhile.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rida_core::{BuildSystem, Built, ComponentState, Fact, ModuleBuild, Phase, PortErrorKind, TaskId};
use rida_koji::testing::Dialect;
use rida_koji::{KojiBuildSystem, KojiConfig};

use crate::world::World;

/// Returns a build system that asks as seldom as a service does, by a clock that is moved by hand.
fn sparing(world: &World) -> (KojiBuildSystem, Arc<Mutex<Duration>>) {
    let KojiConfig { freshness, longest_freshness, .. } = KojiConfig::default();
    let time = Arc::new(Mutex::new(Duration::ZERO));
    let clock = Arc::clone(&time);
    let system = world.system_with(KojiConfig { freshness, longest_freshness, ..world.config() });
    (system.with_clock(move || *clock.lock().unwrap()), time)
}

fn pass(world: &World, time: &Mutex<Duration>, by: Duration) {
    *time.lock().unwrap() += by;
    world.hub.advance(by);
}

fn asked(world: &World) -> usize {
    let hub = world.hub.world();
    hub.calls.iter().filter(|call| call.contains("newRepo") || call.contains("repo.request")).count()
}

/// Makes a module wait for a repository with a package that is in no repository yet.
fn waits_for_repository(world: &World, build: &mut ModuleBuild) {
    world.hub.world().add_tagged(&format!("{}-build", build.tag()), ["alpha", "1", "1"], &[]);
    build.phase = Phase::Building { regenerating: Some(Vec::new()) };
    build.repository_generation = 1;
    let nvr = Arc::new("alpha-1-1".parse().unwrap());
    build.components[1].state = ComponentState::Tagged(Built { task: TaskId(1), nvr });
}

/// An environment is changed, and the repositories that it needs then fail: the one of before is not what is built with.
#[tokio::test]
async fn an_older_repository_is_not_taken_for_one_that_failed() {
    // The queue tries three times by itself.
    for (dialect, failing) in [(Dialect::released(), 5), (Dialect::next(), 5), (Dialect::old(), 2)] {
        let world = World::new().await;
        world.hub.world().dialect = dialect.clone();
        let build = world.module(&["alpha"]);
        world.prepare(&world.system(), &build).await;
        let tag = format!("{}-build", build.tag());
        let made = || world.hub.world().repositories(&tag);
        assert_eq!(made(), 1, "{dialect:?}");
        let mut config = world.config();
        config.build_group.push("ccache".to_owned());
        let system = world.system_with(config);
        world.hub.world().failing_repositories = failing;
        world.prepare(&system, &build).await;
        assert_eq!(world.hub.world().failing_repositories, 0, "{dialect:?}: it was asked for until it was made");
        assert_eq!(made(), 2, "{dialect:?}: the one of before is not taken");
    }
}

#[tokio::test]
async fn a_first_repository_that_always_fails_is_told_and_asked_for_ever_more_seldom() {
    for dialect in [Dialect::old(), Dialect::released()] {
        let world = World::new().await;
        world.hub.world().dialect = dialect.clone();
        let (system, time) = sparing(&world);
        let build = world.module(&["alpha"]);
        world.hub.world().failing_repositories = u32::MAX;
        let mut told = Vec::new();
        for _ in 0..240 {
            let error = system.prepare(&build).await.unwrap_err();
            assert_eq!(error.kind(), PortErrorKind::Pending, "{dialect:?}: {error}");
            told.push(error.message().to_owned());
            pass(&world, &time, Duration::from_secs(15));
        }
        let times = asked(&world);
        assert!((3..=9).contains(&times), "{dialect:?}: {times}");
        let last = told.last().unwrap();
        let named = if dialect.repository_queue { "Koji's request " } else { "Koji's task " };
        assert!(last.contains(named) && last.contains("failed or came too early"), "{dialect:?}: {last}");
        // Once told it stays told, also while another one is being made.
        let since = told.iter().position(|text| text.contains("failed or came too early")).unwrap();
        assert!(since < 20, "{dialect:?}: {since}");
        assert!(told[since..].iter().all(|text| text.contains("failed or came too early")), "{dialect:?}: {told:?}");
        // Once repositories can be made again, the module goes on.
        world.hub.world().failing_repositories = 0;
        for _ in 0..240 {
            if system.prepare(&build).await.is_ok() {
                break;
            }
            pass(&world, &time, Duration::from_secs(15));
        }
        system.prepare(&build).await.unwrap();
    }
}

/// Looks come more often than the hub is asked.
#[tokio::test]
async fn why_a_repository_is_waited_for_is_told_at_every_look() {
    for dialect in [Dialect::old(), Dialect::released()] {
        let world = World::new().await;
        world.hub.world().dialect = dialect.clone();
        let (system, time) = sparing(&world);
        let mut build = world.module(&["alpha"]);
        while system.prepare(&build).await.is_err() {
            pass(&world, &time, Duration::from_secs(15));
        }
        waits_for_repository(&world, &mut build);
        world.hub.world().failing_repositories = u32::MAX;
        system.regenerate(&build, 1).await.unwrap();
        // Until it has failed twice.
        for _ in 0..720 {
            if system.follow(&build).await.is_err() {
                break;
            }
            pass(&world, &time, Duration::from_secs(5));
        }
        let before = world.hub.world().calls.len();
        for _ in 0..24 {
            let error = system.follow(&build).await.unwrap_err();
            assert_eq!(error.kind(), PortErrorKind::Unavailable, "{dialect:?}");
            assert!(error.message().contains("failed or came too early"), "{dialect:?}: {error}");
            pass(&world, &time, Duration::from_secs(5));
        }
        let asked = world.hub.world().calls.len() - before;
        assert!(asked < 24, "{dialect:?}: {asked} calls in two minutes");
        // What nobody could be asked is told as steadily.
        world.hub.world().offline = true;
        pass(&world, &time, Duration::from_secs(60));
        for _ in 0..12 {
            let error = system.follow(&build).await.unwrap_err();
            assert!(error.message().contains("the hub is in maintenance"), "{dialect:?}: {error}");
            pass(&world, &time, Duration::from_secs(5));
        }
        world.hub.world().calm();
        world.hub.world().failing_repositories = 0;
        let mut facts = Vec::new();
        for _ in 0..720 {
            if let Ok(told) = system.follow(&build).await {
                facts.extend(told);
            }
            if !facts.is_empty() {
                break;
            }
            pass(&world, &time, Duration::from_secs(5));
        }
        assert!(matches!(facts.first(), Some(Fact::RepositoryRegenerated { generation: 1 })), "{dialect:?}: {facts:?}");
    }
}
