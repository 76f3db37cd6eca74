//! What is made known to Koji of a finished module.

use rida_core::BuildState;
use rida_core::modulemd::ModuleStream;
use rida_koji::testing::World;
use rida_koji::xmlrpc::Value;

use crate::flow::Flow;
use crate::world::MODULEMD;

const MODULE: &str = "bench-1.0-1.c0ffee";
const DEVEL: &str = "bench-devel-1.0-1.c0ffee";

/// Reads the document of an imported module for an architecture.
fn read(world: &World, module: &str, arch: &str) -> ModuleStream {
    let content = world.uploaded(&format!("rida/{module}/modulemd.{arch}.txt")).unwrap().to_vec();
    rida_core::modulemd::read(&content).unwrap().into_stream().unwrap()
}

/// Returns a document's packages in short: `alpha.src alpha.x86_64`.
fn packages(document: &ModuleStream, dist: &str) -> String {
    let rpms = document.artifacts.rpms.iter().map(|rpm| rpm.replace(&format!("-0:1.0-1{dist}"), ""));
    rpms.collect::<Vec<_>>().join(" ")
}

fn licences(document: &ModuleStream) -> String {
    document.license.content.iter().cloned().collect::<Vec<_>>().join(" ")
}

/// Returns the packages that an imported file is said to be about.
fn listed(world: &World, module: &str, file: &str) -> Vec<String> {
    let output = world.imported(module).unwrap().clone().fields("metadata").unwrap().take("output");
    let mut outputs = output.array("output").unwrap().into_iter().map(|output| output.fields("output").unwrap());
    let mut output = outputs.find(|output| output.clone().text("filename").unwrap() == file).unwrap();
    let components = output.take("components").array("components").unwrap().into_iter();
    let mut names: Vec<String> = components
        .map(|component| {
            let mut fields = component.fields("component").unwrap();
            format!("{}.{}", fields.text("name").unwrap(), fields.text("arch").unwrap())
        })
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn each_architecture_has_its_packages_and_their_licences() {
    let flow = Flow::new().await;
    {
        let mut world = flow.world.hub.world();
        let more = ["alpha-doc", "alpha-tests", "alpha-debuginfo", "alpha-debugsource", "alpha-tests-debuginfo"];
        world.more_packages.insert("alpha".to_owned(), more.map(str::to_owned).to_vec());
        world.noarch.extend(["alpha-doc".to_owned(), "beta".to_owned(), "gamma".to_owned()]);
        let arches = |arches: &[&str]| Value::Array(arches.iter().map(|arch| Value::from(*arch)).collect());
        for (name, header, value) in [
            ("alpha", "license", Value::from("GPL-2.0-only")),
            ("alpha-doc", "license", Value::from("CC-BY-4.0")),
            ("alpha-tests", "license", Value::from("BSD-3-Clause")),
            // Koji tells none where the header has none, and of what it does not understand something else.
            ("alpha-debuginfo", "license", Value::Nil),
            ("alpha-debugsource", "license", Value::from("")),
            ("alpha-tests-debuginfo", "license", Value::Array(Vec::new())),
            // They are noarch, and their sources say where they are of use.
            ("beta", "excludearch", arches(&["s390x", "i686"])),
            ("gamma", "exclusivearch", arches(&["s390x", "aarch64"])),
        ] {
            world.headers.insert((name.to_owned(), header), value);
        }
    }
    let modulemd = format!(
        "{}  buildopts: {{arches: [x86_64, i686, s390x]}}\n  filter: {{rpms: [alpha-tests]}}\n  components: {{rpms: \
         {{alpha: {{rationale: r, multilib: [x86_64]}}, gamma: {{rationale: r, multilib: [x86_64]}}}}}}\n",
        MODULEMD.replace("{module: MIT}", "{module: MIT, content: [Zlib]}")
    );
    let id = flow.submit(&modulemd, &[("alpha", 0), ("beta", 0), ("gamma", 10)]).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    let dist = build.dist_tag.as_str();
    let world = flow.world.hub.world();
    let own = |arch: &str| format!("alpha.{arch} alpha-debuginfo.{arch} alpha-debugsource.{arch}");
    let filtered = |arch: &str| format!("alpha-tests.{arch} alpha-tests-debuginfo.{arch}");
    let sorted = |texts: &[&str]| {
        let text = texts.join(" ");
        let mut words: Vec<&str> = text.split_whitespace().collect();
        words.sort_unstable();
        words.join(" ")
    };
    for (arch, in_module, in_devel, licences_of) in [
        (
            "x86_64",
            sorted(&[&own("x86_64"), &own("i686"), "alpha.src alpha-doc.noarch beta.src beta.noarch"]),
            sorted(&[&filtered("x86_64"), &filtered("i686")]),
            "CC-BY-4.0 GPL-2.0-only MIT",
        ),
        (
            "i686",
            sorted(&[&own("i686"), "alpha.src alpha-doc.noarch"]),
            sorted(&[&filtered("i686")]),
            "CC-BY-4.0 GPL-2.0-only",
        ),
        (
            "s390x",
            sorted(&[&own("s390x"), "alpha.src alpha-doc.noarch gamma.src gamma.noarch"]),
            sorted(&[&filtered("s390x")]),
            "CC-BY-4.0 GPL-2.0-only MIT",
        ),
    ] {
        let (module, devel) = (read(&world, MODULE, arch), read(&world, DEVEL, arch));
        assert_eq!(sorted(&[&packages(&module, dist)]), in_module, "{arch}");
        assert_eq!(sorted(&[&packages(&devel, dist)]), in_devel, "{arch}");
        assert_eq!(licences(&module), licences_of, "{arch}: nothing of what was said before it was built");
        assert_eq!(licences(&devel), "BSD-3-Clause", "{arch}");
        assert!(module.filter.rpms.contains("alpha-tests"));
        for (name, document) in [(MODULE, &module), (DEVEL, &devel)] {
            let about = listed(&world, name, &format!("modulemd.{arch}.txt"));
            assert_eq!(about.join(" "), sorted(&[&packages(document, dist)]), "{arch}");
        }
    }
    // The documents that are for no architecture are about all that was built.
    let all = listed(&world, MODULE, "modulemd.txt");
    assert_eq!(all.len(), 3 + 3 + 5 * 3, "{all:?}");
    assert_eq!(listed(&world, MODULE, "modulemd.src.txt"), all);
    assert_eq!(listed(&world, DEVEL, "modulemd.txt"), all);
}

#[tokio::test]
async fn a_package_that_somebody_put_into_the_tag_is_in_the_companion() {
    let flow = Flow::new().await;
    let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| flow.tasks("alpha") == 1).await;
    let tag = flow.load(id).await.tag();
    flow.world.hub.world().add_tagged(
        tag.as_str(),
        ["strange", "1", "1"],
        &[("strange", "src"), ("strange", "x86_64")],
    );
    let build = flow.until_ended(&driver, id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    let (world, dist) = (flow.world.hub.world(), build.dist_tag.as_str());
    assert_eq!(packages(&read(&world, MODULE, "x86_64"), dist), "alpha.src alpha.x86_64");
    assert_eq!(packages(&read(&world, DEVEL, "x86_64"), dist), "strange-0:1-1.src strange-0:1-1.x86_64");
}

/// What is told of a module names each package several times: more than a call of the hub may be long.
#[tokio::test]
async fn a_module_of_very_many_packages_is_imported() {
    let flow = Flow::new().await;
    let more = (0..900).map(|number| format!("alpha-langpack-{number}")).collect();
    flow.world.hub.world().more_packages.insert("alpha".to_owned(), more);
    let modulemd = format!("{MODULEMD}  buildopts: {{arches: [x86_64, aarch64, s390x]}}\n");
    let id = flow.submit(&modulemd, &[("alpha", 0)]).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    let world = flow.world.hub.world();
    // Each architecture has its packages and the source; the documents of none have all.
    assert_eq!(listed(&world, MODULE, "modulemd.s390x.txt").len(), 902);
    assert_eq!(listed(&world, MODULE, "modulemd.src.txt").len(), 3 * 901 + 1);
}

/// Builds a module of one component where something is in the way, and returns how it ended.
async fn ended(flow: &Flow) -> (BuildState, String) {
    let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    (build.state(), build.reason().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn only_a_whole_build_of_the_module_itself_is_taken_for_its_import() {
    for (state, told) in [
        (3, None),
        (4, None),
        (2, Some("Koji had bench-1.0-1.c0ffee and deleted it")),
        (0, Some("somebody else is making bench-1.0-1.c0ffee")),
        (1, Some("Koji has bench-1.0-1.c0ffee already, which is no module")),
    ] {
        let flow = Flow::new().await;
        flow.world.hub.world().add_build("bench", "1.0", "1.c0ffee", state);
        let (ended, reason) = ended(&flow).await;
        let world = flow.world.hub.world();
        match told {
            None => {
                assert_eq!((ended, reason.as_str()), (BuildState::Ready, ""));
                assert!(world.imported(MODULE).is_some(), "{state}");
                assert_eq!(world.tagged("modular-candidate").len(), 2, "{state}");
            }
            Some(told) => {
                assert_eq!(ended, BuildState::Failed, "{state}");
                assert!(reason.contains(told), "{reason}");
            }
        }
    }
}

#[tokio::test]
async fn a_module_is_ready_when_it_is_in_its_tag() {
    let tasks = |flow: &Flow| flow.world.hub.world().tasks().filter(|task| task.method == "tagBuild").count();
    // A policy that is asked again when the task is done denies it.
    let flow = Flow::new().await;
    flow.world.hub.world().wait_for_builder = 60.0;
    let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| tasks(flow) == 2).await;
    flow.world.hub.world().policies.insert("tag".to_owned(), "deny not on Fridays".to_owned());
    let build = flow.until_ended(&driver, id).await;
    assert_eq!(build.state(), BuildState::Failed);
    let reason = build.reason().unwrap();
    assert!(reason.contains("cannot be put into modular-candidate: Koji's task"), "{reason}");
    assert!(reason.contains("not on Fridays"), "{reason}");

    // A service that ends before the task does is followed by one that finds it.
    let flow = Flow::new().await;
    flow.world.hub.world().wait_for_builder = 60.0;
    let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| tasks(flow) == 2).await;
    drop(driver);
    assert_eq!(flow.load(id).await.state(), BuildState::Build);
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    assert_eq!((tasks(&flow), flow.world.hub.world().tagged("modular-candidate").len()), (2, 2));
}

#[tokio::test]
async fn a_name_that_is_blocked_where_finished_modules_go_is_told_before_anything_is_built() {
    let flow = Flow::new().await;
    flow.world.hub.world().list_package("modular-candidate", "bench-devel", true);
    let (ended, reason) = ended(&flow).await;
    assert_eq!(ended, BuildState::Failed);
    assert!(reason.contains("somebody blocked the package bench-devel in Koji's tag modular-candidate"), "{reason}");
    assert_eq!(flow.tasks("module-build-macros"), 0);
}
