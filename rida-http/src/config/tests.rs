use std::time::Duration;

use super::*;

fn layered(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> Result<Resolved, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rida.toml");
    std::fs::write(&path, file).unwrap();
    let mut layers = Layers::default();
    layers.file(&path)?;
    layers.environment(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))?;
    for (flag, setting, value) in flags {
        layers.flag(flag, setting, value)?;
    }
    Ok(layers.resolve())
}

fn of(resolved: &Resolved, key: &str) -> (String, String) {
    let setting = resolved.settings.iter().find(|setting| setting.key == key).unwrap();
    let origin = match &setting.origin {
        Origin::File(_) => "file".to_owned(),
        other => other.to_string(),
    };
    (setting.value.clone().unwrap_or_default(), origin)
}

fn error(file: &str, environment: &[(&str, &str)]) -> String {
    layered(file, environment, &[]).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_safe() {
    let resolved = layered("", &[], &[]).unwrap();
    assert_eq!(resolved.config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(resolved.config.policy, Policy::default());
    assert!(resolved.problems[0].contains("allow = ["), "{:?}", resolved.problems);
    assert_eq!(resolved.problems.len(), 1);
}

#[test]
fn flags_are_stronger_than_variables_and_those_than_the_file() {
    let file = "[limits]\nbuilds = 1\nqueue = 10\npatience = \"5m\"\n[log]\nfilter = \"warn\"";
    let environment = [("RIDA_LIMITS__BUILDS", "2"), ("RIDA_LIMITS__QUEUE", "20"), ("RIDA_CONFIG", "x"), ("HOME", "/")];
    let resolved = layered(file, &environment, &[("--set limits.builds", "limits.builds", "3")]).unwrap();
    assert_eq!(of(&resolved, "limits.builds"), ("3".to_owned(), "flag --set limits.builds".to_owned()));
    assert_eq!(of(&resolved, "limits.queue"), ("20".to_owned(), "environment variable RIDA_LIMITS__QUEUE".to_owned()));
    assert_eq!(of(&resolved, "limits.patience"), ("\"5m\"".to_owned(), "file".to_owned()));
    assert_eq!(of(&resolved, "limits.builds_per_owner"), ("4".to_owned(), "default".to_owned()));
    let limits = resolved.config.policy.limits;
    assert_eq!((limits.builds, limits.queue, limits.patience), (3, 20, Duration::from_secs(300)));
}

#[test]
fn every_kind_of_value_can_be_a_variable() {
    let environment = [
        ("RIDA_SOURCES__ALLOW", "https://git.example.org/modules/, git://other.example.org/"),
        ("RIDA_SOURCES__BRANCH", "10"),
        ("RIDA_BUILDS__READY_AT_ONCE", "false"),
        ("RIDA_BUILDS__BASE_MODULES", "platform,base"),
        ("RIDA_SERVER__LISTEN", "[::1]:9090"),
        ("RIDA_SERVER__MAX_BODY", "1MiB"),
        ("RIDA_SERVER__SUBMIT_WAIT", "30"),
        ("RIDA_SERVER__DEFAULT_OWNER", "release team"),
        ("RIDA_DATA__FOLDER", "/var/lib/rida"),
        ("RIDA_LOG__FORMAT", "json"),
        ("RIDA_PUBLISH__TO", "stdout"),
    ];
    let resolved = layered("", &environment, &[]).unwrap();
    let config = &resolved.config;
    assert_eq!(resolved.problems, Vec::<String>::new());
    assert_eq!(config.allow.iter().count(), 2);
    assert_eq!(config.policy.sources.branch.as_deref(), Some("10"));
    assert!(!config.policy.ready_at_once);
    assert_eq!(config.policy.base_modules.len(), 2);
    assert_eq!(config.listen.to_string(), "[::1]:9090");
    assert_eq!(config.api.max_body, 1024 * 1024);
    assert_eq!(config.api.submit_wait, Duration::from_secs(30));
    assert_eq!(config.api.nobody.as_str(), "release team");
    assert_eq!(config.store.location, rida_store::Location::Sqlite("/var/lib/rida/rida.sqlite".into()));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.publish, Lines::Stdout);
}

#[test]
fn errors_name_the_place() {
    let text = error("[server]\nlisten = \"127.0.0.1:8080\"\nlisten_on = 7\n", &[]);
    assert!(text.contains("line 3") && text.contains("listen_on") && text.contains("trust_network"), "{text}");
    let text = error("[sources]\nallow = [\"https://user:pw@git.example.org/\"]\n", &[]);
    assert!(text.contains("line 2"), "{text}");
    let text = error("[server]\nmax_body = \"64 parsecs\"\n", &[]);
    assert!(text.contains("line 2") && text.contains("64KiB"), "{text}");
    let text = error("", &[("RIDA_LIMITS__BUILDS", "many")]);
    assert!(text.contains("RIDA_LIMITS__BUILDS") && text.contains("many"), "{text}");
    let text = error("", &[("RIDA_LIMIT__BUILDS", "1")]);
    assert!(text.contains("RIDA_LIMIT__BUILDS") && text.contains("limits"), "{text}");
    let text = error("", &[("RIDA_LOG__FORMAT", "yaml")]);
    assert!(text.contains("json"), "{text}");
    let mut layers = Layers::default();
    let text = layers.file(Path::new("/nowhere/rida.toml")).unwrap_err().to_string();
    assert!(text.contains("/nowhere/rida.toml"), "{text}");
    let text = layers.flag("--set builds", "builds", "1").unwrap_err().to_string();
    assert!(text.contains("limits.builds"), "{text}");
}

#[test]
fn a_database_is_a_file_or_an_address_whose_password_is_never_shown() {
    let database = |text: &str| layered("", &[("RIDA_DATA__DATABASE", text)], &[]);
    let resolved = database("postgresql://rida:s3cret@db.example.org/rida?sslmode=verify-full").unwrap();
    let shown = "postgresql://rida:***@db.example.org/rida?sslmode=verify-full";
    assert_eq!(resolved.config.database(), shown);
    assert_eq!(of(&resolved, "data.database").0, format!("{shown:?}"));
    assert_eq!(resolved.config.store.remembered, 0, "others may write, too");
    for text in [format!("{resolved:?}"), resolved.describe()] {
        assert!(text.contains("db.example.org") && !text.contains("s3cret"), "{text}");
    }
    let file = database("/var/lib/rida/other.sqlite").unwrap().config.store;
    assert_eq!(file.location, rida_store::Location::Sqlite("/var/lib/rida/other.sqlite".into()));
    for one_service in [file, layered("", &[], &[]).unwrap().config.store] {
        assert!(one_service.remembered > 0, "{:?}", one_service.location);
    }

    let wrong = [
        "postgresql://rida:s3cret@db",
        "postgresql://rida:s3cret@db/rida?ssl=1",
        "mysql://rida:s3cret@db/rida",
        "rida:s3cret@db.example.org/rida",
        "rida:s3cret@db",
        "postgresql:rida:s3cret@db/rida",
        "postgres:/rida:s3cret@db/rida",
        "host=db user=rida password=s3cret dbname=rida",
        "host=db password = s3cret",
        "rida:s3cret@db://x",
    ];
    for text in wrong {
        for error in [
            error("", &[("RIDA_DATA__DATABASE", text)]),
            error(&format!("[data]\ndatabase = \"{text}\"\n"), &[]),
            error(&format!("[data]\ndatabase = \"{text}\n"), &[]),
            error(&format!("[data]\ndatabase = {text}\n"), &[]),
        ] {
            assert!(!error.contains("s3cret"), "{error}");
            assert!(error.contains("RIDA_DATA__DATABASE") || error.contains("line 2"), "{error}");
        }
    }
    for path in ["rida.sqlite", "./rida@home:1.sqlite", "/srv/a:b@c=d/rida.sqlite", "data/a@b.sqlite"] {
        let location = database(path).unwrap().config.store.location;
        assert_eq!(location, rida_store::Location::Sqlite(path.into()));
    }
    let file = "[data]\ndatabase = \"postgresql:///rida?host=/run/postgresql\"\nwriters = 2\nlock_timeout = \"3s\"\n";
    let store = layered(file, &[], &[]).unwrap().config.store;
    assert_eq!((store.writers, store.busy_timeout, store.readers), (2, Duration::from_secs(3), 4));
}

#[test]
fn a_network_must_be_trusted_by_name() {
    let allow = "[sources]\nallow = [\"https://git.example.org/\"]\n";
    let open = format!("{allow}[server]\nlisten = \"0.0.0.0:80\"\n");
    assert!(layered(&open, &[], &[]).unwrap().problems[0].contains("trust_network"));
    assert_eq!(layered(&format!("{open}trust_network = true\n"), &[], &[]).unwrap().problems, Vec::<String>::new());
}

#[test]
fn zero_of_what_is_needed_is_a_problem() {
    let resolved = layered("[limits]\nbuilds = 0\n[worker]\nidle = 0\n[server]\nsubmit_wait = 0\n", &[], &[]).unwrap();
    let told = resolved.problems.join("\n");
    assert!(told.contains("limits.builds") && told.contains("worker.idle") && !told.contains("submit_wait"), "{told}");
}

#[test]
fn the_description_is_a_configuration_file_again() {
    let resolved = layered("[sources]\nallow = [\"https://git.example.org/\"]\n", &[], &[]).unwrap();
    let again = layered(&resolved.describe(), &[], &[]).unwrap();
    let values = |resolved: &Resolved| -> Vec<_> {
        resolved.settings.iter().map(|setting| (setting.key, setting.value.clone())).collect()
    };
    assert_eq!(values(&resolved), values(&again));
}

#[test]
fn what_is_wrong_with_the_machine_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let data = folder.path().join("data").display().to_string();
    let listen = taken.local_addr().unwrap().to_string();
    let good = [("RIDA_SOURCES__ALLOW", "https://git.example.org/"), ("RIDA_SERVER__LISTEN", "127.0.0.1:0")];
    let resolved = layered("", &good, &[("--data", "data.folder", &data)]).unwrap();
    assert_eq!(resolved.check(), Vec::<String>::new());
    let file = folder.path().join("file").display().to_string();
    std::fs::write(&file, "").unwrap();
    let resolved = layered("", &good, &[("", "data.folder", &file), ("", "server.listen", &listen)]).unwrap();
    let told = resolved.check();
    assert!(told[0].contains("data folder") && told[1].contains(&listen), "{told:?}");
}

