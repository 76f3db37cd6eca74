//! What works.

use std::path::Path;

use rida_koji::{Canonical, Kerberos, KojiConfig, Verdict, check};

use crate::world::{PRINCIPAL, World, create_tag};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keytab_logs_in_and_an_expired_session_is_followed_by_another() {
    let world = World::new().await;
    let client = world.client(world.by_keytab());
    assert_eq!(client.principal(), None);
    let user = client.user().await.unwrap();
    assert_eq!(user.name, "rida");
    assert_eq!(client.principal().as_deref(), Some(PRINCIPAL));
    create_tag(&client, "first").await;
    world.hub.world().expire_sessions();
    create_tag(&client, "second").await;
    let logins = world.hub.world().calls.iter().filter(|call| call.contains("sslLogin")).count();
    assert_eq!(logins, 2, "{:#?}", world.hub.world().calls);
    // Nothing is left of the tickets.
    assert!(!world.realm.path("cache").exists());
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_sessions_log_in_at_once() {
    let world = World::new().await;
    let client = world.client(world.by_keytab());
    let names = ["a", "b", "c", "d"];
    let tags = names.map(|name| {
        let client = client.clone();
        tokio::spawn(async move { create_tag(&client, name).await })
    });
    for tag in tags {
        tag.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keytab_says_by_itself_who_logs_in() {
    let world = World::new().await;
    let client = world.client(Kerberos { principal: None, ..world.by_keytab() });
    assert_eq!(client.user().await.unwrap().name, "rida");
    assert_eq!(client.principal().as_deref(), Some(PRINCIPAL));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_cache_logs_in() {
    let world = World::new().await;
    let ccache = Some(world.realm.cache(&world.keytab, PRINCIPAL, "1h"));
    let client = world.client(Kerberos { ccache, ..world.kerberos() });
    assert_eq!(client.user().await.unwrap().name, "rida");
    assert_eq!(client.principal().as_deref(), Some(PRINCIPAL));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hub_is_looked_for_by_the_name_that_the_profile_wants() {
    let world = World::new().await;
    let mut config = world.config(world.by_keytab());
    config.server.set_host(Some("127.0.0.1")).unwrap();
    // The client puts settings before those of the machine, which are the realm's here.
    let of_realm = world.realm.path("krb5.conf");
    let script = format!("KRB5_CONFIG=${{KRB5_CONFIG%%:*}}:{} exec \"$0\" \"$@\"", of_realm.display());
    let mut helper: Vec<_> = ["/bin/sh", "-c", &script].map(Into::into).to_vec();
    helper.extend(world.realm.helper(&[]).pop());
    let with = |canonical| {
        let login = Kerberos { canonical: Some(canonical), helper: helper.clone(), ..world.by_keytab() };
        let config = rida_koji::ClientConfig { login: rida_koji::Login::Kerberos(login), ..config.clone() };
        rida_koji::Client::new(config).unwrap()
    };
    let error = with(Canonical::Written).user().await.unwrap_err();
    assert!(error.to_string().contains("the KDC knows no hub as HTTP/127.0.0.1"), "{error}");
    assert_eq!(with(Canonical::Reverse).user().await.unwrap().name, "rida");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn koji_check_tells_the_principal() {
    let world = World::new().await;
    let findings = check(&world.client(world.by_keytab()), &KojiConfig::default()).await;
    let expected = format!("it takes this service for rida (Kerberos principal {PRINCIPAL})");
    assert!(
        findings.iter().any(|finding| finding.verdict == Verdict::Good && finding.text == expected),
        "{findings:#?}"
    );
    let other = "other@RIDA.TEST";
    let keytab = Some(world.realm.keytab("other.keytab", other));
    let findings = check(&world.client(Kerberos { keytab, ..world.kerberos() }), &KojiConfig::default()).await;
    let last = findings.last().unwrap();
    assert!(last.verdict == Verdict::Bad && last.text.contains("Unknown user: other@RIDA.TEST"), "{findings:#?}");
    assert!(last.text.contains("koji edit-user USER --add-krb=other@RIDA.TEST"), "{findings:#?}");
    world.hub.world().allowed_realms = Some(vec!["OTHER.TEST".to_owned()]);
    let findings = check(&world.client(world.by_keytab()), &KojiConfig::default()).await;
    let expected = "Koji does not let this service in: Kerberos principal's realm: RIDA.TEST is not allowed (fault 1002); \
        the hub's operators name the realm in AllowedKrbRealms of hub.conf";
    assert_eq!(findings.last().unwrap().text, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kojis_own_client_logs_in_to_the_double_too() {
    let world = World::new().await;
    let told = kojis_own_client(&world.realm, world.hub.url().as_str(), &world.authority, &world.keytab);
    assert!(told.ends_with("all is well\n"), "{told}\n{:#?}", world.hub.world().calls);
}

/// Has Koji's own client log in, and returns what it said.
pub(crate) fn kojis_own_client(realm: &crate::realm::Realm, server: &str, authority: &Path, keytab: &Path) -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.parent().unwrap().join("target/python/koji/bin/python");
    let mut command = realm.command(python.to_str().unwrap());
    command.arg(here.join("tests/python/koji_kerberos.py")).arg(server).arg(authority).arg(PRINCIPAL).arg(keytab);
    command.env("KRB5CCNAME", format!("FILE:{}", realm.path("python.cache").display()));
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{told}{said}")
}
