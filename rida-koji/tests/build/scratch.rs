//! Modules that are only tried, and the documents of finished ones.

use rida_core::{BuildId, BuildState, BuildSystem, Submission};

use crate::flow::Flow;
use crate::world::MODULEMD;

/// Records a scratch build of a module of two components.
async fn tried(flow: &Flow, arches: &str) -> BuildId {
    let modulemd = format!("{MODULEMD}  buildopts: {{arches: [{arches}]}}\n  filter: {{rpms: [alpha-tests]}}\n");
    let submission = (*flow.world.module_of(&modulemd, &["alpha", "beta"]).submission).clone();
    flow.driver().record(Submission { scratch: true, ..submission }).await.unwrap()
}

#[tokio::test]
async fn a_module_is_tried_in_tags_of_its_own_and_not_imported() {
    let flow = Flow::new().await;
    let id = tried(&flow, "x86_64").await;
    let driver = flow.driver();
    let build = flow.until_ended(&driver, id).await;
    assert_eq!(build.state(), BuildState::Done, "{:?}", build.reason());
    assert_eq!(build.tag().as_str(), format!("scrmod-bench-1.0-1-c0ffee_1+{id}"));
    {
        let world = flow.world.hub.world();
        let packages = world.tagged(build.tag().as_str());
        assert_eq!(packages.len(), 2, "{packages:?}");
        assert!(packages.iter().all(|nvr| nvr.contains(&format!(".scrmod+el8+{id}+"))), "{packages:?}");
        assert!(world.targets().any(|target| target == build.target().as_str()));
        let imported = |call: &String| call.contains("CGImport") || call.contains("modular-candidate");
        assert!(!world.calls.iter().any(imported), "{:?}", world.calls);
        assert!(world.tagged("modular-candidate").is_empty());
        // They are builds of the hub, which later components are built with; the hub's own scratch builds are in no tag.
        assert!(!world.tasks().any(|task| format!("{:?}", task.request).contains("\"scratch\"")));
    }
    // Beside another, and beside the module itself.
    let second = tried(&flow, "x86_64").await;
    let build = flow.until_ended(&driver, second).await;
    assert_eq!((build.state(), build.nsvc().context.as_str()), (BuildState::Done, "c0ffee_1"), "another version");
    let again = Submission {
        scratch: true,
        nsvc: rida_core::testing::sample::nsvc("bench:1.0:1:c0ffee"),
        ..(*build.submission).clone()
    };
    let third = driver.record(again).await.unwrap();
    let build = flow.until_ended(&driver, third).await;
    assert_eq!((build.state(), build.nsvc().context.as_str()), (BuildState::Done, "c0ffee_2"));
    assert_eq!(flow.tasks("alpha"), 3, "each is built by itself");
    // The module itself, after it was tried, and tried once more beside it.
    let module = Submission { scratch: false, ..(*build.submission).clone() };
    let module = Submission { nsvc: rida_core::testing::sample::nsvc("bench:1.0:1:c0ffee"), ..module };
    let id = driver.record(module.clone()).await.unwrap();
    let build = flow.until_ended(&driver, id).await;
    assert_eq!((build.state(), build.nsvc().context.as_str()), (BuildState::Ready, "c0ffee"));
    flow.pass();
    assert_eq!((flow.tasks("alpha"), flow.world.hub.world().tagged("modular-candidate").len()), (4, 2));
    let id = driver.record(Submission { scratch: true, ..module }).await.unwrap();
    let build = flow.until_ended(&driver, id).await;
    assert_eq!((build.state(), build.nsvc().context.as_str()), (BuildState::Done, "c0ffee_3"));
    assert_eq!(flow.world.hub.world().tagged("modular-candidate").len(), 2);
}

#[tokio::test]
async fn a_finished_module_has_a_document_for_each_architecture() {
    let flow = Flow::new().await;
    flow.world.hub.world().more_packages.insert("alpha".to_owned(), vec!["alpha-tests".into()]);
    let id = tried(&flow, "x86_64, s390x").await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Done, "{:?}", build.reason());
    let documents = flow.world.system().final_modulemd(&build).await.unwrap();
    let arches: Vec<String> = documents.keys().map(ToString::to_string).collect();
    assert_eq!(arches, ["s390x", "x86_64"]);
    for (arch, text) in documents {
        let read = rida_core::modulemd::read(text.as_bytes()).unwrap().into_stream().unwrap();
        assert_eq!(read.arch.as_deref(), Some(arch.as_str()));
        assert_eq!(read.context.as_deref(), Some("c0ffee_1"));
        let artifacts: Vec<&String> = read.artifacts.rpms.iter().collect();
        assert!(
            artifacts.iter().any(|rpm| rpm.starts_with("alpha-0:1.0-1.scrmod") && rpm.ends_with(".src")),
            "{artifacts:?}"
        );
        assert!(!artifacts.iter().any(|rpm| rpm.starts_with("alpha-tests")), "it is filtered: {artifacts:?}");
        let others = artifacts.iter().filter(|rpm| !rpm.ends_with(&format!(".{arch}")) && !rpm.ends_with(".src"));
        assert_eq!(others.filter(|rpm| !rpm.ends_with(".noarch")).count(), 0, "{artifacts:?}");
        assert!(read.xmd.get("mbs").is_none() && read.components.rpms.values().all(|rpm| rpm.repository.is_none()));
    }
    flow.world.hub.world().offline = true;
    let error = flow.world.system().final_modulemd(&build).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
}
