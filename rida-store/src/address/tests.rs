use super::*;

fn refused(text: &str) -> String {
    text.parse::<PostgresUrl>().unwrap_err().to_string()
}

#[test]
fn an_address_is_shown_without_its_password() {
    for (text, shown) in [
        ("postgresql://rida@db.example.org/rida", "postgresql://rida@db.example.org/rida"),
        ("postgres://rida:s3cret@db:5433/rida?sslmode=require", "postgres://rida:***@db:5433/rida?sslmode=require"),
        ("postgresql:///rida?host=/run/postgresql", "postgresql:///rida?host=/run/postgresql"),
        ("postgresql://rida:s3cr%40t%2F@[::1]/rida", "postgresql://rida:***@[::1]/rida"),
        ("postgresql://:s3cret@db/rida", "postgresql://:***@db/rida"),
    ] {
        let url: PostgresUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), shown);
        let debug = format!("{:?}", crate::StoreConfig::postgres(url));
        assert!(!debug.contains("s3cr"), "{debug}");
    }
}

#[test]
fn what_is_no_good_address_is_refused_without_repeating_a_password() {
    for (text, why) in [
        ("mysql://rida:s3cret@db/rida", "does not begin with postgresql://"),
        ("postgresql:rida", "no //"),
        ("postgresql://rida:s3cret@db", "no database"),
        ("postgresql://rida:s3cret@db/", "no database"),
        ("postgresql://rida:s3cret@db/rida/more", "no database"),
        ("postgresql://rida:s3cret@db:99999/rida", "invalid port"),
        ("postgresql://rida:s3cret@a,b/rida", "several hosts"),
        ("postgresql://rida:s3#cret@db/rida", "several"),
        ("postgresql://rida@db/rida#s3cret", "%23"),
        ("postgresql://rida@db/rida?password=s3cret", "before the @"),
        ("postgresql://rida@db/rida?sslmode=allow", "\"allow\" is not one of disable, prefer"),
        ("postgresql://rida@db/rida?sslmod=require", "\"sslmod\" is not one of sslmode"),
        ("postgresql://rida@db/rida?port=x", "port \"x\""),
    ] {
        let error = refused(text);
        assert!(error.contains(why) || why == "several", "{text}: {error}");
        assert!(!error.contains("s3"), "{text}: {error}");
        assert!(error.contains("postgresql://USER@HOST:PORT/DATABASE"), "{error}");
    }
}

#[test]
fn only_what_means_to_be_an_address_is_taken_for_one() {
    assert!(PostgresUrl::is_meant("postgresql:x") && PostgresUrl::is_meant("Postgres://x"));
    for file in ["/var/lib/rida.sqlite", "postgresql.sqlite", "rida:1", "", "./postgresql:x"] {
        assert!(!PostgresUrl::is_meant(file), "{file}");
    }
}

#[test]
fn every_part_of_an_address_reaches_the_connection() {
    let url: PostgresUrl =
        "postgresql://ri%40da:p%2Fw@db.example.org:6000/the%20base?sslmode=verify-full".parse().unwrap();
    let options = url.options().unwrap();
    assert_eq!((options.get_host(), options.get_port()), ("db.example.org", 6000));
    assert_eq!((options.get_username(), options.get_database()), ("ri@da", Some("the base")));
    assert!(matches!(options.get_ssl_mode(), sqlx::postgres::PgSslMode::VerifyFull));
    let url: PostgresUrl = "postgresql:///rida?host=/run/postgresql".parse().unwrap();
    assert_eq!(url.options().unwrap().get_socket().unwrap(), &std::path::PathBuf::from("/run/postgresql"));
}
