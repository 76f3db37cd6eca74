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

/// Starts a run of a command that goes on for an hour, and kills the script, alone or with all that watches the run for
/// it; returns the command's process.
async fn orphan(folder: &Path, alone: bool) -> (Traces, u64) {
    let (traces, watched) = (Traces::new(folder.join("run")), folder.join("work"));
    fs::create_dir(&watched).unwrap();
    let order = Order {
        words: ["sleep", "3600"].map(OsString::from).to_vec(),
        environment: Vec::new(),
        limits: BuildLimits::default(),
        time: Duration::from_secs(3600),
        spare_disk: 1,
        log: folder.join("log"),
        watched,
        grace: Duration::ZERO,
    };
    let mut child = Supervisor::install(folder).unwrap().start(&traces, &order).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let (script, command) = loop {
        assert!(Instant::now() < until, "it does not start");
        if let Some((script, Some(command))) = traces.processes().unwrap()
            // It has left the script's group by then.
            && rustix::process::getpgid(Some(command)) == Ok(command)
        {
            break (script, command);
        }
        sleep(Duration::from_millis(10)).await;
    };
    let killed = if alone { kill_process(script, Signal::KILL) } else { kill_process_group(script, Signal::KILL) };
    killed.unwrap();
    traces.gone(Some(&mut child)).await.unwrap();
    assert!(matches!(traces.state().unwrap(), State::Lost), "nobody knows how it ended");
    (traces, u64::try_from(command.as_raw_nonzero().get()).unwrap())
}

fn goes_on(process: u64) -> bool {
    // What nobody waits for any more has ended.
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn ends(process: u64) {
    let until = Instant::now() + Duration::from_secs(60);
    while goes_on(process) {
        assert!(Instant::now() < until, "it goes on");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_command_does_not_outlive_the_script_that_watches_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_, command) = orphan(folder.path(), true).await;
    ends(command).await;
}

#[tokio::test]
async fn what_a_killed_script_left_is_ended_before_it_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let (traces, command) = orphan(folder.path(), false).await;
    assert!(goes_on(command), "nobody is there to end it");
    traces.end_leftovers();
    ends(command).await;
    // A number that another process has by now is left alone.
    let mut other = std::process::Command::new("sleep").arg("3600").spawn().unwrap();
    fs::write(folder.path().join("run/pid"), format!("1 1 {} 1", other.id())).unwrap();
    traces.end_leftovers();
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
}
