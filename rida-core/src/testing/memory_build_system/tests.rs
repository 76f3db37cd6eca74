use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::plan::{Plan, PlannedComponent, WaitsFor};
use crate::testing::build_system_contract::{Bench, PROMISES};
use crate::testing::simulation::block_on;
use crate::testing::{TestClock, sample};

struct MemoryBench {
    system: MemoryBuildSystem,
    clock: TestClock,
    last: AtomicI64,
}

#[async_trait]
impl Bench for MemoryBench {
    fn system(&self) -> &dyn BuildSystem {
        &self.system
    }

    fn module(&self, components: &[&str]) -> ModuleBuild {
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let names = std::iter::once("module-build-macros").chain(components.iter().copied());
        let planned = (1..).zip(names).map(|(batch, name)| PlannedComponent {
            name: sample::component(name),
            source: None,
            batch,
            waits_for: WaitsFor::Batches,
            buildonly: false,
            arches: Vec::new(),
            package: None,
        });
        let plan = Plan::from_components(planned.collect());
        let nsvc = sample::nsvc(&format!("bench:1:{number}:c0ffee"));
        let submission = crate::Submission { plan, ..sample::submission(nsvc) };
        let build = crate::submit(sample::id(number), submission, &crate::Policy::default()).unwrap().build;
        ModuleBuild { phase: Phase::Building { regenerating: None }, ..build }
    }

    async fn pause(&self) {
        self.clock.advance(Duration::from_secs(1));
    }

    fn under_way(&self) -> Vec<String> {
        self.system.regenerating().iter().map(|(build, number)| format!("repository {number} of {build}")).collect()
    }
}

#[test]
fn it_keeps_every_promise_of_a_build_system() {
    for promise in PROMISES {
        println!("{}", promise.name);
        let clock = TestClock::at(sample::at(0));
        let system = MemoryBuildSystem::new(Arc::new(clock.clone()));
        system.set_course(&sample::component("bad"), Course::Fails(Duration::from_secs(3)));
        system.set_course(&sample::component("slow"), Course::Hangs);
        let bench = MemoryBench { system, clock, last: AtomicI64::new(0) };
        block_on(promise.check(&bench));
        assert_eq!(bench.system.violations(), Vec::<String>::new(), "{}", promise.name);
    }
}
