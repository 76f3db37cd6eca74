//! The build system of this machine, with real programs: git, rpmbuild, createrepo_c, bubblewrap, dnf, libmodulemd.

mod contract;
mod module;
mod world;
