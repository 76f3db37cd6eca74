//! The page of all routes, which is made of the table that the server answers by.

use std::fmt::Write as _;
use std::path::PathBuf;

use rida_http::config::Layers;
use rida_http::{About, ROUTES, Route};
use warp::http::{Method, StatusCode};

const HEAD: &str = "\
# Every route

This page is made of the table that the server answers by; a test compares the two. `UPDATE_GOLDEN=1 cargo test -p
rida-http --test http routes_page` writes it anew. [http.md](http.md) tells what is asked and answered.

Every path is good with and without a slash at its end. `HEAD` is answered as `GET` is, without the body. `OPTIONS` is
answered with 204 and `Allow` at every path; any other method with 501 and `Allow` (405 under `/module-build-service`),
and any other path with 404. `{version}` is 1 or 2.

Every request: a head of at most `server.max_head` bytes and 100 lines within `server.head_timeout`, on one of
`server.max_connections` connections. What is no HTTP, or no HTTP of this kind, is answered with a bare 400 or 431.
Every answer that is an error has the [same body](http.md#errors).

There are no users yet: whoever reaches the address is everybody whom the last column names.

";

fn page() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("| request | does | limits | answers | who may, once there are users |\n|---|---|---|---|---|\n");
    for Route { method, path, endpoint } in &ROUTES {
        let About { does, caller, limits, statuses } = endpoint.about();
        let answers: Vec<String> = statuses.iter().map(u16::to_string).collect();
        let (answers, caller) = (answers.join(", "), caller.name());
        writeln!(text, "| `{method} {path}` | {does} | {limits} | {answers} | {caller} |").unwrap();
    }
    text
}

#[test]
fn the_page_has_every_route() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/routes.md");
    let page = page();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(page, kept, "docs/routes.md is not what the server does; UPDATE_GOLDEN=1 accepts it");
}

#[test]
fn the_page_names_only_settings_and_statuses_that_there_are() {
    let settings = Layers::default().resolve().settings;
    let page = page();
    // Every other piece between backticks is code.
    for code in page.split('`').skip(1).step_by(2).filter(|code| code.contains('.') && !code.contains(' ')) {
        assert!(settings.iter().any(|setting| setting.key == code), "there is no setting {code}");
    }
    const DOCUMENTED: [u16; 10] = [200, 201, 400, 403, 404, 409, 422, 500, 501, 503];
    for route in &ROUTES {
        let about = route.endpoint.about();
        assert!(about.statuses.is_sorted() && about.statuses.iter().all(|it| DOCUMENTED.contains(it)), "{route:?}");
        let changes = route.method != Method::GET;
        assert_eq!(changes, about.statuses.contains(&403), "what changes something is held to its origin: {route:?}");
        assert_eq!(changes, about.limits.contains("`server.max_body`"), "what has a body has a limit: {route:?}");
    }
}

/// Checks an answer to any request of any test against what the page promises.
#[track_caller]
pub(crate) fn check(method: &Method, path: &str, status: StatusCode) {
    let path = path.split('?').next().unwrap_or_default();
    let as_get = if *method == Method::HEAD { &Method::GET } else { method };
    let Some(route) = ROUTES.iter().find(|route| route.method == *as_get && route.is_at(path)) else {
        assert!(
            [204, 404, 405, 501].contains(&status.as_u16()),
            "{method} {path} is no route, and was answered {status}"
        );
        return;
    };
    let statuses = route.endpoint.about().statuses;
    assert!(statuses.contains(&status.as_u16()), "{method} {path} was answered {status}, which is not in {statuses:?}");
}
