//! What many active modules cost: `cargo bench --bench scale --features testing,http`.
//!
//! Modules of 20 components, all of them active at once, from 1,000 to 10,000: time and memory against their number. In
//! memory each is built to its end; on SQLite all are brought to where their components build, and some thousands of
//! changes are made then. Each line is a process of its own, so that its memory is its own. Times are those of the
//! processor, which other programs of the machine disturb less.
//!
//! `-- memory 1000` or `-- sqlite 1000` makes one line.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rida::plan::{ComponentSource, Plan, WantedComponent};
use rida::scm::{AllowList, GitRef};
use rida::store::{Database, Durability, StoreConfig};
use rida::testing::{MemoryBuildSystem, MemoryScm, MemoryStore, TestClock, sample};
use rida::{
    BuildFilter, BuildState, Clock as _, Deadlines, Driver, Limits, Parts, Policy, Store, Submission, WorkerId,
};

const COMPONENTS: usize = 20;
const MODULES: [usize; 4] = [1000, 2500, 5000, 10_000];
/// How many changes are made on SQLite once all modules are active.
const CHANGES: usize = 3000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [kind, modules] = arguments.as_slice() {
        let modules = modules.parse().expect("a number of modules");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        match kind.as_str() {
            "memory" => runtime.block_on(in_memory(modules)),
            "sqlite" => runtime.block_on(on_sqlite(modules)),
            other => panic!("{other:?} is neither memory nor sqlite"),
        }
        return;
    }
    println!(
        "| where | modules | submission | slot | change, all active | memory, all active | whole life, a module |\n\
         |---|---|---|---|---|---|---|"
    );
    let own = std::env::current_exe().expect("this program has a path");
    for kind in ["memory", "sqlite"] {
        for modules in MODULES {
            let status = Command::new(&own).args([kind, &modules.to_string()]).status().expect("it starts");
            assert!(status.success(), "{kind} {modules}: {status}");
        }
    }
}

async fn in_memory(modules: usize) {
    let world = World::new(Arc::new(MemoryStore::new()), modules);
    let start = processor();
    let line = world.make_active(modules).await;
    let changed = world.change(usize::MAX).await;
    let whole = (processor() - start) / u32::try_from(modules).expect("a small number");
    assert_eq!(world.count(BuildState::Ready).await, modules);
    println!("| memory | {modules} | {} | {} | {} |", line.print(), changed, print(whole));
}

async fn on_sqlite(modules: usize) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("scale.sqlite");
    let store = Database::connect(&StoreConfig { durability: Durability::Normal, ..StoreConfig::sqlite(path) }).await;
    let store = store.expect("it opens");
    store.migrate().await.expect("it is made");
    let world = World::new(Arc::new(store), modules);
    let line = world.make_active(modules).await;
    let changed = world.change(CHANGES).await;
    println!("| SQLite | {modules} | {} | {} | |", line.print(), changed);
}

struct World {
    driver: Driver,
    store: Arc<dyn Store>,
    clock: TestClock,
}

/// What it cost to bring all modules to where their components build.
struct Active {
    submission: Duration,
    slot: Duration,
}

impl Active {
    fn print(&self) -> String {
        format!("{} | {}", print(self.submission), print(self.slot))
    }
}

impl World {
    fn new(store: Arc<dyn Store>, modules: usize) -> Self {
        let clock = TestClock::at(sample::at(0));
        let year = Duration::from_secs(365 * 24 * 3600);
        let parts = Parts {
            store: Arc::clone(&store),
            build_system: Arc::new(MemoryBuildSystem::new(Arc::new(clock.clone()))),
            publisher: Arc::new(Silent),
            scm: Arc::new(MemoryScm::default()),
            clock: Arc::new(clock.clone()),
            allow: AllowList::default(),
            policy: Policy {
                limits: Limits {
                    builds: modules,
                    builds_per_module: modules,
                    builds_per_owner: modules,
                    queue: modules,
                    queue_per_module: modules,
                    queue_per_owner: modules,
                    patience: Duration::from_secs(3600),
                },
                deadlines: Deadlines { init: year, wait: year, prepare: year, build: year, finish: year },
                ..Policy::default()
            },
        };
        Self { driver: Driver::new(parts, WorkerId("bench".to_owned())), store, clock }
    }

