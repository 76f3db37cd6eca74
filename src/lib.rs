//! Rida is a module build orchestrator for distributions built from RPMs.
//!
//! It takes a module, a modulemd document in a git repository, checks that everything it names is there, prepares a
//! build environment in a build system, builds the components in the right order, follows every task, and announces
//! each change of state.
//!
//! This package is the door to it. Without features it is [the core](rida_core): the states, modulemd, the decisions,
//! the ports and the driver, without I/O, clock or runtime.
//!
//! ```
//! use rida::BUILD_STATES;
//!
//! assert_eq!(BUILD_STATES.to_string(), "init 0, wait 1, build 2, done 3, failed 4, ready 5");
//! assert_eq!(BUILD_STATES["ready"].code(), 5);
//! assert!(BUILD_STATES["wait"].may_become(BUILD_STATES["build"]));
//! ```
//!
//! Each feature adds an adapter: `store` (SQLite), `local` (git, and builds on this machine),
//! `koji` (builds in Koji), `kerberos` (with logins by Kerberos), `fedmsg` (the buses fedmsg and fedora-messaging),
//! `http` (the deployable service), and `testing` (every port in memory, with the suites that their implementations pass).

pub use rida_core::*;

#[cfg(feature = "fedmsg")]
pub use rida_fedmsg as fedmsg;
#[cfg(feature = "http")]
pub use rida_http as http;
#[cfg(feature = "koji")]
pub use rida_koji as koji;
#[cfg(feature = "local")]
pub use rida_local as local;
#[cfg(feature = "store")]
pub use rida_store as store;
