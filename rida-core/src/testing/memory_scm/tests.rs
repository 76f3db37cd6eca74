use super::*;
use crate::scm::GitRef;
use crate::testing::sample;
use crate::testing::scm_contract::{self, ScmBench};
use crate::testing::simulation::block_on;

struct MemoryScmBench(MemoryScm);

impl ScmBench for MemoryScmBench {
    fn scm(&self) -> &dyn Scm {
        &self.0
    }

    fn modulemd(&self) -> (ScmUrl, Vec<u8>) {
        let url = "https://src.example.org/modules/lua.git?#main".parse().unwrap();
        self.0.put_modulemd(&url, "document: modulemd", sample::at(0));
        (url, b"document: modulemd".to_vec())
    }

    fn missing_modulemd(&self) -> ScmUrl {
        "https://src.example.org/modules/none.git?#main".parse().unwrap()
    }

    fn good_component(&self) -> (ComponentName, ComponentSource) {
        component("good")
    }

    fn bad_component(&self) -> (ComponentName, ComponentSource) {
        let (name, source) = component("bad");
        self.0.break_component(&name, vec!["there is no bad.spec; add it".to_owned()]);
        (name, source)
    }
}

fn component(name: &str) -> (ComponentName, ComponentSource) {
    let reference = GitRef::new("main").unwrap();
    (sample::component(name), ComponentSource { repository: sample::repository(name), reference, cache: None })
}

#[test]
fn it_keeps_every_promise_of_source_code_management() {
    block_on(scm_contract::run_all(&MemoryScmBench(MemoryScm::default())));
}
