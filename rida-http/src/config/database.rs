//! Where the database is, as it is written; and texts without passwords.

use std::fmt;
use std::path::PathBuf;

use rida_store::{Location, PostgresUrl};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The file or the address of a database.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct DatabasePlace(pub(super) Location);

impl<'de> Deserialize<'de> for DatabasePlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if PostgresUrl::is_meant(&text) {
            return text.parse().map(|url| Self(Location::Postgres(url))).map_err(D::Error::custom);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let message = format!("{scheme:?} is no database that is known; write a file's path, or postgresql://…");
            return Err(D::Error::custom(message));
        }
        Ok(Self(Location::Sqlite(PathBuf::from(text))))
    }
}

impl Serialize for DatabasePlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl fmt::Debug for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabasePlace({self})")
    }
}

/// Writes where a database is, without a password.
pub(crate) fn shown(location: &Location) -> String {
    match location {
        Location::Sqlite(file) => file.display().to_string(),
        Location::Postgres(url) => url.to_string(),
        _ => "elsewhere".to_owned(),
    }
}

/// Hides what may be a password in a text that quotes what somebody wrote: everything between the user and the last `@`
/// of each address. Rather too much than too little.
pub(super) fn without_passwords(text: &str) -> String {
    let hidden = |piece: &str| {
        let Some((before, address)) = piece.split_once("://") else { return piece.to_owned() };
        let Some((user, rest)) = address.rsplit_once('@') else { return piece.to_owned() };
        match user.split_once(':') {
            Some((user, _)) => format!("{before}://{user}:***@{rest}"),
            None => piece.to_owned(),
        }
    };
    let pieces = text.split_inclusive(['"', '\'', '\n']);
    pieces.map(hidden).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_in_whatever_is_quoted() {
        for (text, expected) in [
            (
                "2 | database = \"postgresql://rida:s3cret@db/rida\"\n  | ^",
                "2 | database = \"postgresql://rida:***@db/rida\"\n  | ^",
            ),
            ("postgresql://rida:a b/c#d@e@db/rida", "postgresql://rida:***@db/rida"),
            ("database = postgresql://rida:s3cret@db", "database = postgresql://rida:***@db"),
            ("at https://git.example.org:8080/x, and rida@db", "at https://git.example.org:***@db"),
            ("postgresql://rida@db:5432/rida", "postgresql://rida@db:5432/rida"),
            ("nothing at all", "nothing at all"),
            ("", ""),
        ] {
            assert_eq!(without_passwords(text), expected);
        }
    }
}
