//! What somebody else changes of tags and targets, as an administrator with Koji's own client does.

use super::records::Tag;
use super::world::World;
use crate::xmlrpc::Value;

impl World {
    fn named(&mut self, tag: &str) -> Option<&mut Tag> {
        self.tags.values_mut().find(|known| known.name == tag)
    }

    /// Lets everybody change a tag who may tag.
    pub fn clear_permission(&mut self, tag: &str) {
        if let Some(tag) = self.named(tag) {
            tag.permission = None;
        }
    }

    /// Takes a package out of a group of a tag.
    pub fn remove_from_group(&mut self, tag: &str, group: &str, package: &str) {
        if let Some(packages) = self.named(tag).and_then(|tag| tag.groups.get_mut(group)) {
            packages.remove(package);
        }
    }

    /// Takes a package out of a tag's list.
    pub fn unlist_package(&mut self, tag: &str, package: &str) {
        if let Some(tag) = self.named(tag) {
            tag.packages.remove(package);
        }
    }

    /// Lets a tag inherit from nothing.
    pub fn clear_parents(&mut self, tag: &str) {
        if let Some(tag) = self.named(tag) {
            tag.parents.clear();
        }
    }

    /// Changes how a tag inherits from another.
    pub fn change_link(&mut self, tag: &str, parent: &str, member: &str, value: Value) {
        let parent = self.named(parent).map(|parent| parent.id);
        let (Some(tag), Some(parent)) = (self.named(tag), parent) else { return };
        for link in tag.parents.iter_mut().filter(|link| link.get("parent_id") == Some(&Value::Int(parent))) {
            link.insert(member.to_owned(), value.clone());
        }
    }

    /// Lets a target build with a tag, and for it.
    pub fn change_target(&mut self, target: &str, tag: &str) {
        let tag = self.named(tag).map(|tag| tag.id);
        if let (Some(target), Some(tag)) = (self.targets.get_mut(target), tag) {
            (target.build_tag, target.dest_tag) = (tag, tag);
        }
    }
}
