//! The build system of this machine, with real programs: git, rpmbuild, createrepo_c, bubblewrap, dnf, libmodulemd.

#![expect(clippy::unwrap_used, reason = "in what tests share it is the assertion, as in the tests themselves")]

mod contract;
mod disk;
mod hostile;
mod mock;
mod module;
mod restart;
mod user;
mod world;
