//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rida_core::{AnnouncementId, BuildId, PUBLISHER};

use crate::config::{ConfigError, Layers, Resolved};

const EXAMPLES: &str = "\
Examples:
  Serve on this machine, building modules from one place:
    rida-http --allow https://git.example.org/modules/ serve
  Look at what the configuration means, and what is wrong with it:
    rida-http --config rida.toml check-config
  Write a configuration file with every setting, to begin with:
    rida-http check-config > rida.toml
  Submit a module, and watch it:
    curl -d '{\"scmurl\": \"https://git.example.org/modules/foo.git?#main\"}' http://127.0.0.1:8080/rida/module-builds/
    curl http://127.0.0.1:8080/rida/module-builds/1?verbose=true

Every setting can be given in four places, each stronger than the one before: its default, the configuration file
(TOML), an environment variable RIDA_<SECTION>__<KEY>, and --set SECTION.KEY=VALUE. `check-config` lists them all.
A file named `maintenance` in the data folder stops new submissions and changes; its text is told to users.";

/// Builds modules of RPMs: takes submissions over HTTP, checks them, builds their components in order, and keeps the
/// results.
#[derive(Debug, Parser)]
#[command(name = "rida-http", version, after_help = EXAMPLES)]
pub struct Cli {
    /// Where settings come from.
    #[command(flatten)]
    pub settings: SettingArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serves until it gets SIGTERM or SIGINT; what is being built goes on and is found again at the next start.
    Serve,
    /// Makes the database, or brings it to this version; `serve` does the same when it starts.
    Migrate,
    /// Shows every setting with where it came from, and what is wrong with it or with this machine.
    CheckConfig,
    /// What is told to the buses, and to the file of announcements.
    #[command(subcommand)]
    Bus(BusCommand),
    /// Looks at Koji, which modules are built in.
    #[cfg(feature = "koji")]
    #[command(subcommand)]
    Koji(KojiCommand),
}

/// What to do about the buses.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum BusCommand {
    /// Sends one message on each bus that is set, and receives it.
    Test,
    /// Tells how far each reader of the log has come, and what it parked and why.
    Status {
        /// Which reader; each bus that is set when absent.
        #[arg(long, value_enum)]
        reader: Vec<ReaderName>,
    },
    /// Has everything from a line of the log on told again, with the same ids, and what is parked tried again.
    Replay {
        /// The number of the first line.
        #[arg(long, value_name = "LINE")]
        since: u64,
        /// Which reader; each bus that is set when absent.
        #[arg(long, value_enum)]
        reader: Vec<ReaderName>,
    },
    /// Has parked announcements tried again, after the reason was mended.
    Retry {
        /// Of this build only.
        #[arg(long)]
        build: Option<BuildId>,
        /// Which reader; each bus that is set when absent.
        #[arg(long, value_enum)]
        reader: Vec<ReaderName>,
    },
    /// Gives up a parked announcement, so that those behind it can go on.
    Discard {
        /// Which, as `bus status` shows it.
        announcement: AnnouncementId,
        /// Whose.
        #[arg(long, value_enum)]
        reader: ReaderName,
    },
}

/// A reader of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReaderName {
    /// The file of announcements.
    Lines,
    /// fedmsg.
    Fedmsg,
    /// fedora-messaging.
    Amqp,
}

impl ReaderName {
    /// Returns the name of its cursor in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lines => PUBLISHER,
            Self::Fedmsg => "fedmsg",
            Self::Amqp => "amqp",
        }
    }
}

/// What to do with Koji.
#[cfg(feature = "koji")]
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum KojiCommand {
    /// Logs in, and tells what is missing for modules to be built: permissions, tags, the content generator. Changes
    /// nothing.
    Check,
    /// Deletes the targets of modules that ended, and takes the packages of failed ones out of their tags: at once, what
    /// the service does by itself once in a while (`koji.clean_up_every`).
    CleanUp {
        /// How many days after its module ended a target is deleted, instead of `koji.targets_after`.
        #[arg(long, value_name = "DAYS")]
        targets_after: Option<u32>,
        /// How many days after it failed a module's packages are untagged, instead of `koji.failed_after`.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
        failed_after: Option<u32>,
    },
    /// Speaks with Kerberos for a login of the service, which starts it.
    #[cfg(feature = "kerberos")]
    #[command(hide = true)]
    Negotiate {
        /// The machine of the hub.
        host: String,
        /// Who logs in.
        principal: Option<String>,
    },
}

/// Where settings come from.
#[derive(Debug, Default, Args)]
pub struct SettingArgs {
    /// The configuration file [default: none].
    #[arg(long, global = true, env = "RIDA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder that everything is kept in (data.folder) [default: ./rida-data].
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data: Option<String>,
    /// The address to listen on (server.listen) [default: 127.0.0.1:8080].
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// A place that modules and components may be read from, with everything below it (sources.allow); repeatable.
    #[arg(long, global = true, value_name = "URL")]
    pub allow: Vec<String>,
    /// How the log is written: text or json (log.format) [default: text].
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Any setting, such as limits.builds=8; repeatable.
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

impl SettingArgs {
    /// Reads the file, the environment and the flags.
    ///
    /// # Errors
    /// When one of them is not valid.
    pub fn resolve(&self, environment: impl IntoIterator<Item = (String, String)>) -> Result<Resolved, ConfigError> {
        let mut layers = Layers::default();
        if let Some(path) = &self.config {
            layers.file(path)?;
        }
        layers.environment(environment)?;
        let allow = (!self.allow.is_empty()).then(|| self.allow.join(","));
        let flags = [
            ("--data", "data.folder", &self.data),
            ("--listen", "server.listen", &self.listen),
            ("--allow", "sources.allow", &allow),
            ("--log-format", "log.format", &self.log_format),
        ];
        for (flag, setting, value) in flags {
            if let Some(value) = value {
                layers.flag(flag, setting, value)?;
            }
        }
        for pair in &self.set {
            let (setting, value) = pair.split_once('=').unwrap_or((pair, ""));
            layers.flag(&format!("--set {setting}"), setting, value)?;
        }
        Ok(layers.resolve())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        for word in ["serve", "migrate", "check-config", "--allow", "RIDA_<SECTION>__<KEY>", "curl"] {
            assert!(help.contains(word), "{word} is missing in\n{help}");
        }
    }

    #[test]
    fn flags_come_before_and_after_the_command() {
        let line = "rida-http --listen 127.0.0.1:9 serve --allow git://a/ --allow git://b/ --set limits.builds=7";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(cli.command, Command::Serve);
        let resolved = cli.settings.resolve([]).unwrap();
        assert_eq!(resolved.config.listen.port(), 9);
        assert_eq!(resolved.config.allow.iter().count(), 2);
        assert_eq!(resolved.config.policy.limits.builds, 7);
        assert_eq!(resolved.problems, Vec::<String>::new());
    }

    #[test]
    fn a_flag_that_is_not_valid_is_named() {
        for (line, expected) in [
            ("rida-http serve --listen here", "--listen"),
            ("rida-http serve --allow nonsense", "--allow"),
            ("rida-http serve --set limits.builds", "--set limits.builds"),
            ("rida-http serve --set colour=red", "--set colour"),
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            let error = cli.settings.resolve([]).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
