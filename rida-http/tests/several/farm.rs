//! A build system that several processes share: it listens on loopback, takes one request a connection, and remembers
//! everything that it was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rida_core::testing::Random;
use serde_json::{Value, json};

use crate::modules::BAD;

/// How long a task takes, and a repository.
const TASK: Duration = Duration::from_millis(300);
const REPOSITORY: Duration = Duration::from_millis(150);

/// How long an instruction takes at least, and how much longer at most: long enough that another process which has it,
/// too, is seen beside the first.
const PERFORMING: Duration = Duration::from_millis(20);
const LONGER: u64 = 40;

/// In how many of a hundred requests the answer is lost, and in how many nothing is done at all.
const LOST: u64 = 3;
const REFUSED: u64 = 2;

/// The build system.
#[derive(Clone)]
pub(crate) struct Farm {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// The component of a build.
pub(crate) type Component = (i64, String);

#[derive(Default)]
pub(crate) struct State {
    random: Option<Random>,
    prepared: BTreeSet<i64>,
    /// Each task that was ever started: its component, attempt, result and start.
    pub(crate) tasks: Vec<(Component, u64, String, Instant)>,
    cancelled: BTreeSet<(Component, u64)>,
    pub(crate) tagged: BTreeSet<Component>,
    repositories: BTreeMap<(i64, u64), (Instant, BTreeSet<String>)>,
    pub(crate) finished: BTreeSet<i64>,
    /// The instructions that are being performed, and by which process.
    performing: BTreeMap<String, u64>,
    /// Those that two processes performed at once.
    pub(crate) at_once: Vec<String>,
    /// What should not have been asked.
    pub(crate) violations: Vec<String>,
}

impl Farm {
    pub(crate) fn start(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State { random: Some(Random::new(seed)), ..State::default() };
        let farm = Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let answering = farm.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let farm = answering.clone();
                // A client that dies in the middle is no matter of the others.
                std::thread::spawn(move || farm.answer(&stream));
            }
        });
        farm
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, stream: &TcpStream) -> Option<()> {
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        let mut request: Value = serde_json::from_str(&line).ok()?;
        let who = request.as_object_mut()?.remove("who")?.as_u64()?;
        // Who only asks may do so beside others.
        if !matches!(request["do"].as_str()?, "follow" | "reusable") {
            self.take_time(&request, who)?;
        }
        let mut state = self.state();
        let chance = state.random.as_mut()?.below(100);
        if chance < REFUSED {
            return None;
        }
        let answer = state.perform(&request)?;
        drop(state);
        if chance < REFUSED + LOST {
            return None;
        }
        let mut stream = stream;
        stream.write_all(format!("{answer}\n").as_bytes()).ok()
    }
}

impl Farm {
    /// Performs an instruction for a while, and sees whether another process performs it meanwhile.
    fn take_time(&self, request: &Value, who: u64) -> Option<()> {
        let instruction = request.to_string();
        let longer = {
            let mut state = self.state();
            if let Some(other) = state.performing.insert(instruction.clone(), who).filter(|other| *other != who) {
                state.at_once.push(format!("{other} and {who}: {instruction}"));
            }
            Duration::from_millis(state.random.as_mut()?.below(LONGER))
        };
        std::thread::sleep(PERFORMING + longer);
        self.state().performing.remove(&instruction);
        Some(())
    }
}

