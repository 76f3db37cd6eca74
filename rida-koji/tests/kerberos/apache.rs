//! Apache with mod_auth_gssapi before the hub, as production has it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rida_koji::testing::{Front, Hub};
use rida_koji::{Client, Kerberos, KojiErrorKind};
use url::Url;

use crate::login::kojis_own_client;
use crate::realm::Realm;
use crate::world::{PRINCIPAL, certificates, config, create_tag};

const MODULES: &[&str] = &[
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_user",
    "auth_gssapi",
    "ssl",
    "socache_shmcb",
    "proxy",
    "proxy_http",
    "headers",
];

struct Apache {
    realm: Realm,
    hub: Hub,
    keytab: PathBuf,
    authority: PathBuf,
    port: u16,
    server: Child,
}

impl Apache {
    async fn start() -> Self {
        let realm = Realm::start();
        let keytab = realm.keytab("rida.keytab", PRINCIPAL);
        let of_hub = realm.keytab("http.keytab", "HTTP/localhost");
        let (authority, _, _) = certificates(realm.folder());
        // What serves is a user of its own when root starts it.
        fs::set_permissions(realm.folder(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&of_hub, fs::Permissions::from_mode(0o644)).unwrap();
        let hub = Hub::start().await.unwrap();
        hub.world().add_principal("rida", PRINCIPAL);
        hub.set_front(Front::Header("x-remote-user"));
        let (port, server) = (0..5).find_map(|_| serve(&realm, &hub)).unwrap_or_else(|| {
            panic!("Apache does not listen: {}", fs::read_to_string(realm.path("error.log")).unwrap_or_default())
        });
        Self { realm, hub, keytab, authority, port, server }
    }

    fn url(&self) -> Url {
        Url::parse(&format!("https://localhost:{}/kojihub", self.port)).unwrap()
    }

    fn client(&self, keytab: PathBuf) -> Client {
        let kerberos = Kerberos { keytab: Some(keytab), helper: self.realm.helper(&[]), ..Kerberos::default() };
        Client::new(config(self.url(), &self.authority, kerberos)).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.realm.path("error.log")).unwrap_or_default()
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        // The parent ends its children when it is asked to.
        let id = rustix::process::Pid::from_child(&self.server);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if self.server.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Starts Apache, whose configuration of the hub is that which Koji ships, but for the hub being behind a proxy.
fn serve(realm: &Realm, hub: &Hub) -> Option<(u16, Child)> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = realm.folder().display();
    let modules: String = MODULES
        .iter()
        .map(|module| format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n"))
        .collect();
    let settings = format!(
        "ServerRoot {folder}\nServerName localhost\nPidFile {folder}/apache.pid\nErrorLog {folder}/error.log\n\
         DefaultRuntimeDir {folder}\nLogLevel warn auth_gssapi:debug\nListen 127.0.0.1:{port}\n{modules}\
         <IfModule unixd_module>\nUser www-data\nGroup www-data\n</IfModule>\n\
         StartServers 1\nThreadsPerChild 8\nMaxRequestWorkers 8\nServerLimit 1\n\
         SSLEngine on\nSSLCertificateFile {folder}/server.pem\nSSLSessionCache shmcb:{folder}/sessions(65536)\n\
         ProxyPass /kojihub {hub}\nRequestHeader unset X-Remote-User early\n\
         <Location /kojihub/ssllogin>\nAuthType GSSAPI\nAuthName \"GSSAPI Single Sign On Login\"\n\
         GssapiCredStore keytab:{folder}/http.keytab\nRequire valid-user\n\
         RequestHeader set X-Remote-User expr=%{{REMOTE_USER}}\n</Location>\n",
        hub = hub.url(),
    );
    fs::write(realm.path("apache.conf"), settings).unwrap();
    let mut command = realm.command("/usr/sbin/apache2");
    command.arg("-f").arg(realm.path("apache.conf")).arg("-DFOREGROUND");
    command.env("KRB5RCACHENAME", "none:");
    let log = fs::File::create(realm.path("said.log")).unwrap();
    let mut server = command.stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until && server.try_wait().unwrap().is_none() {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((port, server));
        }
        sleep(Duration::from_millis(10));
    }
    let _ = server.kill();
    let _ = server.wait();
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_behind_apache_takes_this_client_and_kojis_own() {
    let apache = Apache::start().await;
    let client = apache.client(apache.keytab.clone());
    let user = client.user().await.unwrap_or_else(|error| panic!("{error}\n{}", apache.log()));
    assert_eq!(user.name, "rida");
    create_tag(&client, "first").await;
    apache.hub.world().expire_sessions();
    create_tag(&client, "second").await;
    let told = kojis_own_client(&apache.realm, apache.url().as_str(), &apache.authority, &apache.keytab);
    assert!(told.ends_with("all is well\n"), "{told}\n{}", apache.log());

    let other = apache.client(apache.realm.keytab("other.keytab", "other@RIDA.TEST"));
    let error = other.user().await.unwrap_err();
    assert_eq!(error.to_string(), "Koji does not let this service in: Unknown user: other@RIDA.TEST");
    // Keys that the server was not told of.
    apache.realm.admin("cpw -randkey HTTP/localhost");
    let error = apache.client(apache.keytab.clone()).user().await.unwrap_err();
    assert_eq!(error.kind(), KojiErrorKind::Login);
    assert!(
        error.to_string().contains("the hub's server has not the key that the KDC has for HTTP/localhost"),
        "{error}"
    );
}