#[test]
fn a_file_that_is_no_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rida.toml");
    let refused = |path: &Path| Layers::default().file(path).unwrap_err().to_string();
    let mut large = b"# ".to_vec();
    large.resize(2 << 20, b'x');
    let deep = format!("a = {}", "[".repeat(200_000));
    let deep_keys = format!("[{}]", vec!["a"; 100_000].join("."));
    for (bytes, why) in [
        (&b"\xff\xfe"[..], "UTF-8"),
        (&large, "larger than"),
        (deep.as_bytes(), "not valid"),
        (deep_keys.as_bytes(), "not valid"),
        (b"[server]\nlisten = 7\n", "listen"),
        (b"[server]\nlisten = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:1\"\n", "duplicate"),
        (b"[sources]\nallow = [\"file:///../etc\"]\n", "allow"),
        (b"[sources]\nallow = [\"https://*/\"]\n", "allow"),
        (b"\0", "not valid"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let text = refused(&file);
        let shown: String = String::from_utf8_lossy(bytes).chars().take(60).collect();
        assert!(text.contains(why) && text.len() < 2_000, "{shown}: {} bytes: {text:.300}", text.len());
    }
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [Path::new("/dev/zero"), Path::new("/dev/tty"), folder.path(), &pipe] {
        assert!(refused(path).contains("no file, but"), "{}", refused(path));
    }
    std::fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    assert!(refused(&file).contains("larger than"));
    let secret = "[data]\ndatabase = \"https://alice:hunter2@db.example.org/\"\nreaders = \"many\"\n";
    std::fs::write(&file, secret).unwrap();
    assert!(!refused(&file).contains("hunter2"), "{}", refused(&file));
}

