//! rpkg, the client of the Module Build Service, unmodified, with a service that builds in the double of Koji's hub.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rida_koji::testing::Hub;

use crate::daemon::Daemon;
use crate::koji;
use crate::running::{Running, repository, stderr, stdout, within};

const MODULE: &str = "document: modulemd\nversion: 2\ndata:\n  stream: rolling\n  summary: A gate\n  \
    description: A gate.\n  license: {module: [MIT]}\n  dependencies:\n  - buildrequires: {platform: [el8]}\n    \
    requires: {platform: [el8]}\n  components:\n    rpms:\n      gate: {rationale: It opens., ref: main}\n";

/// Longer than anything takes; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service with the hub that it builds in, and a folder for a packager.
struct Farm {
    folder: tempfile::TempDir,
    hub: Hub,
    service: Running,
    git: String,
    settings: PathBuf,
    _daemon: Daemon,
}

impl Farm {
    /// Starts everything, with more settings of the service.
    async fn start(more: &[&str]) -> Self {
        let (folder, hub) = (tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
        let root = std::fs::canonicalize(folder.path()).unwrap();
        repository(&root.join("git/modules/gate"), "gate.yaml", MODULE);
        repository(&root.join("git/rpms/gate"), "gate.spec", "Name: gate\n");
        let (daemon, git) = Daemon::start(&root.join("git"));
        let mut settings = koji::settings(&root, &hub, "secret");
        settings.extend(["--allow".to_owned(), git.clone()]);
        settings.extend(["--set".to_owned(), format!("sources.repository={git}/rpms")]);
        // The hub's time passes faster than that of the service.
        let often = ["koji.ask_every=200ms", "builds.follow_every=200ms"];
        settings.extend(often.iter().chain(more).flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()]));
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let service = tokio::task::block_in_place(|| Running::start(&root.join("data"), &settings));
        let home = root.join("home");
        std::fs::create_dir_all(home.join(".koji")).unwrap();
        let profile =
            format!("[koji]\nserver = {}\nweburl = {}\nauthtype = password\n", hub.url(), "https://koji.test");
        std::fs::write(home.join(".koji/config"), profile).unwrap();
        let settings = root.join("rpkg.conf");
        let text = format!(
            "[rpkg]\nlookaside = http://127.0.0.1:1/\nlookasidehash = md5\nlookaside_cgi = http://127.0.0.1:1/\n\
             gitbaseurl = {git}/%(repo)s\nanongiturl = {git}/%(repo)s\nbranchre = main$\nkojiprofile = koji\n\
             build_client = koji\ndistgit_namespaced = True\n[rpkg.mbs]\nauth_method = kerberos\n\
             api_url = http://{}/module-build-service\n",
            service.address
        );
        std::fs::write(&settings, text).unwrap();
        Self { folder, hub, service, git, settings, _daemon: daemon }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = here.parent().unwrap().join("target/python/rpkg/bin/python");
        assert!(python.exists(), "{} is not there; scripts/setup.sh test makes it", python.display());
        let home = self.folder.path().join("home");
        let mut command = Command::new(python);
        command.arg(here.join("tests/python/rpkg_run.py")).arg(&self.settings).args(arguments);
        command.current_dir(&home).env("HOME", &home).env_remove("KRB5CCNAME").env("PYTHONWARNINGS", "ignore");
        command
    }

    /// Runs rpkg, which must succeed, and returns what it says.
    fn rpkg(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
        stdout(&output).to_owned()
    }

    /// Runs rpkg, which must tell that something is refused, and returns what.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let told = stderr(&output);
        assert!(!output.status.success() && told.contains("refused: "), "{arguments:?}: {}{told}", stdout(&output));
        told.split_once("refused: ").unwrap().1.to_owned()
    }

    /// Lets the hub's time pass until a build is in a state.
    fn until(&self, id: u32, state: &str) {
        within(PATIENCE, &format!("{id} is {state}"), || {
            self.hub.advance(Duration::from_secs(10));
            let build = self.service.json(&format!("/rida/module-builds/{id}?verbose=true"));
            assert!(state == "failed" || build["state"] != "failed", "{build}");
            if build["state"] == state { Ok(()) } else { Err(build.to_string()) }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rpkg_submits_watches_and_cancels() {
    let farm = Farm::start(&[]).await;
    tokio::task::block_in_place(|| {
        let module = format!("{}/modules/gate?#main", farm.git);
        let (api, said) =
            (format!("http://{}/module-build-service/2", farm.service.address), |text: &str| text.to_owned());
        let submitted = farm.rpkg(&["module-build", &module, "rolling"]);
        assert!(submitted.contains("The build 1 was submitted to the MBS"), "{submitted}");
        assert!(submitted.contains(&format!("{api}/module-builds/1")), "{submitted}");
        assert!(farm.refused(&["module-build", &module, "rolling"]).contains("exists already as build 1"));
        let unfinished = farm.rpkg(&["module-overview", "--unfinished"]);
        assert!(unfinished.contains("ID:       1\nName:     gate\nStream:   rolling\n"), "{unfinished}");
        let none = farm.rpkg(&["module-overview"]);
        assert!(!none.contains("ID:"), "{none}");

        // It watches while the module is built, and ends with it.
        let watching = farm.command(&["module-build-watch", "1"]).stdout(Stdio::piped()).spawn().unwrap();
        farm.until(1, "ready");
        let watched = watching.wait_with_output().unwrap();
        assert!(watched.status.success());
        let watched = said(stdout(&watched));
        assert!(watched.contains(r#"is in "ready" state."#), "{watched}");
        assert!(watched.contains("  Koji tag: module-gate-rolling-"), "{watched}");
        assert!(watched.contains("  Components: 2 done, 0 failed"), "{watched}");
        assert!(watched.contains(&format!("  Link: {api}/module-builds/1")), "{watched}");

        let info = farm.rpkg(&["module-build-info", "1"]);
        for line in
            ["Name:           gate", "Stream:         rolling", "State:          ready", "Scratch:        False"]
        {
            assert!(info.contains(line), "{line} is not in {info}");
        }
        assert!(info.contains("    Name:       gate\n    NVR:        gate-1"), "{info}");
        assert!(
            info.contains("    State:      COMPLETE\n    Koji Task:  https://koji.test/taskinfo?taskID="),
            "{info}"
        );
        let finished = farm.rpkg(&["module-overview", "--limit", "3"]);
        assert!(finished.contains("ID:       1\n") && finished.contains("State:    ready"), "{finished}");
        let of_others = farm.rpkg(&["module-overview", "--owner", "somebody"]);
        assert!(!of_others.contains("ID:"), "{of_others}");
        assert!(farm.refused(&["module-build-info", "99"]).contains("there is no module build 99"));
        assert!(
            farm.refused(&["module-build-cancel", "1"]).contains("The cancellation of module build #1 failed with:")
        );

        let other = farm.folder.path().join("git/modules/other");
        repository(&other, "other.yaml", MODULE);
        let other = format!("{}/modules/other?#main", farm.git);
        let submitted = farm.rpkg(&["module-build", &other, "rolling"]);
        assert!(submitted.contains("The build 2 was submitted to the MBS"), "{submitted}");
        let canceled = farm.rpkg(&["module-build-cancel", "2"]);
        assert!(canceled.contains("The module build #2 was cancelled"), "{canceled}");
        let watched = farm.rpkg(&["module-build-watch", "2"]);
        assert!(
            watched.contains(r#"is in "failed" state."#) && watched.contains("  Reason: canceled by anonymous"),
            "{watched}"
        );
        let elsewhere = farm.refused(&["module-build", "https://elsewhere.example.org/modules/gate?#main", "rolling"]);
        assert!(elsewhere.contains("is not in an allowed place"), "{elsewhere}");
        let scratch = farm.refused(&["module-scratch-build", &other, "rolling"]);
        assert!(scratch.contains("scratch builds are not enabled here"), "{scratch}");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rpkg_tries_what_is_on_the_packagers_machine() {
    let farm = Farm::start(&["builds.allow_scratch=true"]).await;
    tokio::task::block_in_place(|| {
        let home = farm.folder.path().join("home");
        // Nothing of this is in any repository.
        let draft = home.join("draft.yaml");
        std::fs::write(&draft, MODULE.replace("ref: main}", "ref: main}\n      lamp: {rationale: It shines.}"))
            .unwrap();
        let spec = "Name: lamp\nVersion: 1\nRelease: 1\nSummary: A lamp\nLicense: MIT\n%description\nA lamp.\n";
        std::fs::write(home.join("lamp.spec"), spec).unwrap();
        let top = format!("_topdir {}", home.display());
        let mut rpmbuild = Command::new("rpmbuild");
        let made = rpmbuild.args(["-bs", "--quiet", "--define", &top]).arg(home.join("lamp.spec")).output().unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        let package = home.join("SRPMS/lamp-1-1.src.rpm");
        let (draft, package) = (draft.display().to_string(), package.display().to_string());
        // Koji's password is what rpkg is told on its command line.
        let known = ["--user", "rida", "--password", "secret"];
        let arguments = [&known[..], &["module-scratch-build", "--file", &draft, "--srpm", &package]].concat();
        let submitted = farm.rpkg(&arguments);
        assert!(submitted.contains("The build 1 was submitted to the MBS"), "{submitted}");
        farm.until(1, "done");
        let build = farm.service.json("/module-build-service/2/module-builds/1?verbose=true");
        assert_eq!((&build["name"], &build["scmurl"]), (&"draft".into(), &serde_json::Value::Null));
        let sent = build["srpms"][0].as_str().unwrap().to_owned();
        assert!(sent.starts_with("cli-build/") && sent.ends_with("/lamp.src.rpm"), "{sent}");
        {
            let world = farm.hub.world();
            let content = world.uploaded(&sent).map(|content| content.to_vec());
            assert_eq!(content, Some(std::fs::read(&package).unwrap()), "what was sent is what is built");
            let tasks = world.tasks().filter(|task| task.method == "build");
            let built: Vec<String> = tasks.map(|task| format!("{:?}", task.request.first())).collect();
            assert!(
                built.iter().any(|source| source.contains(&sent))
                    && built.iter().any(|source| source.contains("/rpms/gate?#")),
                "{built:?}"
            );
            // It is only tried.
            assert_eq!(built.len(), 3, "{built:?}");
        }
        let watched = farm.rpkg(&["module-build-watch", "1"]);
        assert!(watched.contains(r#"is in "done" state."#) && watched.contains("3 done, 0 failed"), "{watched}");
        let info = farm.rpkg(&["module-build-info", "1"]);
        assert!(info.contains("Scratch:        True") && info.contains("Koji Tag:       scrmod-draft-"), "{info}");
        let module = format!("{}/modules/gate?#main", farm.git);
        let other = ["module-build", "--buildrequires", "nothere:1", &module, "rolling"];
        assert!(farm.refused(&other).contains("buildrequire_overrides names modules"), "{}", farm.refused(&other));
        let strange = ["module-build", "--optional", "rebuild_strategy=all", &module, "rolling"];
        assert!(farm.refused(&strange).contains("the rebuild strategy cannot be chosen here"));
        let kept = ["module-build", "--optional", "module_name=x", &module, "rolling"];
        assert!(farm.refused(&kept).contains("is for a modulemd in the request"));
    });
}
