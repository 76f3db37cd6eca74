//! A whole world in one thread: processes that crash, ports that fail and stand still, messages that are lost, repeated,
//! late and out of order, people, and clocks that jump, all from one seed.
//!
//! [`run`] replays the same history for the same seed and [`Wildness`]. What must hold in every history is checked on
//! the way and at the end; what does not is returned, with the trace. [`shrink`] looks for a smaller world in which it
//! does not hold either. A world [`without`](Wildness::without) one of the protections shows what that one is for.

mod judge;
mod people;
mod process;
mod without;
mod world;

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::task::{Context, Waker};

use self::world::World;
use crate::build::{ModuleBuild, Submission};
use crate::id::BuildId;
use crate::policy::Policy;
use crate::ports::LogLine;
use crate::step::{Step, step, submit};

pub use self::without::Protection;

/// How wild a simulated world is. It prints as, and is read from, `drivers=3 modules=4 …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wildness {
    /// How many processes share the store.
    pub drivers: u64,
    /// How many modules are submitted.
    pub modules: u64,
    /// How many steps the wild time lasts; afterwards nothing fails any more, and everything must end.
    pub steps: u64,
    /// Of a hundred calls, how many fail at each of their two gates.
    pub faults: u64,
    /// Of a thousand steps of a process, how many are its last before it is started anew.
    pub crashes: u64,
    /// Of a thousand calls, how many stand still for longer than a lease lasts.
    pub stalls: u64,
    /// Of ten thousand steps, after how many somebody sets a clock, forward or back.
    pub jumps: u64,
    /// By how many seconds the clocks of two processes differ.
    pub skew: u64,
    /// Of ten thousand steps, after how many an outage begins: maintenance for hours, minutes in which every answer is
    /// lost, or the store.
    pub outages: u64,
    /// Of a thousand steps, after how many somebody cancels a build or submits one again.
    pub people: u64,
    /// Of a hundred components, how many fail, hang, or have no sources.
    pub bad: u64,
    /// Of a hundred steps, after how many the build system sends a message, which may be lost, late or repeated.
    pub messages: u64,
    /// Of a hundred submissions, how many may take components over from an earlier build of their module.
    pub reuse: u64,
    /// Of a hundred modules, how many are submitted for two streams together, and how many of each are only tried.
    pub together: u64,
    /// The protection that is left out.
    pub without: Option<Protection>,
}

impl Default for Wildness {
    fn default() -> Self {
        Self {
            drivers: 3,
            modules: 4,
            steps: 3000,
            faults: 5,
            crashes: 5,
            stalls: 5,
            jumps: 10,
            skew: 2,
            outages: 4,
            people: 5,
            bad: 10,
            messages: 5,
            reuse: 60,
            together: 25,
            without: None,
        }
    }
}

impl Wildness {
    /// A world in which nothing goes wrong: all modules are built, and nothing is asked for twice.
    pub const QUIET: Self = Self {
        drivers: 3,
        modules: 4,
        steps: 500,
        faults: 0,
        crashes: 0,
        stalls: 0,
        jumps: 0,
        skew: 0,
        outages: 0,
        people: 0,
        bad: 0,
        messages: 5,
        reuse: 60,
        together: 0,
        without: None,
    };

    /// Tells whether a build may end because something took too long, or because the outside failed for good.
    pub(self) const fn may_end_builds(&self) -> bool {
        self.stalls + self.jumps + self.outages + self.bad + self.skew > 0
    }

    /// Tells whether anything may be asked for twice.
    pub(self) const fn may_repeat(&self) -> bool {
        self.may_end_builds() || self.faults + self.crashes + self.people > 0
    }

