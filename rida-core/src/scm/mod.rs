//! Where sources are: SCM URLs, refs, and the list of places that may be read. No git here.

mod address;
mod allow;
mod reference;
mod repository;
mod url;

pub use self::allow::AllowList;
pub use self::reference::{CommitHash, GitRef};
pub use self::repository::{Repository, Scheme};
pub use self::url::{ScmUrl, ScmUrlError};

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
