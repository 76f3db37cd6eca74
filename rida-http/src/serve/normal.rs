//! Paths as routes compare them.

use warp::http::Uri;
use warp::http::uri::PathAndQuery;

/// Returns a URI whose path has every percent-encoded character that needs no encoding decoded (RFC 3986, 6.2.2.2),
/// when that changes it: `/rida/module%2Dbuilds/%34%32` is `/rida/module-builds/42`.
///
/// A plus is decoded too, for names such as `libstdc++`. An encoded slash stays what it is, so that no path gets
/// another number of parts.
pub(crate) fn normalised(uri: &Uri) -> Option<Uri> {
    if !uri.path().contains('%') {
        return None;
    }
    let mut path = String::with_capacity(uri.path().len());
    let mut rest = uri.path();
    while let Some(at) = rest.find('%') {
        let (before, encoded) = rest.split_at(at);
        path.push_str(before);
        let code = encoded.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.map(char::from) {
            Some(plain) if plain.is_ascii_alphanumeric() || "-._~+".contains(plain) => {
                path.push(plain);
                rest = encoded.get(3..).unwrap_or_default();
            }
            _ => {
                path.push('%');
                rest = encoded.get(1..).unwrap_or_default();
            }
        }
    }
    path.push_str(rest);
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_encoding_is_decoded() {
        let cases = [
            ("/rida/module%2Dbuilds/%34%32?a=%34", Some("/rida/module-builds/42?a=%34")),
            ("/x/libstdc%2b%2B", Some("/x/libstdc++")),
            ("/a%2Fb/%00/%zz/%", Some("/a%2Fb/%00/%zz/%")),
            ("/%2534", Some("/%2534")),
            ("/%é", Some("/%é")),
            ("/plain?x=%41", None),
        ];
        for (given, expected) in cases {
            let uri = Uri::try_from(given).unwrap();
            assert_eq!(normalised(&uri).map(|uri| uri.to_string()).as_deref(), expected, "{given}");
        }
    }
}
