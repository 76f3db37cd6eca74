//! The shapes on the wire: what requests may say, and what answers look like. Separate from the core's types, so that
//! neither changes the other by accident.

mod build;
mod filter;
mod moment;
mod object;
mod page;
mod parameters;
pub(crate) mod service;
mod stream_choices;
mod submission;

pub(crate) use build::problems;
pub(crate) use build::{Accepted, Detail, Item, ListItem, Summary};
pub(crate) use filter::ListRequest;
pub(crate) use object::shown;
pub(crate) use page::{Page, links};
pub(crate) use parameters::Parameters;
pub(crate) use submission::{ChangeBody, StateChange, SubmitBody};
