//! What the client and the program that speaks with Kerberos say to each other, a line each.

use std::fmt;

/// The longest line. Tickets with a list of groups have been seen to take some tens of kilobytes.
pub(crate) const LONGEST_LINE: usize = 256 * 1024;

/// What one says to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The program: this is who logs in.
    As(String),
    /// Both: this is for the other side, or comes from it, in base 64.
    Token(String),
    /// The program: the other side has shown who it is.
    Done,
    /// The program: it does not work.
    Failed(Why, String),
}

/// Why it does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Neither cache nor keytab has what is needed.
    NoCredentials,
    /// The ticket has expired.
    Expired,
    /// No KDC answers.
    NoKdc,
    /// No KDC of the realm is known.
    NoRealm,
    /// The KDC has another key.
    WrongKey,
    /// The KDC does not know who logs in.
    UnknownClient,
    /// The KDC does not know the hub.
    UnknownService,
    /// The clocks differ.
    Clock,
    /// The hub's server has another key than the ticket is for.
    HubsKey,
    /// The hub's server says no.
    Rejected,
    /// Something else.
    Other,
}

impl Why {
    const WORDS: [(Self, &'static str); 11] = [
        (Self::NoCredentials, "no-credentials"),
        (Self::Expired, "expired"),
        (Self::NoKdc, "no-kdc"),
        (Self::NoRealm, "no-realm"),
        (Self::WrongKey, "wrong-key"),
        (Self::UnknownClient, "unknown-client"),
        (Self::UnknownService, "unknown-service"),
        (Self::Clock, "clock"),
        (Self::HubsKey, "hubs-key"),
        (Self::Rejected, "rejected"),
        (Self::Other, "other"),
    ];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(why, _)| *why == self).map_or("other", |(_, word)| word)
    }

    fn of_word(word: &str) -> Self {
        Self::WORDS.iter().find(|(_, known)| *known == word).map_or(Self::Other, |(why, _)| *why)
    }
}

impl Said {
    /// Reads a line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = line.trim_end_matches(['\n', '\r']);
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "as" if !rest.is_empty() => Some(Self::As(rest.to_owned())),
            "token" if !rest.is_empty() => Some(Self::Token(rest.to_owned())),
            "done" => Some(Self::Done),
            "failed" => {
                let (why, text) = rest.split_once(' ').unwrap_or((rest, ""));
                Some(Self::Failed(Why::of_word(why), text.to_owned()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A text of the library may have several lines, and a name any character.
        let one_line = |text: &str| text.replace(|character: char| character.is_control(), " ");
        match self {
            Self::As(principal) => writeln!(f, "as {}", one_line(principal)),
            Self::Token(token) => writeln!(f, "token {}", one_line(token)),
            Self::Done => writeln!(f, "done"),
            Self::Failed(why, text) => writeln!(f, "failed {} {}", why.word(), one_line(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let failures = Why::WORDS.map(|(why, _)| Said::Failed(why, "it (or so) fails".to_owned()));
        let others = [Said::As("rida/a b@R".to_owned()), Said::Token("YII=".to_owned()), Said::Done];
        for said in failures.into_iter().chain(others) {
            assert_eq!(Said::parse(&said.to_string()), Some(said));
        }
        let lines = Said::Failed(Why::Clock, "one\ntwo".to_owned()).to_string();
        assert_eq!(lines, "failed clock one two\n");
        for line in ["", "as", "token ", "tokens YII=", "panicked at"] {
            assert_eq!(Said::parse(line), None, "{line}");
        }
    }
}
