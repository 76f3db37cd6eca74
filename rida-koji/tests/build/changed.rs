//! What somebody else changes of a module's environment is told where who has it built looks, and left as it is.

use rida_core::testing::sample;
use rida_core::{BuildId, BuildState, BuildSystem, Driver, Fact, ModuleBuild, Phase, Policy, Store, waits_for};
use rida_koji::xmlrpc::{Call, Value};
use rida_koji::{Client, ClientConfig, Login};

use crate::flow::{Flow, THREE};
use crate::world::MODULEMD;

const PERMISSION: &str = "modularity";

async fn flow() -> Flow {
    let mut flow = Flow::new().await;
    flow.config.permission = Some(PERMISSION.to_owned());
    {
        let mut world = flow.world.hub.world();
        world.set_permissions("rida", &["repo", "tag", "target", PERMISSION, "other"]);
        for name in ["vim", "emacs"] {
            world.list_package("platform-build", name, false);
        }
        world.add_tag("stranger", "x86_64");
    }
    flow
}

fn modulemd() -> String {
    format!("{MODULEMD}  xmd: {{mbs_options: {{blocked_packages: [vim, emacs, nobody-knows-it]}}}}\n")
}

fn admin(flow: &Flow) -> Client {
    let login = Login::Password { user: "admin".to_owned(), password: "secret".to_owned() };
    Client::new(ClientConfig { login, ..flow.world.client_config() }).unwrap()
}

/// Builds a module's first batch and cancels it.
async fn half_built(flow: &Flow, driver: &Driver) -> BuildId {
    let id = flow.submit(&modulemd(), THREE).await;
    flow.until(driver, |flow| flow.tasks("gamma") == 1).await;
    driver.cancel(id, sample::owner("alice")).await.unwrap();
    flow.until_ended(driver, id).await;
    id
}

/// Submits it again, and returns it when it is being built.
async fn again(flow: &Flow, driver: &Driver, id: BuildId) -> ModuleBuild {
    driver.apply(id, Fact::Resubmitted { by: sample::owner("alice"), submission: None }).await.unwrap();
    for _ in 0..200 {
        let _ = driver.turn().await.unwrap();
        let build = flow.load(id).await;
        if matches!(build.phase, Phase::Building { .. }) || !build.state().is_active() {
            return build;
        }
        flow.pass();
    }
    panic!("it is not prepared: {:?}", flow.world.store.pending(id).await.unwrap());
}

#[tokio::test]
async fn nothing_is_told_when_nobody_changed_anything() {
    let flow = flow().await;
    let driver = flow.driver();
    let id = half_built(&flow, &driver).await;
    let build = again(&flow, &flow.driver(), id).await;
    assert_eq!((build.state(), build.reason()), (BuildState::Build, None));
}

/// Each kind of change, and what is told of it.
#[tokio::test]
async fn what_somebody_changes_is_told_once_and_left_as_it_is() {
    let flow = flow().await;
    let driver = flow.driver();
    let id = half_built(&flow, &driver).await;
    let tag = flow.load(id).await.tag().to_string();
    let build_tag = format!("{tag}-build");
    let admin = admin(&flow);
    let call = |method: &str, of: &[&str]| Call::new(method, of.iter().map(|of| Value::from(*of)));
    admin.write(&call("editTag2", &[&tag]).with("perm", "other")).await.unwrap();
    admin.write(&call("packageListUnblock", &[&build_tag, "vim"])).await.unwrap();
    admin.write(&call("packageListAdd", &[&tag, "zsh", "admin"])).await.unwrap();
    admin.write(&call("groupPackageListAdd", &[&build_tag, "build", "ccache"])).await.unwrap();
    {
        let mut world = flow.world.hub.world();
        world.set_arches(&build_tag, "x86_64 aarch64");
        world.set_setting(&build_tag, "mock.package_manager", "yum".into());
        world.set_setting(&build_tag, "rpm.macro.dist", ".mine".into());
        world.clear_permission(&build_tag);
        world.remove_group(&build_tag, "srpm-build");
        world.remove_from_group(&build_tag, "build", "gcc");
        world.unlist_package(&build_tag, "alpha");
        world.clear_parents(&build_tag);
        world.add_parent(&build_tag, "stranger");
        // It would be inherited from there, if it were not for this module.
        world.list_package("stranger", "vim", false);
    }
    let before = flow.world.hub.world().calls.len();
    let driver = flow.driver();
    let build = again(&flow, &driver, id).await;
    let told = build.reason().unwrap().to_owned();
    let expected = [
        format!("Koji's tag {tag} needs the permission other instead of {PERMISSION}"),
        format!("Koji's tag {build_tag} needs no permission instead of {PERMISSION}"),
        format!("Koji's tag {build_tag} has the architectures \"x86_64 aarch64\" instead of \"x86_64\""),
        format!("Koji's tag {build_tag} has other settings of mock.package_manager"),
        format!("Koji's tag {build_tag} has more settings: rpm.macro.dist"),
        format!("Koji's tag {tag} lists zsh too"),
        format!("Koji's tag {build_tag} does not list alpha any more"),
        format!("Koji's tag {build_tag} does not block vim any more"),
        format!("the group build of Koji's tag {build_tag} lacks gcc"),
        format!("the group build of Koji's tag {build_tag} has ccache too"),
        format!("Koji's tag {build_tag} has no group srpm-build any more"),
        format!("Koji's tag {build_tag} does not inherit from platform-build any more"),
        format!("Koji's tag {build_tag} inherits from stranger, which the module does not ask for"),
    ];
    let words = told.strip_prefix("somebody changed the environment: ").expect(&told);
    assert_eq!(words.split("; ").collect::<Vec<_>>(), expected);
    // Nothing of it is undone.
    let calls = flow.world.hub.world().calls[before..].join("\n");
    for method in ["editTag2", "setInheritance", "packageList", "groupList", "groupPackage", "createTag"] {
        assert!(!calls.contains(method), "{method}: {calls}");
    }
    // It is told once, wherever somebody asks.
    let log = flow.world.store.log_after(0, usize::MAX).await.unwrap();
    let tells = log.iter().filter(
        |line| matches!(&line.event.fact, Fact::EnvironmentPrepared { changed, .. } if changed.len() == expected.len()),
    );
    assert_eq!(tells.count(), 1);
    for _ in 0..5 {
        let _ = driver.look(id).await.unwrap();
        let _ = driver.turn().await.unwrap();
        flow.pass();
    }
    assert_eq!(flow.load(id).await.reason(), Some(told.as_str()));
    let queue = flow.world.store.queue().await.unwrap();
    assert!(!waits_for(&build, &queue, &[], &Policy::default(), sample::at(0)).is_empty());
}

