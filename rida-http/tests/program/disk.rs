//! Disks that are full, or may not be written.
//!
//! The service gets a mount namespace of its own, with a small file system in memory for its data: what runs out of room
//! is the kernel's own file system, for the service and for every program that it runs. It takes root, or a kernel that
//! lets users make namespaces; the sandbox of the builds needs the same.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::running::{Running, Starting, body, program, repository, status, stderr, within};
use crate::{MODULE, SPEC};

/// Room for everything that a few small builds need.
const SIZE: &str = "size=48m";

/// Mounts a small file system and becomes the service.
const ON_SMALL_DISK: &str = r#"mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@""#;

/// A service on a disk of its own.
struct World {
    _folder: tempfile::TempDir,
    root: PathBuf,
    service: Running,
}

/// Mounts a file system of its own and becomes the service.
const ON_ITS_OWN_DISK: &str = r#"mount -o loop,errors=remount-ro "$1" "$2" && shift 2 && exec "$@""#;

/// Returns the words before a command that give it mounts of its own.
fn apart() -> Vec<&'static str> {
    let as_root = ["unshare", "--mount"];
    if Command::new(as_root[0]).args(&as_root[1..]).arg("true").output().unwrap().status.success() {
        return as_root.to_vec();
    }
    vec!["unshare", "--mount", "--map-root-user"]
}

impl World {
    fn start() -> Self {
        Self::on(|_| (ON_SMALL_DISK, SIZE.to_owned()))
    }

