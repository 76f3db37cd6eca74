//! What every source of modules promises holds for git.

use rida_core::ComponentName;
use rida_core::Scm;
use rida_core::plan::ComponentSource;
use rida_core::scm::ScmUrl;
use rida_core::testing::scm_contract::{ScmBench, run_all};
use rida_local::git::GitScm;

use crate::support::*;

const YAML: &[u8] = b"document: modulemd\n";

struct GitBench {
    world: World,
    scm: GitScm,
}

impl GitBench {
    fn component(&self, component: &str) -> (ComponentName, ComponentSource) {
        (name(component), source(&self.world.address(component), "main", None))
    }

    fn url(&self, path: &str) -> ScmUrl {
        ScmUrl::parse(&format!("{}?{path}#main", self.world.address("module"))).unwrap()
    }
}

impl ScmBench for GitBench {
    fn scm(&self) -> &dyn Scm {
        &self.scm
    }

    fn modulemd(&self) -> (ScmUrl, Vec<u8>) {
        (self.url("module.yaml"), YAML.to_vec())
    }

    fn missing_modulemd(&self) -> ScmUrl {
        self.url("missing.yaml")
    }

    fn good_component(&self) -> (ComponentName, ComponentSource) {
        self.component("good")
    }

    fn bad_component(&self) -> (ComponentName, ComponentSource) {
        self.component("bad")
    }
}

#[tokio::test]
async fn it_keeps_the_promises_of_a_source_of_modules() {
    let world = World::new();
    world.repo("module").write("module.yaml", YAML).commit();
    world.repo("good").write("good.spec", "Name: good\n").commit();
    world.repo("bad").write("README", "There is no spec.\n").commit();
    let scm = world.scm();
    run_all(&GitBench { world, scm }).await;
}
