//! What comes over HTTP: the query of a list, bodies, and paths. Each is read or refused with a reason; none panics.

pub(crate) fn run(data: &[u8]) {
    rida_http::fuzzing::request(data);
}
