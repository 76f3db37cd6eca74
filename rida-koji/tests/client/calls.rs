use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rida_koji::testing::{Dialect, Hub, Trouble, When};
use rida_koji::xmlrpc::{Call, Fault, Value};
use rida_koji::{Client, ClientConfig, KojiErrorKind, Login, Version, fault};

fn config(hub: &Hub) -> ClientConfig {
    let login = Login::Password { user: "rida".to_owned(), password: "secret".to_owned() };
    let pause = Duration::from_millis(4);
    ClientConfig { pause, offline_pause: pause, ..ClientConfig::new(hub.url(), login) }
}

fn client(hub: &Hub) -> Client {
    Client::new(config(hub)).unwrap()
}

fn create(name: &str) -> Call {
    Call::new("createTag", [Value::from(name)])
}

fn get(name: &str) -> Call {
    Call::new("getTag", [Value::from(name)])
}

/// Counts the calls that got to the hub and did something.
fn done(hub: &Hub, method: &str) -> usize {
    hub.world().calls.iter().filter(|call| call.ends_with(method)).count()
}

#[tokio::test]
async fn it_reads_without_a_session_and_writes_in_one() {
    let hub = Hub::start().await.unwrap();
    let client = client(&hub);
    assert_eq!(client.read(&get("nothing")).await.unwrap(), Value::Nil);
    assert_eq!(hub.world().sessions(), 0);
    let id = client.write(&create("mine")).await.unwrap();
    let tag = client.read(&get("mine")).await.unwrap().fields("tag").unwrap().int("id").unwrap();
    assert_eq!(Value::Int(tag), id);
    assert_eq!(client.user().await.unwrap().name, "rida");
    assert_eq!(client.version().await.unwrap(), Version(1, 35));
    assert_eq!(hub.world().sessions(), 1, "one session serves one call after the other");
    let error = client.write(&create("mine")).await.unwrap_err();
    assert_eq!((error.kind(), error.fault().unwrap().code), (KojiErrorKind::Refused, fault::GENERIC));
    assert!(!error.is_retryable());
    assert_eq!(error.to_string(), "Koji answers: A tag with the name 'mine' already exists");
    client.close().await;
    assert_eq!(hub.world().sessions(), 0, "sessions are ended");
}

