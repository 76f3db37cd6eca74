//! What the log has of a build, as messages.

use rida_core::plan::Reuse;
use rida_core::{Announcement, Change, ComponentName, ComponentState, Fact, LogLine};
use serde::Serialize;

use super::component::Traced;

/// A message.
#[derive(Debug, Serialize)]
pub(crate) struct Message {
    id: u64,
    message: String,
    time_created: String,
}

/// Returns what the log has of a build or of one of its components, newest first.
pub(crate) fn messages(log: &[LogLine], of: Option<&ComponentName>) -> Vec<Message> {
    let mut messages = Vec::new();
    for line in log {
        let decisions = decisions(line).filter(|(component, _)| of.is_none_or(|of| of == *component));
        let decided = decisions.map(|(_, text)| (text, line.event.at));
        let announced = line.announcements.iter().filter_map(|it| Some((tell(it, of)?, it.at)));
        for (index, (message, at)) in (0_u64..).zip(decided.chain(announced)) {
            // A line has fewer messages than a module can have components, several times over.
            let id = line.sequence.saturating_mul(1 << 20).saturating_add(index);
            messages.push(Message { id, message, time_created: at.to_string() });
        }
    }
    messages.reverse();
    messages
}

/// Returns the states that a component has been in, oldest first, as far as the service tells them apart.
pub(crate) fn trace(log: &[LogLine], of: &ComponentName) -> Vec<Traced> {
    let mut trace: Vec<Traced> = Vec::new();
    for announcement in log.iter().flat_map(|line| &line.announcements) {
        let Change::Component { component, state, reason, .. } = &announcement.change else { continue };
        if component != of {
            continue;
        }
        let (state, state_name) = ComponentState::koji_state(state).unzip();
        if trace.last().is_none_or(|last| last.state != state) {
            let reason = reason.as_deref().map(str::to_owned);
            trace.push(Traced { reason, state, state_name, time: announcement.at.to_string() });
        }
    }
    trace
}

/// Returns what was decided of taking components over.
fn decisions(line: &LogLine) -> impl Iterator<Item = (&ComponentName, String)> {
    let decision = match &line.event.fact {
        Fact::EnvironmentPrepared { reuse, .. } => reuse.as_deref(),
        _ => None,
    };
    decision.into_iter().flat_map(|decision| {
        decision.components.iter().map(|(component, reuse)| {
            let text = match reuse {
                Reuse::Taken(taken) => {
                    format!("{component} is taken over from build {}: {}", taken.build, taken.built.nvr)
                }
                Reuse::Rebuilt(why) => format!("{component} is not taken over from build {}: {why}", decision.donor),
            };
            (component, text)
        })
    })
}

fn tell(announcement: &Announcement, of: Option<&ComponentName>) -> Option<String> {
    let because =
        |reason: &Option<std::sync::Arc<str>>| reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match &announcement.change {
        Change::Module { to, reason, .. } if of.is_none() => Some(format!("the build is {to}{}", because(reason))),
        Change::Component { component, state, task, nvr, reason, .. } if of.is_none_or(|of| of == component) => {
            let task = task.map(|task| format!(", task {task}")).unwrap_or_default();
            let nvr = nvr.as_ref().map(|nvr| format!(", {nvr}")).unwrap_or_default();
            Some(format!("{component} is {state}{task}{nvr}{}", because(reason)))
        }
        Change::Module { .. } | Change::Component { .. } => None,
    }
}
