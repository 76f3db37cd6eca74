//! What modules are built with: architectures, side tags, and what is kept out of their build roots.

use std::process::Command;

use rida_core::plan::Plan;
use rida_core::testing::sample;
use rida_core::{
    BuildId, BuildRequire, BuildState, BuildSystem, Clock, Commit, Event, Fact, ModuleBuild, Phase, PortErrorKind,
    Store, Submission, TagName,
};
use rida_koji::KojiConfig;
use rida_koji::testing::{Dialect, HubTask};
use rida_koji::xmlrpc::Value;

use crate::flow::Flow;
use crate::world::MODULEMD;

/// Records a module that is built against others.
async fn submit(flow: &Flow, nsvc: &str, modulemd: &str, requires: &[(&str, &str, Option<BuildId>)]) -> BuildId {
    let submission = (*flow.world.module_of(modulemd, &["alpha"]).submission).clone();
    let require = |(name, stream, build): &(&str, &str, Option<BuildId>)| BuildRequire {
        build: *build,
        name: name.parse().unwrap(),
        stream: stream.parse().unwrap(),
    };
    let build_requires = submission.build_requires.iter().cloned().chain(requires.iter().map(require)).collect();
    let submission = Submission { nsvc: sample::nsvc(nsvc), build_requires, ..submission };
    flow.driver().record(submission).await.unwrap()
}

/// Builds a module to its end.
async fn built(flow: &Flow, id: BuildId) -> ModuleBuild {
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?} {:?}", build.reason(), build.components);
    build
}

/// Returns what the macros of a module conflict with, as the package says that a builder makes of what was sent.
fn conflicts(flow: &Flow, build: &ModuleBuild) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("module-build-macros-0.1-1{}.src.rpm", build.dist_tag);
    let package = {
        let world = flow.world.hub.world();
        let place = world.uploads().find(|path| path.ends_with(&name)).unwrap().to_owned();
        world.uploaded(&place).unwrap().to_vec()
    };
    std::fs::write(folder.path().join(&name), package).unwrap();
    let top = format!("_topdir {}", folder.path().display());
    let made =
        Command::new("rpmbuild").current_dir(&folder).args(["--define", &top, "--rebuild", &name]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let binary = folder.path().join("RPMS/noarch").join(name.replace(".src.rpm", ".noarch.rpm"));
    let told = Command::new("rpm").args(["-qp", "--conflicts"]).arg(binary).output().unwrap();
    String::from_utf8(told.stdout).unwrap().lines().map(|line| line.trim().to_owned()).collect()
}

#[tokio::test]
async fn another_stream_in_the_distribution_is_kept_out_of_the_build_root() {
    let mut flow = Flow::new().await;
    flow.config.external_repos = Some("https://koji.example.org/kojifiles".to_owned());
    let perl = built(&flow, submit(&flow, "perl:5.26:1:c0ffee", MODULEMD, &[]).await).await;
    {
        let mut world = flow.world.hub.world();
        // The distribution has modules among its own packages: its repository is another tag of this hub.
        world.add_tag("el8-with-modules-build", "x86_64");
        for url in [
            "https://koji.example.org/kojifiles/repos/el8-with-modules-build/latest/$arch",
            "https://koji.example.org/kojifiles/repos/gone-build/latest/$arch/",
            "https://mirror.example.org/el8/$arch",
        ] {
            world.add_external_repo("platform-build", url);
        }
        // So many that not all can be asked of which module they are.
        for number in 0..600 {
            let tag = format!("module-a{number}-1-1-abc");
            world.add_tag(&tag, "x86_64");
            world.add_parent("el8-with-modules-build", &tag);
        }
        let tags = [
            ("module-perl-5.24-20180101-abc", ["perl", "5.24", "1.module"]),
            ("module-perl-rhel-8-20180101-abc", ["perl-rhel", "8", "1.module"]),
            // Neither another module whose name goes on, nor one that nothing requires, nor the same stream.
            ("module-perl-DBI-1.6-20180101-abc", ["perl-DBI", "1.6", "1.module"]),
            ("module-ruby-2.5-20180101-abc", ["ruby", "2.5", "1.module"]),
            ("module-perl-5.26-20180101-abc", ["perl", "5.26", "1.module"]),
        ];
        for (tag, nvr) in tags {
            world.add_tag(tag, "x86_64");
            world.add_parent("el8-with-modules-build", tag);
            let libs = format!("{}-libs", nvr[0]);
            world.add_tagged(
                tag,
                nvr,
                &[(nvr[0], "src"), (nvr[0], "x86_64"), (libs.as_str(), "x86_64"), (libs.as_str(), "i686")],
            );
        }
    }
    let setting = Value::from("perl:rhel-8:20180101:abc #1");
    flow.world.hub.world().set_setting("module-perl-rhel-8-20180101-abc", "rida.module", setting);
    let id = submit(&flow, "app:1:1:c0ffee", MODULEMD, &[("perl", "5.26", Some(perl.id))]).await;
    let app = built(&flow, id).await;
    let expected = ["perl = 0:5.24", "perl-libs = 0:5.24", "perl-rhel = 0:8", "perl-rhel-libs = 0:8"];
    assert_eq!(conflicts(&flow, &app), expected.map(|package| format!("{package}-1.module")));
    assert_eq!(conflicts(&flow, &perl), Vec::<String>::new(), "it requires no module");
    // Who does not look at external repositories asks nothing about them.
    flow.config.external_repos = None;
    let before = flow.world.hub.world().calls.len();
    let id = submit(&flow, "app:2:1:c0ffee", MODULEMD, &[("perl", "5.26", Some(perl.id))]).await;
    let plain = built(&flow, id).await;
    assert_eq!(conflicts(&flow, &plain), Vec::<String>::new());
    let calls = flow.world.hub.world().calls[before..].join("\n");
    assert!(!calls.contains("getExternalRepoList") && !calls.contains("getFullInheritance"), "{calls}");
}