#[cfg(feature = "koji")]
#[test]
fn cleaning_up_in_koji_may_be_switched_off_and_not_be_too_quick() {
    let koji = |more: &str| {
        let file = format!(
            "[sources]\nallow = [\"https://git.example.org/\"]\n[builds]\nbuild_system = \"koji\"\n[koji]\nbase_tags = \
             [\"platform:el8=el8-build\"]\n{more}"
        );
        let resolved = layered(&file, &[], &[]).unwrap();
        (resolved.config.koji.unwrap().clean_up, resolved.problems)
    };
    let day = Duration::from_secs(24 * 3600);
    let (set, problems) = koji("");
    assert_eq!((set.every, set.ages, problems), (Some(day), rida_koji::CleanUp::default(), Vec::new()));
    let (set, problems) = koji("clean_up_every = 0\ntargets_after = 0\nfailed_after = \"1d\"");
    assert_eq!((set.every, set.ages.targets_after, set.ages.failed_after), (None, Duration::ZERO, day));
    assert_eq!(problems, Vec::<String>::new());
    let (_, problems) = koji("failed_after = \"23h\"");
    assert!(
        matches!(problems.as_slice(), [only] if only.contains("koji.failed_after is less than a day")),
        "{problems:?}"
    );
}

#[test]
fn calls_of_koji_take_no_longer_than_an_hour() {
    for (timeout, is_good) in [("1h", true), ("3601s", false)] {
        let file = format!(
            "[sources]\nallow = [\"https://git.example.org/\"]\n[builds]\nbuild_system = \"koji\"\n[koji]\nbase_tags = \
             [\"platform:el8=el8-build\"]\ntimeout = \"{timeout}\"\n"
        );
        let problems = layered(&file, &[], &[]).unwrap().problems;
        let told = matches!(problems.as_slice(), [only] if only.contains("koji.timeout is more than an hour"));
        assert_eq!((told, problems.is_empty()), (!is_good, is_good), "{timeout}: {problems:?}");
    }
}