#[tokio::test]
async fn another_way_and_another_order_of_inheriting_are_told() {
    let flow = flow().await;
    let driver = flow.driver();
    let id = half_built(&flow, &driver).await;
    let build_tag = format!("{}-build", flow.load(id).await.tag());
    {
        let mut world = flow.world.hub.world();
        world.change_link(&build_tag, "platform-build", "noconfig", true.into());
        world.change_link(&build_tag, "platform-build", "maxdepth", 0.into());
    }
    let build = again(&flow, &flow.driver(), id).await;
    let expected =
        format!("somebody changed the environment: Koji's tag {build_tag} inherits from platform-build in another way");
    assert_eq!(build.reason(), Some(expected.as_str()));
    // The module is built with it, and the imported log says so.
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    let world = flow.world.hub.world();
    let log = String::from_utf8(world.uploaded("rida/bench-1.0-1.c0ffee/build.log").unwrap().to_vec()).unwrap();
    assert!(log.contains(&expected), "{log}");
}

/// A service that ended in the middle left tags without all that they need: that is added, and what differs is told.
#[tokio::test]
async fn what_another_service_finds_is_completed_and_what_differs_is_told() {
    let flow = flow().await;
    let build = flow.world.module_of(&modulemd(), &["alpha"]);
    let (system, other) = (|| flow.world.system_with(flow.config.clone()), flow.world.system_with(flow.config.clone()));
    flow.world.prepare(&system(), &build).await;
    assert!(system().remarks(&build).await.unwrap().changed.is_empty());
    let build_tag = format!("{}-build", build.tag());
    {
        let mut world = flow.world.hub.world();
        world.remove_group(&build_tag, "srpm-build");
        world.add_parent(&build_tag, "stranger");
    }
    flow.world.prepare(&other, &build).await;
    assert!(flow.world.hub.world().group(&build_tag, "srpm-build").contains("rpm-build"), "it was not made yet");
    let changed = other.remarks(&build).await.unwrap().changed;
    let expected = format!("Koji's tag {build_tag} inherits from stranger, which the module does not ask for");
    assert_eq!(changed.iter().map(|told| &**told).collect::<Vec<_>>(), [expected]);
    assert!(other.remarks(&build).await.unwrap().changed.is_empty(), "told once");
}

/// What builds cannot work with ends the module, in words.
#[tokio::test]
async fn what_builds_cannot_work_with_ends_the_module() {
    for (what, expected) in [
        ("target", "builds with stranger for stranger; somebody changed it, or made it for something else"),
        ("lock", "somebody locked Koji's tag"),
        ("block", "somebody blocked the package gamma in Koji's tag"),
    ] {
        let flow = flow().await;
        let driver = flow.driver();
        let id = half_built(&flow, &driver).await;
        let (tag, target) = (flow.load(id).await.tag().to_string(), flow.load(id).await.target().to_string());
        {
            let mut world = flow.world.hub.world();
            match what {
                "target" => world.change_target(&target, "stranger"),
                "lock" => world.lock_tag(&tag),
                _ => world.list_package(&tag, "gamma", true),
            }
        }
        let build = again(&flow, &flow.driver(), id).await;
        assert_eq!(build.state(), BuildState::Failed, "{what}");
        assert!(build.reason().unwrap().contains(expected), "{what}: {:?}", build.reason());
    }
}
