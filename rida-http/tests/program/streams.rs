//! Modules that are tried, and modules against several streams, by the program: with real packages on this machine, and
//! on the double of Koji's hub.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rida_core::modulemd::{self, ModuleStream};
use rida_koji::testing::Hub;
use serde_json::{Value, json};

use crate::koji::settings;
use crate::running::{Running, body, repository, until};
use crate::sources::Sources;

const MODULE: &str = "document: modulemd\nversion: 2\ndata:\n  stream: rolling\n  summary: A gate\n  description: A gate.\n  \
    license: {module: [MIT]}\n  dependencies:\n  - buildrequires: {platform: []}\n    requires: {platform: []}\n  \
    components:\n    rpms:\n      gate: {rationale: It opens., ref: main}\n";

const CONFIGURATIONS: &str = "document: modulemd-packager\nversion: 3\ndata:\n  stream: rolling\n  summary: A fence\n  \
    description: A fence.\n  license: [MIT]\n  configurations:\n  - {context: OLD, platform: f41}\n  - {context: NEW, \
    platform: f42}\n";

const SPEC: &str = "Name: gate\nVersion: 1\nRelease: 1%{?dist}\nSummary: A gate\nLicense: MIT\nBuildArch: noarch\n\n\
    %description\nA gate of %{modularitylabel}\n\n%files\n";

/// Submits a module and returns its builds.
fn submit(service: &Running, git: &str, module: &str, scratch: bool) -> Vec<i64> {
    let submission = json!({"scmurl": format!("{git}/modules/{module}?#main"), "scratch": scratch}).to_string();
    let answer = service.send("POST /rida/module-builds/?all=true", &submission);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    body(&answer).as_array().unwrap().iter().map(|build| build["id"].as_i64().unwrap()).collect()
}

fn until_in(service: &Running, id: i64, state: &str, mut meanwhile: impl FnMut()) -> Value {
    let mut last = Value::Null;
    until(&format!("build {id} is {state}"), || {
        meanwhile();
        last = service.json(&format!("/rida/module-builds/{id}?verbose=true"));
        assert_ne!(last["state"], "failed", "{last}");
        if last["state"] == state { Ok(()) } else { Err(last.to_string()) }
    });
    last
}

/// Returns the one document that a build has.
fn document(service: &Running, id: i64) -> ModuleStream {
    let documents = service.json(&format!("/rida/module-builds/{id}/final-modulemd"));
    let documents = documents.as_object().unwrap();
    assert_eq!(documents.len(), 1, "{documents:?}");
    let text = documents.values().next().unwrap().as_str().unwrap();
    modulemd::read(text.as_bytes()).unwrap().into_stream().unwrap()
}

fn written(root: &Path) -> String {
    repository(&root.join("git/modules/gate"), "gate.yaml", MODULE);
    repository(&root.join("git/modules/fence"), "fence.yaml", CONFIGURATIONS);
    repository(&root.join("git/rpms/gate"), "gate.spec", SPEC);
    format!("file://{}/git", root.display())
}