#[test]
fn the_streams_of_base_modules_are_settings() {
    let file = r#"[builds]
        base_streams = ["platform:el8.1.0", "platform:el8.2.0", "platform:rawhide"]
        virtual_streams = ["platform:el8.1.0=el8", "platform:el8.2.0=el8", "platform:el8.2.0 = enterprise"]
        stream_versions = ["platform:rawhide=430000"]
        dist_tag_markings = ["platform:el8.2.0=el8"]
        excluded_streams = ["platform:eln"]
        ended_streams = ["platform:f39"]
        compatible_streams = "any"
        default_modules = [
            "platform:el8.2.0=https://git.example.org/defaults.git",
            "platform:rawhide = https://git.example.org/defaults.git#main",
        ]
    "#;
    let resolved = layered(file, &[("RIDA_SOURCES__ALLOW", "https://git.example.org/")], &[]).unwrap();
    assert_eq!(resolved.problems, Vec::<String>::new());
    let streams = &resolved.config.policy.base_streams;
    let platform = "platform".parse().unwrap();
    let names = |list: Vec<String>| list.join(" ");
    let offered = streams.offered(&platform).iter().map(ToString::to_string).collect();
    assert_eq!(names(offered), "el8.1.0 el8.2.0 rawhide");
    assert_eq!(streams.named(&platform, "el8").map(ToString::to_string).as_deref(), Some("el8.2.0"));
    assert_eq!(streams.named(&platform, "eln").map(ToString::to_string).as_deref(), Some("eln"));
    assert_eq!(streams.named(&platform, "f39"), None);
    let version = streams.version(&platform, &"rawhide".parse().unwrap()).unwrap();
    assert_eq!((version.to_string(), streams.compatibility), ("430000".to_owned(), rida_core::Compatibility::Any));
    let newest = streams.get(&platform, &"el8.2.0".parse().unwrap()).unwrap();
    assert_eq!(newest.dist_tag_marking.as_ref().map(ToString::to_string).as_deref(), Some("el8"));
    assert_eq!(newest.virtual_streams.len(), 2);
    let places: Vec<String> =
        streams.default_modules().map(|it| format!("{}#{}", it.repository, it.reference)).collect();
    assert_eq!(places, ["https://git.example.org/defaults.git#el8.2.0", "https://git.example.org/defaults.git#main"]);
    assert_eq!(resolved.config.git.defaults.len(), 2, "they may be read");
}

