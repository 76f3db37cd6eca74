//! A conversation with the program that speaks with Kerberos.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Take};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout_at};

use super::said::LONGEST_LINE;
use super::{Kerberos, Said, Why};
use crate::error::{KojiError, KojiErrorKind};

/// Where Kerberos reads its settings when the environment does not say.
const SETTINGS: &str = "/etc/krb5.conf";

/// One login. The program ends with it.
pub(super) struct Talk<'a> {
    kerberos: &'a Kerberos,
    host: &'a str,
    until: Instant,
    principal: String,
    input: ChildStdin,
    output: Take<BufReader<ChildStdout>>,
    // It is killed when it is dropped.
    _child: Child,
    // It is read when the program starts, at some time.
    _settings: Option<NamedTempFile>,
}

/// What the hub has to be told next.
pub(super) enum Next {
    /// This.
    Token(String),
    /// Nothing: it has shown who it is.
    Nothing,
}

impl<'a> Talk<'a> {
    /// Gets tickets for a hub, and returns what it is to be shown. All of the conversation has this much time.
    pub(super) async fn begin(
        kerberos: &'a Kerberos,
        host: &'a str,
        limit: Duration,
    ) -> Result<(Self, String), KojiError> {
        let until = Instant::now() + limit;
        // It was there when the service started, and is waited for, as other logins that fail are.
        kerberos.check().map_err(|error| KojiError::new(KojiErrorKind::Login, error.message()).because(error))?;
        let (environment, settings) = environment(kerberos).map_err(|error| {
            KojiError::new(KojiErrorKind::Login, "settings of Kerberos cannot be written").because(error)
        })?;
        let (program, arguments) = kerberos.helper.split_first().ok_or_else(|| no_helper("it is not named"))?;
        let mut command = Command::new(program);
        command.args(arguments).arg(host).args(&kerberos.principal).envs(environment);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let named = program.to_string_lossy();
        let mut child = command.spawn().map_err(|error| no_helper(&format!("{named}: {error}")).because(error))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(no_helper("it cannot be talked with"));
        };
        let output = BufReader::new(output).take(0);
        let principal = String::new();
        let mut talk = Self { kerberos, host, until, principal, input, output, _child: child, _settings: settings };
        match talk.hear().await? {
            Said::As(principal) => talk.principal = principal,
            _ => return Err(confused()),
        }
        match talk.hear().await? {
            Said::Token(token) => Ok((talk, token)),
            _ => Err(confused()),
        }
    }

    /// Returns who logs in.
    pub(super) fn principal(&self) -> &str {
        &self.principal
    }

    /// Passes on what the hub answered.
    pub(super) async fn answer(&mut self, token: &str) -> Result<Next, KojiError> {
        let line = Said::Token(token.to_owned()).to_string();
        // Who does not listen any more has said why.
        let _ = timeout_at(self.until, self.input.write_all(line.as_bytes())).await;
        match self.hear().await? {
            Said::Token(token) => Ok(Next::Token(token)),
            Said::Done => Ok(Next::Nothing),
            _ => Err(confused()),
        }
    }

    /// Says that the hub's server says no.
    pub(super) fn rejected(&self, told: &str) -> KojiError {
        let kerberos = Kerberos { principal: Some(self.principal.clone()), ..self.kerberos.clone() };
        kerberos.error(Why::Rejected, told, self.host)
    }

    async fn hear(&mut self) -> Result<Said, KojiError> {
        self.output.set_limit(u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX));
        let mut line = String::new();
        let heard = timeout_at(self.until, self.output.read_line(&mut line)).await;
        match heard {
            Err(_) => Err(self.kerberos.error(Why::NoKdc, "it takes too long", self.host)),
            Ok(Err(error)) => Err(confused().because(error)),
            Ok(Ok(_)) => match Said::parse(&line) {
                Some(Said::Failed(why, told)) => {
                    Err(self.kerberos.error(why, &told, self.host).because(Told(told.clone())))
                }
                Some(said) => Ok(said),
                None => Err(confused()),
            },
        }
    }
}

/// What Kerberos itself says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(String);

fn no_helper(why: &str) -> KojiError {
    let message = format!("the program that speaks with Kerberos cannot be started ({why})");
    KojiError::new(KojiErrorKind::Login, message)
}

fn confused() -> KojiError {
    KojiError::new(KojiErrorKind::Login, "the program that speaks with Kerberos ended without saying why")
}

type Variables = Vec<(&'static str, OsString)>;

/// Returns what the program's environment has more than this one's, and the file with settings that it names.
fn environment(kerberos: &Kerberos) -> std::io::Result<(Variables, Option<NamedTempFile>)> {
    let mut variables = Vec::new();
    if let Some(keytab) = &kerberos.keytab {
        let mut file = OsString::from("FILE:");
        file.push(keytab);
        variables.push(("KRB5_CLIENT_KTNAME", file));
        // Of this process alone, so that nobody sees the tickets, and gone with it.
        variables.push(("KRB5CCNAME", OsString::from("MEMORY:rida")));
    }
    if let Some(ccache) = &kerberos.ccache {
        variables.retain(|(name, _)| *name != "KRB5CCNAME");
        variables.push(("KRB5CCNAME", OsString::from(ccache)));
    }
    let Some(canonical) = kerberos.canonical else { return Ok((variables, None)) };
    let mut file = NamedTempFile::new()?;
    file.write_all(canonical.settings().as_bytes())?;
    // What the first file says is not said otherwise by the later ones.
    let mut files = file.path().as_os_str().to_owned();
    files.push(":");
    files.push(std::env::var_os("KRB5_CONFIG").unwrap_or_else(|| OsString::from(SETTINGS)));
    variables.push(("KRB5_CONFIG", files));
    Ok((variables, Some(file)))
}