#[tokio::test]
async fn packages_of_the_distribution_that_a_required_module_has_are_kept_out_of_the_build_root() {
    let mut flow = Flow::new().await;
    let lib = built(&flow, submit(&flow, "lib:1:1:c0ffee", MODULEMD, &[]).await).await;
    {
        let mut world = flow.world.hub.world();
        world.add_tag("el8", "x86_64");
        world.add_parent("platform-build", "el8");
        // The same package of a source of another name, which Koji takes into a repository beside the module's.
        let packages = [("alpha", "src"), ("alpha", "x86_64"), ("alpha", "i686"), ("alpha-only-here", "x86_64")];
        world.add_tagged("el8", ["alpha-compat", "7.0", "1.el8"], &packages);
        world.add_tagged("el8", ["alpha-other", "8.0", "1.el8"], &[("alpha", "s390x")]);
        world.add_tag("el8-with-modules-build", "x86_64");
        world.add_tagged("el8-with-modules-build", ["alpha-new", "9.0", "1.el8"], &[("alpha", "noarch")]);
        world.add_tagged(
            "el8-with-modules-build",
            ["alpha", "1.0", &format!("1{}", lib.dist_tag)],
            &[("alpha", "x86_64")],
        );
        let url = "https://koji.example.org/kojifiles/repos/el8-with-modules-build/latest/$arch";
        world.add_external_repo("platform-build", url);
    }
    let requires = [("lib", "1", Some(lib.id))];
    let plain = built(&flow, submit(&flow, "app:1:1:c0ffee", MODULEMD, &requires).await).await;
    assert_eq!(conflicts(&flow, &plain), Vec::<String>::new(), "nothing says that there are modules in it");
    flow.config.external_repos = Some("https://koji.example.org/kojifiles".to_owned());
    flow.config.arches = vec!["x86_64".parse().unwrap()];
    let app = built(&flow, submit(&flow, "app:1:2:c0ffee", MODULEMD, &requires).await).await;
    assert_eq!(
        conflicts(&flow, &app),
        ["alpha = 0:7.0-1.el8", "alpha = 0:9.0-1.el8"],
        "not what the module has itself"
    );
    // With modules that the distribution has by default it is looked for, too, and costs two requests.
    flow.config.external_repos = None;
    let before = flow.world.hub.world().calls.len();
    let submission = flow.world.module_of(MODULEMD, &["alpha"]).submission;
    let lib_by_default = |requires: &[BuildRequire]| {
        let lib = BuildRequire { build: Some(lib.id), name: "lib".parse().unwrap(), stream: "1".parse().unwrap() };
        requires.iter().cloned().chain([lib]).collect()
    };
    let submission = Submission {
        nsvc: sample::nsvc("app:1:3:c0ffee"),
        build_requires: lib_by_default(&submission.build_requires),
        by_default: ["lib".parse().unwrap()].into(),
        ..(*submission).clone()
    };
    let id = flow.driver().record(submission).await.unwrap();
    let app = built(&flow, id).await;
    assert_eq!(conflicts(&flow, &app), ["alpha = 0:7.0-1.el8"]);
    let world = flow.world.hub.world();
    let lists = world.calls[before..].iter().filter(|call| call.contains("listTaggedRPMS")).count();
    assert!((1..=4).contains(&lists), "{lists}");
}

