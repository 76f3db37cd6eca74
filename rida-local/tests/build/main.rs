//! The build system of this machine, with real programs: git, rpmbuild, createrepo_c, bubblewrap, dnf, libmodulemd.

mod contract;
mod hostile;
mod module;
mod restart;
mod world;
