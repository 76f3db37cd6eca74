//! A realm, and the double of the hub as a service of it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::ssl::{SslAcceptor, SslMethod};
use rida_koji::testing::{Front, Hub, Judge, Judged};
use rida_koji::xmlrpc::{Call, Value};
use rida_koji::{Client, ClientConfig, Kerberos, KojiError, Login};
use url::Url;

use crate::certificates::{Issued, issue, write};
use crate::realm::Realm;

/// The principal that the tests log in as, which the hub takes for the user `rida`.
pub(crate) const PRINCIPAL: &str = "rida/builder.example.org@RIDA.TEST";

pub(crate) struct World {
    pub(crate) realm: Realm,
    pub(crate) hub: Hub,
    pub(crate) keytab: PathBuf,
    pub(crate) authority: PathBuf,
}

/// Makes certificates, and returns the file of the authority and that of the server.
pub(crate) fn certificates(folder: &Path) -> (PathBuf, PathBuf, Issued) {
    let authority = issue("authority", None);
    let server = issue("localhost", Some(&authority));
    (write(folder, "authority.pem", &authority), write(folder, "server.pem", &server), server)
}

impl World {
    /// Starts everything; the hub's server judges tickets for real.
    pub(crate) async fn new() -> Self {
        let world = Self::without_judge().await;
        world.hub.set_front(Front::Judge(world.judge(&[])));
        world
    }

    pub(crate) async fn without_judge() -> Self {
        let realm = Realm::start();
        let keytab = realm.keytab("rida.keytab", PRINCIPAL);
        let (authority, _, server) = certificates(realm.folder());
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_certificate(&server.certificate).unwrap();
        acceptor.set_private_key(&server.key).unwrap();
        let hub = Hub::start_secure(acceptor.build()).await.unwrap();
        hub.world().add_principal("rida", PRINCIPAL);
        Self { realm, hub, keytab, authority }
    }

    /// Starts who judges tickets with the hub's keys; what is before it runs it.
    pub(crate) fn judge(&self, before: &[&str]) -> Judge {
        let keytab = self.realm.keytab("http.keytab", "HTTP/localhost");
        let judge = Mutex::new(Acceptor::start(&self.realm, &keytab, before));
        Arc::new(move |token| judge.lock().unwrap().judge(token))
    }

    pub(crate) fn kerberos(&self) -> Kerberos {
        Kerberos { helper: self.realm.helper(&[]), ..Kerberos::default() }
    }

    pub(crate) fn by_keytab(&self) -> Kerberos {
        let principal = Some(PRINCIPAL.to_owned());
        Kerberos { principal, keytab: Some(self.keytab.clone()), ..self.kerberos() }
    }

    pub(crate) fn config(&self, kerberos: Kerberos) -> ClientConfig {
        config(self.hub.url(), &self.authority, kerberos)
    }

    pub(crate) fn client(&self, kerberos: Kerberos) -> Client {
        Client::new(self.config(kerberos)).unwrap()
    }

    /// Tries to log in, which fails.
    pub(crate) async fn refused(&self, kerberos: Kerberos) -> KojiError {
        self.client(kerberos).user().await.unwrap_err()
    }
}

pub(crate) fn config(server: Url, authority: &Path, kerberos: Kerberos) -> ClientConfig {
    let config = ClientConfig::new(server, Login::Kerberos(kerberos));
    ClientConfig { server_ca: Some(authority.to_owned()), pause: Duration::from_millis(4), ..config }
}

pub(crate) async fn create_tag(client: &Client, name: &str) {
    client.write(&Call::new("createTag", [Value::from(name)])).await.unwrap();
}

/// A process with the keys of the hub: they are told it by its environment.
struct Acceptor {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Acceptor {
    fn start(realm: &Realm, keytab: &Path, before: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rida-koji/tests/python/accept.py");
        let mut words = before.iter().copied().chain(["/usr/bin/python3"]);
        let mut command = realm.command(words.next().unwrap());
        command.args(words).arg(script).env("KRB5_KTNAME", keytab);
        command.env("KRB5RCACHENAME", format!("dfl:{}", realm.path("replays").display()));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, input, output }
    }

    fn judge(&mut self, token: &[u8]) -> Judged {
        writeln!(self.input, "{}", STANDARD.encode(token)).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let (who, token) = line.trim_end().split_once(' ').expect("the judge says something");
        let token = (token != "-").then(|| STANDARD.decode(token).unwrap());
        Judged { principal: (who != "-").then(|| who.to_owned()), token }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
