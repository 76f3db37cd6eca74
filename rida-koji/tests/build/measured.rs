//! What a module costs the hub: requests, and the hub's time as the double prices it.

use std::time::Duration;

use rida_koji::KojiConfig;

use super::flow::Flow;
use super::world::MODULEMD;

/// What a module came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// All requests.
    pub(crate) requests: usize,
    /// Of these, those that only asked whether something has ended yet.
    pub(crate) looks: usize,
    /// Processor time of the hub and its database.
    pub(crate) hub: Duration,
    /// From the submission to the end, by the double's clock.
    pub(crate) took: Duration,
}

/// Builds a module of so many components, two thirds of them in a first batch, as a service does that hears of nothing
/// and has to ask, and performs several instructions at once.
pub(crate) async fn cost(components: usize) -> Cost {
    let names: Vec<String> = (0..components).map(|number| format!("package{number}")).collect();
    let batch = |number: usize| if number * 3 < components * 2 { 0 } else { 10 };
    let wanted: Vec<(&str, i64)> = names.iter().enumerate().map(|(n, name)| (name.as_str(), batch(n))).collect();
    let mut flow = Flow::new().await;
    flow.config.gathering = KojiConfig::default().gathering;
    let id = flow.submit(MODULEMD, &wanted).await;
    let build = flow.until_ended_at_once(&flow.sparing_driver(), id).await;
    assert_eq!(build.reason(), None);
    let world = flow.world.hub.world();
    let is_look = |call: &&String| call.contains("multiCall(getTaskInfo)") || call.contains("multiCall(getRepo ");
    Cost {
        requests: world.calls.len(),
        looks: world.calls.iter().filter(is_look).count(),
        hub: world.hub_time,
        took: build.modified_at.since(build.submission.at),
    }
}
