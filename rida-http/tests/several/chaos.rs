//! Starts everything, submits, kills, and waits for the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rida_core::testing::Random;
use rida_test_keeper::Home;
use rida_test_postgres::{Cluster, TestDatabase};
use serde_json::{Value, json};

use crate::farm::Farm;
use crate::told::{TOLD, Told};
use crate::{check, client, modules};

/// How many server processes there are.
const SERVERS: usize = 3;

/// How long everything may take after the last blow.
const CALM: Duration = Duration::from_secs(240);

/// What a run is like.
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) modules: u64,
    /// For how long there are blows, unless all builds have ended before.
    pub(crate) chaos: Duration,
}

/// Tells whether a module is built a second time, once it is ready; none of these fails.
fn comes_again(number: u64) -> bool {
    number.is_multiple_of(5)
}

/// Who submits a module.
pub(crate) fn owner(number: u64) -> String {
    format!("packager{}", number % 5)
}

/// Returns the program of a server process, which was built together with this test.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).expect("a test is in target/<profile>/deps");
    let program = folder.join("examples/several-process");
    assert!(program.exists(), "{} is not built; cargo build --example several-process does that", program.display());
    program
}

/// The server processes.
pub(crate) struct Servers {
    told: Vec<Told>,
    running: Vec<Option<Child>>,
    folder: PathBuf,
    kills: usize,
}

impl Servers {
    fn new(farm: &Farm, of: &TestDatabase<'_>, folder: &Path, modules: u64) -> Self {
        let told = (0..SERVERS).map(|_| Told {
            listen: free_address(),
            farm: farm.address.to_string(),
            database: of.url(),
            lines: folder.join("lines.jsonl").display().to_string(),
            notes: folder.join("notes.jsonl").display().to_string(),
            modules,
        });
        let mut servers = Self { told: told.collect(), running: Vec::new(), folder: folder.to_owned(), kills: 0 };
        servers.running = (0..SERVERS).map(|index| Some(servers.start(index))).collect();
        servers
    }

    fn start(&self, index: usize) -> Child {
        let said = File::options().create(true).append(true).open(self.said(index)).unwrap();
        Command::new(program())
            // It ends with its home, also when this process is killed.
            .arg(&self.folder)
            .env(TOLD, serde_json::to_string(&self.told[index]).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap()
    }

    fn said(&self, index: usize) -> PathBuf {
        self.folder.join(format!("said-{index}"))
    }

    fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.running[index].take() {
            assert_eq!(child.try_wait().unwrap(), None, "server {index} ended by itself:\n{}", self.last_words(index));
            child.kill().unwrap();
            child.wait().unwrap();
            self.kills += 1;
        }
    }

    fn revive(&mut self, index: usize) {
        if self.running[index].is_none() {
            self.running[index] = Some(self.start(index));
        }
    }

    fn last_words(&self, index: usize) -> String {
        let said = std::fs::read_to_string(self.said(index)).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Asks whoever answers, beginning with one of them.
    fn ask(&self, first: usize, request: &str, body: &str) -> Option<client::Answer> {
        let turn = (0..SERVERS).map(|step| (first + step) % SERVERS);
        turn.filter_map(|index| client::send(&self.told[index].listen, request, body).ok()).next()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in self.running.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for index in 0..SERVERS {
                println!("server {index}:\n{}\n", self.last_words(index));
            }
        }
    }
}