    fn knobs(&mut self) -> [(&'static str, &mut u64); 14] {
        [
            ("drivers", &mut self.drivers),
            ("modules", &mut self.modules),
            ("steps", &mut self.steps),
            ("faults", &mut self.faults),
            ("crashes", &mut self.crashes),
            ("stalls", &mut self.stalls),
            ("jumps", &mut self.jumps),
            ("skew", &mut self.skew),
            ("outages", &mut self.outages),
            ("people", &mut self.people),
            ("bad", &mut self.bad),
            ("messages", &mut self.messages),
            ("reuse", &mut self.reuse),
            ("together", &mut self.together),
        ]
    }
}

impl fmt::Display for Wildness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut copy = *self;
        let knobs = copy.knobs().map(|(name, value)| format!("{name}={value}"));
        f.write_str(&knobs.join(" "))?;
        match self.without {
            Some(protection) => write!(f, " without={protection:?}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Wildness {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What was printed before there was reuse had none.
        let mut read = Self { reuse: 0, ..Self::QUIET };
        for pair in text.split_whitespace() {
            let (name, value) = pair.split_once('=').ok_or_else(|| format!("{pair:?} is not name=value"))?;
            if name == "without" {
                let named = Protection::ALL.into_iter().find(|protection| format!("{protection:?}") == value);
                read.without = Some(named.ok_or_else(|| format!("{value:?} is no protection"))?);
                continue;
            }
            let mut knobs = read.knobs();
            let knob =
                knobs.iter_mut().find(|(knob, _)| *knob == name).ok_or_else(|| format!("{name:?} is no knob"))?;
            *knob.1 = value.parse().map_err(|_| format!("{value:?} is not a number"))?;
        }
        Ok(read)
    }
}

/// What a simulated history came to.
#[derive(Debug)]
pub struct Outcome {
    /// What did not hold; empty when all is well.
    pub violations: Vec<String>,
    /// What happened, one line each; the same for the same seed.
    pub trace: Vec<String>,
    /// The builds at the end.
    pub builds: Vec<ModuleBuild>,
    /// How often each thing happened, to see that the world was as wild as it should be.
    pub counts: Counts,
}

/// How often each thing happened in a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// A process was cut off.
    pub crashes: u64,
    /// A lease ended while its holder was still at work, which then finished.
    pub overtaken: u64,
    /// A clock was set.
    pub jumps: u64,
    /// An outage began.
    pub outages: u64,
    /// A message of the build system was delivered.
    pub messages: u64,
    /// A submission was refused because the queue was full.
    pub refused: u64,
    /// A build was cancelled, or submitted again.
    pub changes: u64,
    /// A component was taken over from an earlier build.
    pub taken: u64,
    /// A build was recorded together with another.
    pub together: u64,
    /// A build was only tried.
    pub tried: u64,
    /// A line was written to the log.
    pub lines: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.crashes += other.crashes;
        self.overtaken += other.overtaken;
        self.jumps += other.jumps;
        self.outages += other.outages;
        self.messages += other.messages;
        self.refused += other.refused;
        self.changes += other.changes;
        self.taken += other.taken;
        self.together += other.together;
        self.tried += other.tried;
        self.lines += other.lines;
    }
}

/// Plays the history of a seed.
pub fn run(seed: u64, wildness: Wildness) -> Outcome {
    let mut world = World::new(seed, wildness);
    world.play();
    world.judge()
}

/// Looks for a world as small and calm as possible in which the history of the seed breaks a promise, too.
pub fn shrink(seed: u64, wildness: Wildness) -> Wildness {
    let breaks = |wildness: &Wildness| !run(seed, *wildness).violations.is_empty();
    let mut smallest = wildness;
    loop {
        let before = smallest;
        for knob in 0..smallest.knobs().len() {
            // Nothing of it at all, else half of it, else one less.
            for less in [|_| 0, |value| value / 2, |value: u64| value.saturating_sub(1)] {
                let mut smaller = smallest;
                if let Some((name, value)) = smaller.knobs().into_iter().nth(knob) {
                    let least = u64::from(matches!(name, "drivers" | "modules" | "steps"));
                    *value = less(*value).max(least);
                }
                if smaller != smallest && breaks(&smaller) {
                    smallest = smaller;
                }
            }
        }
        if smallest == before {
            return smallest;
        }
    }
}

/// Makes a build again from what was first submitted and the log.
///
/// # Errors
/// When the log does not fit.
pub fn replay(id: BuildId, submission: &Submission, log: &[&LogLine], policy: &Policy) -> Result<ModuleBuild, String> {
    let mut build = submit(id, submission.clone(), policy).map_err(|error| error.to_string())?.build;
    for line in log.iter().skip(1) {
        match step(&build, &line.event, policy) {
            Ok(Step::Advance(advance)) => build = advance.build,
            Ok(Step::Ignore(why)) => return Err(format!("line {} is ignored: {why}", line.sequence)),
            Err(illegal) => return Err(format!("line {} is illegal: {illegal}", line.sequence)),
        }
    }
    Ok(build)
}

/// Runs a future to its end on this thread. The ports of this module never wait for anything outside.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}
