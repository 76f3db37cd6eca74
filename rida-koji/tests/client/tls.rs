//! The hub's certificate is checked, and login by a client certificate works.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use rida_koji::testing::Hub;
use rida_koji::xmlrpc::{Call, Value};
use rida_koji::{Client, ClientConfig, KojiErrorKind, Login};

use crate::certificates::{Issued, issue, write};

struct World {
    folder: tempfile::TempDir,
    authority: Issued,
    hub: Hub,
}

impl World {
    async fn new() -> Self {
        let authority = issue("authority", None);
        let server = issue("localhost", Some(&authority));
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_certificate(&server.certificate).unwrap();
        acceptor.set_private_key(&server.key).unwrap();
        acceptor.cert_store_mut().add_cert(authority.certificate.clone()).unwrap();
        acceptor.set_verify(SslVerifyMode::PEER);
        let hub = Hub::start_secure(acceptor.build()).await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), authority, hub }
    }

    fn config(&self, file: PathBuf) -> ClientConfig {
        let authority = write(self.folder.path(), "authority.pem", &self.authority);
        let pause = Duration::from_millis(4);
        let config = ClientConfig::new(self.hub.url(), Login::Certificate { file });
        ClientConfig { server_ca: Some(authority), pause, ..config }
    }

    fn file(&self, name: &str, issued: &Issued) -> PathBuf {
        write(self.folder.path(), name, issued)
    }
}

#[tokio::test]
async fn a_client_certificate_logs_in() {
    let world = World::new().await;
    let file = world.file("rida.pem", &issue("rida", Some(&world.authority)));
    let client = Client::new(world.config(file)).unwrap();
    assert_eq!(client.user().await.unwrap().name, "rida");
    client.write(&Call::new("createTag", [Value::from("mine")])).await.unwrap();
    world.hub.world().expire_sessions();
    client.write(&Call::new("createTag", [Value::from("ours")])).await.unwrap();
    let unknown = world.file("nobody.pem", &issue("nobody", Some(&world.authority)));
    let error = Client::new(world.config(unknown)).unwrap().user().await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("nobody")), (KojiErrorKind::Login, true));
}

#[tokio::test]
async fn a_hub_or_a_client_with_a_foreign_certificate_is_refused() {
    let world = World::new().await;
    let foreign = issue("other authority", None);
    let file = world.file("foreign.pem", &issue("rida", Some(&foreign)));
    let error = Client::new(world.config(file.clone())).unwrap().user().await.unwrap_err();
    assert_eq!(error.kind(), KojiErrorKind::Login, "{error}");
    assert!(error.to_string().contains("alert unknown ca"), "{error}");
    // Without the authority that signed the hub's certificate nothing is even read from it.
    let config = ClientConfig { server_ca: None, ..world.config(file) };
    let client = Client::new(config).unwrap();
    let error = client.read(&Call::new("getAPIVersion", [])).await.unwrap_err();
    assert!(error.to_string().contains("certificate verify failed"), "{error}");
}

#[tokio::test]
async fn a_client_certificate_that_is_renewed_is_read_anew() {
    let world = World::new().await;
    let foreign = issue("other authority", None);
    let file = world.file("rida.pem", &issue("rida", Some(&foreign)));
    let client = Client::new(world.config(file.clone())).unwrap();
    assert_eq!(client.user().await.unwrap_err().kind(), KojiErrorKind::Login);
    // While it is written there is no key yet, and for a moment nothing at all.
    let renewed = issue("rida", Some(&world.authority));
    for half in [Some(renewed.certificate.to_pem().unwrap()), None] {
        match half {
            Some(half) => fs::write(&file, half).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let error = client.user().await.unwrap_err();
        assert_eq!(error.kind(), KojiErrorKind::Login, "{error}");
        assert!(error.to_string().contains("rida.pem cannot be read"), "{error}");
    }
    world.file("rida.pem", &renewed);
    assert_eq!(client.user().await.unwrap().name, "rida");
}

#[tokio::test]
async fn an_authority_that_is_renewed_is_read_anew() {
    let world = World::new().await;
    let config = world.config(world.file("rida.pem", &issue("rida", Some(&world.authority))));
    world.file("authority.pem", &issue("an older authority", None));
    let client = Client::new(config).unwrap();
    let call = Call::new("getAPIVersion", []);
    let error = client.read(&call).await.unwrap_err();
    assert!(error.to_string().contains("certificate verify failed"), "{error}");
    fs::write(world.folder.path().join("authority.pem"), "-----BEGIN").unwrap();
    let error = client.read(&call).await.unwrap_err();
    assert_eq!(error.kind(), KojiErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains("authority.pem cannot be read"), "{error}");
    world.file("authority.pem", &world.authority);
    client.read(&call).await.unwrap();
    assert_eq!(client.user().await.unwrap().name, "rida", "logins know it, too");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let url = url::Url::parse("https://koji.example.org/kojihub").unwrap();
    let with = |file: PathBuf| Client::new(ClientConfig::new(url.clone(), Login::Certificate { file }));
    let error = with(folder.path().join("nothing.pem")).unwrap_err();
    assert_eq!(error.kind(), KojiErrorKind::Settings);
    assert!(error.to_string().contains("nothing.pem"), "{error}");
    let (one, other) = (issue("a", None), issue("b", None));
    let mixed = folder.path().join("mixed.pem");
    let mut pem = one.certificate.to_pem().unwrap();
    pem.extend(other.key.private_key_to_pem_pkcs8().unwrap());
    fs::write(&mixed, pem).unwrap();
    assert_eq!(with(mixed).unwrap_err().kind(), KojiErrorKind::Settings);
}