#[tokio::test]
async fn several_calls_are_one_and_each_has_its_answer() {
    let hub = Hub::start().await.unwrap();
    let client = Client::new(ClientConfig { batch: 2, ..config(&hub) }).unwrap();
    let answers = client.write_many(&[create("a"), create("a"), create("b")]).await.unwrap();
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert_eq!(answers[1].as_ref().unwrap_err().code, fault::GENERIC);
    assert!(client.read_many(&[]).await.unwrap().is_empty());
    let calls = hub.world().calls.clone();
    assert_eq!(calls, ["- login", "rida multiCall(createTag createTag)", "rida multiCall(createTag)"]);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_done_twice() {
    for dialect in [Dialect::released(), Dialect::next(), Dialect::old()] {
        let hub = Hub::start().await.unwrap();
        hub.world().dialect = dialect.clone();
        let client = client(&hub);
        client.write(&create("first")).await.unwrap();
        for trouble in [Trouble::BreakAfter, Trouble::StatusAfter(502)] {
            hub.world().trouble(When::method("newRepo"), trouble.clone());
            let before = hub.world().tasks().count();
            let error = client.write(&Call::new("newRepo", [Value::from("first")])).await.unwrap_err();
            assert_eq!(error.kind(), KojiErrorKind::Committed, "{dialect:?} {trouble:?}");
            assert_eq!(hub.world().tasks().count(), before + 1, "{dialect:?} {trouble:?}");
            // The session goes on.
            client.write(&create(&format!("after-{}", before))).await.unwrap();
        }
        assert_eq!(hub.world().sessions(), 1, "{dialect:?}");
    }
}

/// What a hub says before it looks at the number of a call tells nothing of the call that was sent before.
#[tokio::test]
async fn a_write_whose_answer_is_lost_is_looked_up_when_the_hub_says_nothing_of_it() {
    let refused = |code| Trouble::Fault(Fault { code, message: "no".to_owned() });
    let codes = [fault::AUTH, fault::AUTH_LOCK, fault::AUTH_EXPIRED, fault::OFFLINE, fault::PYTHON];
    let answers = codes.map(refused).into_iter().chain([403, 404, 405].map(Trouble::Status));
    for answer in answers {
        let hub = Hub::start().await.unwrap();
        let client = client(&hub);
        client.write(&create("first")).await.unwrap();
        hub.world().trouble(When::method("newRepo"), Trouble::BreakAfter);
        hub.world().trouble(When::method("newRepo"), answer.clone());
        let error = client.write(&Call::new("newRepo", [Value::from("first")])).await.unwrap_err();
        assert_eq!(error.kind(), KojiErrorKind::Lost, "{answer:?}: {error}");
        assert_eq!(hub.world().tasks().count(), 1, "{answer:?}");
        // Its number is not used for another call, which would then be taken for done.
        client.write(&create("second")).await.unwrap();
        assert_ne!(client.read(&get("second")).await.unwrap(), Value::Nil, "{answer:?}");
    }
}

#[tokio::test]
async fn a_write_that_did_not_arrive_is_sent_again() {
    let hub = Hub::start().await.unwrap();
    let client = client(&hub);
    for (index, trouble) in [Trouble::BreakBefore, Trouble::Status(503), Trouble::Status(408)].into_iter().enumerate() {
        hub.world().trouble(When::method("createTag"), trouble);
        client.write(&create(&format!("tag{index}"))).await.unwrap();
    }
    assert_eq!(done(&hub, "createTag"), 3);
    // When it fails for longer, what became of it is not known.
    for _ in 0..2 {
        hub.world().trouble(When::method("createTag"), Trouble::BreakBefore);
    }
    let error = client.write(&create("lost")).await.unwrap_err();
    assert_eq!(error.kind(), KojiErrorKind::Lost);
    client.write(&create("next")).await.unwrap();
    assert_eq!(hub.world().sessions(), 2, "the session whose number is not known is not used again");
}

#[tokio::test]
async fn reads_are_repeated_and_answers_are_not() {
    let hub = Hub::start().await.unwrap();
    let client = client(&hub);
    for trouble in [Trouble::BreakBefore, Trouble::BreakAfter, Trouble::Status(500)] {
        hub.world().trouble(When::method("getTag"), trouble);
    }
    client.read(&get("platform-build")).await.unwrap();
    for status in [400, 405, 411] {
        hub.world().trouble(When::method("getTag"), Trouble::Status(status));
        let error = client.read(&get("platform-build")).await.unwrap_err();
        assert_eq!(error.kind(), KojiErrorKind::Invalid, "{status}");
    }
    for status in [204, 302, 404, 429] {
        hub.world().trouble(When::method("getTag"), Trouble::Status(status));
        let error = client.read(&get("platform-build")).await.unwrap_err();
        assert!(error.kind() == KojiErrorKind::NotTheHub && error.is_retryable(), "{status}: {error}");
    }
    hub.world().trouble(When::method("getTag"), Trouble::Status(403));
    assert_eq!(client.read(&get("platform-build")).await.unwrap_err().kind(), KojiErrorKind::Login);
    let number = |kind| {
        hub.world().trouble(When::method("getTag"), Trouble::Fault(Fault { code: kind, message: "no".to_owned() }));
    };
    for code in [fault::PYTHON, fault::LOCK, fault::CALLBACK] {
        number(code);
        let error = client.read(&get("platform-build")).await.unwrap_err();
        assert!(error.kind() == KojiErrorKind::HubFailed && error.is_retryable(), "{code}");
    }
    hub.world().trouble(When::Always, Trouble::BreakBefore);
    assert_eq!(client.read(&get("platform-build")).await.unwrap_err().kind(), KojiErrorKind::Unreachable);
    drop(hub);
    assert_eq!(client.read(&get("platform-build")).await.unwrap_err().kind(), KojiErrorKind::Unreachable);
    let error = client.write(&create("x")).await.unwrap_err();
    assert!(error.kind() == KojiErrorKind::Unreachable && error.is_retryable());
}

#[tokio::test]
async fn a_session_that_is_gone_is_replaced() {
    let hub = Hub::start().await.unwrap();
    let client = client(&hub);
    client.write(&create("a")).await.unwrap();
    hub.world().expire_sessions();
    client.write(&create("b")).await.unwrap();
    hub.world().forget_sessions();
    client.write(&create("c")).await.unwrap();
    let locked = Fault { code: fault::AUTH_LOCK, message: "User locked by another session".to_owned() };
    hub.world().trouble(When::method("createTag"), Trouble::Fault(locked.clone()));
    client.write(&create("d")).await.unwrap();
    assert_eq!(done(&hub, "login"), 4);
    // Somebody who is not let in is told so, and does not knock for ever.
    hub.world().trouble(When::Always, Trouble::Fault(locked));
    assert_eq!(client.write(&create("e")).await.unwrap_err().kind(), KojiErrorKind::Login);
    hub.world().calm();
    let wrong = Login::Password { user: "rida".to_owned(), password: "wrong".to_owned() };
    let client = Client::new(ClientConfig { login: wrong, ..config(&hub) }).unwrap();
    let error = client.write(&create("f")).await.unwrap_err();
    assert_eq!(error.to_string(), "Koji does not let this service in: invalid username or password");
    assert!(!format!("{client:?}").contains("wrong"), "a password is not shown");
    let client = Client::new(ClientConfig { login: Login::Anonymous, ..config(&hub) }).unwrap();
    assert_eq!(client.write(&create("g")).await.unwrap_err().kind(), KojiErrorKind::Login);
}

#[tokio::test]
async fn a_session_out_of_step_is_replaced_without_doing_it_again() {
    let hub = Hub::start().await.unwrap();
    let client = client(&hub);
    client.write(&create("a")).await.unwrap();
    let out_of_step = Fault { code: fault::SEQUENCE, message: "7 > 5 (session 1)".to_owned() };
    hub.world().trouble(When::method("createTag"), Trouble::Fault(out_of_step));
    assert_eq!(client.write(&create("b")).await.unwrap_err().kind(), KojiErrorKind::Lost);
    client.write(&create("c")).await.unwrap();
    assert_eq!(hub.world().sessions(), 2);
}

#[tokio::test]
async fn a_hub_that_is_offline_is_waited_for() {
    let hub = Hub::start().await.unwrap();
    hub.world().offline = true;
    let hasty = client(&hub);
    for error in [hasty.read(&get("x")).await.unwrap_err(), hasty.write(&create("x")).await.unwrap_err()] {
        assert!(error.kind() == KojiErrorKind::Offline && error.is_retryable(), "{error}");
        assert_eq!(error.to_string(), "Koji is offline: the hub is in maintenance");
    }
    let patient = Client::new(ClientConfig { offline_patience: Duration::from_secs(20), ..config(&hub) }).unwrap();
    let waiting = tokio::spawn(async move {
        patient.read(&get("x")).await.unwrap();
        patient.write(&create("x")).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    hub.world().offline = false;
    waiting.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_once_have_sessions_of_their_own_and_are_bounded() {
    let hub = Hub::start().await.unwrap();
    let client = Client::new(ClientConfig { sessions: 3, ..config(&hub) }).unwrap();
    let mut all = tokio::task::JoinSet::new();
    for number in 0..60 {
        let client = client.clone();
        all.spawn(async move { client.write(&create(&format!("tag{number}"))).await.unwrap() });
    }
    let ids: std::collections::BTreeSet<_> = all.join_all().await.into_iter().map(|id| id.int("id").unwrap()).collect();
    assert_eq!(ids.len(), 60);
    assert!(hub.world().sessions() <= 3, "{}", hub.world().sessions());
}

#[tokio::test]
async fn a_file_arrives_whole() {
    let hub = Hub::start().await.unwrap();
    let client = client(&hub);
    let content = Bytes::from((0..9_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect::<Vec<_>>());
    for _ in 0..2 {
        hub.world().trouble(When::method("upload"), Trouble::BreakAfter);
        client.upload("cli-build/a b&c", "x+1.src.rpm", &content).await.unwrap();
        assert_eq!(hub.world().uploaded("cli-build/a b&c/x+1.src.rpm").unwrap(), &content);
    }
    client.upload("cli-build/empty", "nothing", &Bytes::new()).await.unwrap();
    assert_eq!(hub.world().uploaded("cli-build/empty/nothing").unwrap().len(), 0);
}

#[tokio::test]
async fn a_file_in_pieces_that_is_not_whole_in_the_end_is_told() {
    let hub = Hub::start().await.unwrap();
    let client = client(&hub);
    // After the login and the first piece.
    hub.world().trouble(When::Number(2), Trouble::Slow(Duration::from_secs(1)));
    let content = Bytes::from(vec![7; 9_000_000]);
    let uploading = tokio::spawn(async move { client.upload("cli-build/a", "x", &content).await });
    // It is cut off before the second one is written behind it.
    while hub.world().uploaded("cli-build/a/x").is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    hub.world().cut_upload("cli-build/a/x", 100);
    let error = uploading.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), KojiErrorKind::HubFailed);
    assert_eq!(error.to_string(), "Koji failed: a file is not there as it was sent");
}

/// All tries of a call have the time of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_never_answered_is_sent_once_and_takes_the_time_of_one_call() {
    let hub = Arc::new(Hub::start().await.unwrap());
    let limit = Duration::from_secs(2);
    let client = Client::new(ClientConfig { timeout: limit, ..config(&hub) }).unwrap();
    client.write(&create("first")).await.unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let counting = tokio::spawn({
        let (hub, sent) = (Arc::clone(&hub), Arc::clone(&sent));
        async move {
            loop {
                hub.stopped().await;
                sent.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    for (number, trouble) in [Trouble::Stop, Trouble::StopAfter].into_iter().enumerate() {
        hub.world().trouble(When::Always, trouble);
        let (name, began) = (format!("hung-{number}"), std::time::Instant::now());
        let error = client.write(&create(&name)).await.unwrap_err();
        assert_eq!(error.kind(), KojiErrorKind::Lost);
        assert!(began.elapsed() < limit * 2, "{:?}", began.elapsed());
        assert_eq!(sent.swap(0, Ordering::SeqCst), 1);
        let began = std::time::Instant::now();
        assert_eq!(client.read(&get(&name)).await.unwrap_err().kind(), KojiErrorKind::Unreachable);
        assert!(began.elapsed() < limit * 2, "{:?}", began.elapsed());
        hub.world().calm();
        sent.store(0, Ordering::SeqCst);
        client.write(&create(&format!("after-{number}"))).await.unwrap();
    }
    counting.abort();
}

#[tokio::test]
async fn what_takes_too_long_or_is_too_much_is_given_up() {
    let hub = Hub::start().await.unwrap();
    let quick = ClientConfig { timeout: Duration::from_millis(60), ..config(&hub) };
    let client = Client::new(quick).unwrap();
    for _ in 0..4 {
        hub.world().trouble(When::method("getTag"), Trouble::Slow(Duration::from_secs(5)));
    }
    assert_eq!(client.read(&get("x")).await.unwrap_err().kind(), KojiErrorKind::Unreachable);
    let small = Client::new(ClientConfig { largest_answer: 300, ..config(&hub) }).unwrap();
    let error = small.read(&get("platform-build")).await.unwrap_err();
    assert_eq!(error.to_string(), "Koji's answer is longer than 300 bytes");
    let long = create(&"x".repeat(5_000_000));
    assert_eq!(client.write(&long).await.unwrap_err().kind(), KojiErrorKind::Invalid);
    let error = client.write(&create("a\u{1b}b")).await.unwrap_err();
    assert!(error.to_string().contains("which XML cannot hold"), "{error}");
}

#[tokio::test]
async fn every_call_is_told() {
    let hub = Hub::start().await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let count = Arc::new(AtomicUsize::new(0));
    let (writes, counts) = (Arc::clone(&told), Arc::clone(&count));
    let client = Client::with_hook(config(&hub), move |report| {
        counts.fetch_add(1, Ordering::SeqCst);
        assert!(report.took > Duration::ZERO);
        writes.lock().unwrap().push(format!("{} {}", report.method, report.outcome.word()));
    })
    .unwrap();
    client.read(&get("x")).await.unwrap();
    client.write(&create("x")).await.unwrap();
    client.write(&create("x")).await.unwrap_err();
    client.upload("cli-build/x", "x", &Bytes::from_static(b"x")).await.unwrap();
    hub.world().offline = true;
    client.read(&get("x")).await.unwrap_err();
    assert_eq!(
        *told.lock().unwrap(),
        ["getTag done", "login done", "createTag done", "createTag refused", "upload done", "getTag offline"]
    );
    assert_eq!(count.load(Ordering::SeqCst), 6);
    hub.world().offline = false;
    hub.world().forget_sessions();
    hub.world().trouble(When::method("login"), Trouble::Fault(Fault { code: fault::AUTH, message: "no".to_owned() }));
    client.write(&create("y")).await.unwrap_err();
    assert_eq!(told.lock().unwrap()[6..], ["login login", "createTag login"], "a login is told by itself");
}