    /// Starts the service on the disk that a script mounts, which is told what and where.
    fn on(disk: impl FnOnce(&Path) -> (&'static str, String)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let data = root.join("data");
        std::fs::create_dir(&data).unwrap();
        let (script, what) = disk(&root);
        let service = Self::serve(&root, script, &what);
        let world = Self { _folder: folder, root, service };
        world.module("gate", SPEC);
        world
    }

    fn serve(root: &Path, script: &str, what: &str) -> Running {
        let (data, git) = (root.join("data"), format!("file://{}/git", root.display()));
        let components = format!("sources.repository={git}/rpms");
        let mut more = vec!["--allow", &git, "--set", &components];
        for set in ["local.builder=rpmbuild", "local.spare_disk=1MiB", "builds.follow_every=1s"] {
            more.extend(["--set", set]);
        }
        let service = program(&[]);
        let mut command = Command::new(apart()[0]);
        command.args(&apart()[1..]).args(["sh", "-c", script, "sh", what]).arg(&data);
        command.arg(service.get_program());
        for (name, value) in service.get_envs() {
            assert!(value.is_none());
            command.env_remove(name);
        }
        Starting::by(command, &data, &root.join("said"), &more).serving()
    }

    /// Waits until it says whether it is ready.
    #[track_caller]
    fn says_of_itself(&self, code: u16) -> String {
        within(Duration::from_secs(60), &format!("/readyz says {code}"), || {
            let answer = self.service.ask("GET /readyz");
            if status(&answer) == code { Ok(answer) } else { Err(answer) }
        })
    }

    /// Makes the repositories of a module with one component.
    fn module(&self, name: &str, spec: &str) {
        repository(&self.root.join("git/modules").join(name), &format!("{name}.yaml"), &MODULE.replace("gate", name));
        repository(&self.root.join("git/rpms").join(name), &format!("{name}.spec"), spec);
    }

    fn quick_module(&self, name: &str) {
        let spec = SPEC.lines().filter(|line| !line.starts_with("for ")).collect::<Vec<_>>().join("\n");
        self.module(name, &spec.replace("gate", name));
    }

    fn submit(&self, name: &str) -> String {
        let url = format!("file://{}/git/modules/{name}?#main", self.root.display());
        self.service.send("POST /rida/module-builds/", &json!({ "scmurl": url }).to_string())
    }

    /// Returns a path of the data folder as the service sees it.
    fn inside(&self, path: &str) -> PathBuf {
        let data = self.root.join("data").join(path);
        Path::new("/proc").join(self.service.id().to_string()).join("root").join(data.strip_prefix("/").unwrap())
    }

    /// Runs a command among the mounts of the service.
    fn among_its_mounts(&self, words: &[&str]) {
        let space = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/user")).unwrap();
        let id = self.service.id().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &id, "--mount"]);
        if space(&id) != space("self") {
            command.args(["--user", "--preserve-credentials"]);
        }
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.inside("filler")).unwrap();
        for size in [1 << 20, 4096, 1] {
            while filler.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn build(&self, id: &Value) -> Value {
        self.service.json(&format!("/rida/module-builds/{id}?verbose=true"))
    }

    #[track_caller]
    fn becomes_ready(&self, id: &Value, mut meanwhile: impl FnMut()) {
        within(Duration::from_secs(60), "it is ready", || {
            meanwhile();
            let build = self.build(id);
            if build["state"] == "ready" { Ok(()) } else { Err(build.to_string()) }
        });
    }

    /// Waits until `gate` is being built, and returns its task.
    fn gate_builds(&self) -> i64 {
        let seen = |build: &Value| build["tasks"]["rpms/gate"].as_str()?.strip_suffix("/open")?.parse().ok();
        within(Duration::from_secs(60), "it builds", || {
            let log = self.service.ask("GET /rida/module-builds/1/logs/gate");
            let build = self.service.json("/rida/module-builds/1");
            seen(&build).filter(|_| log.contains("\nit builds\n")).ok_or_else(|| build.to_string())
        })
    }

    fn open_the_gate(&self, task: i64) {
        // It is not there while nothing builds.
        let _ = File::create(self.inside(&format!("builds/builds/1/tasks/{task}/work/build/go")));
    }

    /// Returns the ids of what was published, in order; what a full disk cut off is no line.
    fn published(&self) -> Vec<String> {
        let mut text = String::new();
        File::open(self.inside("announcements.jsonl")).unwrap().read_to_string(&mut text).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.map(|line| line["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Checks that what answers a change says when to come back, and nothing of this machine.
    #[track_caller]
    fn is_put_off(&self, answer: &str) -> String {
        assert_eq!(status(answer), 503, "{answer}");
        assert!(answer.contains("\r\nretry-after: "), "{answer}");
        assert!(!answer.contains(&*self.root.to_string_lossy()), "{answer}");
        body(answer)["message"].as_str().unwrap().to_owned()
    }
}

#[test]
fn on_a_full_disk_it_says_so_and_goes_on_once_there_is_room() {
    let world = World::start();
    for number in 0..8 {
        world.quick_module(&format!("m{number}"));
    }
    let mut accepted = vec![body(&world.submit("gate"))["id"].clone()];
    let task = world.gate_builds();

    world.fill();
    // A little may still find room in files that are there already; what got its 201 is held to it.
    let mut next = 0;
    let refused = loop {
        let answer = world.submit(&format!("m{next}"));
        if status(&answer) != 201 {
            break world.is_put_off(&answer);
        }
        accepted.push(body(&answer)["id"].clone());
        next += 1;
        world.fill();
    };
    assert!(refused.contains("disk of the server is full"), "{refused}");
    // At once: what builds may not stay on the full disk for long.
    let told = world.service.ask("GET /readyz");
    assert!(world.is_put_off(&told).contains("disk of the server is full"), "{told}");
    let changed = world.service.send("PATCH /rida/module-builds/1", r#"{"state": "failed"}"#);
    let message = world.is_put_off(&changed);
    assert!(message.contains("disk of the server is full"), "{message}");
    for path in ["/rida/module-builds/", "/rida/module-builds/1?verbose=true", "/healthz", "/metrics"] {
        assert_eq!(status(&world.service.ask(&format!("GET {path}"))), 200, "{path}");
    }
    assert!(world.service.ask("GET /rida/module-builds/1/logs/gate").contains("\nit builds\n"));
    // Less is left than must be spared, and enough to say so: what builds is ended, and waits.
    let filler = File::options().write(true).open(world.inside("filler")).unwrap();
    filler.set_len(filler.metadata().unwrap().len() - (512 << 10)).unwrap();
    drop(filler);
    within(Duration::from_secs(60), "it waits for room", || {
        let log = world.service.ask("GET /rida/module-builds/1/logs/gate");
        let waits = ["the disk of the server was nearly full; the build starts again", "the build waits: the disk"];
        if waits.iter().all(|line| log.contains(line)) { Ok(()) } else { Err(log) }
    });
    assert_eq!(world.build(&json!(1))["state"], "build", "it does not fail of what its packager cannot mend");

    std::fs::remove_file(world.inside("filler")).unwrap();
    world.says_of_itself(200);
    for id in &accepted {
        world.becomes_ready(id, || world.open_the_gate(task));
    }
    let again = world.submit(&format!("m{next}"));
    assert_eq!(status(&again), 201, "{again}");
    world.becomes_ready(&body(&again)["id"], || {});
    accepted.push(body(&again)["id"].clone());
    let builds = world.service.json("/rida/module-builds/");
    let builds: Vec<Value> = builds.as_array().unwrap().iter().map(|build| build["id"].clone()).collect();
    assert_eq!(builds, accepted);
    within(Duration::from_secs(20), "all is announced", || {
        let text = world.service.ask("GET /metrics");
        if text.contains("rida_publish_lag_seconds 0.0") { Ok(()) } else { Err(text) }
    });
    let published = world.published();
    for id in &accepted {
        let states = world.build(id)["history"].as_array().unwrap().len();
        assert!(states >= 5 && published.contains(&format!("{id}.1.0")), "{published:?}");
    }
}

/// The kernel makes a file system read-only under who has files open for writing when it finds an error in it, and only
/// then: so it is told to find one. It takes root and a loop device.
#[test]
fn a_disk_that_becomes_read_only_under_the_service_is_told_and_costs_nothing() {
    let image = |root: &Path| root.join("disk.img").display().to_string();
    let mut world = World::on(|root| {
        File::create(image(root)).unwrap().set_len(64 << 20).unwrap();
        let made = Command::new("/sbin/mkfs.ext4").args(["-q", &image(root)]).output().unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        (ON_ITS_OWN_DISK, image(root))
    });
    world.quick_module("m0");
    let first = body(&world.submit("m0"))["id"].clone();
    world.becomes_ready(&first, || {});
    assert_eq!(world.service.json("/readyz"), json!({"status": "ready"}));
    world.quick_module("m1");
    let held = body(&world.submit("m1"))["id"].clone();
    let data = world.root.join("data").display().to_string();
    world.among_its_mounts(&["mount", "-o", "remount,abort", &data]);
    world.is_put_off(&world.submit("m0"));
    let refused = world.service.send(&format!("PATCH /rida/module-builds/{held}"), r#"{"state": "failed"}"#);
    let message = world.is_put_off(&refused);
    assert!(message.contains("disk of the server") || message.contains("may not be written"), "{message}");
    let told = world.says_of_itself(503);
    assert_eq!(world.is_put_off(&told), message);
    for path in ["/rida/module-builds/", "/rida/module-builds/1?verbose=true", "/healthz", "/metrics"] {
        assert_eq!(status(&world.service.ask(&format!("GET {path}"))), 200, "{path}");
    }
    assert!(!world.service.said().contains("panicked"), "{}", world.service.said());

    // Such a file system is mounted anew by an administrator.
    let World { _folder, root, service } = world;
    service.kill_9();
    within(Duration::from_secs(60), "nothing of the service uses the disk", || {
        let uses = Command::new("/sbin/losetup").args(["-j", &image(&root)]).output().unwrap();
        assert!(uses.status.success(), "{}", stderr(&uses));
        if uses.stdout.is_empty() { Ok(()) } else { Err(String::from_utf8_lossy(&uses.stdout).into_owned()) }
    });
    world = World { service: World::serve(&root, ON_ITS_OWN_DISK, &image(&root)), _folder, root };
    world.says_of_itself(200);
    world.becomes_ready(&held, || {});
    let builds = world.service.json("/rida/module-builds/");
    let builds: Vec<Value> = builds.as_array().unwrap().iter().map(|build| build["id"].clone()).collect();
    assert_eq!(builds, [first, held]);
}

#[test]
fn a_folder_of_builds_that_may_not_be_written_is_waited_for() {
    let world = World::start();
    world.quick_module("m0");
    let builds = world.root.join("data/builds").display().to_string();
    world.among_its_mounts(&["mount", "--bind", &builds, &builds]);
    world.among_its_mounts(&["mount", "-o", "remount,bind,ro", &builds]);
    let answer = world.submit("m0");
    assert_eq!(status(&answer), 201, "{answer}");
    let id = body(&answer)["id"].clone();
    within(Duration::from_secs(20), "it tries to prepare", || {
        let said = world.service.said();
        if said.contains("the server cannot keep the files of the build") { Ok(()) } else { Err(said) }
    });
    let build = world.build(&id);
    assert_eq!((&build["state"], &build["phase"]), (&json!("build"), &json!("preparing")), "{build}");
    world.among_its_mounts(&["umount", "--lazy", &builds]);
    world.becomes_ready(&id, || {});
}

#[test]
fn announcements_wait_while_their_file_may_not_be_written() {
    let world = World::start();
    world.quick_module("m0");
    let file = world.root.join("data/announcements.jsonl").display().to_string();
    File::create(world.inside("announcements.jsonl")).unwrap();
    world.among_its_mounts(&["mount", "--bind", &file, &file]);
    world.among_its_mounts(&["mount", "-o", "remount,bind,ro", &file]);
    let id = body(&world.submit("m0"))["id"].clone();
    world.becomes_ready(&id, || {});
    assert_eq!(world.published(), Vec::<String>::new());
    let told = world.service.said();
    assert_eq!(told.matches("announcements wait: they cannot be published").count(), 1, "{told}");
    let waits = world.service.ask("GET /metrics");
    assert!(!waits.contains("rida_publish_lag_seconds 0.0"), "{waits}");
    world.among_its_mounts(&["umount", "--lazy", &file]);
    within(Duration::from_secs(40), "it is published", || {
        let text = world.service.ask("GET /metrics");
        if text.contains("rida_publish_lag_seconds 0.0") { Ok(()) } else { Err(text) }
    });
    let published = world.published();
    let mut once = published.clone();
    once.dedup();
    assert_eq!(once, published, "nothing was told while nothing could be");
    assert!(published.len() >= 5 && published[0] == format!("{id}.1.0"), "{published:?}");
}

#[test]
fn on_a_read_only_disk_it_does_not_start_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let read_only = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@""#;
    let mut command = Command::new(apart()[0]);
    command.args(&apart()[1..]).args(["sh", "-c", read_only, "sh", &data, env!("CARGO_BIN_EXE_rida-http")]);
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--allow", "https://src.example.org/", "--data", &data];
    let output = command.args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("the database cannot be opened; check that its folder"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}
