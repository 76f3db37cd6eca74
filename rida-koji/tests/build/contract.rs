use std::time::Duration;

use async_trait::async_trait;
use rida_core::testing::build_system_contract::{Bench, PROMISES};
use rida_core::{BuildSystem, ModuleBuild};
use rida_koji::testing::Dialect;
use rida_koji::{KojiBuildSystem, KojiConfig, Tagging};

use crate::world::World;

struct KojiBench {
    world: World,
    system: KojiBuildSystem,
}

#[async_trait]
impl Bench for KojiBench {
    fn system(&self) -> &dyn BuildSystem {
        &self.system
    }

    fn module(&self, components: &[&str]) -> ModuleBuild {
        self.world.module(components)
    }

    async fn pause(&self) {
        self.world.hub.advance(Duration::from_secs(10));
    }

    fn under_way(&self) -> Vec<String> {
        let world = self.world.hub.world();
        let own = world.tasks().filter(|task| task.state.is_active() && world.owner(task) == "rida");
        let of_environment = own.filter(|task| matches!(task.method.as_str(), "newRepo" | "tagBuild"));
        of_environment.map(|task| format!("{} {}", task.method, task.id)).collect()
    }
}

async fn keeps(dialect: Dialect, change: impl Fn(KojiConfig) -> KojiConfig) {
    for promise in PROMISES {
        println!("{}", promise.name);
        let world = World::new().await;
        world.hub.world().dialect = dialect.clone();
        world.hub.world().wait_for_builder = 0.05;
        let system = world.system_with(change(world.config()));
        promise.check(&KojiBench { world, system }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_every_promise_on_a_released_hub() {
    keeps(Dialect::released(), |config| config).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_every_promise_on_the_next_hub() {
    keeps(Dialect::next(), |config| config).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_every_promise_on_an_old_hub() {
    keeps(Dialect::old(), |config| config).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_every_promise_when_builders_tag() {
    let pause = Duration::from_millis(20);
    keeps(Dialect::released(), |config| KojiConfig { tagging: Tagging::Task, tagging_pause: pause, ..config }).await;
}
