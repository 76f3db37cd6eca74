//! Who is let in, how, and what is told of it.

use std::error::Error;
use std::time::Duration;

use rida_core::testing::sample::{Written, id, nsvc};
use rida_core::{BuildFilter, Store, StoreErrorKind};
use rida_store::{Database, SetupError, StoreConfig};
use rida_test_postgres::{Cluster, Settings};

/// Everything that an error says, to people and to programmers.
fn all_of(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

fn config(url: &str) -> StoreConfig {
    StoreConfig { connect_timeout: Duration::from_millis(500), ..StoreConfig::postgres(url.parse().unwrap()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_error_tells_a_password() {
    let (cluster, of) = (Cluster::shared(), Cluster::shared().database());
    of.sql("CREATE ROLE locked LOGIN PASSWORD 's3cret p@ss'; GRANT ALL ON SCHEMA public TO locked");
    let (port, name) = (cluster.port(), of.name());
    let with = |password: &str, database: &str| {
        config(&format!("postgresql://locked:{password}@127.0.0.1:{port}/{database}?sslmode=disable"))
    };
    let database = Database::connect(&with("s3cret%20p%40ss", name)).await.unwrap();
    database.migrate().await.unwrap();
    for refused in [with("s3cret", name), with("s3cret%20p%40ss", "nowhere")] {
        let error = Database::connect(&refused).await.unwrap_err();
        assert!(matches!(error, SetupError::Reach { .. }), "{error:?}");
        let text = all_of(&error);
        assert!(text.contains("locked") && !text.contains("s3cret"), "{text}");
    }
    // The password is changed while it runs: no new connections.
    let shown = format!("{database:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    of.sql("ALTER ROLE locked PASSWORD 'another'");
    of.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'locked'");
    let error = database.count(&BuildFilter::default()).await.unwrap_err();
    assert_eq!(error.kind(), &StoreErrorKind::Unavailable);
    let text = all_of(&error);
    assert!(text.contains("authentication") && !text.contains("s3cret"), "{text}");
    of.sql("ALTER ROLE locked PASSWORD 's3cret p@ss'");
    assert_eq!(database.count(&BuildFilter::default()).await.unwrap(), 0, "somebody mended it");
    database.close().await;
    of.sql("DROP OWNED BY locked CASCADE; DROP ROLE locked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_connections_are_made_than_allowed() {
    let (cluster, of) = (Cluster::shared(), Cluster::shared().database());
    of.sql("CREATE ROLE limited LOGIN CONNECTION LIMIT 3; GRANT ALL ON SCHEMA public TO limited");
    let url = format!("postgresql://limited@127.0.0.1:{}/{}?sslmode=disable", cluster.port(), of.name());
    let first = Database::connect(&StoreConfig { readers: 2, writers: 1, ..config(&url) }).await.unwrap();
    first.migrate().await.unwrap();
    for round in 0..20 {
        let reading = async |_: u32| first.count(&BuildFilter::default()).await.unwrap();
        let new = Written::new(id(round + 1), nsvc(&format!("foo:1:{round}:c0ffee")));
        let (.., committed) = tokio::join!(reading(1), reading(2), reading(3), reading(4), first.commit(new.commit()));
        committed.unwrap();
    }
    let used = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'limited'";
    assert_eq!(of.sql(used), "3");
    let error = Database::connect(&config(&url)).await.unwrap_err();
    assert!(matches!(error, SetupError::Reach { .. }), "{error:?}");
    first.close().await;
    // A store that is closed holds none, as soon as the server has seen that.
    let closing = std::time::Instant::now();
    while of.sql(used) != "0" {
        assert!(closing.elapsed() < Duration::from_secs(10), "some are held");
    }
    of.sql("DROP OWNED BY limited CASCADE; DROP ROLE limited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_rights_makes_it_unavailable_until_it_has_them() {
    let (cluster, of) = (Cluster::shared(), Cluster::shared().database());
    let owner = Database::connect(&config(&of.url())).await.unwrap();
    owner.migrate().await.unwrap();
    of.sql("CREATE ROLE guest LOGIN");
    let url = format!("postgresql://guest@127.0.0.1:{}/{}?sslmode=disable", cluster.port(), of.name());
    let guest = Database::connect(&config(&url)).await.unwrap();
    assert_eq!(guest.load(id(1)).await.unwrap_err().kind(), &StoreErrorKind::Unavailable);
    // What is enough when somebody else migrates.
    of.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest");
    assert!(guest.is_migrated().await.unwrap());
    let new = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    guest.commit(new.commit()).await.unwrap();
    assert_eq!(guest.load(id(1)).await.unwrap(), Some(new.after));
    guest.close().await;
    of.sql("DROP OWNED BY guest; DROP ROLE guest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_protected_as_asked_for() {
    let cluster = Cluster::start(Settings { tls: true, ..Settings::default() });
    let of = cluster.database();
    let authority = cluster.authority().display().to_string();
    let url = |host: &str, parameters: &str| {
        config(&format!("postgresql://postgres@{host}:{}/{}?{parameters}", cluster.port(), of.name()))
    };
    let verified = format!("sslmode=verify-full&sslrootcert={authority}");
    for (host, parameters, protected) in [
        ("127.0.0.1", "sslmode=disable", "f"),
        ("127.0.0.1", "sslmode=prefer", "t"),
        ("127.0.0.1", "sslmode=require", "t"),
        ("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={authority}"), "t"),
        ("localhost", &verified, "t"),
    ] {
        let database = Database::connect(&url(host, parameters)).await.unwrap();
        database.migrate().await.unwrap();
        let seen =
            "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'rida'";
        assert_eq!(of.sql(seen), protected, "{parameters}");
        database.close().await;
    }
    for (host, parameters, why) in [
        ("127.0.0.1", &*verified, "certificate"),
        ("localhost", "sslmode=verify-full", "certificate"),
        ("localhost", "sslmode=verify-full&sslrootcert=/nowhere/ca.crt", "No such file"),
    ] {
        let error = Database::connect(&url(host, parameters)).await.unwrap_err();
        let text = all_of(&error);
        assert!(text.contains(why), "{host} {parameters}: {text}");
    }
    // One that speaks no TLS.
    let (plain, of) = (Cluster::shared(), Cluster::shared().database());
    let required = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=require", plain.port(), of.name());
    let error = Database::connect(&config(&required)).await.unwrap_err();
    assert!(all_of(&error).contains("TLS"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_serves_as_well() {
    let (cluster, of) = (Cluster::shared(), Cluster::shared().database());
    let folder = cluster.socket_folder().display().to_string();
    let url = format!("postgresql:///{}?host={folder}&port={}&user=postgres", of.name(), cluster.port());
    let database = Database::connect(&config(&url)).await.unwrap();
    database.migrate().await.unwrap();
    database.ping().await.unwrap();
}