#[test]
fn a_module_is_built_for_each_stream_and_tried_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let git = written(&root);
    let more = [
        format!("sources.repository={git}/rpms"),
        "local.builder=rpmbuild".to_owned(),
        "local.spare_disk=1".to_owned(),
        "builds.allow_scratch=true".to_owned(),
        // What is tried would take over what is built already.
        "builds.rebuild=all".to_owned(),
        "builds.base_streams=platform:f41,platform:f42".to_owned(),
        "log.filter=error".to_owned(),
    ];
    let more: Vec<&str> = more.iter().flat_map(|setting| ["--set", setting]).chain(["--allow", &git]).collect();
    let service = Running::start(&root.join("data"), &more);
    let ids = submit(&service, &git, "gate", false);
    let tried = submit(&service, &git, "gate", true);
    assert_eq!((ids.len(), tried.len()), (2, 2));
    for (place, platform) in ["f41", "f42"].into_iter().enumerate() {
        let build = until_in(&service, ids[place], "ready", || ());
        let scratch = until_in(&service, tried[place], "done", || ());
        assert_eq!(build["siblings"], json!([ids[1 - place]]));
        assert_eq!(scratch["siblings"], json!([tried[1 - place]]));
        let context = build["context"].as_str().unwrap();
        assert_eq!(scratch["context"], format!("{context}_1"));
        for (id, build, dist) in [(ids[place], &build, ".module+"), (tried[place], &scratch, ".scrmod+")] {
            let document = document(&service, id);
            assert_eq!(document.context.as_deref(), build["context"].as_str());
            let only =
                document.dependencies[0].buildrequires["platform"].iter().map(String::as_str).collect::<Vec<_>>();
            assert_eq!((only, document.dependencies[0].requires["platform"].len()), (vec![platform], 1));
            let release = format!("gate-0:1-1{}", build["dist_tag"].as_str().unwrap());
            assert!(release.contains(&format!("{dist}{platform}+")), "{release}");
            let artifacts: Vec<&String> = document.artifacts.rpms.iter().collect();
            assert_eq!(artifacts, [&format!("{release}.noarch"), &format!("{release}.src")]);
        }
    }
    for (id, context) in submit(&service, &git, "fence", false).into_iter().zip(["NEW", "OLD"]) {
        let build = until_in(&service, id, "ready", || ());
        assert_eq!(build["context"], context);
        assert_eq!(document(&service, id).context.as_deref(), Some(context));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_is_built_for_each_stream_and_tried_in_koji() {
    let (folder, hub) = (tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let git = written(&root);
    repository(
        &root.join("git/modules/wall"),
        "wall.yaml",
        &MODULE
            .replace("gate", "wall")
            .split("  components")
            .next()
            .unwrap()
            .replace("platform: []", "platform: ['-f43']"),
    );
    for tag in ["f41-build", "f42-build"] {
        hub.world().add_tag(tag, "x86_64");
    }
    let mut more = settings(&root, &hub, "secret");
    more.extend(
        [
            "--set",
            "builds.allow_scratch=true",
            "--set",
            "koji.base_tags=platform:f41=f41-build,platform:f42=f42-build",
            "--allow",
            &git,
        ]
        .map(str::to_owned),
    );
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    tokio::task::block_in_place(|| {
        let service = Running::start(&root.join("data"), &more);
        let pass = || hub.advance(Duration::from_secs(10));
        // The streams are those that have a tag.
        let ids = submit(&service, &git, "wall", false);
        let tried = submit(&service, &git, "wall", true);
        let fences = submit(&service, &git, "fence", false);
        assert_eq!((ids.len(), tried.len(), fences.len()), (2, 2, 2));
        for id in ids.iter().chain(&fences) {
            until_in(&service, *id, "ready", pass);
        }
        for (id, platform) in tried.iter().zip(["f41", "f42"]) {
            let build = until_in(&service, *id, "done", pass);
            let tag = build["tag"].as_str().unwrap().to_owned();
            assert!(tag.starts_with("scrmod-wall-rolling-") && tag.ends_with(&format!("_1+{id}")), "{tag}");
            let world = hub.world();
            assert_eq!(world.ancestors(&format!("{tag}-build")), [format!("{platform}-build")]);
            drop(world);
            assert_eq!(
                document(&service, *id).dependencies[0].buildrequires["platform"].first().map(String::as_str),
                Some(platform)
            );
        }
        let imported: Vec<String> = hub.world().builds().map(rida_koji::testing::HubBuild::nvr).collect();
        // Each with its companion; nothing of what was only tried.
        assert_eq!(imported.len(), 8, "{imported:?}");
        assert!(imported.iter().all(|nvr| !nvr.ends_with("_1")), "{imported:?}");
        for context in [".OLD", ".NEW"] {
            assert_eq!(imported.iter().filter(|nvr| nvr.ends_with(context)).count(), 2, "{imported:?}");
        }
    });
}

/// A module that says nothing of `perl`, and one that asks for it in another stream than the distribution has it.
const APP: &str = "document: modulemd\nversion: 2\ndata:\n  stream: rolling\n  summary: An app\n  description: An app.\n  \
    license: {module: [MIT]}\n  dependencies:\n  - buildrequires: {platform: [el8]OTHER}\n    requires: {platform: [el8]}\n  \
    components:\n    rpms:\n      gate: {rationale: It opens., ref: main}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_distribution_has_by_default_comes_from_git_into_the_build_root_in_koji() {
    let (folder, hub) = (tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let sources = tokio::task::block_in_place(|| Sources::serve(root.join("git")));
    repository(&root.join("git/rpms/gate"), "gate.spec", SPEC);
    for stream in ["s5.26", "s5.30"] {
        let perl = APP.replace("rolling", stream).replace("An app", "A perl").replace("OTHER", "");
        repository(&root.join("git/modules").join(stream).join("perl"), "perl.yaml", &perl);
    }
    repository(&root.join("git/modules/app"), "app.yaml", &APP.replace("OTHER", ""));
    repository(&root.join("git/modules/modern"), "modern.yaml", &APP.replace("OTHER", ", perl: [s5.30]"));
    let defaults = "document: modulemd-defaults\nversion: 1\ndata: {module: perl, stream: s5.26}\n---\n\
        document: modulemd-defaults\nversion: 1\ndata: {module: nowhere, stream: rolling}\n";
    repository(&root.join("defaults"), "defaults.yaml", defaults);
    let mut more = sources.settings(&root, &hub);
    let place = format!("builds.default_modules=platform:el8=file://{}/defaults#main", root.display());
    more.extend(["--set", &place, "--set", "builds.rebuild=all"].map(str::to_owned));
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    tokio::task::block_in_place(|| {
        let service = Running::start(&root.join("data"), &more);
        let built = |module: &str| {
            let id = submit(&service, &sources.url(), module, false)[0];
            until_in(&service, id, "ready", || hub.advance(Duration::from_secs(10)))
        };
        let (new, old, app, modern) = (built("s5.30/perl"), built("s5.26/perl"), built("app"), built("modern"));
        let tag = |build: &Value| build["tag"].as_str().unwrap().to_owned();
        let parents = |build: &Value| hub.world().parents(&format!("{}-build", tag(build)));
        // What is built before there is a build of the default stream is built without.
        for build in [&new, &old] {
            assert_eq!((parents(build), &build["by_default"]), (vec!["platform-build".to_owned()], &Value::Null));
        }
        assert_eq!(app["by_default"], json!(["perl"]));
        let both = |build: &Value| BTreeSet::from(["platform-build".to_owned(), tag(build)]);
        assert_eq!(parents(&app).into_iter().collect::<BTreeSet<_>>(), both(&old));
        assert_eq!(modern["by_default"], Value::Null);
        assert_eq!(parents(&modern).into_iter().collect::<BTreeSet<_>>(), both(&new));
        // The document is as it was written.
        let document = document(&service, app["id"].as_i64().unwrap());
        assert_eq!(document.dependencies[0].buildrequires.keys().collect::<Vec<_>>(), ["platform"]);
    });
}
