//! Packages that a module does not want of what it inherits, and groups that somebody takes away.

use std::time::Duration;

use rida_core::BuildState;
use rida_koji::testing::Dialect;
use rida_koji::{KojiConfig, Tagging};

use crate::flow::{Flow, THREE};
use crate::world::MODULEMD;

/// Of what the distribution has, `vim` and `beta` are not wanted; the module has a `beta` of its own.
fn modulemd() -> String {
    format!("{MODULEMD}  xmd: {{mbs_options: {{blocked_packages: [vim, beta, nobody-knows-it]}}}}\n")
}

async fn flow(tagging: Tagging, dialect: Dialect) -> Flow {
    let mut flow = Flow::new().await;
    flow.config = KojiConfig { tagging, tagging_pause: Duration::from_millis(10), ..flow.config };
    {
        let mut world = flow.world.hub.world();
        world.dialect = dialect;
        for name in ["vim", "beta", "bash"] {
            world.list_package("platform-build", name, false);
            world.add_tagged("platform-build", [name, "0.1", "1"], &[(name, "x86_64")]);
        }
    }
    flow
}

#[tokio::test]
async fn what_is_blocked_is_not_inherited_and_what_the_module_builds_itself_is_its_own() {
    for (tagging, dialect) in [
        (Tagging::Direct, Dialect::released()),
        (Tagging::Task, Dialect::released()),
        (Tagging::Direct, Dialect::old()),
        (Tagging::Task, Dialect::old()),
    ] {
        let flow = flow(tagging, dialect).await;
        let id = flow.submit(&modulemd(), THREE).await;
        let driver = flow.driver();
        flow.until(&driver, |flow| flow.tasks("alpha") == 1).await;
        let tag = format!("{}-build", flow.load(id).await.tag());
        let blocked = |flow: &Flow| ["vim", "beta", "bash"].map(|name| flow.world.hub.world().is_blocked(&tag, name));
        assert_eq!(blocked(&flow), [true, true, false], "{tagging:?}");
        // Another service goes on, and prepares again.
        flow.world.prepare(&flow.world.system_with(flow.config.clone()), &flow.load(id).await).await;
        assert_eq!(blocked(&flow), [true, true, false], "{tagging:?}");
        let build = flow.until_ended(&flow.driver(), id).await;
        assert_eq!(build.state(), BuildState::Ready, "{tagging:?}: {:?}", build.reason());
        assert_eq!(blocked(&flow), [true, false, false], "{tagging:?}");
        let own = flow.world.hub.world().tagged(&tag);
        assert!(own.iter().any(|nvr| nvr.starts_with("beta-1.0-1.module")), "{own:?}");
        // What is built stays what it is, whatever is done again.
        flow.world.prepare(&flow.world.system_with(flow.config.clone()), &build).await;
        assert_eq!(blocked(&flow), [true, false, false], "{tagging:?}");
    }
}

#[tokio::test]
async fn a_group_that_somebody_took_away_is_told() {
    for tagging in [Tagging::Direct, Tagging::Task] {
        let mut flow = Flow::new().await;
        flow.config = KojiConfig { tagging, tagging_pause: Duration::from_millis(10), ..flow.config };
        flow.world.hub.world().remove_group("platform-build", "srpm-build");
        let id = flow.submit(MODULEMD, THREE).await;
        let driver = flow.driver();
        flow.until(&driver, |flow| flow.tasks("module-build-macros") == 1).await;
        let build = flow.load(id).await;
        flow.world.hub.world().remove_group(&format!("{}-build", build.tag()), "srpm-build");
        let build = flow.until_ended(&driver, id).await;
        assert_eq!(build.state(), BuildState::Failed, "{tagging:?}");
        let reason = build.reason().unwrap();
        assert!(reason.contains("No such entry in table groups: srpm-build"), "{reason}");
        assert_eq!(flow.tasks("alpha"), 0, "{tagging:?}: nothing is built without the macros");
        // The next try makes it again, and sees that the macros are not in it.
        let driver = flow.driver();
        let again = rida_core::Fact::Resubmitted { by: rida_core::testing::sample::owner("alice"), submission: None };
        driver.apply(id, again).await.unwrap();
        let build = flow.until_ended(&driver, id).await;
        assert_eq!(build.state(), BuildState::Ready, "{tagging:?}: {:?}", build.reason());
        let groups = flow.world.hub.world().group(&format!("{}-build", build.tag()), "srpm-build");
        assert!(groups.contains("module-build-macros"), "{tagging:?}: {groups:?}");
    }
}
