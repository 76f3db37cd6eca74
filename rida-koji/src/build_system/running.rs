//! Tasks that have not ended: what builders have been asked for already, by this service or by somebody else.

use rida_core::PortError;

use super::unreadable;
use crate::wire::Task;
use crate::xmlrpc::{Call, Value};

/// The states of tasks that have not ended, by their numbers.
const ACTIVE: [i64; 3] = [0, 1, 4];

/// Asks for the tasks of a method that have not ended, whose ever they are or of one user.
pub(super) fn ask(method: &str, owner: Option<i64>) -> Call {
    let options = [
        ("method", Value::from(method)),
        ("state", Value::Array(ACTIVE.map(Value::Int).to_vec())),
        ("decode", Value::Bool(true)),
    ];
    let owner = owner.map(|owner| ("owner", Value::Int(owner)));
    let options = options.into_iter().chain(owner).map(|(name, value)| (name.to_owned(), value));
    Call::new("listTasks", [Value::Struct(options.collect())])
}

/// Reads the answer.
pub(super) fn tasks(answer: Value) -> Result<Vec<Task>, PortError> {
    let tasks = answer.array("listTasks").map_err(unreadable)?.into_iter().map(Task::from_value);
    tasks.collect::<Result<_, _>>().map_err(unreadable)
}

/// Tells whether a task makes a repository of a tag.
pub(super) fn makes_repository(task: &Task, tag: &str) -> bool {
    let Value::Array(request) = &task.request else { return false };
    request.first().and_then(|asked| asked.text("tag").ok()) == Some(tag)
}

/// Returns the numbers of the tag and of the build that a task puts into it.
pub(super) fn tagging(task: &Task) -> Option<(i64, i64)> {
    match &task.request {
        Value::Array(request) => match request.as_slice() {
            [Value::Int(tag), Value::Int(build), ..] => Some((*tag, *build)),
            _ => None,
        },
        _ => None,
    }
}
