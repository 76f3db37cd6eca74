//! Lookaside caches over HTTP, read by the program `curl`.

use std::fs::File;
use std::net::IpAddr;
use std::time::Duration;

use rida_core::PortError;
use rida_core::scm::{Repository, Scheme};

use crate::process::{Limits, ProcessError, Program};

/// More memory than curl takes for whatever a server sends.
const MEMORY: u64 = 512 * 1024 * 1024;

/// A cache's server.
pub(super) struct Server {
    place: Repository,
    /// The address that was checked, when one had to be.
    address: Option<IpAddr>,
    answer_within: Duration,
}

impl Server {
    pub(super) fn new(place: &Repository, address: Option<IpAddr>, answer_within: Duration) -> Self {
        Self { place: place.clone(), address, answer_within }
    }

    /// Tells whether the server has a file.
    pub(super) async fn has(&self, url: &str) -> Result<bool, PortError> {
        let program = self.curl(self.answer_within).args(&["--head", "--output", "/dev/null", "--url"]).value(url);
        self.judge(program.run().await.map(|output| output.stderr))
    }

    /// Reads a file, up to `limit` bytes; returns how many it has when it was there.
    pub(super) async fn get(
        &self,
        url: &str,
        into: File,
        limit: u64,
        time: Duration,
        too_large: impl Fn() -> PortError,
    ) -> Result<Option<u64>, PortError> {
        match self.curl(time).arg("--url").value(url).run_to_file(into, limit).await {
            Err(error @ ProcessError::TooMuchOutput { .. }) => Err(too_large().because(error)),
            Ok(report) => Ok(self.judge(Ok(report.stderr))?.then_some(report.bytes)),
            Err(error) => self.judge(Err(error)).map(|_| None),
        }
    }

    fn curl(&self, time: Duration) -> Program {
        // The first argument keeps curl from reading a configuration file.
        let program = Program::new("curl", "curl")
            .args(&["--disable", "--silent", "--show-error", "--fail", "--globoff", "--max-redirs", "0"])
            .args(&["--noproxy", "*", "--write-out", "%{stderr}%{http_code}", "--connect-timeout"])
            .value(self.answer_within.as_secs().max(1).to_string())
            .arg("--proto")
            .arg(if self.place.scheme() == Scheme::Https { "=https" } else { "=http" })
            // A server that sends almost nothing is as good as silent.
            .args(&["--speed-limit", "1", "--speed-time"])
            .value(self.answer_within.as_secs().max(1).to_string())
            .limits(Limits { time, memory: Some(MEMORY), ..Limits::default() });
        let port = self.place.port().or(self.place.scheme().default_port());
        match (self.address, self.place.host(), port) {
            (Some(address), Some(host), Some(port)) => {
                program.arg("--resolve").value(format!("{host}:{port}:{address}"))
            }
            _ => program,
        }
    }

    fn judge(&self, outcome: Result<String, ProcessError>) -> Result<bool, PortError> {
        let place = &self.place;
        let stderr = match &outcome {
            Ok(stderr) => stderr.as_str(),
            Err(error) => error.stderr(),
        };
        let status = stderr.len().checked_sub(3).and_then(|at| stderr.get(at..)).unwrap_or_default().to_owned();
        if let Err(error) = &outcome {
            tracing::info!(%place, %error, ?stderr, "curl failed");
        }
        match (outcome, status.as_str()) {
            (Ok(_), "200") => Ok(true),
            (Ok(_) | Err(ProcessError::Failed { .. }), "404" | "410") => Ok(false),
            (Ok(_) | Err(ProcessError::Failed { .. }), "401" | "403") => Err(PortError::permanent(format!(
                "the lookaside cache {place} wants a login; use one that everybody may read"
            ))),
            (Ok(_), redirect) if redirect.starts_with('3') => Err(PortError::permanent(format!(
                "the lookaside cache {place} redirects to another address; use that address"
            ))),
            (
                Err(
                    error @ (ProcessError::Failed { .. }
                    | ProcessError::TimedOut { .. }
                    | ProcessError::TooMuchOutput { .. }),
                ),
                _,
            ) => Err(PortError::temporary(format!("the lookaside cache {place} did not answer well; try again later"))
                .because(error)),
            (Err(error), _) => {
                let text = error.to_string();
                Err(error.into_port(text))
            }
            (Ok(_), _) => Err(PortError::temporary(format!(
                "the lookaside cache {place} gave an answer that was not expected; try again later"
            ))),
        }
    }
}
