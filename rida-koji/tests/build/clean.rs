use std::time::Duration;

use rida_core::BuildState;
use rida_koji::testing::Course;

use crate::flow::{Flow, THREE};
use crate::world::MODULEMD;

#[tokio::test]
async fn old_targets_are_deleted_and_failed_modules_untagged() {
    let flow = Flow::new().await;
    flow.world.hub.world().courses.insert("gamma".to_owned(), Course::Fails(5.0));
    let id = flow.submit(MODULEMD, THREE).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Failed);
    // Another service's module, and somebody's own target.
    drop(flow.world.module(&["alpha"]));
    let foreign = flow.world.module(&["alpha"]);
    let system = flow.world.system();
    flow.world.prepare(&system, &foreign).await;
    let before: Vec<String> = flow.world.hub.world().targets().map(str::to_owned).collect();
    assert_eq!(before.len(), 2);
    let ended = build.completed_at().unwrap();
    assert_eq!(system.delete_old_targets(ended).await.unwrap(), Vec::<String>::new(), "it is not old enough");
    let later = ended.plus(Duration::from_secs(1));
    let deleted = system.delete_old_targets(later).await.unwrap();
    assert_eq!(deleted, [rida_core::target_name(build.nsvc()).to_string()]);
    assert_eq!(flow.world.hub.world().targets().count(), 1, "what is not known here stays");
    assert_eq!(system.delete_old_targets(later).await.unwrap(), Vec::<String>::new());

    assert_eq!(system.untag_failed(&build).await.unwrap(), 5, "two components in two tags, and the macros");
    assert!(flow.world.hub.world().tagged(build.tag().as_str()).is_empty());
    assert_eq!(system.untag_failed(&build).await.unwrap(), 0);
    assert!(system.untag_failed(&foreign).await.is_err(), "it has not failed");
}
