//! Embeds the orchestrator with a build system of one's own: `cargo run --example embed --features testing`.

use async_trait::async_trait;
use rida::scm::AllowList;
use rida::testing::{MemoryPublisher, MemoryScm, MemoryStore, simulation::block_on};
use rida::{
    BuildSystem, ComponentKey, ComponentState, Driver, Fact, LogChunk, ModuleBuild, Parts, Phase, Policy, PortError,
    Request, TaskId, Timestamp, WorkerId,
};
use std::{error::Error, sync::Arc, time::SystemTime};

/// Builds everything in no time; yours would ask a compiler farm.
struct Instant;

#[async_trait]
#[rustfmt::skip]
impl BuildSystem for Instant {
    async fn prepare(&self, _: &ModuleBuild) -> Result<(), PortError> { Ok(()) }
    async fn tag(&self, _: &ModuleBuild, _: &[ComponentKey]) -> Result<(), PortError> { Ok(()) }
    async fn regenerate(&self, _: &ModuleBuild, _: u32) -> Result<(), PortError> { Ok(()) }
    async fn cancel(&self, _: &ModuleBuild, _: &ComponentKey, _: Option<TaskId>) -> Result<(), PortError> { Ok(()) }
    async fn write_metadata(&self, _: &ModuleBuild) -> Result<(), PortError> { Ok(()) }
    async fn build(&self, _: &ModuleBuild, key: &ComponentKey) -> Result<TaskId, PortError> {
        println!("building {}", key.component);
        Ok(TaskId(1))
    }
    async fn follow(&self, build: &ModuleBuild) -> Result<Vec<Fact>, PortError> {
        let repository = Fact::RepositoryRegenerated { generation: build.repository_generation };
        let regenerating = matches!(build.phase, Phase::Building { regenerating: Some(_) });
        let ended = build.components().filter_map(|(planned, component)| {
            let ComponentState::Building { task, .. } = component.state else { return None };
            let nvr = Arc::new(format!("{}-1-1{}", planned.name, build.dist_tag).parse().ok()?);
            Some(Fact::ComponentBuilt { component: planned.name.clone(), attempt: component.attempt, task, nvr })
        });
        Ok(ended.chain(regenerating.then_some(repository)).collect())
    }
    async fn read_log(&self, _: &ComponentKey, _: u64, _: usize) -> Result<LogChunk, PortError> {
        Ok(LogChunk { bytes: b"done\n".to_vec(), complete: true })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let url = "https://src.example.org/modules/hello.git?#main".to_owned();
    let (scm, store, publisher) = (MemoryScm::default(), MemoryStore::new(), MemoryPublisher::default());
    scm.put_modulemd(&url.parse()?, include_str!("modules/hello.yaml"), Timestamp::EPOCH);
    let now = || Timestamp::from(SystemTime::now());
    let mut policy = Policy { follow_every: std::time::Duration::ZERO, ..Policy::default() };
    policy.sources.repository = Some("https://src.example.org/rpms".parse()?);
    let allow = AllowList::new(["https://src.example.org/modules".parse()?]);
    let (store, scm, publisher) = (Arc::new(store), Arc::new(scm), Arc::new(publisher.clone()));
    let parts = Parts { store, scm, publisher, build_system: Arc::new(Instant), clock: Arc::new(now), allow, policy };
    let driver = Driver::new(parts, WorkerId("embedded".to_owned()));
    let id = block_on(driver.submit(Request::new(url, "me".parse()?)))?;
    while !block_on(driver.turn())?.is_idle() {}
    let build = block_on(driver.parts().store.load(id))?.ok_or("it is there")?;
    println!("{} is {}", build.nsvc(), build.state());
    Ok(())
}
