//! Reading the parts of an address from its raw text.
//!
//! URL parsers repair what they read: they drop tabs and newlines, turn `\` into `/`, walk up at `/../` and decode
//! `%2e`. A repaired address is not the one that was checked, so everything that would be repaired is refused first.

use std::borrow::Cow;
use std::sync::Arc;

use super::Scheme;

/// Why a text is refused, in words that follow "it is not …: ".
pub(super) type Reason = Cow<'static, str>;

/// The longest text that is read.
const MAX_BYTES: usize = 1024;

/// Refuses what no part of an address may hold.
pub(super) fn check_raw(text: &str) -> Result<(), Reason> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text.len() > MAX_BYTES {
        return Err(format!("it is longer than {MAX_BYTES} bytes").into());
    }
    if text.starts_with('-') {
        return Err("it starts with a dash, as options do".into());
    }
    if text.split("://").next().is_some_and(|start| start.contains("::")) {
        return Err("`::` names a helper program, and none is ever run".into());
    }
    let refused = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '%') || !c.is_ascii();
    match text.chars().find(|c| refused(*c)) {
        None => Ok(()),
        Some('%') => Err("percent-encoding is not accepted; write the characters themselves".into()),
        Some('\\') => Err("it holds a backslash".into()),
        Some(c) if c.is_control() || c.is_whitespace() => Err("it holds white space or a control character".into()),
        Some(_) => Err("it holds characters outside ASCII; write an international host name as xn--…".into()),
    }
}

/// Splits off the scheme.
pub(super) fn split_scheme(text: &str) -> Result<(Scheme, &str), Reason> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(if text.contains(':') {
            "the form host:path is not accepted; write ssh://host/path".into()
        } else {
            "it has no scheme; a folder of this machine is written file:///path".into()
        });
    };
    let scheme = Scheme::from_text(scheme).ok_or("its scheme is not one of git, http, https, rsync, ssh and file")?;
    Ok((scheme, rest))
}

/// Reads host and port in their normal form: lower case, no trailing dot, addresses as digits, no default port.
pub(super) fn read_authority(scheme: Scheme, text: &str) -> Result<(Option<Arc<str>>, Option<u16>), Reason> {
    if scheme == Scheme::File {
        return if text.is_empty() { Ok((None, None)) } else { Err("a file address has no host: file:///path".into()) };
    }
    if text.contains('@') {
        return Err("a user or password (`@`) is not accepted".into());
    }
    // The colons of an IPv6 address are inside its brackets.
    let after_brackets = text.rfind(']').map_or(0, |end| end + 1);
    let colon = text.get(after_brackets..).and_then(|rest| rest.find(':')).map(|at| at + after_brackets);
    let (host, port) = match colon.and_then(|at| text.split_at_checked(at)) {
        Some((host, port)) => (host, Some(read_port(port.trim_start_matches(':'))?)),
        None => (text, None),
    };
    Ok((Some(read_host(host)?), port.filter(|port| Some(*port) != scheme.default_port())))
}

fn read_port(text: &str) -> Result<u16, Reason> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let port = if digits { text.parse().ok().filter(|port| *port != 0) } else { None };
    port.ok_or_else(|| "its port is not a number from 1 to 65535".into())
}

fn read_host(text: &str) -> Result<Arc<str>, Reason> {
    const REFUSED: &str = "its host is not a host name or an address";
    if text.is_empty() {
        return Err("it has no host".into());
    }
    match ::url::Host::parse(text).map_err(|_| REFUSED)? {
        ::url::Host::Domain(domain) => {
            let domain = domain.strip_suffix('.').unwrap_or(&domain);
            let good_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
            let good_label = |label: &str| {
                (1..=63).contains(&label.len())
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.bytes().all(good_byte)
            };
            if domain.len() <= 253 && domain.split('.').all(good_label) {
                Ok(domain.into())
            } else {
                Err(REFUSED.into())
            }
        }
        address @ (::url::Host::Ipv4(_) | ::url::Host::Ipv6(_)) => Ok(address.to_string().into()),
    }
}

/// Reads the segments of a path that starts with a slash; one slash at the end is left out.
pub(super) fn read_segments(path: &str) -> Result<Vec<Arc<str>>, Reason> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(|segment| check_segment(segment).map(|()| segment.into())).collect()
}

/// Refuses what is not one path segment that every program takes for just that.
pub(super) fn check_segment(segment: &str) -> Result<(), Reason> {
    if segment.is_empty() {
        return Err("its path has an empty segment (`//`)".into());
    }
    if matches!(segment, "." | "..") {
        return Err("its path has a segment `.` or `..`".into());
    }
    if segment.starts_with('-') {
        return Err("a segment of its path starts with a dash, as options do".into());
    }
    if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+~-".contains(&b)) {
        return Err("its path holds more than letters, digits and . _ + ~ -".into());
    }
    Ok(())
}

/// Refuses what is not the path of a YAML file inside a repository.
pub(super) fn check_yaml_path(path: &str) -> Result<(), Reason> {
    let good_byte = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    let good_part = |part: &str| !part.is_empty() && !part.starts_with(['-', '.']) && part.bytes().all(good_byte);
    if !path.split('/').all(good_part) {
        return Err("the path of the file must be names of letters, digits and . _ + -, separated by single slashes, \
             none of which starts with a dot or a dash"
            .into());
    }
    if !(path.ends_with(".yaml") || path.ends_with(".yml")) {
        return Err("the file's name must end in .yaml or .yml".into());
    }
    Ok(())
}
