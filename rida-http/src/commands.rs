//! What the commands of the program do.

mod readers;

use std::process::ExitCode;
#[cfg(feature = "koji")]
use std::sync::Arc;
#[cfg(feature = "koji")]
use std::time::Duration;

#[cfg(feature = "koji")]
use rida_core::Clock;
#[cfg(feature = "koji")]
use rida_koji::{CleanUp, Verdict};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self, App};
#[cfg(feature = "koji")]
use crate::cli::KojiCommand;
use crate::cli::{BusCommand, Cli, Command};
#[cfg(feature = "koji")]
use crate::clock::SystemClock;
use crate::config::{Config, Resolved};
use crate::files;
use crate::reply::chain;
use crate::telemetry;

/// The exit code when the service cannot start, or the configuration is not good.
const BAD: u8 = 1;

/// Does what the command line says.
pub async fn run(cli: Cli) -> ExitCode {
    let resolved = match cli.settings.resolve(variables()) {
        Ok(resolved) => resolved,
        Err(error) => return fail(&error.to_string()),
    };
    match cli.command {
        Command::CheckConfig => check_config(&resolved).await,
        #[cfg(feature = "koji")]
        Command::Koji(KojiCommand::Check) => check_koji(&resolved.config).await,
        #[cfg(feature = "koji")]
        Command::Koji(KojiCommand::CleanUp { targets_after, failed_after }) => {
            ended(clean_koji(&resolved.config, targets_after, failed_after).await)
        }
        #[cfg(feature = "kerberos")]
        Command::Koji(KojiCommand::Negotiate { .. }) => fail("this is for the program itself"),
        Command::Migrate => ended(migrate(&resolved.config).await),
        Command::Bus(BusCommand::Test) => ended(test_bus(&resolved).await),
        Command::Bus(command) => ended(readers::run(&resolved.config, &command).await),
        Command::Serve if !resolved.problems.is_empty() => fail(&resolved.problems.join("\n")),
        Command::Serve => ended(serve(&resolved).await),
    }
}

/// Returns the environment; a variable that is not Unicode is no setting.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn fail(why: &str) -> ExitCode {
    eprintln!("rida-http: {why}");
    ExitCode::from(BAD)
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why),
    }
}

async fn check_config(resolved: &Resolved) -> ExitCode {
    print!("{}", resolved.describe());
    let mut problems = resolved.check();
    if problems.is_empty() {
        // Looks for the programs that builds need, on the folders that have just been found good.
        match app::describe_build_system(&resolved.config).await {
            Ok(description) => println!("\n# builds: {description}"),
            Err(error) => problems.push(chain(&error)),
        }
        match app::describe_database(&resolved.config).await {
            Ok(Some(description)) => println!("# database: {description}"),
            Ok(None) => {}
            Err(error) => problems.push(chain(&error)),
        }
    }
    for problem in &problems {
        eprintln!("problem: {problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BAD) }
}

#[cfg(feature = "koji")]
const NOT_KOJI: &str = "modules are not built in Koji; set builds.build_system = \"koji\"";

/// Takes away what nobody needs any more in Koji; what is not said is as it is set.
#[cfg(feature = "koji")]
async fn clean_koji(config: &Config, targets_after: Option<u32>, failed_after: Option<u32>) -> Result<(), String> {
    let koji = config.koji.as_ref().ok_or(NOT_KOJI)?;
    let database = Arc::new(app::open_database(config).await.map_err(|error| chain(&error))?);
    let (builds, _) = koji.open(database).map_err(|error| chain(&error))?;
    let days = |days: Option<u32>, set: Duration| days.map_or(set, |days| Duration::from_secs(24 * 3600) * days);
    let ages = CleanUp {
        targets_after: days(targets_after, koji.clean_up.ages.targets_after),
        failed_after: days(failed_after, koji.clean_up.ages.failed_after),
    };
    let done = builds.clean_up(SystemClock.now(), &ages).await;
    // However it ended: the hub would keep the session for a day.
    builds.client().close().await;
    let failure = done.as_ref().err().map(|error| chain(error));
    let cleaned = done.unwrap_or_else(|error| error.cleaned);
    for name in cleaned.targets {
        println!("deleted the target {name}");
    }
    for (module, count) in cleaned.untagged {
        println!("untagged {count} packages of {module}");
    }
    let troubles: Vec<String> = cleaned.refused.into_iter().chain(failure).collect();
    if troubles.is_empty() { Ok(()) } else { Err(troubles.join("\n")) }
}

#[cfg(feature = "koji")]
async fn check_koji(config: &Config) -> ExitCode {
    let Some(koji) = &config.koji else { return fail(NOT_KOJI) };
    let findings = match koji.check().await {
        Ok(findings) => findings,
        Err(error) => return fail(&chain(&error)),
    };
    for finding in &findings {
        let verdict = match finding.verdict {
            Verdict::Good => "good:",
            Verdict::Bad => "bad: ",
            Verdict::Open => "open:",
        };
        println!("{verdict} {}", finding.text);
    }
    let is_bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    if is_bad { ExitCode::from(BAD) } else { ExitCode::SUCCESS }
}

async fn migrate(config: &Config) -> Result<(), String> {
    telemetry::start(&config.log)?;
    app::open_database(config).await.map_err(|error| chain(&error))?;
    println!("the database is of this version");
    Ok(())
}

#[cfg(feature = "fedmsg")]
async fn test_bus(resolved: &Resolved) -> Result<(), String> {
    telemetry::start(&resolved.config.log)?;
    // What is wrong with other settings is another command's to tell.
    let of_the_bus: Vec<&str> =
        resolved.problems.iter().map(String::as_str).filter(|problem| problem.contains("bus.")).collect();
    if !of_the_bus.is_empty() {
        return Err(of_the_bus.join("\n"));
    }
    for line in crate::bus::probe::run(&resolved.config.bus).await? {
        println!("{line}");
    }
    Ok(())
}

#[cfg(not(feature = "fedmsg"))]
async fn test_bus(_: &Resolved) -> Result<(), String> {
    Err("this program was built without the feature fedmsg".to_owned())
}

async fn serve(resolved: &Resolved) -> Result<(), String> {
    let config = &resolved.config;
    telemetry::start(&config.log)?;
    files::make_room(config.server.connections);
    // Before anything else is touched: that another service has the address often means that it has the folder, too.
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        format!("nothing can listen on {}: {error}; end what does, or choose another with --listen", config.listen)
    })?;
    let address = listener.local_addr().map_err(|error| format!("the address is not known: {error}"))?;
    let app = App::open(config).await.map_err(|error| chain(&error))?;
    eprintln!("{}", app.banner(config, address));
    let shutdown = shutdown().map_err(|error| format!("signals cannot be received: {error}"))?;
    app.run(listener, shutdown).await;
    Ok(())
}

/// Returns a future that is done at the first SIGTERM or SIGINT. A second one ends the process at once.
fn shutdown() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut next = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(async move {
        next().await;
        tracing::info!("shutting down: no new work is taken, and what runs is finished; a second signal ends at once");
        tokio::spawn(async move {
            next().await;
            std::process::exit(130);
        });
    })
}
