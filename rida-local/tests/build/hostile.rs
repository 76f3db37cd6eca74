use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rida_core::BuildSystem;
use rida_local::{BuildLimits, LocalConfig};

use crate::world::{World, built, failed, key, log, processes, spec, start, with_macros};

/// Limits that a test can wait for.
fn small_limits(world: &World, seconds: u64) -> LocalConfig {
    let limits = BuildLimits {
        time: Duration::from_secs(seconds),
        disk: 64 << 20,
        log: 256 << 10,
        memory: Some(512 << 20),
        processes: 64,
        shared_memory: 16 << 20,
    };
    LocalConfig { limits, ..world.config() }
}

/// Builds components that never end by themselves, and expects their reasons.
async fn are_ended(seconds: u64, courses: &[(&str, &str, &str)]) {
    let world = World::new();
    let system = world.open_with(small_limits(&world, seconds)).await;
    let marker = format!("918{seconds}.{}", std::process::id());
    let course = |name: &str, build: &str| {
        let daemon = format!("(setsid nohup sleep {marker} >/dev/null 2>&1 &)\nset +x\n{build}");
        world.spec(name, &spec(name, "", &daemon))
    };
    let sources: Vec<_> = courses.iter().map(|(name, build, _)| (*name, course(name, build))).collect();
    let mut build = world.module(&sources);
    with_macros(&system, &mut build).await;
    for (name, _, expected) in courses {
        start(&system, &mut build, name).await;
        let reason = failed(&system, &build, name).await;
        assert!(reason.contains(expected), "{name}: {reason}");
        assert_eq!(processes(&marker), Vec::<String>::new(), "{name} left something behind");
        let chunk = system.read_log(&key(&build, name), 0, 1 << 20).await.unwrap();
        assert!(chunk.complete && chunk.bytes.len() < 260 << 10, "{name}: {}", chunk.bytes.len());
    }
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_ends_is_ended_and_nothing_of_it_survives() {
    let expected = "the packages could not be built: the time limit of 4 s passed (everything is in";
    let courses = [
        ("looping", "while :; do :; done", expected),
        // Shells that cannot fork any more give up; the first one forks no more, and stays.
        ("forking", "f() { f | f & }; f 2>/dev/null; while :; do :; done", expected),
    ];
    are_ended(4, &courses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_too_much_is_ended_and_nothing_of_it_survives() {
    let courses = [
        ("filling", "head -c 50M /dev/zero >a; head -c 50M /dev/zero >b; sleep 100", "more disk than the 64 MiB"),
        ("many-files", "i=0; while :; do i=$((i+1)); : >f$i; done", "more disk than the 64 MiB"),
        ("talking", "yes", "its log is larger than 256 KiB"),
    ];
    are_ended(50, &courses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spec_that_loops_while_it_is_read_is_ended() {
    let world = World::new();
    let system = world.open_with(small_limits(&world, 4)).await;
    let looping = world.spec("looping", &spec("looping", "%global x %(while :; do :; done)", ""));
    let mut build = world.module(&[("looping", looping)]);
    with_macros(&system, &mut build).await;
    start(&system, &mut build, "looping").await;
    let reason = failed(&system, &build, "looping").await;
    assert!(reason.starts_with("the source package could not be made: the time limit of 4 s passed"), "{reason}");
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spec_that_forks_while_it_is_read_is_ended_and_nothing_of_it_survives() {
    let world = World::new();
    let system = world.open_with(small_limits(&world, 4)).await;
    let marker = format!("9194.{}", std::process::id());
    let daemon = format!("(setsid nohup sleep {marker} >/dev/null 2>&1 &)");
    let bomb =
        format!("%global x %({daemon}; echo reading >&2; f() {{ f | f & }}; f 2>/dev/null; while :; do :; done)");
    let forking = world.spec("forking", &spec("forking", &bomb, ""));
    let mut build = world.module(&[("forking", forking)]);
    with_macros(&system, &mut build).await;
    let started = Instant::now();
    start(&system, &mut build, "forking").await;
    let reason = failed(&system, &build, "forking").await;
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert!(reason.starts_with("the source package could not be made: the time limit of 4 s passed"), "{reason}");
    assert!(log(&system, &build, "forking").await.contains("reading"), "the spec was read");
    assert_eq!(processes(&marker), Vec::<String>::new(), "it left something behind");
    system.close().await;
}

/// What a build must not be able to do, each as a shell command that succeeds when it can.
const TRESPASSES: &[(&str, &str)] = &[
    ("write to /usr", "touch /usr/trespass"),
    ("write to /etc", "touch /etc/trespass"),
    ("write to the root", "touch /trespass"),
    ("write to its sources", "touch /sources/trespass"),
    ("write to /dev", "touch /dev/trespass"),
    ("change the macros", "echo > /etc/rpm/macros.zz-modules"),
    ("see the data folder", "test -e @DATA@"),
    ("see the secret", "cat @SECRET@"),
    ("see shadow", "cat /etc/shadow"),
    ("see homes", "ls /root /home"),
    ("see other processes", "test $(ls -d /proc/[0-9]* | wc -l) -gt 30"),
    ("connect to this machine", "bash -c 'exec 3<>/dev/tcp/127.0.0.1/@PORT@'"),
    ("connect elsewhere", "bash -c 'exec 3<>/dev/tcp/192.0.2.1/80'"),
    ("see another interface", "test $(wc -l < /proc/net/dev) -gt 3"),
    ("become root", "test $(id -u) = 0"),
    ("have capabilities", "grep -q 'Cap[A-Z][a-z]*:.*[1-9a-f]' /proc/self/status"),
    ("mount", "mount -t tmpfs none /build"),
    ("make a namespace", "unshare --user true"),
    ("raise a limit", "bash -c 'ulimit -u unlimited'"),
    ("make a device", "mknod /build/device b 7 0"),
    ("see variables of the service", "env | grep -i rida"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_sees_and_reaches_nothing_of_this_machine() {
    let world = World::new();
    let system = world.open().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let secret = world.path("database.sqlite");
    fs::write(&secret, "secret").unwrap();
    let fill = |text: &str| {
        text.replace("@DATA@", world.path("data").to_str().unwrap())
            .replace("@SECRET@", secret.to_str().unwrap())
            .replace("@PORT@", &listener.local_addr().unwrap().port().to_string())
    };
    let mut tries: String =
        TRESPASSES.iter().map(|(what, how)| fill(&format!("if {how}; then echo TRESPASS: {what}; fi\n"))).collect();
    tries.push_str("echo all of them were tried\n");
    // Once while the spec is read, and once while it is built.
    let head = "%global tries %(sh /sources/tries.sh >/build/tmp/tries 2>&1; grep -c TRESPASS /build/tmp/tries)\n\
        %if 0%{tries} > 0\n%{error:TRESPASS while it was read}\n%endif";
    let nosy = spec("nosy", head, "sh -x /sources/tries.sh");
    let source = world.component("nosy", &[("nosy.spec", &nosy), ("tries.sh", &tries)]);
    let mut build = world.module(&[("nosy", source)]);
    with_macros(&system, &mut build).await;
    built(&system, &mut build, "nosy").await;
    let said = log(&system, &build, "nosy").await;
    let trespasses: Vec<_> = said.lines().filter(|line| line.starts_with("TRESPASS")).collect();
    assert_eq!(trespasses, Vec::<&str>::new(), "{said}");
    assert!(said.contains("\nall of them were tried\n"), "{said}");
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_are_not_packages_are_refused() {
    let world = World::new();
    let system = world.open().await;
    let courses = [
        (
            "linked",
            "ln -s /etc/passwd /results/linked-1-1.noarch.rpm",
            "something that is called like a package is not a file",
        ),
        ("piped", "mkfifo /results/piped-1-1.noarch.rpm", "something that is called like a package is not a file"),
        ("broken", "echo no > /results/broken-1-1.noarch.rpm", "a package that was built cannot be read"),
    ];
    let sources: Vec<_> =
        courses.iter().map(|(name, build, _)| (*name, world.spec(name, &spec(name, "", build)))).collect();
    let other = world.spec("other", &spec("another", "", ""));
    let sources: Vec<_> = sources.into_iter().chain([("other", other)]).collect();
    let mut build = world.module(&sources);
    with_macros(&system, &mut build).await;
    for (name, _, expected) in courses {
        start(&system, &mut build, name).await;
        assert_eq!(failed(&system, &build, name).await, expected, "{name}");
    }
    start(&system, &mut build, "other").await;
    let expected = "other.spec is a spec of another; the two names must be the same";
    assert_eq!(failed(&system, &build, "other").await, expected);
    system.close().await;
}

/// A package that has links in place of the folders it is unpacked over must not lead the next build's root astray.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpacked_package_cannot_replace_the_folders_of_the_root() {
    let world = World::new();
    let system = world.open().await;
    let astray =
        spec("astray", "", "").replace("%install\n", "%install\nln -s / %{buildroot}/opt\nln -s / %{buildroot}/srv\n");
    let astray = world.spec("astray", &astray.replace("%files\n", "%files\n/opt\n/srv\n"));
    let secret = world.path("secret");
    fs::write(&secret, "secret").unwrap();
    let next = format!("for d in /opt /srv /var; do ! test -e $d{}; done", secret.display());
    let next = world.spec("next", &spec("next", "BuildRequires: astray", &next));
    let mut build = world.module(&[("astray", astray), ("next", next)]);
    with_macros(&system, &mut build).await;
    built(&system, &mut build, "astray").await;
    crate::world::regenerated(&system, &mut build).await;
    start(&system, &mut build, "next").await;
    let reason = failed(&system, &build, "next").await;
    assert!(reason.contains("a package of the module cannot be unpacked into the root"), "{reason}");
    system.close().await;
}
