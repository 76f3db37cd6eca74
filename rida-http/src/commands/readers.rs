//! Commands about readers of the log: the file of announcements and the buses.

use rida_core::{AnnouncementId, BuildId, PUBLISHER, ParkedFilter, Store, StoreError};
use rida_store::Database;

use crate::app;
use crate::cli::{BusCommand, ReaderName};
use crate::config::Config;
use crate::reply::chain;

/// How many parked announcements are listed at most.
const LISTED: usize = 10_000;

/// Does what a command about readers says, in the database; a service that runs takes it up within a moment.
pub(super) async fn run(config: &Config, command: &BusCommand) -> Result<(), String> {
    let database = app::open_database(config).await.map_err(|error| chain(&error))?;
    let done = act(&database, config, command).await;
    database.close().await;
    done.map_err(|error| chain(&error))
}

async fn act(database: &Database, config: &Config, command: &BusCommand) -> Result<(), StoreError> {
    match command {
        BusCommand::Replay { since, reader } => {
            for reader in named(config, reader) {
                let state = database.reader(reader).await?;
                if !state.known {
                    // Otherwise it would begin behind what is in the log when the service starts with it.
                    let before = since.saturating_sub(1).min(database.log_end().await?);
                    database.start_reader(reader, before).await?;
                    println!("{reader}: has told nothing yet; it begins with line {}", before.saturating_add(1));
                    continue;
                }
                database.rewind_reader(reader, since.saturating_sub(1)).await?;
                let parked = database.retry_parked(reader, None).await?;
                let from = (*since).max(1);
                if state.sequence >= from {
                    println!("{reader}: lines {from} to {} are told again", state.sequence);
                } else {
                    println!("{reader}: has come to line {} only; nothing is told twice", state.sequence);
                }
                if parked > 0 {
                    println!("{reader}: {parked} parked announcements are tried again");
                }
            }
        }
        BusCommand::Status { reader } => {
            let end = database.log_end().await?;
            for reader in named(config, reader) {
                let state = database.reader(reader).await?;
                // The file of announcements begins with the first line.
                if !state.known && reader != PUBLISHER {
                    println!("{reader}: has not started; it begins behind line {end}, or wherever `bus replay` says");
                    continue;
                }
                let behind = end.saturating_sub(state.sequence);
                println!("{reader}: at line {} of {end}, {behind} behind, {} parked", state.sequence, state.parked);
                for parked in database.parked(reader, ParkedFilter::default(), LISTED).await? {
                    let again = if parked.retrying { " (is tried again)" } else { "" };
                    let (id, reason) = (parked.announcement, parked.reason.escape_debug());
                    println!("  {id} of line {} since {}: {reason}{again}", parked.sequence, parked.at);
                }
            }
        }
        BusCommand::Retry { build, reader } => {
            for reader in named(config, reader) {
                let parked = database.retry_parked(reader, build.map(|build: BuildId| build)).await?;
                println!("{reader}: {parked} parked announcements are tried again");
            }
        }
        BusCommand::Discard { announcement, reader } => {
            let id: AnnouncementId = *announcement;
            let reader = reader.name();
            let filter = ParkedFilter { build: Some(id.build), retrying: false };
            let is_parked =
                database.parked(reader, filter, LISTED).await?.iter().any(|parked| parked.announcement == id);
            database.unpark(reader, id).await?;
            let what = if is_parked { "is given up; nobody is told of it here" } else { "is not parked" };
            println!("{reader}: {id} {what}");
            let left = database.parked(reader, filter, LISTED).await?.len();
            if left > 0 {
                let build = id.build;
                println!(
                    "{reader}: {left} more of build {build} are parked; `bus retry --build {build}` has them told"
                );
            }
        }
        BusCommand::Test => {}
    }
    Ok(())
}

/// Returns the readers that are meant: those named, or each bus that is on, or the file of announcements.
fn named(config: &Config, readers: &[ReaderName]) -> Vec<&'static str> {
    if !readers.is_empty() {
        return readers.iter().map(|reader| reader.name()).collect();
    }
    let fedmsg = config.bus.fedmsg.as_ref().is_some_and(|fedmsg| fedmsg.way.is_some());
    let amqp = config.bus.amqp.as_ref().is_some_and(|amqp| amqp.announce);
    let on = [(fedmsg, ReaderName::Fedmsg.name()), (amqp, ReaderName::Amqp.name())];
    let on: Vec<&str> = on.into_iter().filter_map(|(on, name)| on.then_some(name)).collect();
    if on.is_empty() { vec![PUBLISHER] } else { on }
}