/// What a configuration of the buses is told to have wrong.
fn bus_problems(settings: &str) -> Vec<String> {
    let allowed = "[sources]\nallow = [\"https://git.example.org/\"]\n";
    layered(&format!("{allowed}{settings}"), &[], &[]).unwrap().problems
}

#[test]
fn buses_that_would_do_nothing_are_problems() {
    let amqp = |more: &str| bus_problems(&format!("[bus.amqp]\nurl = \"amqp://localhost/%2f\"\n{more}\n"));
    let fedmsg = |more: &str| bus_problems(&format!("[bus.fedmsg]\nlisten = [\"tcp://localhost:9940\"]\n{more}\n"));
    let sender = "senders = [\"org.fedoraproject.prod.buildsys.tag=koji.example.org\"]";
    for good in [amqp(""), amqp("announce = false\nqueue = \"rida\""), fedmsg(sender), fedmsg("nitpicky = false")] {
        assert_eq!(good, Vec::<String>::new());
    }
    for (problems, told) in [
        (amqp("exchange = \"\""), "bus.amqp.exchange is empty"),
        (amqp("queue = \"rida\"\ntopics = []"), "bus.amqp.topics is empty"),
        (amqp("announce = false"), "the broker would not be used"),
        (fedmsg(&format!("topics = []\n{sender}")), "bus.fedmsg.topics is empty"),
        (fedmsg(""), "nobody is named that may send"),
        (fedmsg("senders = [\"org.x.tag=\", \"org.x.tag=koji\"]"), "\"org.x.tag=\" in bus.fedmsg.senders is not TOPIC"),
        (fedmsg("nitpicky = false\nsenders = [\"koji.example.org\"]"), "in bus.fedmsg.senders is not TOPIC"),
    ] {
        assert!(problems.len() == 1 && problems[0].contains(told), "{told}: {problems:?}");
    }
}

#[test]
fn who_may_send_what_on_fedmsg_is_read_as_written() {
    let text = "[bus.fedmsg]\nlisten = [\"tcp://localhost:9940\"]\n\
                senders = [\"org.x.tag=koji01\", \"org.x.repo.done=koji01\", \"org.x.tag=koji02\"]\n";
    let listening = layered(text, &[], &[]).unwrap().config.bus.fedmsg.unwrap().listening.unwrap();
    let named = |topic: &str| listening.senders.get(topic).cloned().unwrap_or_default();
    assert_eq!(
        (named("org.x.tag"), named("org.x.repo.done")),
        (vec!["koji01".to_owned(), "koji02".to_owned()], vec!["koji01".to_owned()])
    );
    assert!(listening.nitpicky, "by default only topics that are named are believed");
}