#[tokio::test]
async fn what_a_required_module_filters_out_is_kept_out_of_the_build_root() {
    let flow = Flow::new().await;
    flow.world.hub.world().more_packages.insert("alpha".to_owned(), vec!["alpha-devel".into(), "alpha-tests".into()]);
    let filters = format!("{MODULEMD}  filter: {{rpms: [alpha-tests, never-built]}}\n");
    let lib = built(&flow, submit(&flow, "lib:1:1:c0ffee", &filters, &[]).await).await;
    let id = submit(&flow, "app:1:1:c0ffee", MODULEMD, &[("lib", "1", Some(lib.id))]).await;
    let app = built(&flow, id).await;
    assert_eq!(conflicts(&flow, &app), [format!("alpha-tests = 0:1.0-1{}", lib.dist_tag)]);
}

#[tokio::test]
async fn a_module_may_be_built_against_a_side_tag() {
    let mut flow = Flow::new().await;
    flow.config.side_tags.insert("platform:el8".to_owned(), "el8-side-{side_tag}-build".to_owned());
    flow.world.hub.world().add_tag("el8-side-gcc14-build", "x86_64");
    flow.world.hub.world().add_parent("el8-side-gcc14-build", "platform-build");
    let side = |flow: &Flow, nsvc: &str, tag: &str| {
        let submission = (*flow.world.module(&["alpha"]).submission).clone();
        Submission { nsvc: sample::nsvc(nsvc), side_tag: Some(TagName::new(tag).unwrap()), ..submission }
    };
    let id = flow.driver().record(side(&flow, "app:1:1:c0ffee", "gcc14")).await.unwrap();
    let build = built(&flow, id).await;
    let parents = flow.world.hub.world().parents(&format!("{}-build", build.tag()));
    assert_eq!(parents, ["el8-side-gcc14-build"]);
    assert_eq!(
        flow.world.store.load(id).await.unwrap().unwrap().submission.side_tag.as_ref().unwrap().as_str(),
        "gcc14"
    );
    let id = flow.driver().record(side(&flow, "app:2:1:c0ffee", "nowhere")).await.unwrap();
    let build = flow.until_ended(&flow.driver(), id).await;
    let reason = build.reason().unwrap();
    assert!(reason.contains("Koji has no tag el8-side-nowhere-build, which platform:el8 is in"), "{reason}");
    flow.config.side_tags.clear();
    let id = flow.driver().record(side(&flow, "app:3:1:c0ffee", "gcc14")).await.unwrap();
    let build = flow.until_ended(&flow.driver(), id).await;
    assert!(build.reason().unwrap().contains("koji.side_tags"), "{:?}", build.reason());
}

/// Makes known a module that this service never built anything of.
async fn made_known(flow: &Flow, nsvc: &str, modulemd: &str) -> ModuleBuild {
    let submission = (*flow.world.module_of(modulemd, &[]).submission).clone();
    let submission = Submission { nsvc: sample::nsvc(nsvc), plan: Plan::default(), ..submission };
    let id = flow.world.store.reserve_id().await.unwrap();
    let new = rida_core::submit(id, submission, &flow.policy).unwrap();
    let ready = ModuleBuild { phase: Phase::Ready, ..new.build };
    let event = Event { at: flow.clock.now(), fact: Fact::Submitted };
    let commit = Commit {
        before: None,
        after: &ready,
        event: &event,
        effects: &[],
        announcements: &[],
        answers: None,
        look_at: None,
        queue_revision: None,
        room: None,
    };
    flow.world.store.commit(commit).await.unwrap();
    ready
}

