//! The double is good enough when Koji's own client takes it for a hub.

use std::path::Path;

use rida_koji::testing::{Course, Dialect, Hub};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kojis_own_client_works_with_the_double() {
    let hub = Hub::start().await.unwrap();
    {
        let mut world = hub.world();
        world.dialect = Dialect::released();
        world.wait_for_builder = 0.1;
        world.repository_time = 0.1;
        world.courses.insert("module-build-macros".to_owned(), Course::Succeeds(0.1));
        world.courses.insert("bad".to_owned(), Course::Fails(0.1));
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.parent().unwrap().join("target/python/koji/bin/python");
    assert!(python.exists(), "{} is not there; scripts/setup.sh test makes it", python.display());
    let mut command = tokio::process::Command::new(python);
    command.arg(here.join("tests/python/koji_works.py")).arg(hub.url().as_str()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.ends_with("all is well\n"), "{said}\n{told}\n{:#?}", hub.world().calls);
}
