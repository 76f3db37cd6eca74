use std::path::Path;

use super::*;
use crate::check::Verdict;

/// Runs a program of the tests in the place of rpmbuild.
async fn with(program: &str, longest: Duration) -> Finding {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(program);
    rpmbuild(&KojiConfig { rpmbuild: Some(program), ..KojiConfig::default() }, longest).await
}

#[tokio::test]
async fn it_is_run_as_it_is_for_modules() {
    let found = with("rpmbuild-in-its-own-environment", LONGEST).await;
    assert_eq!(found.verdict, Verdict::Good, "{found:?}");
}

#[tokio::test]
async fn one_that_does_not_work_is_told() {
    for (program, expected) in
        [("nothing", "is not installed here"), ("rpmbuild-that-fails", "ends with exit status: 3")]
    {
        let found = with(program, LONGEST).await;
        assert_eq!((found.verdict, found.text.contains(expected)), (Verdict::Bad, true), "{found:?}");
    }
}

#[tokio::test]
async fn one_that_hangs_is_told() {
    let found = with("rpmbuild-that-hangs", Duration::from_millis(300)).await;
    assert_eq!((found.verdict, found.text.contains("within 300ms")), (Verdict::Bad, true), "{found:?}");
}