#[tokio::test]
async fn what_has_no_packages_and_no_tag_is_left_out_and_told() {
    let flow = Flow::new().await;
    // A filter of what was never built keeps nothing out.
    let meta = made_known(&flow, "meta:1:1:c0ffee", &format!("{MODULEMD}  filter: {{rpms: [x]}}\n")).await;
    let lib = built(&flow, submit(&flow, "lib:1:1:c0ffee", MODULEMD, &[]).await).await;
    let requires = [("meta", "1", Some(meta.id)), ("lib", "1", Some(lib.id))];
    let app = built(&flow, submit(&flow, "app:1:1:c0ffee", MODULEMD, &requires).await).await;
    let parents = flow.world.hub.world().parents(&format!("{}-build", app.tag()));
    assert_eq!(parents, ["platform-build", lib.tag().as_str()]);
    let reason = app.history.iter().find(|was| was.state == BuildState::Build).unwrap().reason.clone();
    let expected = format!("built without meta:1, which has no packages: Koji has no tag {}", meta.tag());
    assert_eq!(reason.as_deref(), Some(expected.as_str()));
    {
        let world = flow.world.hub.world();
        let log = world.uploaded("rida/app-1-1.c0ffee/build.log").unwrap().to_vec();
        assert!(String::from_utf8(log).unwrap().contains(&expected), "the imported log tells it");
    }
    let log = flow.world.store.log_of(app.id).await.unwrap();
    let told = log
        .iter()
        .any(|line| matches!(&line.event.fact, Fact::EnvironmentPrepared { without, .. } if without.len() == 1));
    assert!(told, "the log tells it");

    // One that has a tag is inherited from, though it is empty.
    flow.world.hub.world().add_tag(meta.tag().as_str(), "x86_64");
    let app = built(&flow, submit(&flow, "app:2:1:c0ffee", MODULEMD, &requires).await).await;
    assert_eq!(flow.world.hub.world().parents(&format!("{}-build", app.tag())).len(), 3);
    assert!(app.history.iter().all(|was| was.reason.is_none()), "{:?}", app.history);

    // Of one that was built here somebody took the tag away: then packages are missing.
    flow.world.hub.world().remove_tag(lib.tag().as_str());
    let id = submit(&flow, "app:3:1:c0ffee", MODULEMD, &requires).await;
    let failed = flow.until_ended(&flow.driver(), id).await;
    let expected = format!("Koji has no tag {}, which lib:1 is in", lib.tag());
    assert!(failed.reason().unwrap().contains(&expected), "{:?}", failed.reason());
}

