//! The shapes that clients of the Module Build Service read: its version 3.9.2, key for key.

mod base;
mod build;
mod component;
mod list;
mod message;

pub(crate) use base::{BASE_CONTEXT, BASE_VERSION, BaseQuery, Distribution};
pub(crate) use build::{Requires, Shown, View};
pub(crate) use component::{Component, states_of};
pub(crate) use list::{ComponentRequest, Meta, Paged};
pub(crate) use message::{messages, trace};
