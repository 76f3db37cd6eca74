//! What a module takes over from its earlier build, with real packages and over HTTP.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::running::{Running, body, names, repository, status, stderr, within};

const SPEC: &str = "Name: @\nVersion: 1\nRelease: 1%{?dist}\nSummary: A package\nLicense: MIT\nBuildArch: noarch\n\n\
    %description\nA package.\n\n%build\necho it builds\n\n%install\nmkdir -p %{buildroot}/usr/share/@\n\
    echo here > %{buildroot}/usr/share/@/file\n\n%files\n/usr/share/@\n";

/// A module of three components, one after the other.
const MODULE: &str = "document: modulemd\nversion: 2\ndata:\n  stream: rolling\n  summary: A tower\n  \
    description: A tower.\n  license: {module: [MIT]}\n  components:\n    rpms:\n      \
    base: {rationale: Below., ref: main, buildorder: 0}\n      \
    wall: {rationale: Around., ref: main, buildorder: 1}\n      \
    roof: {rationale: Above., ref: main, buildorder: 2}\n";

struct Tower {
    root: PathBuf,
    service: Option<Running>,
    commits: u32,
}

impl Tower {
    fn start(&mut self) {
        let git = format!("file://{}/git", self.root.display());
        let (allow, rpms) = (git.clone(), format!("sources.repository={git}/rpms"));
        let choices = "builds.rebuild_choices=all,changed-and-after,only-changed";
        let set = [&rpms, "local.builder=rpmbuild", "local.spare_disk=1", choices, "log.filter=error"];
        let set: Vec<&str> = set.into_iter().flat_map(|setting| ["--set", setting]).collect();
        let more: Vec<&str> = ["--allow", &allow].into_iter().chain(set).collect();
        self.service = Some(Running::start(&self.root.join("data"), &more));
    }

    fn service(&self) -> &Running {
        self.service.as_ref().unwrap()
    }

    /// Commits to a repository, each time a minute later than the last: the version of a module is a time.
    fn commit(&mut self, folder: &str, file: &str, text: &str) {
        self.commits += 1;
        let folder = self.root.join("git").join(folder);
        std::fs::write(folder.join(file), text).unwrap();
        let date = format!("2027-01-15T08:{:02}:00Z", self.commits);
        for arguments in [&["add", "-A"][..], &["commit", "-q", "--allow-empty", "-m", "Change"]] {
            let who = ["-c", "user.name=Packager", "-c", "user.email=packager@example.org"];
            let mut git = Command::new("git");
            let git = git.args(who).args(arguments).current_dir(&folder).env("GIT_COMMITTER_DATE", &date);
            let git = git.output().unwrap();
            assert!(git.status.success(), "git {arguments:?}: {}", stderr(&git));
        }
    }

    fn change(&mut self, component: &str) {
        let spec = format!("{}\n# {}\n", SPEC.replace('@', component), self.commits);
        self.commit(&format!("rpms/{component}"), &format!("{component}.spec"), &spec);
    }

    /// Submits the module anew, and returns the answer.
    fn submit(&mut self, strategy: Option<&str>) -> String {
        self.commit("modules/tower", "tower.yaml", &format!("{MODULE}# {}\n", self.commits));
        let url = format!("file://{}/git/modules/tower?#main", self.root.display());
        let mut submission = json!({"scmurl": url});
        if let Some(strategy) = strategy {
            submission["rebuild_strategy"] = strategy.into();
        }
        self.service().send("POST /rida/module-builds/", &submission.to_string())
    }

    fn build(&self, id: i64) -> Value {
        self.service().json(&format!("/rida/module-builds/{id}?verbose=true"))
    }

    fn ready(&self, id: i64) -> Value {
        within(Duration::from_secs(300), "it is ready", || {
            let build = self.build(id);
            assert_ne!(build["state"], "failed", "{build}");
            if build["state"] == "ready" { Ok(build) } else { Err(build.to_string()) }
        })
    }

    /// Submits the module anew and waits for it.
    fn rebuild(&mut self, strategy: Option<&str>) -> Value {
        let answer = self.submit(strategy);
        assert_eq!(status(&answer), 201, "{answer}");
        self.ready(body(&answer)["id"].as_i64().unwrap())
    }

    fn folder(&self, id: i64) -> PathBuf {
        self.root.join("data/builds/builds").join(id.to_string())
    }

    /// Returns the packages that can be installed of a finished module, by name, with the build whose dist tag each has.
    fn packages(&self, id: i64) -> Vec<(String, i64)> {
        let files = names(&self.folder(id).join("module/repo"));
        let packages = files.iter().filter(|file| file.ends_with(".rpm"));
        let read = |file: &String| {
            let (name, rest) = file.split_once('-').unwrap();
            (name.to_owned(), rest.split('+').nth(1).unwrap().parse().unwrap())
        };
        packages.map(read).collect()
    }
}

fn component<'a>(build: &'a Value, name: &str) -> &'a Value {
    build["components"].as_array().unwrap().iter().find(|component| component["name"] == name).unwrap()
}

fn tasks(folder: &Path) -> usize {
    if folder.join("tasks").exists() { names(&folder.join("tasks")).len() } else { 0 }
}