#[test]
fn files_of_buses_that_cannot_be_read_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    std::fs::write(&there, "").unwrap();
    let (there, data) = (there.display(), folder.path().display());
    let told = |file: &dyn std::fmt::Display| {
        let text = format!(
            "[data]\nfolder = \"{data}/data\"\n[server]\nlisten = \"127.0.0.1:0\"\n\
             [bus.fedmsg]\nlisten = [\"tcp://localhost:9940\"]\nnitpicky = false\nauthority = \"{file}\"\n\
             revoked = \"{file}\"\nbind = [\"tcp://*:3000\"]\ncertificate = \"{file}\"\nkey = \"{file}\"\n\
             [bus.amqp]\nurl = \"amqps://localhost/%2f\"\nauthority = \"{file}\"\ncertificate = \"{file}\"\n\
             key = \"{file}\"\n"
        );
        let problems = layered(&text, &[], &[]).unwrap().check();
        problems.into_iter().filter(|problem| problem.contains("cannot be read")).collect::<Vec<_>>()
    };
    assert_eq!(told(&there), Vec::<String>::new());
    let problems = told(&"/nowhere/at/all");
    let keys = ["fedmsg.certificate", "fedmsg.key", "fedmsg.authority", "fedmsg.revoked"];
    for key in keys.iter().chain(&["amqp.authority", "amqp.certificate", "amqp.key"]) {
        assert!(problems.iter().any(|problem| problem.contains(&format!("of bus.{key} "))), "{key}: {problems:?}");
    }
    assert_eq!(problems.len(), 7);
}

#[test]
fn what_is_not_clear_of_the_streams_of_base_modules_is_told() {
    for (setting, told) in [
        ("base_streams = [\"platform\"]", "builds.base_streams has \"platform\", which is no name:stream"),
        ("base_streams = [\"perl:5\"]", "perl is no base module; add it to builds.base_modules"),
        ("virtual_streams = [\"platform:el8\"]", "write a stream and what it has, such as \"platform:el8.2.0=el8\""),
        ("virtual_streams = [\"platform:el8=a b\"]", "is not a stream"),
        ("stream_versions = [\"platform:el8=eight\"]", "\"eight\" is not a stream version"),
        ("dist_tag_markings = [\"el8=x\"]", "which is no name:stream"),
        ("default_modules = [\"platform:el8\"]", "write a stream and a repository"),
        ("default_modules = [\"platform:el8=ext::sh\"]", "builds.default_modules has \"platform:el8=ext::sh\""),
        ("default_modules = [\"platform:el8=https://h/x#-b\"]", "is not a git ref"),
    ] {
        let resolved = layered(&format!("[builds]\n{setting}\n"), &[], &[]).unwrap();
        assert!(resolved.problems.iter().any(|problem| problem.contains(told)), "{setting}: {:?}", resolved.problems);
    }
    assert!(error("[builds]\ncompatible_streams = \"newer\"", &[]).contains("older"));
}

#[cfg(feature = "koji")]
#[test]
fn what_has_a_tag_in_koji_can_be_built_against() {
    let platform = "platform".parse().unwrap();
    let streams = |more: &str| {
        let file = format!(
            "[builds]\nbuild_system = \"koji\"\n{more}\n[koji]\nbase_tags = [\"platform:el8=el8\", \"platform:el9=el9\"]"
        );
        layered(&file, &[], &[]).unwrap().config.policy.base_streams
    };
    let shown = |more: &str| {
        let known = streams(more);
        let offered: Vec<String> = known.offered(&platform).iter().map(ToString::to_string).collect();
        let named = ["el8", "el9", "el10"].map(|stream| known.named(&platform, stream).is_some());
        (offered.join(" "), named)
    };
    assert_eq!(shown(""), ("el8 el9".to_owned(), [true, true, false]));
    assert_eq!(shown("base_streams = [\"platform:el9\"]"), ("el9".to_owned(), [true, true, false]));
    assert_eq!(shown("excluded_streams = [\"platform:el8\"]"), ("el9".to_owned(), [true, true, false]));
}