    async fn count(&self, state: BuildState) -> usize {
        let filter = BuildFilter { states: vec![state], ..BuildFilter::default() };
        usize::try_from(self.store.count(&filter).await.expect("it answers")).expect("a small number")
    }

    async fn make_active(&self, modules: usize) -> Active {
        let each = u32::try_from(modules).expect("a small number");
        let start = processor();
        for number in 0..modules {
            let nsvc = sample::nsvc(&format!("module{number}:1:1:c0ffee"));
            let submission = Submission { plan: plan(), at: self.clock.now(), ..sample::submission(nsvc) };
            self.driver.record(submission).await.expect("it is accepted");
        }
        let submission = (processor() - start) / each;
        while self.count(BuildState::Init).await > 0 {
            self.perform(1000).await;
        }
        assert_eq!(self.count(BuildState::Wait).await, modules);
        let start = processor();
        let mut granted = 0;
        while granted < modules {
            granted += self.driver.grant_slots().await.expect("it answers");
        }
        let slot = (processor() - start) / each;
        // The environment, and the macros with their repository.
        while self.perform(1000).await > 0 {}
        assert_eq!(self.count(BuildState::Build).await, modules);
        Active { submission, slot }
    }

    /// Makes changes, at most so many, and returns what one cost and how much memory there is while all are active.
    async fn change(&self, most: usize) -> String {
        let (start, before, memory) = (processor(), self.lines().await, resident());
        while usize::try_from(self.lines().await - before).unwrap_or(usize::MAX) < most {
            let mut done = self.perform(64).await;
            for id in self.driver.take_due_builds(64).await.expect("it answers") {
                done += 1;
                let _ = self.driver.look(id).await.expect("it answers");
            }
            let _ = self.driver.grant_slots().await.expect("it answers");
            let _ = self.driver.publish(1000).await.expect("it answers");
            if done == 0 {
                if self.count(BuildState::Build).await == 0 {
                    break;
                }
                self.clock.advance(Duration::from_secs(5));
            }
        }
        let changes = u32::try_from(self.lines().await - before).expect("a small number").max(1);
        format!("{} | {memory} MiB", print((processor() - start) / changes))
    }

    async fn lines(&self) -> u64 {
        self.store.log_end().await.expect("it answers")
    }

    async fn perform(&self, most: usize) -> usize {
        let taken = self.driver.take_effects(most).await.expect("it answers");
        let count = taken.len();
        for effect in taken {
            let _ = self.driver.perform(effect).await.expect("it answers");
        }
        count
    }
}

/// Tells nobody, so that what was told takes no memory.
struct Silent;

#[async_trait::async_trait]
impl rida::Publisher for Silent {
    async fn publish(&self, _: &rida::Announcement) -> Result<rida::Receipt, rida::PortError> {
        Ok(rida::Receipt::Confirmed)
    }
}

/// Twenty components in four batches.
fn plan() -> Plan {
    let wanted = (0..COMPONENTS).map(|number| WantedComponent {
        name: sample::component(&format!("package{number}")),
        source: ComponentSource {
            repository: sample::repository(&format!("package{number}")),
            reference: GitRef::new("main").expect("a branch"),
            cache: None,
        },
        buildorder: i64::try_from(number % 4).unwrap_or_default(),
        buildafter: Vec::new(),
        buildonly: false,
        arches: Vec::new(),
    });
    Plan::new(wanted.collect()).expect("a plain plan")
}

/// Returns how long the processor has worked for this process, itself and in the system.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells it");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok()).unwrap_or(0);
    // Fields 14 and 15 of the line, of a hundredth of a second each.
    Duration::from_millis(10) * (ticks(11) + ticks(12))
}

/// Returns how much memory this process has, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}

fn print(time: Duration) -> String {
    match time.as_micros() {
        micros if micros < 1000 => format!("{micros} µs"),
        micros => format!("{}.{:02} ms", micros / 1000, micros % 1000 / 10),
    }
}
