use std::time::Duration;

use async_trait::async_trait;
use rida_core::testing::build_system_contract::{Bench, PROMISES, Promise};
use rida_core::{BuildSystem, ModuleBuild};
use rida_local::LocalBuildSystem;

use crate::world::{World, spec};

struct LocalBench {
    world: World,
    system: LocalBuildSystem,
}

#[async_trait]
impl Bench for LocalBench {
    fn system(&self) -> &dyn BuildSystem {
        &self.system
    }

    fn module(&self, components: &[&str]) -> ModuleBuild {
        let course = |name: &str| match name {
            "bad" => "exit 3",
            "slow" => "sleep 1000",
            _ => "",
        };
        let source = |name: &str| self.world.spec(name, &spec(name, "", course(name)));
        let sources: Vec<_> = components.iter().map(|name| (*name, source(name))).collect();
        self.world.module(&sources)
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    fn under_way(&self) -> Vec<String> {
        // What it does for an environment ends with the call that asks for it.
        Vec::new()
    }
}

async fn keeps(promises: impl IntoIterator<Item = &Promise>) {
    for promise in promises {
        println!("{}", promise.name);
        let world = World::new();
        let system = world.open().await;
        let bench = LocalBench { world, system };
        promise.check(&bench).await;
        bench.system.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_the_first_half_of_the_promises_of_a_build_system() {
    keeps(&PROMISES[..PROMISES.len() / 2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_the_second_half_of_the_promises_of_a_build_system() {
    keeps(&PROMISES[PROMISES.len() / 2..]).await;
}
