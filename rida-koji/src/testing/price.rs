//! What calls cost a hub: processor time of its server and database together, in milliseconds.
//!
//! The figures were measured on a hub of Koji 1.35 with everything on one machine, one call at a time. They are of use
//! for comparing ways of asking, not for planning a hub.

use std::time::Duration;

/// A request without a session.
const REQUEST: f64 = 1.6;
/// A request in a session, which is looked up, locked and written back.
const SESSION_REQUEST: f64 = 4.4;
/// A login.
const LOGIN: f64 = 12.0;
/// A question.
const QUESTION: f64 = 1.3;
/// Something that is changed.
const CHANGE: f64 = 12.8;

/// Returns what a request costs.
pub(super) fn price(in_session: bool, is_login: bool, questions: usize, changes: usize) -> Duration {
    let times = |count: usize, each: f64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * each;
    let request = if is_login {
        LOGIN
    } else if in_session {
        SESSION_REQUEST
    } else {
        REQUEST
    };
    Duration::from_secs_f64((request + times(questions, QUESTION) + times(changes, CHANGE)) / 1000.0)
}
