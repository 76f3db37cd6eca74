//! What the hub tells the bus, as Koji's plugin for fedora-messaging does: of builds, tags and repositories, and not of
//! tasks that are no scratch builds.

use serde_json::{Value as Json, json};

use super::records::{HubBuild, Tag};
use super::world::World;

/// How many messages are kept for who takes them.
const KEPT: usize = 100_000;

/// A message.
#[derive(Clone, Debug)]
pub struct HubMessage {
    /// Its number, which makes its id.
    pub number: u64,
    /// The end of its topic, such as `buildsys.tag`.
    pub topic: &'static str,
    /// What it says.
    pub body: Json,
}

impl World {
    /// Returns the messages that were sent since the last time.
    pub fn take_messages(&mut self) -> Vec<HubMessage> {
        std::mem::take(&mut self.messages)
    }

    fn tell(&mut self, topic: &'static str, mut body: Json) {
        self.messages_sent += 1;
        if let Json::Object(members) = &mut body {
            members.insert("instance".to_owned(), json!("primary"));
        }
        if self.messages.len() < KEPT {
            self.messages.push(HubMessage { number: self.messages_sent, topic, body });
        }
    }

    /// Tells that a build has come from one state to another.
    pub(super) fn tell_build(&mut self, build: i64, old: Option<i64>) {
        let Some(HubBuild { id, name, version, release, state, task, .. }) = self.builds.get(&build).cloned() else {
            return;
        };
        self.tell(
            "buildsys.build.state.change",
            json!({
                "attribute": "state", "old": old, "new": state, "build_id": id, "task_id": task, "name": name,
                "version": version, "release": release, "epoch": null,
            }),
        );
    }

    /// Tells that a build is in a tag, or is not any more.
    pub(super) fn tell_tag(&mut self, topic: &'static str, tag: i64, build: i64) {
        let (Some(Tag { name: tag_name, .. }), Some(build)) = (self.tags.get(&tag), self.builds.get(&build)) else {
            return;
        };
        let HubBuild { id, name, version, release, .. } = build;
        let body = json!({
            "tag": tag_name, "tag_id": tag, "build_id": id, "name": name, "version": version, "release": release,
        });
        self.tell(topic, body);
    }

    /// Tells of a repository.
    pub(super) fn tell_repository(&mut self, topic: &'static str, repo: i64) {
        let Some(repo) = self.repos.get(&repo).cloned() else { return };
        let tag = self.tags.get(&repo.tag).map(|tag| tag.name.clone());
        self.tell(topic, json!({"tag": tag, "tag_id": repo.tag, "repo_id": repo.id}));
    }
}
