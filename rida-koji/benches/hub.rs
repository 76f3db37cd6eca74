//! What modules cost a hub of Koji: requests, and the hub's time, counted by the double; and what following many tasks
//! costs. Beside it is what the Module Build Service came to with the same module of three components on a hub that
//! recorded its calls.

#![expect(clippy::unwrap_used, reason = "in what tests share it is the assertion, as in the tests themselves")]

#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/build/flow.rs"]
mod flow;
#[path = "../tests/build/measured.rs"]
mod measured;
#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/build/world.rs"]
mod world;

/// The Module Build Service 3.9.2, three components in two batches, recorded up to the point at which everything was
/// built and imported; what it asks again while it waits is not in it, since it is told by messages.
mod module_build_service {
    pub(crate) const CALLS: f64 = 265.0;
    pub(crate) const MULTICALLS: f64 = 21.0;
    pub(crate) const IN_MULTICALLS: f64 = 23.0;
    pub(crate) const LOGINS: f64 = 14.0;
    pub(crate) const CHANGES: f64 = 74.0;

    /// Returns the seconds of a hub, by the prices that the double has.
    pub(crate) fn hub() -> f64 {
        let questions = CALLS + IN_MULTICALLS - CHANGES;
        ((CALLS + MULTICALLS) * 4.4 + LOGINS * 12.0 + questions * 1.3 + CHANGES * 12.8) / 1000.0
    }
}

fn main() {
    // `cargo test` runs benchmarks, too, and asks for nothing of them.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    runtime.block_on(async {
        println!(
            "| components | requests | of these looks | hub, s | from submission to end, s of the double's clock |"
        );
        println!("|---|---|---|---|---|");
        let mut before = None;
        for components in [3, 30, 300] {
            let cost = measured::cost(components).await;
            let (hub, took) = (cost.hub.as_secs_f64(), cost.took.as_secs());
            println!("| {components} | {} | {} | {hub:.2} | {took} |", cost.requests, cost.looks);
            if let Some((fewer, requests)) = before {
                let each = f64::from(u32::try_from(cost.requests - requests).unwrap_or(u32::MAX))
                    / f64::from(u32::try_from(components - fewer).unwrap_or(u32::MAX));
                println!("each component more: {each:.1} requests");
            }
            before = Some((components, cost.requests));
        }
        let theirs = module_build_service::CALLS + module_build_service::MULTICALLS;
        let (logins, hub) = (module_build_service::LOGINS, module_build_service::hub());
        println!("the Module Build Service, 3 components: {theirs} requests and {logins} logins, hub {hub:.2} s");
    });
}