#[tokio::test]
async fn architectures_are_the_modules_or_the_services_or_the_distributions() {
    let with = |arches: &str| format!("{MODULEMD}  buildopts: {{arches: [{arches}]}}\n");
    let arch = |name: &str| rida_core::Arch::new(name).unwrap();
    for (modulemd, configured, of_base, expected) in [
        (with("s390x, x86_64"), vec![arch("aarch64")], "x86_64 ppc64le", Ok("s390x x86_64")),
        (MODULEMD.to_owned(), vec![arch("aarch64")], "x86_64 ppc64le", Ok("aarch64")),
        (MODULEMD.to_owned(), vec![], "x86_64 ppc64le", Ok("x86_64 ppc64le")),
        (MODULEMD.to_owned(), vec![], "", Err("no architectures are known")),
    ] {
        let flow = Flow::new().await;
        flow.world.hub.world().set_arches("platform-build", of_base);
        let system = flow.world.system_with(KojiConfig { arches: configured, ..flow.config.clone() });
        let build = flow.world.module_of(&modulemd, &["alpha"]);
        match expected {
            Ok(expected) => {
                flow.world.prepare(&system, &build).await;
                for tag in [build.tag().to_string(), format!("{}-build", build.tag())] {
                    assert_eq!(flow.world.hub.world().arches(&tag), expected);
                }
            }
            Err(expected) => {
                let error = system.prepare(&build).await.unwrap_err();
                assert!(error.message().contains(expected), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_component_may_be_for_some_architectures_alone() {
    for (arch_override, expected) in [(true, Some("aarch64 x86_64")), (false, None)] {
        let flow = Flow::new().await;
        let system = flow.world.system_with(KojiConfig { arch_override, ..flow.config.clone() });
        let build = flow.world.module_with_arches(&["alpha"], &["aarch64", "x86_64"]);
        flow.world.prepare(&system, &build).await;
        system.build(&build, &build.key(1).unwrap()).await.unwrap();
        let world = flow.world.hub.world();
        let task = world.tasks().find(|task| task.method == "build").unwrap();
        let HubTask { request, .. } = task;
        let Some(Value::Struct(options)) = request.get(2) else { panic!("{request:?}") };
        assert_eq!(options.get("arch_override"), expected.map(Value::from).as_ref(), "{arch_override}");
    }
}

#[tokio::test]
async fn the_imported_document_says_what_the_module_was_built_against() {
    let flow = Flow::new().await;
    let perl = built(&flow, submit(&flow, "perl:5.26:1:c0ffee", MODULEMD, &[]).await).await;
    let modulemd = format!("{MODULEMD}  xmd: {{own: {{key: value}}}}\n");
    let id = submit(&flow, "tool:1-x:20:abc", &modulemd, &[("perl", "5.26", Some(perl.id))]).await;
    let build = built(&flow, id).await;
    let world = flow.world.hub.world();
    for nvr in ["tool-1_x-20.abc", "tool-devel-1_x-20.abc"] {
        let mut place = world.imported(nvr).unwrap().clone();
        for name in ["build", "extra", "typeinfo", "module", "modulemd_str"] {
            place = place.fields(name).unwrap().take(name);
        }
        let text = place.text("modulemd_str").unwrap();
        let read = rida_core::modulemd::read(text.as_bytes()).unwrap().into_stream().unwrap();
        let get = |path: &[&str]| {
            let found = path.iter().try_fold(&read.xmd, |place, key| place.get(key));
            match found {
                Some(rida_core::modulemd::Xmd::Text(text)) => Some(text.clone()),
                Some(other) => Some(format!("{other:?}")),
                None => None,
            }
        };
        assert_eq!(get(&["own", "key"]).as_deref(), Some("value"));
        assert_eq!(get(&["mbs", "koji_tag"]), Some(build.tag().to_string()));
        assert_eq!(get(&["mbs", "scmurl"]), build.submission.scm_url.as_ref().map(ToString::to_string));
        assert_eq!(get(&["mbs", "commit"]), build.submission.scm_url.as_ref().map(|url| url.revision().to_string()));
        assert_eq!(get(&["mbs", "mse"]).as_deref(), Some("Bool(true)"));
        assert_eq!(get(&["mbs", "rpms", "module-build-macros"]), None);
        let (_, alpha) = build.component(&sample::component("alpha")).unwrap();
        let commit = alpha.source.as_ref().unwrap().commit.to_string();
        assert_eq!(get(&["mbs", "rpms", "alpha", "ref"]), Some(commit));
        let required = |name: &str, key: &str| get(&["mbs", "buildrequires", name, key]);
        assert_eq!(required("platform", "koji_tag").as_deref(), Some("platform-build"));
        assert_eq!(required("platform", "stream").as_deref(), Some("el8"));
        assert_eq!(required("platform", "ref").as_deref(), Some("virtual"));
        assert_eq!(required("perl", "koji_tag"), Some(perl.tag().to_string()));
        assert_eq!(required("perl", "version").as_deref(), Some("1"));
        assert_eq!(required("perl", "context").as_deref(), Some("c0ffee"));
        assert_eq!(required("perl", "ref"), perl.submission.scm_url.as_ref().map(|url| url.revision().to_string()));
        // What dnf reads has nothing of it.
        for file in ["modulemd.x86_64.txt", "modulemd.txt"] {
            let content = world.uploaded(&format!("rida/{nvr}/{file}")).unwrap().to_vec();
            let read = rida_core::modulemd::read(&content).unwrap().into_stream().unwrap();
            assert!(read.xmd.get("own").is_some() && read.xmd.get("mbs").is_none(), "{file} of {nvr}");
        }
    }
}

#[tokio::test]
async fn what_is_changed_in_an_environment_is_in_the_repository_that_packages_are_built_with() {
    for dialect in [Dialect::old(), Dialect::released()] {
        let flow = Flow::new().await;
        flow.world.hub.world().dialect = dialect.clone();
        let build = flow.world.module(&["alpha"]);
        flow.world.prepare(&flow.world.system(), &build).await;
        let repositories = || flow.world.hub.world().tasks().filter(|task| task.method == "newRepo").count();
        assert_eq!(repositories(), 1);
        // An operator adds a package to build roots, and starts the service again.
        let mut config = flow.config.clone();
        config.build_group.push("ccache".to_owned());
        let system = flow.world.system_with(config.clone());
        let error = system.prepare(&build).await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::Pending, "{dialect:?}: {error}");
        // Another service that comes meanwhile waits for the same one.
        let other = flow.world.system_with(config);
        assert_eq!(other.prepare(&build).await.unwrap_err().kind(), PortErrorKind::Pending, "{dialect:?}");
        flow.world.prepare(&system, &build).await;
        other.prepare(&build).await.unwrap();
        assert_eq!(repositories(), 2, "{dialect:?}");
        flow.world.system().prepare(&build).await.unwrap();
        assert_eq!(repositories(), 2, "{dialect:?}: nothing is changed");
    }
}
