use super::*;
use std::time::Instant;

fn shell(script: &'static str) -> Program {
    Program::new("sh", "dash").arg("-c").arg(script)
}

fn within(time: Duration) -> Limits {
    Limits { time, ..Limits::default() }
}

/// A length of sleep that no other run of these tests uses, so that a process which sleeps can be found by it.
fn marker(number: u32) -> String {
    format!("{number}.{}", std::process::id())
}

/// Waits until no process has `marker` among its arguments; a bound keeps a failure from hanging.
async fn all_gone(marker: &str) {
    let running = || {
        std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(marker)
        })
    };
    let started = Instant::now();
    while running() {
        assert!(started.elapsed() < Duration::from_secs(5), "a process survived");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn output_is_captured_and_the_environment_is_clean() {
    let output = shell("env; echo late >&2; cat").env("EXTRA", "1").run().await.unwrap();
    let mut names: Vec<_> =
        std::str::from_utf8(&output.stdout).unwrap().lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["EXTRA", "HOME", "LANG", "LC_ALL", "PATH", "PWD", "TZ"]);
    assert_eq!(output.stderr, "late\n");
}

#[tokio::test]
async fn a_missing_program_names_its_package() {
    let error = Program::new("no-such-program", "the-package").run().await.unwrap_err();
    assert!(matches!(error, ProcessError::NotInstalled { .. }));
    assert!(error.to_string().contains("the-package"), "{error}");
}

#[tokio::test]
async fn a_failure_has_its_code_and_last_lines_but_not_in_its_text() {
    let error = shell("echo secret >&2; exit 3").run().await.unwrap_err();
    assert!(matches!(&error, ProcessError::Failed { code: Some(3), stderr, .. } if stderr == "secret\n"));
    assert_eq!(error.to_string(), "sh failed with exit code 3");
}

#[tokio::test]
async fn what_looks_like_an_option_is_never_run() {
    let echo = || Program::new("echo", "coreutils");
    for program in [
        echo().value("--upload-pack=x"),
        echo().value(""),
        echo().path(Path::new("-x")),
        echo().setting("", "-x"),
        echo().operands(Terminator::DoubleDash, ["a\0b"]),
    ] {
        assert!(matches!(program.run().await, Err(ProcessError::Refused { .. })));
    }
    let output = echo().value("v").setting("--x=", "-y").operands(Terminator::DoubleDash, ["-n"]).run().await.unwrap();
    assert_eq!(output.stdout, b"v --x=-y -- -n\n");
}

#[tokio::test]
async fn time_ends_the_whole_group() {
    let error = shell("sleep $0 & sleep $0")
        .value(marker(86411))
        .limits(within(Duration::from_millis(200)))
        .run()
        .await
        .unwrap_err();
    assert!(matches!(error, ProcessError::TimedOut { .. }));
    all_gone(&marker(86411)).await;
}

#[tokio::test]
async fn a_dropped_future_ends_the_whole_group() {
    let run = shell("sleep $0 & sleep $0").value(marker(86412)).run();
    assert!(tokio::time::timeout(Duration::from_millis(200), run).await.is_err());
    all_gone(&marker(86412)).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let output = shell("sleep $0 & echo done").value(marker(86413)).run().await.unwrap();
    assert_eq!(output.stdout, b"done\n");
    all_gone(&marker(86413)).await;
}

#[tokio::test]
async fn too_much_output_ends_the_whole_group() {
    let limits = Limits { output: 10_000, ..Limits::default() };
    let error = shell("sleep $0 & yes").value(marker(86414)).limits(limits).run().await.unwrap_err();
    assert!(matches!(error, ProcessError::TooMuchOutput { limit: 10_000, .. }));
    all_gone(&marker(86414)).await;
    let error = shell("yes >&2").run().await.unwrap_err();
    assert!(matches!(error, ProcessError::TooMuchOutput { .. }));
}

#[tokio::test]
async fn exactly_the_limit_is_not_too_much() {
    let limits = Limits { output: 5, ..Limits::default() };
    assert_eq!(shell("printf 12345").limits(limits).run().await.unwrap().stdout, b"12345");
    assert!(shell("printf 123456").limits(limits).run().await.is_err());
}

#[tokio::test]
async fn a_log_has_both_streams_in_order_and_ends_at_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = || File::create(&path).unwrap();
    let report = shell("echo a; echo b >&2; echo c").run_to_log(log(), 100).await.unwrap();
    assert_eq!((report.bytes, report.stderr.as_str()), (6, "a\nb\nc\n"));
    assert_eq!(std::fs::read(&path).unwrap(), b"a\nb\nc\n");

    let error = shell("yes").run_to_log(log(), 1000).await.unwrap_err();
    assert!(matches!(error, ProcessError::TooMuchOutput { .. }));
    assert_eq!(path.metadata().unwrap().len(), 1000);

    let report = shell("echo out; echo err >&2").run_to_file(log(), 100).await.unwrap();
    assert_eq!((report.bytes, report.stderr.as_str()), (4, "err\n"));
    assert_eq!(std::fs::read(&path).unwrap(), b"out\n");
}

#[tokio::test]
async fn a_growing_folder_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = shell("sleep $0 & while :; do head -c 100000 /dev/zero >> grown; done")
        .value(marker(86415))
        .directory(folder.path())
        .watch(folder.path(), 1_000_000)
        .run()
        .await
        .unwrap_err();
    assert!(matches!(error, ProcessError::TooMuchDisk { limit: 1_000_000, .. }));
    all_gone(&marker(86415)).await;
}

#[tokio::test]
async fn the_kernel_holds_file_size_and_processor_time() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { file_size: Some(4096), cpu: Some(Duration::from_secs(1)), ..Limits::default() };
    let error =
        shell("exec head -c 100000 /dev/zero > file").directory(folder.path()).limits(limits).run().await.unwrap_err();
    assert!(matches!(error, ProcessError::TooMuchDisk { limit: 4096, .. }), "{error:?}");
    let error = shell("while :; do :; done").limits(limits).run().await.unwrap_err();
    assert!(matches!(error, ProcessError::TooMuchWork { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_can_be_its_input() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in");
    std::fs::write(&path, "text").unwrap();
    let output = Program::new("cat", "coreutils").stdin(File::open(&path).unwrap()).run().await.unwrap();
    assert_eq!(output.stdout, b"text");
}
