//! What is asked of the database, by subject.

pub(crate) mod commit;
pub(crate) mod components;
pub(crate) mod effects;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod log;
pub(crate) mod on_base;
pub(crate) mod queue;
pub(crate) mod readers;

#[cfg(test)]
mod tests;
