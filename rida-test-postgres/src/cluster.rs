//! A server and its databases.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rida_test_keeper::Home;

use crate::programs::Programs;

/// How often another port is tried when somebody else was faster.
const PORT_TRIES: u32 = 5;

/// How a server is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Whether what is written is on the disk before it counts as written. Slower, and needed by benchmarks alone: the
    /// machine does not crash in a test.
    pub durable: bool,
    /// Whether it speaks TLS, with a certificate for `localhost` of an authority of its own.
    pub tls: bool,
}

/// A PostgreSQL server. It is stopped and deleted when this is dropped, and when the process ends, however it does.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    home: Home,
    port: u16,
    databases: AtomicU32,
}

/// A database of its own, dropped with this.
#[derive(Debug)]
pub struct TestDatabase<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl Cluster {
    /// Returns the server that all tests of this process share. Nobody may stop it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Settings::default()))
    }

    /// Starts a server for one test.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start(settings: Settings) -> Self {
        let programs = Programs::find();
        let home = Home::new();
        if let Some(user) = &programs.user {
            let given = Command::new("chown").arg(user).arg(home.path()).status();
            assert!(given.is_ok_and(|status| status.success()), "the folder can be given away");
        }
        let mut cluster = Self { programs, home, port: 0, databases: AtomicU32::new(0) };
        cluster.create(settings);
        for left in (0..PORT_TRIES).rev() {
            cluster.port = free_port();
            if cluster.try_start() {
                return cluster;
            }
            assert!(left > 0, "the server does not start: {}", cluster.log());
        }
        cluster
    }

    fn create(&self, settings: Settings) {
        let data = self.data();
        let mut arguments: Vec<&OsStr> = [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--locale-provider=icu",
            "--icu-locale=en-US",
            "--no-instructions",
            "--pgdata",
        ]
        .map(OsStr::new)
        .to_vec();
        arguments.push(data.as_os_str());
        if !settings.durable {
            arguments.push(OsStr::new("--no-sync"));
        }
        self.programs.run(self.home.path(), "initdb", &arguments);
        let durable = if settings.durable { "" } else { "fsync = off\nfull_page_writes = off\n" };
        let tls = if settings.tls { self.make_certificate() } else { "" };
        // Small, as several run beside each other; many connections, as tests open many pools.
        let text = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nmax_connections = 200\n\
             shared_buffers = 32MB\n{durable}{tls}",
            self.home.path().display()
        );
        std::fs::write(self.data().join("conf.d.conf"), text).expect("the settings can be written");
        let mut main = std::fs::read_to_string(self.data().join("postgresql.conf")).expect("there are settings");
        main.push_str("\ninclude 'conf.d.conf'\n");
        std::fs::write(self.data().join("postgresql.conf"), main).expect("the settings can be written");
        // Who is called so has to know the password; everybody else is trusted.
        let rules = std::fs::read_to_string(self.data().join("pg_hba.conf")).expect("there are rules");
        let rules = format!("host all locked 127.0.0.1/32 scram-sha-256\n{rules}");
        std::fs::write(self.data().join("pg_hba.conf"), rules).expect("the rules can be written");
    }

    /// Makes the certificate of an authority, and one of the server signed by it.
    fn make_certificate(&self) -> &'static str {
        let script = "set -eu; umask 077; cd \"$1\"\n\
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt\n\
            openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr\n\
            printf 'subjectAltName=DNS:localhost' > server.ext\n\
            openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext \
            -out server.crt\n\
            chmod 644 ca.crt\n[ -z \"$2\" ] || chown \"$2\" server.key server.crt";
        let user = self.programs.user.as_deref().unwrap_or("");
        let made = Command::new("sh").args(["-c", script, "sh"]).arg(self.home.path()).arg(user).output();
        let made = made.expect("a shell runs");
        assert!(made.status.success(), "openssl fails: {}", String::from_utf8_lossy(&made.stderr));
        "ssl = on\nssl_cert_file = '../server.crt'\nssl_key_file = '../server.key'\n"
    }

    /// Returns the certificate of the authority that signed the server's, when it speaks TLS.
    pub fn authority(&self) -> PathBuf {
        self.home.path().join("ca.crt")
    }

    /// Returns the port that the server listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder of the server's socket.
    pub fn socket_folder(&self) -> &Path {
        self.home.path()
    }

    /// Makes an empty database.
    pub fn database(&self) -> TestDatabase<'_> {
        let name = format!("rida_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        TestDatabase { cluster: self, name }
    }

    /// Runs statements and returns the rows of their answers, with `|` between columns.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let port = self.port.to_string();
        let arguments = ["--host=127.0.0.1", "--username=postgres", "--no-psqlrc", "--quiet", "--tuples-only"];
        let more = ["--no-align", "--set=ON_ERROR_STOP=1", "--port", &port, "--dbname", database, "--command", sql];
        let arguments: Vec<&OsStr> = arguments.iter().chain(&more).map(OsStr::new).collect();
        self.programs.run(self.home.path(), "psql", &arguments).trim_end().to_owned()
    }

    /// Stops the server as a crash of its machine would: nothing is finished, and clients learn of it by and by.
    pub fn crash(&self) {
        self.control(&["stop", "--mode=immediate"]);
    }

    /// Stops the server as its operator would: it tells its clients, and finishes nothing of theirs.
    pub fn stop(&self) {
        self.control(&["stop", "--mode=fast"]);
    }

    /// Starts the server again where it was.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&self) {
        assert!(self.try_start(), "the server does not start again: {}", self.log());
    }

    fn control(&self, arguments: &[&str]) {
        let data = self.data();
        let mut all: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        all.extend([OsStr::new("--silent"), OsStr::new("--wait"), OsStr::new("--pgdata"), data.as_os_str()]);
        self.programs.run(self.home.path(), "pg_ctl", &all);
    }

    fn try_start(&self) -> bool {
        let (data, log) = (self.data(), self.home.path().join("log"));
        let options = format!("-p {}", self.port);
        let arguments = ["start", "--silent", "--wait", "--timeout=120", "--options", &options, "--log"];
        let mut all: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        all.extend([log.as_os_str(), OsStr::new("--pgdata"), data.as_os_str()]);
        self.programs.try_run(self.home.path(), "pg_ctl", &all).status.success()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // At once; without this it waits for its clients a while. Whatever becomes of it, its home ends it.
        let data = self.data();
        let all = ["stop", "--silent", "--mode=immediate", "--pgdata"].map(OsStr::new);
        let all: Vec<&OsStr> = all.into_iter().chain([data.as_os_str()]).collect();
        self.programs.try_run(self.home.path(), "pg_ctl", &all);
    }
}

impl TestDatabase<'_> {
    /// Returns its address.
    pub fn url(&self) -> String {
        self.url_by("127.0.0.1", self.cluster.port)
    }

    /// Returns its address by way of somebody in between.
    pub fn url_by(&self, host: &str, port: u16) -> String {
        format!("postgresql://postgres@{host}:{port}/{}?sslmode=disable", self.name)
    }

    /// Returns what it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements and returns the rows of their answers, with `|` between columns.
    pub fn sql(&self, sql: &str) -> String {
        self.cluster.sql(&self.name, sql)
    }
}

impl Drop for TestDatabase<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.cluster.sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}
