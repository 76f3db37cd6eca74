//! Addresses of PostgreSQL databases, whose password nobody gets to see.

use std::fmt;
use std::str::FromStr;

use sea_orm::sqlx;
use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::postgres::PgConnectOptions;
use url::Url;

/// What stands in for a password wherever an address is shown.
const HIDDEN: &str = "***";

/// How the connection to the database may be protected.
const SSL_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

/// What may be written after the `?`.
const PARAMETERS: [&str; 8] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "user", "application_name"];

/// The address of a PostgreSQL database, as in `postgresql://rida@db.example.org/rida?sslmode=verify-full`.
///
/// What it does not say is taken from libpq's environment variables, such as `PGHOST`, `PGUSER`, `PGPASSWORD` and
/// `PGSSLMODE`, and the password from the file of `PGPASSFILE` or `~/.pgpass`. Shown, it has no password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(Url);

/// An address is not that of a PostgreSQL database. The text repeats nothing that may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full")]
pub struct PostgresUrlError(String);

impl PostgresUrl {
    /// Tells whether a text means to be such an address, good or not.
    pub fn is_meant(text: &str) -> bool {
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        ["postgresql", "postgres"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
    }

    /// Returns what a connection is made with; reads the environment and the file of passwords.
    pub(crate) fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        PgConnectOptions::from_url(&self.0)
    }
}

impl FromStr for PostgresUrl {
    type Err = PostgresUrlError;

    fn from_str(text: &str) -> Result<Self, PostgresUrlError> {
        let wrong = |what: String| Err(PostgresUrlError(what));
        if !Self::is_meant(text) {
            return wrong("the address does not begin with postgresql://".to_owned());
        }
        let url = match Url::parse(text) {
            Ok(url) if text.contains("://") => url,
            Ok(_) => return wrong("the address has no // after its scheme".to_owned()),
            Err(error) => return wrong(format!("the address cannot be read ({error})")),
        };
        if url.host_str().is_some_and(|host| host.contains(',')) {
            return wrong("the address names several hosts, of which only one can be used".to_owned());
        }
        if url.fragment().is_some() {
            return wrong("the address has a #, which a password writes as %23".to_owned());
        }
        let database = url.path().trim_start_matches('/');
        if database.is_empty() || database.contains('/') {
            return wrong("the address names no database after the host".to_owned());
        }
        for (key, value) in url.query_pairs() {
            if key == "password" {
                return wrong(
                    "the address has its password after the ?, where it would be shown; write it before the @, or in \
                     the file of PGPASSFILE"
                        .to_owned(),
                );
            }
            if !PARAMETERS.contains(&&*key) {
                return wrong(format!("the parameter {key:?} is not one of {}", PARAMETERS.join(", ")));
            }
            if key == "sslmode" && !SSL_MODES.contains(&&*value) {
                return wrong(format!("the sslmode {value:?} is not one of {}", SSL_MODES.join(", ")));
            }
            if key == "port" && value.parse::<u16>().is_err() {
                return wrong(format!("the port {value:?} is not a number below 65536"));
            }
        }
        Ok(Self(url))
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        // An address that has a password has a host, without which setting one fails.
        if shown.password().is_some() && shown.set_password(Some(HIDDEN)).is_err() {
            return f.write_str("postgresql://(hidden)");
        }
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests;
