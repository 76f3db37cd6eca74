//! Shows how a build goes, from what the API tells.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http;

/// The states in which nothing is built any more.
const ENDS: [&str; 3] = ["done", "failed", "ready"];

/// Prints each change until the build has ended, and returns it.
pub(crate) async fn watch(address: SocketAddr, id: i64) -> Result<Value, Box<dyn Error>> {
    let start = Instant::now();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut states = 0;
    loop {
        let (_, build) = http::send(address, "GET", &format!("/rida/module-builds/{id}?verbose=true"), None).await?;
        let seconds = start.elapsed().as_secs_f32();
        let history = build["history"].as_array().map(Vec::as_slice).unwrap_or_default();
        let new: Vec<&str> = history.iter().skip(states).filter_map(|entered| entered["state"].as_str()).collect();
        states = history.len();
        // Between two questions a component may end, and the build with it: its end is told last.
        let (ends, begins): (Vec<_>, Vec<_>) = new.into_iter().partition(|state| ENDS.contains(state));
        begins.iter().for_each(|state| println!("{seconds:6.1} s  {state}"));
        for component in build["components"].as_array().into_iter().flatten() {
            let text = |key: &str| component[key].as_str().unwrap_or_default();
            let now = format!("{} {}", text("state"), text("nvr"));
            if known.insert(text("name").to_owned(), now.clone()).as_ref() != Some(&now) && text("state") != "waiting" {
                println!("{seconds:6.1} s    batch {} {}: {now}", component["batch"], text("name"));
            }
        }
        ends.iter().for_each(|state| println!("{seconds:6.1} s  {state}"));
        if matches!(build["state"].as_str(), Some("ready" | "failed")) {
            return Ok(build);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Prints why a build failed, with the end of the log of each component that did.
pub(crate) async fn explain(address: SocketAddr, build: &Value) -> Result<(), Box<dyn Error>> {
    println!("\nfailed: {}", build["state_reason"].as_str().unwrap_or("no reason is known"));
    for component in build["components"].as_array().into_iter().flatten().filter(|c| c["state"] == "failed") {
        let Some(log) = component["log"].as_str() else { continue };
        let path = log.find("/rida/").and_then(|start| log.get(start..)).unwrap_or(log);
        let (_, text) = http::fetch(address, "GET", path, None).await?;
        let lines: Vec<&str> = text.lines().collect();
        println!("\nthe end of the log of {}:", component["name"].as_str().unwrap_or_default());
        lines.iter().skip(lines.len().saturating_sub(20)).for_each(|line| println!("  {line}"));
    }
    Ok(())
}
