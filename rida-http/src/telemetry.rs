//! The log: for people on a terminal, or one JSON object a line.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogSettings};

/// Libraries that tell more than an operator wants to know.
const QUIETER: &str = "sqlx=warn,sea_orm=warn,sea_orm_migration=warn,hyper=warn,warp=warn";

/// Libraries that write what they send, and with it passwords, when they are asked for everything. No filter gets that.
const SECRETIVE: [&str; 3] = ["lapin", "amq_protocol", "async_rs"];

/// Who writes several lines about each connection that breaks, and each message that comes back, whole. What becomes of
/// those is told and counted here, once for all that follow.
const TALKATIVE: &str = "lapin";
/// But when its own threads panic nobody else tells.
const PANICS: &str = "lapin::thread";

/// Tells whether a line may have a password in it, or is told in other words.
fn is_left_out(of: &Metadata<'_>) -> bool {
    let library = of.target().split("::").next().unwrap_or_default();
    let is_secretive = SECRETIVE.iter().any(|secretive| library.starts_with(secretive));
    (is_secretive && *of.level() > Level::WARN) || (library == TALKATIVE && of.target() != PANICS)
}

/// Starts the log, on standard error.
///
/// # Errors
/// When the filter is not one, or the process has a log already.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    let filter = EnvFilter::builder()
        .parse(format!("{QUIETER},{}", settings.filter))
        .map_err(|error| format!("log.filter {:?} is not valid: {error}", settings.filter))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let open = filter_fn(|of| !is_left_out(of));
    let started = match settings.format {
        LogFormat::Text => {
            log.with_ansi(std::io::stderr().is_terminal()).with_target(false).finish().with(open).try_init()
        }
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_current_span(true).with_span_list(false);
            log.finish().with(open).try_init()
        }
    };
    started.map_err(|error| format!("the log cannot be started: {error}"))
}
