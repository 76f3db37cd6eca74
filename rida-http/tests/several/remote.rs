//! The build system as a server process sees it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rida_core::plan::WaitsFor;
use rida_core::{
    BuildSystem, ComponentKey, ComponentName, ComponentState, Fact, LogChunk, ModuleBuild, Phase, PortError, TaskId,
    TaskProgress,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of the [`Farm`](crate::farm::Farm).
pub(crate) struct Remote(pub(crate) SocketAddr);

impl Remote {
    async fn ask(&self, mut request: Value) -> Result<Value, PortError> {
        request["who"] = json!(std::process::id());
        let asked = tokio::time::timeout(PATIENCE, async {
            let mut stream = TcpStream::connect(self.0).await?;
            stream.write_all(format!("{request}\n").as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        });
        let answer = match asked.await {
            Ok(Ok(answer)) if !answer.is_empty() => answer,
            _ => return Err(PortError::unavailable("the build system broke off")),
        };
        serde_json::from_str(&answer).map_err(|error| PortError::temporary("no answer").because(error))
    }
}

#[async_trait]
impl BuildSystem for Remote {
    async fn prepare(&self, build: &ModuleBuild) -> Result<(), PortError> {
        self.ask(json!({"do": "prepare", "build": build.id})).await.map(|_| ())
    }

    async fn build(&self, build: &ModuleBuild, key: &ComponentKey) -> Result<TaskId, PortError> {
        let (planned, _) = build.component(&key.component).ok_or_else(|| PortError::permanent("no such component"))?;
        let is_needed = |index: usize, batch: u32| match &planned.waits_for {
            WaitsFor::Batches => batch < planned.batch,
            WaitsFor::Components(needed) => needed.contains(&index),
        };
        let needs = build.plan().iter().enumerate().filter(|(index, other)| is_needed(*index, other.batch));
        let needs: Vec<&str> = needs.map(|(_, other)| other.name.as_str()).collect();
        let request = json!({
            "do": "build", "build": build.id, "component": key.component.as_str(), "attempt": key.attempt,
            "dist_tag": build.dist_tag.as_str(), "needs": needs,
        });
        let answer = self.ask(request).await?;
        answer["task"].as_i64().map(TaskId).ok_or_else(|| PortError::permanent("the task was cancelled"))
    }

    async fn tag(&self, build: &ModuleBuild, components: &[ComponentKey]) -> Result<(), PortError> {
        let tagged = components.iter().map(|key| {
            let taken = build.component(&key.component).and_then(|(_, component)| component.taken());
            json!({"name": key.component.as_str(), "from": taken.map(|taken| taken.build)})
        });
        let tagged: Vec<Value> = tagged.collect();
        self.ask(json!({"do": "tag", "build": build.id, "components": tagged})).await.map(|_| ())
    }

    async fn reusable(
        &self,
        donor: &ModuleBuild,
        components: &[ComponentName],
    ) -> Result<Vec<ComponentName>, PortError> {
        let names: Vec<&str> = components.iter().map(ComponentName::as_str).collect();
        let answer = self.ask(json!({"do": "reusable", "build": donor.id, "components": names})).await?;
        let there =
            |name: &ComponentName| answer["there"].as_array().is_some_and(|it| it.contains(&json!(name.as_str())));
        Ok(components.iter().filter(|name| there(name)).cloned().collect())
    }

    async fn regenerate(&self, build: &ModuleBuild, generation: u32) -> Result<(), PortError> {
        self.ask(json!({"do": "regenerate", "build": build.id, "generation": generation})).await.map(|_| ())
    }

    async fn follow(&self, build: &ModuleBuild) -> Result<Vec<Fact>, PortError> {
        let building = build.components().filter_map(|(planned, component)| match component.state {
            ComponentState::Building { task, .. } => Some((planned.name.clone(), component.attempt, task)),
            _ => None,
        });
        let building: Vec<_> = building.collect();
        let regenerating = matches!(build.phase, Phase::Building { regenerating: Some(_) });
        let generation = build.repository_generation;
        let tasks: Vec<i64> = building.iter().map(|(.., task)| task.0).collect();
        let mut request = json!({"do": "follow", "build": build.id, "tasks": tasks});
        if regenerating {
            request["generation"] = json!(generation);
        }
        let answer = self.ask(request).await?;
        let states = answer["tasks"].as_array().cloned().unwrap_or_default();
        let mut facts = Vec::new();
        for ((component, attempt, task), state) in building.into_iter().zip(states) {
            let failed = |reason: &str| Fact::ComponentFailed {
                component: component.clone(),
                attempt,
                task: Some(task),
                reason: reason.into(),
            };
            facts.push(match state["state"].as_str() {
                Some("open") => Fact::TaskProgressed { component, attempt, task, progress: TaskProgress::Open },
                Some("built") => {
                    let nvr = state["nvr"].as_str().and_then(|nvr| nvr.parse().ok());
                    let nvr = Arc::new(nvr.ok_or_else(|| PortError::temporary("no NVR"))?);
                    Fact::ComponentBuilt { component, attempt, task, nvr }
                }
                Some("failed") => failed("the compiler gave up"),
                _ => failed("the build system does not know the task"),
            });
        }
        if answer["repository"] == true {
            facts.push(Fact::RepositoryRegenerated { generation });
        }
        Ok(facts)
    }

    async fn cancel(&self, build: &ModuleBuild, key: &ComponentKey, _: Option<TaskId>) -> Result<(), PortError> {
        let request = json!({
            "do": "cancel", "build": build.id, "component": key.component.as_str(), "attempt": key.attempt,
        });
        self.ask(request).await.map(|_| ())
    }

    async fn write_metadata(&self, build: &ModuleBuild) -> Result<(), PortError> {
        self.ask(json!({"do": "metadata", "build": build.id})).await.map(|_| ())
    }

    async fn read_log(&self, _: &ComponentKey, _: u64, _: usize) -> Result<LogChunk, PortError> {
        Err(PortError::permanent("there are no logs here"))
    }
}
