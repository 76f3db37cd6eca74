//! What goes wrong on purpose.

use std::time::Duration;

use crate::xmlrpc::Fault;

/// What happens to a call.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The connection breaks before anything is done.
    BreakBefore,
    /// It is done, and the connection breaks before the answer.
    BreakAfter,
    /// A server in between answers with this code, and nothing is done.
    Status(u16),
    /// It is done, and a server in between answers with this code.
    StatusAfter(u16),
    /// The answer takes this long.
    Slow(Duration),
    /// The hub answers with this fault, and nothing is done.
    Fault(Fault),
    /// Nothing is done, nothing is answered, and [`Hub::stopped`](super::Hub::stopped) is told.
    Stop,
    /// It is done, nothing is answered, and [`Hub::stopped`](super::Hub::stopped) is told.
    StopAfter,
}

/// Which call it happens to.
#[derive(Clone, Debug)]
pub enum When {
    /// The next call of this method; of several in one, the name is `multiCall`, and of an upload `upload`.
    Method(String),
    /// The call with this number, of all that are made from now on; the next one is 0.
    Number(u64),
    /// The next several calls in one that have one of this method among them.
    Having(String),
    /// Of the next several calls in one that have so many of this method, the one with this number, the first being 0:
    /// it is refused, which needs a [`Trouble::Fault`], and the others are done.
    Among(String, usize),
    /// Every call, until it is taken away.
    Always,
}

impl When {
    /// Makes one for the next call of a method.
    pub fn method(name: &str) -> Self {
        Self::Method(name.to_owned())
    }
}