/// Does everything, and checks what came of it.
pub(crate) fn run(settings: &Settings) {
    let mut random = Random::new(settings.seed);
    let folder = Home::new();
    let cluster = Cluster::start(rida_test_postgres::Settings::default());
    let of = cluster.database();
    let farm = Farm::start(random.next());
    let mut servers = Servers::new(&farm, &of, folder.path(), settings.modules);
    let (start, mut ids) = (Instant::now(), BTreeMap::new());
    let (mut next, mut outages) = (0, 0);
    let mut outage: Option<Instant> = None;
    let mut again: Vec<u64> = (0..settings.modules).filter(|number| comes_again(*number)).collect();
    while start.elapsed() < settings.chaos {
        // Some submissions, a blow, a little time.
        submit_again(&servers, &mut random, &mut again, &mut ids);
        for _ in 0..4 {
            if next < settings.modules && submit(&servers, &mut random, next, &mut ids) {
                next += 1;
            }
        }
        match random.below(10) {
            0..=3 => servers.kill(random.index(SERVERS)),
            4 if outage.is_none() => {
                if random.chance(50) {
                    cluster.stop()
                } else {
                    cluster.crash()
                }
                outage = Some(Instant::now() + Duration::from_millis(500 + random.below(1500)));
                outages += 1;
            }
            _ => servers.revive(random.index(SERVERS)),
        }
        std::thread::sleep(Duration::from_millis(100 + random.below(500)));
        if outage.is_some_and(|end| end <= Instant::now()) {
            cluster.start_again();
            outage = None;
        }
        if next == settings.modules && again.is_empty() && outage.is_none() && all_ended(&servers, &ids) {
            break;
        }
    }
    println!("after {:?}: {next} submitted, {} kills, {outages} outages", start.elapsed(), servers.kills);
    if outage.is_some() {
        cluster.start_again();
    }
    (0..SERVERS).for_each(|index| servers.revive(index));
    let calm = Instant::now();
    while next < settings.modules {
        if submit(&servers, &mut random, next, &mut ids) {
            next += 1;
        }
        assert!(calm.elapsed() < CALM, "only {next} modules are submitted");
    }
    while !(again.is_empty() && all_ended(&servers, &ids)) {
        submit_again(&servers, &mut random, &mut again, &mut ids);
        assert!(calm.elapsed() < CALM, "some builds do not end: {:#?}", not_ended(&servers, &ids));
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("all ended after {:?}", start.elapsed());
    let builds: BTreeMap<i64, (u64, Value)> =
        ids.iter().map(|(number, id)| (*id, (*number, one(&servers, *id)))).collect();
    assert_eq!(builds.len(), ids.len(), "each module has a build of its own");
    let listed = servers.ask(0, "GET /rida/module-builds/", "").unwrap().1;
    assert_eq!(listed.as_array().unwrap().len(), ids.len(), "there are no other builds: {listed}");
    let lines = folder.path().join("lines.jsonl");
    let told = check::all_told(&lines, &builds, calm + CALM);
    check::builds(&builds, &farm);
    check::lines(&told, &builds);
    check::one_at_a_time(&folder.path().join("notes.jsonl"), &farm);
    println!("{} tasks, {} lines, {:?} in all", farm.state().tasks.len(), told.len(), start.elapsed());
    check::store(&of, calm + CALM);
}

/// Submits a module and notes its build; returns whether that is certain.
fn submit(servers: &Servers, random: &mut Random, number: u64, ids: &mut BTreeMap<u64, i64>) -> bool {
    let body = json!({"scmurl": modules::address(number), "owner": owner(number)}).to_string();
    match servers.ask(random.index(SERVERS), "POST /rida/module-builds/", &body) {
        // The second after an answer that was lost.
        Some((201 | 409, answer)) => {
            ids.insert(number, answer["id"].as_i64().unwrap_or_else(|| panic!("no id: {answer}")));
            true
        }
        Some((503, _)) | None => false,
        Some(other) => panic!("{number}: {other:?}"),
    }
}

/// Submits those a second time that are ready by now, and whose components can be taken over therefore.
fn submit_again(servers: &Servers, random: &mut Random, again: &mut Vec<u64>, ids: &mut BTreeMap<u64, i64>) {
    let Some((200, list)) = servers.ask(random.index(SERVERS), "GET /rida/module-builds/", "") else { return };
    let builds = list.as_array().cloned().unwrap_or_default();
    let ready = |id: &i64| builds.iter().any(|build| build["id"] == *id && build["state"] == "ready");
    again.retain(|number| {
        let is_ready = ids.get(number).is_some_and(ready);
        !(is_ready && submit(servers, random, modules::AGAIN + number, ids))
    });
}

fn has_ended(state: &Value) -> bool {
    state == "ready" || state == "failed"
}

fn all_ended(servers: &Servers, ids: &BTreeMap<u64, i64>) -> bool {
    match servers.ask(0, "GET /rida/module-builds/", "") {
        Some((200, list)) => {
            let list = list.as_array().cloned().unwrap_or_default();
            list.len() >= ids.len() && list.iter().all(|build| has_ended(&build["state"]))
        }
        _ => false,
    }
}

fn not_ended(servers: &Servers, ids: &BTreeMap<u64, i64>) -> Vec<Value> {
    let builds = ids
        .values()
        .filter_map(|id| Some(servers.ask(0, &format!("GET /rida/module-builds/{id}?verbose=true"), "")?.1));
    builds.filter(|build| !has_ended(&build["state"])).collect()
}

fn one(servers: &Servers, id: i64) -> Value {
    let asked = servers.ask(0, &format!("GET /rida/module-builds/{id}?verbose=true"), "");
    let (status, build) = asked.unwrap_or_else(|| panic!("nobody knows build {id}"));
    assert_eq!(status, 200, "{build}");
    build
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
