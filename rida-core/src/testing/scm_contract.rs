//! What every [`Scm`] promises, as checks to run against one.

use crate::error::PortErrorKind;
use crate::id::ComponentName;
use crate::plan::ComponentSource;
use crate::ports::{ComponentCheck, Scm};
use crate::scm::ScmUrl;

/// Source code management with something in it.
pub trait ScmBench: Send + Sync {
    /// Returns the port.
    fn scm(&self) -> &dyn Scm;

    /// Returns the URL of a modulemd that is there, and its bytes.
    fn modulemd(&self) -> (ScmUrl, Vec<u8>);

    /// Returns the URL of a modulemd that is not there, in a place that is.
    fn missing_modulemd(&self) -> ScmUrl;

    /// Returns a component whose sources are complete.
    fn good_component(&self) -> (ComponentName, ComponentSource);

    /// Returns a component whose sources are not.
    fn bad_component(&self) -> (ComponentName, ComponentSource);
}

/// Checks every promise.
///
/// # Panics
/// When the port does not keep one.
pub async fn run_all(bench: &dyn ScmBench) {
    a_modulemd_is_read_with_its_commit(bench).await;
    what_is_missing_is_an_answer(bench).await;
    each_component_gets_its_answer_in_order(bench).await;
}

async fn a_modulemd_is_read_with_its_commit(bench: &dyn ScmBench) {
    let (url, bytes) = bench.modulemd();
    let fetched = bench.scm().fetch_modulemd(&url).await.expect("it is there");
    assert_eq!(fetched.bytes, bytes);
    let again = bench.scm().fetch_modulemd(&url).await.expect("it is still there");
    assert_eq!(again, fetched, "reading changes nothing");
}

async fn what_is_missing_is_an_answer(bench: &dyn ScmBench) {
    let error = bench.scm().fetch_modulemd(&bench.missing_modulemd()).await.expect_err("it is not there");
    assert_eq!(error.kind(), PortErrorKind::Permanent, "asking again does not help: {error}");
    assert!(!error.message().is_empty());
}

async fn each_component_gets_its_answer_in_order(bench: &dyn ScmBench) {
    assert!(bench.scm().check_components(&[]).await.expect("nothing is asked").is_empty());
    let (good, bad) = (bench.good_component(), bench.bad_component());
    let asked = [bad.clone(), good.clone(), bad, good];
    let checks = bench.scm().check_components(&asked).await.expect("something can be said");
    assert_eq!(checks.len(), asked.len());
    for ((_, source), check) in asked.iter().zip(&checks).skip(1).step_by(2) {
        match check {
            ComponentCheck::Good(pinned) => assert_eq!(pinned.repository, source.repository),
            other => panic!("the sources are complete: {other:?}"),
        }
    }
    for check in checks.iter().step_by(2) {
        match check {
            ComponentCheck::Bad(problems) => assert!(problems.iter().all(|problem| !problem.is_empty())),
            other => panic!("the sources are not complete: {other:?}"),
        }
    }
}
