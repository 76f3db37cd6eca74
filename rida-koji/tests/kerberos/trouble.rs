//! What does not work, and what is said of it.

use std::ffi::OsString;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rida_core::testing::{MemoryStore, sample};
use rida_core::{BuildSystem, Policy, PortErrorKind, Submission};
use rida_koji::testing::{Front, Judged};
use rida_koji::{Client, ClientConfig, Kerberos, KojiBuildSystem, KojiConfig, KojiErrorKind};

use crate::world::{PRINCIPAL, World};

const MODULEMD: &str = "document: modulemd\nversion: 2\ndata:\n  summary: A bench\n  description: A bench.\n  \
    license: {module: MIT}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keytab_that_is_no_use_is_told() {
    let world = World::new().await;
    let nowhere = world.realm.path("nowhere.keytab");
    let config = world.config(Kerberos { keytab: Some(nowhere.clone()), ..world.by_keytab() });
    let error = Client::new(config).unwrap_err();
    assert_eq!(error.kind(), KojiErrorKind::Settings);
    let expected = format!("the keytab {} cannot be read (No such file or directory (os error 2))", nowhere.display());
    assert_eq!(error.to_string(), expected);
    let folder = world.config(Kerberos { keytab: Some(world.realm.folder().to_owned()), ..world.by_keytab() });
    assert!(Client::new(folder).unwrap_err().to_string().ends_with("is no file"));

    // It is looked at again with each login.
    let client = world.client(world.by_keytab());
    let moved = world.realm.path("moved.keytab");
    fs::rename(&world.keytab, &moved).unwrap();
    let error = client.user().await.unwrap_err();
    assert_eq!(error.kind(), KojiErrorKind::Login);
    assert!(error.to_string().contains("cannot be read (No such file"), "{error}");
    // No build fails of it.
    let system = KojiBuildSystem::new(client.clone(), KojiConfig::default(), Arc::new(MemoryStore::new()));
    let submission = Submission { modulemd: MODULEMD.into(), ..sample::submission(sample::nsvc("bench:1.0:1:c0ffee")) };
    let build = rida_core::submit(sample::id(1), submission, &Policy::default()).unwrap().build;
    let error = system.prepare(&build).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("cannot be read (No such file"), "{error}");
    fs::rename(&moved, &world.keytab).unwrap();
    client.user().await.unwrap();

    let error = world.refused(Kerberos { principal: Some("nobody@RIDA.TEST".to_owned()), ..world.by_keytab() }).await;
    assert_eq!(error.kind(), KojiErrorKind::Login);
    assert!(error.to_string().contains("rida.keytab has no key of nobody@RIDA.TEST; `klist -k "), "{error}");
    let nothing = world.realm.path("nothing.keytab");
    fs::write(&nothing, "no keys").unwrap();
    let error = world.refused(Kerberos { principal: None, keytab: Some(nothing), ..world.kerberos() }).await;
    assert!(error.to_string().contains("nothing.keytab has no key"), "{error}");

    // New keys were made, and this file was not.
    world.realm.admin(&format!("cpw -randkey {PRINCIPAL}"));
    let error = world.refused(world.by_keytab()).await;
    assert_eq!(error.kind(), KojiErrorKind::Login);
    assert!(error.to_string().contains("is not the one that the KDC has"), "{error}");
    world.realm.admin(&format!("delprinc -force {PRINCIPAL}"));
    let error = world.refused(world.by_keytab()).await;
    assert!(error.to_string().contains(&format!("the KDC does not know {PRINCIPAL}")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_that_is_no_use_is_told() {
    let world = World::new().await;
    let nowhere = Kerberos { ccache: Some("FILE:/nowhere/cache".to_owned()), ..world.kerberos() };
    let error = world.refused(nowhere).await;
    assert_eq!(error.kind(), KojiErrorKind::Login);
    assert!(error.to_string().contains("there is no Kerberos ticket; a service needs a keytab"), "{error}");
    let ccache = Some(world.realm.cache(&world.keytab, PRINCIPAL, "1h"));
    let error = world.refused(Kerberos { principal: Some("a@RIDA.TEST".to_owned()), ccache, ..world.kerberos() }).await;
    assert!(error.to_string().contains("there is no Kerberos ticket of a@RIDA.TEST"), "{error}");
    let ccache = Some(world.realm.cache(&world.keytab, PRINCIPAL, "1s"));
    // Tickets are good for some minutes more where the clocks of others count, and not here.
    let until = Instant::now() + Duration::from_secs(60);
    let error = loop {
        match world.client(Kerberos { ccache: ccache.clone(), ..world.kerberos() }).user().await {
            Ok(_) => assert!(Instant::now() < until, "the ticket does not expire"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), KojiErrorKind::Login);
    assert!(error.to_string().contains("the Kerberos ticket in the credential cache has expired"), "{error}");
    // With a keytab beside it the cache is filled anew, once the second in which the ticket expires is over.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let client = world.client(Kerberos { ccache, ..world.by_keytab() });
    assert_eq!(client.user().await.unwrap().name, "rida");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kdc_that_is_away_is_waited_for() {
    let mut world = World::new().await;
    world.realm.stop();
    let error = world.refused(world.by_keytab()).await;
    assert_eq!(error.kind(), KojiErrorKind::Unreachable);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("no KDC answers (Cannot contact any KDC for realm 'RIDA.TEST')"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_too_long_is_ended() {
    let world = World::new().await;
    let mark = world.realm.path("mark");
    let script = format!("echo $$ > {}; exec sleep 1000", mark.display());
    let helper = ["/bin/sh", "-c", script.as_str()].map(OsString::from).to_vec();
    let config = world.config(Kerberos { helper, ..world.by_keytab() });
    let client = Client::new(ClientConfig { login_timeout: Duration::from_secs(2), ..config }).unwrap();
    let error = client.user().await.unwrap_err();
    assert_eq!(error.kind(), KojiErrorKind::Unreachable);
    assert!(error.to_string().contains("no KDC answers (it takes too long)"), "{error}");
    let process = fs::read_to_string(mark).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while fs::exists(format!("/proc/{}", process.trim())).unwrap() {
        assert!(Instant::now() < until, "the program still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_does_not_speak_is_told() {
    let world = World::new().await;
    for (helper, expected) in [
        ("/nowhere/negotiate", "the program that speaks with Kerberos cannot be started (/nowhere/negotiate: "),
        ("/bin/true", "the program that speaks with Kerberos ended without saying why"),
        ("/usr/bin/yes", "the program that speaks with Kerberos ended without saying why"),
    ] {
        let error = world.refused(Kerberos { helper: vec![helper.into()], ..world.by_keytab() }).await;
        assert_eq!(error.kind(), KojiErrorKind::Login);
        assert!(error.to_string().contains(expected), "{helper}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_are_told() {
    let world = World::without_judge().await;
    world.hub.set_front(Front::Judge(world.judge(&[])));
    let late = || Kerberos { helper: world.realm.helper(&["/usr/bin/faketime", "-f", "+1h"]), ..world.by_keytab() };
    // The library takes the KDC's clock for its own, unless it is told not to.
    assert_eq!(world.client(late()).user().await.unwrap().name, "rida");
    world.realm.add_setting("kdc_timesync = 0");
    let error = world.refused(late()).await;
    assert_eq!(error.kind(), KojiErrorKind::Login);
    assert!(error.to_string().contains("the clock here is too far from that of the KDC or the hub"), "{error}");
    // It is the hub's clock that is wrong.
    world.hub.set_front(Front::Judge(world.judge(&["/usr/bin/faketime", "-f", "+1h"])));
    let error = world.refused(world.by_keytab()).await;
    assert_eq!(error.kind(), KojiErrorKind::Login);
    assert!(error.to_string().contains("the clock here is too far from that of the KDC or the hub"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_does_not_show_who_it_is_gets_nothing() {
    let world = World::without_judge().await;
    let front = |token: fn(Option<Vec<u8>>) -> Option<Vec<u8>>| {
        let judge = world.judge(&[]);
        world.hub.set_front(Front::Judge(Arc::new(move |shown| {
            let judged = judge(shown);
            Judged { token: token(judged.token), ..judged }
        })));
    };
    front(|token| token);
    world.client(world.by_keytab()).user().await.unwrap();
    // It takes every ticket, and has no key.
    front(|_| None);
    let error = world.refused(world.by_keytab()).await;
    assert_eq!(error.kind(), KojiErrorKind::Login);
    assert!(error.to_string().contains("does not show by Kerberos that it is the hub"), "{error}");
    front(|token| {
        let mut token = token?;
        *token.last_mut()? ^= 1;
        Some(token)
    });
    let error = world.refused(world.by_keytab()).await;
    assert_eq!(error.kind(), KojiErrorKind::Login, "{error}");
    front(|_| Some(b"nonsense".to_vec()));
    let error = world.refused(world.by_keytab()).await;
    assert_eq!(error.kind(), KojiErrorKind::Login, "{error}");
    front(|_| Some(vec![0x60; 40 * 1024]));
    let error = world.refused(world.by_keytab()).await;
    assert_eq!(error.kind(), KojiErrorKind::Login, "{error}");
    assert_eq!(world.hub.world().calls.iter().filter(|call| call.contains("getLoggedInUser")).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_that_is_not_taken_is_told() {
    let world = World::without_judge().await;
    world.hub.set_front(Front::Judge(Arc::new(|_| Judged::default())));
    let error = world.refused(world.by_keytab()).await;
    assert_eq!(error.kind(), KojiErrorKind::Login);
    let expected = format!("the hub's server does not take the Kerberos ticket of {PRINCIPAL} (it answered 401");
    assert!(error.to_string().contains(&expected), "{error}");
    // It asks and asks.
    world.hub.set_front(Front::Judge(Arc::new(|_| Judged { principal: None, token: Some(vec![1, 2, 3]) })));
    let error = world.refused(world.by_keytab()).await;
    assert_eq!(error.kind(), KojiErrorKind::Login, "{error}");
    // It does not know Kerberos at all, which the hub behind it says.
    world.hub.set_front(Front::Nobody);
    let error = world.refused(world.by_keytab()).await;
    assert_eq!(error.to_string(), "Koji does not let this service in: could not verify client: None");
    // The hub has got new keys, and this server was not told: a ticket is for the new ones.
    let judge = world.judge(&[]);
    world.hub.set_front(Front::Judge(judge));
    world.realm.admin("cpw -randkey HTTP/localhost");
    let error = world.refused(world.by_keytab()).await;
    assert_eq!(error.kind(), KojiErrorKind::Login);
    assert!(error.to_string().contains("the hub's server has not the key that the KDC has"), "{error}");
}
