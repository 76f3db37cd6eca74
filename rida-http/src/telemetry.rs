//! The log: for people on a terminal, or one JSON object a line.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Libraries that tell more than an operator wants to know.
const QUIETER: &str = "sqlx=warn,sea_orm=warn,sea_orm_migration=warn,hyper=warn,warp=warn";

/// Starts the log, on standard error.
///
/// # Errors
/// When the filter is not one, or the process has a log already.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    let filter = EnvFilter::builder()
        .parse(format!("{QUIETER},{}", settings.filter))
        .map_err(|error| format!("log.filter {:?} is not valid: {error}", settings.filter))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    started.map_err(|error| format!("the log cannot be started: {error}"))
}