#[test]
fn a_module_takes_over_what_did_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let mut tower = Tower { root: root.clone(), service: None, commits: 0 };
    repository(&root.join("git/modules/tower"), "tower.yaml", MODULE);
    for name in ["base", "wall", "roof"] {
        repository(&root.join("git/rpms").join(name), &format!("{name}.spec"), &SPEC.replace('@', name));
    }
    tower.start();

    let first = tower.rebuild(Some("all"));
    assert_eq!((&first["rebuild_strategy"], &first["reused_module_id"]), (&json!("all"), &Value::Null));
    assert_eq!(tasks(&tower.folder(1)), 4);

    // What changed, and what comes after it, with a service that is killed meanwhile.
    tower.change("wall");
    let answer = tower.submit(None);
    assert_eq!(status(&answer), 201, "{answer}");
    within(Duration::from_secs(120), "it takes over", || {
        let build = tower.build(2);
        if build["reused_module_id"] == 1 { Ok(()) } else { Err(build.to_string()) }
    });
    tower.service.take().unwrap().kill_9();
    tower.start();
    let second = tower.ready(2);
    assert_eq!(second["rebuild_strategy"], "changed-and-after");
    assert_eq!(second["tasks"]["rpms/base"], first["tasks"]["rpms/base"], "it is the task that built it");
    let base = component(&second, "base");
    assert_eq!(base["nvr"], component(&first, "base")["nvr"]);
    assert_eq!((&base["state"], &base["task_state"]), (&json!("available"), &json!("closed")));
    assert_eq!(base["state_reason"], "Reused component from previous module build");
    assert_eq!(component(&second, "roof")["rebuilt_because"], "wall comes before it, and is built");
    let known = |name: &str, id: i64| (name.to_owned(), id);
    assert_eq!(tower.packages(2), [known("base", 1), known("roof", 2), known("wall", 2)]);
    assert_eq!(tasks(&tower.folder(2)), 3, "the macros, wall and roof");
    let document = std::fs::read_to_string(tower.folder(2).join("module/modules.yaml")).unwrap();
    assert!(document.contains(component(&first, "base")["nvr"].as_str().unwrap().rsplit('-').next().unwrap()));
    let log = tower.service().ask("GET /rida/module-builds/2/logs/base");
    assert!(log.contains("\nit builds\n"), "its log is that of who built it: {log}");

    // Only what changed.
    tower.change("wall");
    let third = tower.rebuild(Some("only-changed"));
    assert_eq!(third["reused_module_id"], 2);
    assert_eq!(tower.packages(3), [known("base", 1), known("roof", 2), known("wall", 3)]);

    // Nothing changed: no task at all. A build by `only-changed` is no donor for `changed-and-after`.
    let answer = tower.rebuild(Some("only-changed"));
    assert_eq!((tasks(&tower.folder(4)), &answer["reused_module_id"]), (0, &json!(3)));
    assert_eq!(component(&answer, "module-build-macros")["state"], "unneeded");
    assert_eq!(tower.packages(4), tower.packages(3));
    let repository = names(&tower.folder(4).join("module/repo"));
    assert!(repository.contains(&"repodata".to_owned()), "{repository:?}");

    // Somebody takes away what was to be taken over: it is built.
    std::fs::remove_dir_all(tower.folder(4).join("tag/base")).unwrap();
    let fifth = tower.rebuild(Some("only-changed"));
    assert_eq!(component(&fifth, "base")["rebuilt_because"], "build 4 does not have its packages any more");
    assert_eq!(tower.packages(5), [known("base", 5), known("roof", 2), known("wall", 3)]);
    // What was taken over stays when the build goes that it was taken from.
    for earlier in 1..=4 {
        std::fs::remove_dir_all(tower.folder(earlier)).unwrap();
    }
    let sixth = tower.rebuild(Some("only-changed"));
    assert_eq!((tasks(&tower.folder(6)), tower.packages(6)), (0, tower.packages(5)), "{sixth}");
    let used: BTreeSet<_> = tower.packages(6).into_iter().map(|(_, id)| id).collect();
    assert_eq!(used, BTreeSet::from([2, 3, 5]));
}

#[test]
fn a_strategy_must_be_one_that_may_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let mut tower = Tower { root: root.clone(), service: None, commits: 0 };
    repository(&root.join("git/modules/tower"), "tower.yaml", MODULE);
    tower.start();
    let answer = tower.submit(Some("some"));
    assert_eq!(status(&answer), 400);
    assert_eq!(
        body(&answer)["message"],
        "the rebuild strategy \"some\" is not allowed; choose one of: all, changed-and-after, only-changed"
    );
    // Taken up again it stays what it was; there are no components here, so that it fails.
    let answer = tower.submit(Some("all"));
    let id = body(&answer)["id"].as_i64().unwrap();
    within(Duration::from_secs(60), "it fails", || {
        let build = tower.build(id);
        if build["state"] == "failed" { Ok(()) } else { Err(build.to_string()) }
    });
    let url = format!("file://{}/git/modules/tower?#main", root.display());
    let again = |strategy: &str| {
        let submission = json!({"scmurl": url, "rebuild_strategy": strategy}).to_string();
        tower.service().send("POST /rida/module-builds/", &submission)
    };
    let answer = again("only-changed");
    assert_eq!(status(&answer), 400, "{answer}");
    assert!(
        body(&answer)["message"].as_str().unwrap().contains("was submitted with the rebuild strategy all"),
        "{answer}"
    );
    let answer = again("all");
    assert_eq!((status(&answer), &body(&answer)["id"]), (201, &json!(id)), "{answer}");
}
