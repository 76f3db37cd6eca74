use super::*;
use crate::build_system::report;
use crate::rpmbuild::Ask;

/// Runs a command under the script and returns how it ended.
async fn run(folder: &Path, command: &[&str], spare_disk: u64) -> Exit {
    let watched = folder.join("work");
    fs::create_dir(&watched).unwrap();
    let order = Order {
        words: command.iter().map(OsString::from).collect(),
        environment: Vec::new(),
        limits: BuildLimits::default(),
        time: Duration::from_secs(60),
        spare_disk,
        log: folder.join("log"),
        watched,
        grace: Duration::ZERO,
    };
    let traces = Traces::new(folder.join("run"));
    let mut child = Supervisor::install(folder).unwrap().start(&traces, &order).unwrap();
    traces.gone(Some(&mut child)).await.unwrap();
    match traces.state().unwrap() {
        State::Ended(exit) => exit,
        State::New | State::Running | State::Lost => panic!("it has ended"),
    }
}

#[tokio::test]
async fn a_run_is_ended_when_the_disk_is_nearly_full() {
    let folder = tempfile::tempdir().unwrap();
    let exit = run(folder.path(), &["sleep", "1000"], u64::MAX).await;
    assert_eq!(exit.end, End::DiskFull);
    assert!(exit.took < Duration::from_secs(30), "{:?}", exit.took);
    let reason = report::failure(exit, Ask::Packages, &BuildLimits::default(), &folder.path().join("log"));
    assert_eq!(
        reason.unwrap(),
        "the packages could not be built: the disk of the server was nearly full; its administrator can make room \
         (everything is in the component's log)"
    );
}

#[tokio::test]
async fn a_run_goes_on_when_the_disk_has_room() {
    let folder = tempfile::tempdir().unwrap();
    // Long enough to be looked at.
    let exit = run(folder.path(), &["sleep", "2.5"], 1).await;
    assert_eq!(exit.end, End::Code(0));
}
