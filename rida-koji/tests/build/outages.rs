//! A hub that is sick for an hour, at each step of a module.

use std::time::Duration;

use rida_core::BuildState;
use rida_koji::fault;
use rida_koji::testing::{Trouble, When};
use rida_koji::xmlrpc::Fault;

use crate::flow::Flow;
use crate::world::MODULEMD;

/// How long it lasts.
const OUTAGE: Duration = Duration::from_secs(3600);
/// How long preparing and importing may take.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How much time goes by between two turns meanwhile.
const STEP: Duration = Duration::from_secs(60);

/// Tells whether a module has come to a step.
type Step = fn(&Flow) -> bool;

fn is_built(flow: &Flow, name: &str) -> bool {
    flow.world.hub.world().builds().any(|build| build.name == name && build.state == 1)
}

fn tagged(flow: &Flow, name: &str) -> usize {
    let world = flow.world.hub.world();
    let tags = ["module-bench-1.0-1-c0ffee", "module-bench-1.0-1-c0ffee-build"];
    tags.iter().flat_map(|tag| world.tagged(tag)).filter(|nvr| nvr.starts_with(name)).count()
}

const STEPS: [(&str, Step); 5] = [
    ("prepare", |_| true),
    ("build", |flow| tagged(flow, "module-build-macros") == 1),
    ("tag", |flow| is_built(flow, "alpha")),
    ("regenerate", |flow| tagged(flow, "alpha") == 2),
    ("import", |flow| is_built(flow, "beta")),
];

/// Neither a page of maintenance, nor a gateway without a hub, nor a hub that fails at everything ends a build.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_of_a_sick_hub_fails_nothing() {
    let database = Fault { code: fault::PYTHON, message: "<class 'OperationalError'>: no connection".to_owned() };
    for trouble in [Trouble::Status(404), Trouble::Status(502), Trouble::Fault(database)] {
        for (step, is_there) in STEPS {
            let mut flow = Flow::new().await;
            // As the service has it for Koji.
            flow.policy.deadlines.prepare = DAY;
            flow.policy.deadlines.finish = DAY;
            let id = flow.submit(MODULEMD, &[("alpha", 0), ("beta", 10)]).await;
            let driver = flow.driver();
            flow.until(&driver, is_there).await;
            flow.world.hub.world().trouble(When::Always, trouble.clone());
            let mut passed = Duration::ZERO;
            while passed < OUTAGE {
                let _ = driver.turn().await.unwrap();
                flow.pass_for(STEP);
                passed += STEP;
            }
            assert_eq!(flow.load(id).await.reason(), None, "{step}, {trouble:?}");
            flow.world.hub.world().calm();
            let build = flow.until_ended(&driver, id).await;
            assert_eq!(build.state(), BuildState::Ready, "{step}, {trouble:?}: {:?}", build.reason());
            for component in ["module-build-macros", "alpha", "beta"] {
                assert_eq!(flow.tasks(component), 1, "{step}, {trouble:?}: {component} is built once");
            }
        }
    }
}
