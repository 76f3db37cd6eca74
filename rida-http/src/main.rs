//! The program `rida-http`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rida_http::cli::Cli;
#[cfg(feature = "kerberos")]
use rida_http::cli::{Command, KojiCommand};

/// How long work that cannot be interrupted, such as a write to a slow disk, may hold the end of the process up.
const LAST_WORDS: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let cli = Cli::parse();
    // It is this program that speaks with Kerberos for itself; that needs no settings, and no threads.
    #[cfg(feature = "kerberos")]
    if let Command::Koji(KojiCommand::Negotiate { host, principal }) = &cli.command {
        return rida_koji::negotiate(host, principal.as_deref());
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("rida-http: threads cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(rida_http::commands::run(cli));
    runtime.shutdown_timeout(LAST_WORDS);
    code
}
