//! What is secret is planted everywhere, and searched for in everything that is told afterwards.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rida_test_postgres::Cluster;
use serde_json::json;

use crate::running::{Running, repository, run, status, stderr, stdout, until};
use crate::{MODULE, SPEC};

/// In every secret.
const PLANTED: &str = "s3cr3t";

/// Addresses that have it where a password may be, in every place that somebody may write one.
const URLS: &[&str] = &[
    "https://alice:s3cr3t@src.example.org/modules/foo.git?#main",
    "https://s3cr3t@src.example.org/modules/foo.git?#main",
    "https://alice:s3cr3t@elsewhere.example.org/modules/foo.git?#main",
    "https://alice:s3cr3t%40src.example.org/modules/foo.git?#main",
    "https://alice:s3cr3t/x#y@src.example.org/modules/foo.git?#main",
    "https://alice:s3cr3t\u{0}@src.example.org/modules/foo.git?#main",
    "https://alice:s3cr3t\r\nhost: y@src.example.org/modules/foo.git?#main",
    "git+https://alice:s3cr3t@src.example.org/modules/foo.git?#main",
    "ssh://alice:s3cr3t@src.example.org/modules/foo.git?#main",
    "file://alice:s3cr3t@localhost/modules/foo.git?#main",
    "alice:s3cr3t@src.example.org:modules/foo.git?#main",
    "ext::sh -c 's3cr3t@'",
];

/// Says something, and returns the whole answer.
fn hear(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Makes repositories of modules that fail in different ways, and returns the places to submit.
fn modules(root: &std::path::Path) -> Vec<String> {
    let git = format!("file://{}/git", root.display());
    let from = |repository: &str| {
        MODULE.replace("It opens., ref: main", &format!("It opens., ref: main, repository: {repository:?}"))
    };
    for (name, text) in [
        ("gate", MODULE.to_owned()),
        ("absent", MODULE.replace("gate: {", "absent: {")),
        ("unreadable", MODULE.replace("version: 2", "version: [")),
        ("secret", from("https://alice:s3cr3t@src.example.org/rpms/gate.git")),
        ("user", from("https://s3cr3t@src.example.org/rpms/gate.git")),
    ] {
        repository(&root.join("git/modules").join(name), &format!("{name}.yaml"), &text);
    }
    repository(&root.join("git/rpms/gate"), "gate.spec", &SPEC.replace("echo it builds", "false"));
    ["gate", "absent", "unreadable", "secret", "user", "nowhere"]
        .map(|name| format!("{git}/modules/{name}?#main"))
        .into()
}

#[test]
fn no_secret_is_told_or_logged_and_no_answer_tells_where_the_data_is() {
    let (folder, of) = (tempfile::tempdir().unwrap(), Cluster::shared().database());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let (data, urls) = (root.join("data"), modules(&root));
    of.sql("CREATE ROLE planted LOGIN PASSWORD 's3cr3t'; GRANT ALL ON SCHEMA public TO planted");
    let database = of.url_by("127.0.0.1", Cluster::shared().port()).replace("postgres@", "planted:s3cr3t@");
    let git = format!("file://{}/git", root.display());
    let mut set = vec![
        format!("data.database={database}"),
        format!("sources.repository={git}/rpms"),
        "local.builder=rpmbuild".to_owned(),
        "local.spare_disk=1".to_owned(),
        "log.filter=trace".to_owned(),
    ];
    if cfg!(feature = "fedmsg") {
        // Nobody is there, so that it is tried again and again, and told.
        set.push("bus.topic_prefix=org.example".to_owned());
        set.push("bus.amqp.url=amqp://rida:s3cr3t@127.0.0.1:1/%2f".to_owned());
    }
    let mut more = vec!["--allow", &*git];
    set.iter().for_each(|set| more.extend(["--set", set]));
    let service = Running::start(&data, &more);

    let mut answers = Vec::new();
    for url in URLS {
        let answer = service.send("POST /rida/module-builds/", &json!({ "scmurl": url }).to_string());
        assert!([400, 403, 422].contains(&status(&answer)), "{url}: {answer}");
        answers.push(answer);
    }
    for url in &urls {
        answers.push(service.send("POST /rida/module-builds/", &json!({ "scmurl": url }).to_string()));
    }
    assert_eq!(status(&answers[URLS.len()]), 201, "{}", answers[URLS.len()]);
    for body in [
        r#"{"scmurl": "https://src.example.org/x?#main", "password": "s3cr3t"}"#,
        r#"{"scmurl": ["s3cr3t"]}"#,
        r#"{"scmurl": s3cr3t}"#,
        r#"{"scmurl": "https://alice:s3cr3t@"#,
    ] {
        answers.push(service.send("POST /rida/module-builds/", body));
    }
    let credentials = "authorization: Bearer s3cr3t\r\nproxy-authorization: Basic s3cr3t\r\ncookie: session=s3cr3t\r\n\
        x-api-key: s3cr3t\r\nx-forwarded-user: s3cr3t\r\nreferer: http://alice:s3cr3t@x/\r\nx-request-id: s3cr3t s3cr3t\r\n";
    for start in [
        "GET /rida/module-builds/ HTTP/1.1",
        "GET /rida/module-builds/?access_token=s3cr3t HTTP/1.1",
        "GET http://alice:s3cr3t@x/rida/module-builds/ HTTP/1.1",
        "GET /rida/module-builds/1?token=s3cr3t HTTP/1.0",
        "OPTIONS /rida/module-builds/ HTTP/1.1",
        "CONNECT alice:s3cr3t@x:80 HTTP/1.1",
        "POST /rida/module-builds/ HTTP/1.1",
        "s3cr3t",
    ] {
        let request = format!("{start}\r\nhost: x\r\nconnection: close\r\n{credentials}\r\n");
        answers.push(hear(&service.address, &request));
    }
    let failed = until("what can fail has failed", || {
        let list = service.json("/rida/module-builds/?verbose=true");
        let builds = list.as_array().unwrap();
        if builds.iter().all(|build| build["state"] == "failed") { Ok(builds.len()) } else { Err(list.to_string()) }
    });
    answers.push(service.ask("GET /rida/module-builds/?verbose=true"));
    for id in 1..=failed {
        for path in ["", "?verbose=true", "/logs/gate", "/logs/absent", "/logs/module-build-macros", "/logs/nothing"] {
            answers.push(service.ask(&format!("GET /rida/module-builds/{id}{path}")));
        }
    }
    for path in ["/", "/rida/about/", "/healthz", "/readyz", "/metrics", "/rida/module-builds/..%2f..%2fdata"] {
        answers.push(service.ask(&format!("GET {path}")));
    }
    assert!(answers.iter().any(|it| it.contains("Bad exit status")), "{answers:#?}");
    let (code, said) = service.end("-TERM");

    let data = data.display().to_string();
    let arguments = [&["--data", &data, "--listen", "127.0.0.1:0"], &more[..]].concat();
    let checked = run(&[&arguments[..], &["check-config"]].concat());
    of.sql("DROP OWNED BY planted CASCADE; DROP ROLE planted");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("DEBUG") && said.contains("planted:***@127.0.0.1"), "everything is logged: {said}");
    for line in said.lines().chain(stdout(&checked).lines()).chain(stderr(&checked).lines()) {
        assert!(!line.contains(PLANTED), "{line}");
    }
    assert!(said.contains(&data), "the log may tell it");
    let told: Vec<_> = answers.iter().filter(|it| it.contains(PLANTED) || it.contains(&data)).collect();
    assert!(told.is_empty(), "{told:#?}");
}
