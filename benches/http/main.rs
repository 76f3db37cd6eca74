//! What the interface costs: `cargo bench --bench http --features testing,http`.
//!
//! A server with 10,000 builds in SQLite runs in a process of its own; beside it, in the same process and on the same
//! kind of listener, a route that does nothing. Requests go to both in turns, so that what the machine does besides is
//! shared; the figures to look at are the ratios.

mod load;
mod server;

use std::time::{Duration, Instant};

use server::Child;

const BUILDS: i64 = 10_000;
const ROUNDS: usize = 5;

fn main() {
    if let Some(folder) = server::asked_to_serve() {
        return server::serve(&folder);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    server::fill(folder.path(), BUILDS).await;

    let start = Instant::now();
    let child = Child::start(folder.path());
    load::until_answered(child.api, "/healthz").await;
    println!("start to first answer       {:>8.0} ms   (aim: under 200)", start.elapsed().as_secs_f64() * 1000.0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = child.memory("VmRSS");
    println!("idle memory                 {:>8.1} MiB  (aim: under 50)", idle / 1024.0);

    let list = load::get(child.api, "/rida/module-builds/").await;
    assert_eq!(list.matches("\"id\"").count(), usize::try_from(BUILDS).expect("a small number"));
    let peak = child.memory("VmHWM");
    let grown = (peak - idle) / 1024.0;
    println!("listing 10,000 builds adds  {grown:>8.1} MiB  (aim: under 10; {} KiB of answer)", list.len() / 1024);

    let mut rates: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        rates[0].push(load::rate(child.trivial, "/").await);
        rates[1].push(load::rate(child.api, "/rida/module-builds/4711").await);
        rates[2].push(load::rate(child.api, "/rida/module-builds/?per_page=10&order_desc_by=id").await);
    }
    let [trivial, item, page] = rates.map(|mut rounds| {
        rounds.sort_by(f64::total_cmp);
        rounds[ROUNDS / 2]
    });
    println!("trivial route               {trivial:>8.0} /s");
    println!("GET by id                   {item:>8.0} /s   {:.2} of the trivial route (aim: 0.5)", item / trivial);
    println!("GET a page of 10            {page:>8.0} /s   {:.2} of the trivial route", page / trivial);
}