impl State {
    fn perform(&mut self, request: &Value) -> Option<Value> {
        let build = request["build"].as_i64()?;
        let component = || Some((build, request["component"].as_str()?.to_owned()));
        let now = Instant::now();
        match request["do"].as_str()? {
            "prepare" => {
                self.note_if_finished(build, "prepared");
                self.prepared.insert(build);
            }
            "build" => return self.build(&component()?, request, now),
            "tag" => {
                for component in request["components"].as_array()? {
                    let name = component["name"].as_str()?.to_owned();
                    if let Some(donor) = component["from"].as_i64() {
                        if !self.tagged.contains(&(donor, name.clone())) {
                            self.violations.push(format!("{build} took {name} over from {donor}, which has it not"));
                        }
                    } else if !self.tasks.iter().any(|task| task.0 == (build, name.clone()) && has_ended(task, now)) {
                        self.violations.push(format!("{name} of {build} was tagged before it was built"));
                    }
                    self.tagged.insert((build, name));
                }
            }
            "regenerate" => {
                let contents =
                    self.tagged.iter().filter(|(of, _)| *of == build).map(|(_, name)| name.clone()).collect();
                let generation = request["generation"].as_u64()?;
                self.repositories.entry((build, generation)).or_insert((now + REPOSITORY, contents));
            }
            "follow" => return self.follow(build, request, now),
            "reusable" => {
                let mut there = texts(&request["components"]);
                there.retain(|name| self.tagged.contains(&(build, name.clone())));
                return Some(json!({"there": there}));
            }
            "cancel" => {
                self.cancelled.insert((component()?, request["attempt"].as_u64()?));
            }
            "metadata" => {
                self.finished.insert(build);
            }
            _ => return None,
        }
        Some(json!({}))
    }

    fn build(&mut self, component: &Component, request: &Value, now: Instant) -> Option<Value> {
        let attempt = request["attempt"].as_u64()?;
        if self.cancelled.contains(&(component.clone(), attempt)) {
            return Some(json!({"cancelled": true}));
        }
        let known = self.tasks.iter().position(|(of, at, ..)| of == component && *at == attempt);
        let index = match known {
            Some(index) => index,
            None => {
                self.check_order(component, request, now);
                let nvr = format!("{}-1-{attempt}{}", component.1, request["dist_tag"].as_str()?);
                self.tasks.push((component.clone(), attempt, nvr, now));
                self.tasks.len() - 1
            }
        };
        Some(json!({"task": index + 1}))
    }

    fn check_order(&mut self, (build, name): &Component, request: &Value, now: Instant) {
        self.note_if_finished(*build, name);
        if !self.prepared.contains(build) {
            self.violations.push(format!("{name} of {build} was started before the environment was prepared"));
        }
        let of_build = self.repositories.range((*build, 0)..=(*build, u64::MAX));
        let newest = of_build.rev().find(|(_, (ready, _))| *ready <= now).map(|(_, (_, contents))| contents);
        for needed in texts(&request["needs"]) {
            if newest.is_none_or(|contents| !contents.contains(&needed)) {
                self.violations.push(format!("{name} of {build} was started before {needed} was in its repository"));
            }
        }
    }

    fn note_if_finished(&mut self, build: i64, what: &str) {
        if self.finished.contains(&build) {
            self.violations.push(format!("{what} of {build} was started after its end"));
        }
    }

    fn follow(&self, build: i64, request: &Value, now: Instant) -> Option<Value> {
        let asked = request["tasks"].as_array()?.iter().filter_map(Value::as_u64);
        let states = asked.map(|number| {
            let task = usize::try_from(number).ok().and_then(|number| self.tasks.get(number.checked_sub(1)?));
            match task {
                None => json!({"state": "unknown"}),
                Some(task) if !has_ended(task, now) => json!({"state": "open"}),
                Some((component, ..)) if component.1 == BAD => json!({"state": "failed"}),
                Some((_, _, nvr, _)) => json!({"state": "built", "nvr": nvr}),
            }
        });
        let generation = request["generation"].as_u64();
        let repository = generation.and_then(|generation| self.repositories.get(&(build, generation)));
        let ready = repository.is_some_and(|(ready, _)| *ready <= now);
        Some(json!({"tasks": states.collect::<Vec<_>>(), "repository": ready}))
    }
}

fn has_ended((.., started): &(Component, u64, String, Instant), now: Instant) -> bool {
    *started + TASK <= now
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
}
