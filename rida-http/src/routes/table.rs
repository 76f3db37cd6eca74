//! The one table of routes: filters, the answer to unknown methods, and tests are made of it.

use warp::http::Method;

use crate::dialect::ServiceVersion;

/// What a request can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Lists builds.
    ListBuilds,
    /// Submits a module.
    SubmitBuild,
    /// Shows one build.
    ShowBuild,
    /// Cancels a build or marks it ready.
    ChangeBuild,
    /// Reads the log of a component.
    ReadLog,
    /// Reads the documents of a finished module.
    ReadModulemd,
    /// Tells how much may be built again.
    ListStrategies,
    /// Tells what happened to a build or a component.
    ReadMessages,
    /// Lists components.
    ListComponents,
    /// Shows one component.
    ShowComponent,
    /// Tells what the interface is.
    Introduce,
    /// Tells that the process lives.
    Health,
    /// Tells whether work is taken.
    Readiness,
    /// Tells what was counted.
    Metrics,
}

/// A method at a path, and what it asks for.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method; `HEAD` and `OPTIONS` come with `GET` and with everything.
    pub method: Method,
    /// The path, with the open parts in braces. It is also good with a slash at its end.
    pub path: &'static str,
    /// What the request asks for.
    pub endpoint: Endpoint,
}

impl Route {
    /// Tells whether the route is the one of a request's path, in which nothing is percent-encoded.
    pub fn is_at(&self, path: &str) -> bool {
        matches(self.path, path)
    }
}

/// Makes the path of the Module Build Service's interface, of every version.
macro_rules! service {
    ($rest:literal) => {
        concat!("/module-build-service/{version}/", $rest)
    };
}

/// Every route there is.
pub const ROUTES: [Route; 22] = [
    Route { method: Method::GET, path: "/rida/module-builds/{id}", endpoint: Endpoint::ShowBuild },
    Route { method: Method::GET, path: "/rida/module-builds", endpoint: Endpoint::ListBuilds },
    Route { method: Method::POST, path: "/rida/module-builds", endpoint: Endpoint::SubmitBuild },
    Route { method: Method::PATCH, path: "/rida/module-builds/{id}", endpoint: Endpoint::ChangeBuild },
    Route { method: Method::GET, path: "/rida/module-builds/{id}/logs/{component}", endpoint: Endpoint::ReadLog },
    Route { method: Method::GET, path: "/rida/module-builds/{id}/final-modulemd", endpoint: Endpoint::ReadModulemd },
    Route { method: Method::GET, path: "/rida/rebuild-strategies", endpoint: Endpoint::ListStrategies },
    Route { method: Method::GET, path: service!("module-builds/{id}"), endpoint: Endpoint::ShowBuild },
    Route { method: Method::GET, path: service!("module-builds"), endpoint: Endpoint::ListBuilds },
    Route { method: Method::POST, path: service!("module-builds"), endpoint: Endpoint::SubmitBuild },
    Route { method: Method::PATCH, path: service!("module-builds/{id}"), endpoint: Endpoint::ChangeBuild },
    Route { method: Method::GET, path: service!("module-builds/{id}/messages"), endpoint: Endpoint::ReadMessages },
    Route { method: Method::GET, path: service!("component-builds"), endpoint: Endpoint::ListComponents },
    Route { method: Method::GET, path: service!("component-builds/{id}"), endpoint: Endpoint::ShowComponent },
    Route { method: Method::GET, path: service!("component-builds/{id}/messages"), endpoint: Endpoint::ReadMessages },
    Route { method: Method::GET, path: service!("final-modulemd/{id}"), endpoint: Endpoint::ReadModulemd },
    Route { method: Method::GET, path: service!("rebuild-strategies"), endpoint: Endpoint::ListStrategies },
    Route { method: Method::GET, path: service!("about"), endpoint: Endpoint::Introduce },
    Route { method: Method::GET, path: service!("monitor/metrics"), endpoint: Endpoint::Metrics },
    Route { method: Method::GET, path: "/healthz", endpoint: Endpoint::Health },
    Route { method: Method::GET, path: "/readyz", endpoint: Endpoint::Readiness },
    Route { method: Method::GET, path: "/metrics", endpoint: Endpoint::Metrics },
];

/// A part of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Fixed(&'static str),
    /// A version of the Module Build Service's interface.
    Version,
    Open,
}

/// Splits a path of the table.
pub(super) fn segments(path: &'static str) -> impl Iterator<Item = Segment> {
    path.split('/').filter(|part| !part.is_empty()).map(|part| match part {
        "{version}" => Segment::Version,
        open if open.starts_with('{') => Segment::Open,
        fixed => Segment::Fixed(fixed),
    })
}

/// Returns the methods that are handled at a path of a request, `HEAD` and `OPTIONS` included; none when there is
/// nothing at the path.
pub(super) fn methods_at(path: &str) -> Vec<&'static str> {
    let mut methods: Vec<&'static str> = Vec::new();
    for route in ROUTES.iter().filter(|route| matches(route.path, path)) {
        match &route.method {
            &Method::GET => methods.extend(["GET", "HEAD"]),
            &Method::POST => methods.push("POST"),
            &Method::PATCH => methods.push("PATCH"),
            other => debug_assert!(false, "{other} is not one that the table's readers know"),
        }
    }
    if !methods.is_empty() {
        methods.push("OPTIONS");
    }
    methods
}

/// Returns the path of the table that a path of a request is one of.
pub(crate) fn path_of(path: &str) -> Option<&'static str> {
    ROUTES.iter().map(|route| route.path).find(|pattern| matches(pattern, path))
}

fn matches(pattern: &'static str, path: &str) -> bool {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut given = path.strip_suffix('/').unwrap_or(path).split('/');
    let fits = segments(pattern).all(|segment| match (segment, given.next()) {
        (Segment::Fixed(text), Some(part)) => text == part,
        (Segment::Version, Some(part)) => part.parse::<ServiceVersion>().is_ok(),
        (Segment::Open, Some(part)) => !part.is_empty(),
        (_, None) => false,
    });
    fits && given.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_with_and_without_a_slash_at_the_end() {
        assert_eq!(methods_at("/rida/module-builds"), ["GET", "HEAD", "POST", "OPTIONS"]);
        assert_eq!(methods_at("/rida/module-builds/"), ["GET", "HEAD", "POST", "OPTIONS"]);
        assert_eq!(methods_at("/rida/module-builds/42/"), ["GET", "HEAD", "PATCH", "OPTIONS"]);
        assert_eq!(methods_at("/healthz"), ["GET", "HEAD", "OPTIONS"]);
        for version in ["1", "2"] {
            let path = format!("/module-build-service/{version}/module-builds/");
            assert_eq!(methods_at(&path), ["GET", "HEAD", "POST", "OPTIONS"]);
        }
        for version in ["0", "3", "", "v1", "{version}"] {
            assert!(methods_at(&format!("/module-build-service/{version}/module-builds/")).is_empty(), "{version}");
        }
        for unknown in
            ["/", "", "/rida", "/rida/module-builds//", "/rida//module-builds", "//healthz", "/healthz/x", "*"]
        {
            assert!(methods_at(unknown).is_empty(), "{unknown}");
        }
    }

    #[test]
    fn no_row_is_there_twice() {
        for (index, route) in ROUTES.iter().enumerate() {
            let same = |other: &&Route| other.path == route.path && other.method == route.method;
            assert!(!ROUTES.iter().skip(index + 1).any(|other| same(&other)), "{route:?}");
        }
    }
}
