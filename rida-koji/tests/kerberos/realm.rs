//! A realm of Kerberos with a KDC of its own.

use std::ffi::OsString;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rida_test_keeper::Home;

use crate::HELPER;

pub(crate) struct Realm {
    home: Home,
    kdc: Option<Child>,
}

impl Realm {
    /// Starts a KDC that knows the hub as `HTTP/localhost`.
    pub(crate) fn start() -> Self {
        let mut realm = Self { home: Home::new(), kdc: None };
        realm.restart();
        realm.admin("addprinc -randkey HTTP/localhost");
        realm
    }

    fn try_start(&mut self) -> bool {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = self.home.path().display().to_string();
        self.write_settings(port, "");
        let kdc = format!(
            "[kdcdefaults]\n  kdc_listen = 127.0.0.1:{port}\n  kdc_tcp_listen = 127.0.0.1:{port}\n[realms]\n  RIDA.TEST = {{\n    \
             database_name = {folder}/database\n    key_stash_file = {folder}/stash\n    acl_file = {folder}/acl\n    \
             max_life = 1d\n    default_principal_flags = +preauth\n  }}\n[logging]\n  kdc = FILE:{folder}/kdc.log\n"
        );
        fs::write(self.path("kdc.conf"), kdc).unwrap();
        if !self.path("database").exists() {
            self.run("/usr/sbin/kdb5_util", &["create", "-s", "-r", "RIDA.TEST", "-P", "master"]);
        }
        let mut command = self.command("/usr/sbin/krb5kdc");
        command.args(["-n", "-r", "RIDA.TEST", "-P"]).arg(self.path("kdc.pid"));
        let mut kdc = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until && kdc.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                self.kdc = Some(kdc);
                return true;
            }
            sleep(Duration::from_millis(10));
        }
        let _ = kdc.kill();
        let _ = kdc.wait();
        false
    }

    /// Writes what clients of the realm read, and more settings of the library.
    fn write_settings(&self, port: u16, more: &str) {
        let settings = format!(
            "[libdefaults]\n  default_realm = RIDA.TEST\n  dns_lookup_kdc = false\n  dns_lookup_realm = false\n  rdns = false\n  \
             dns_canonicalize_hostname = false\n  udp_preference_limit = 1\n{more}[realms]\n  RIDA.TEST = {{\n    \
             kdc = 127.0.0.1:{port}\n  }}\n[domain_realm]\n  localhost = RIDA.TEST\n  127.0.0.1 = RIDA.TEST\n"
        );
        fs::write(self.path("krb5.conf"), settings).unwrap();
    }

    /// Adds to what clients of the realm read.
    pub(crate) fn add_setting(&self, line: &str) {
        let settings = fs::read_to_string(self.path("krb5.conf")).unwrap();
        fs::write(self.path("krb5.conf"), settings.replace("[realms]", &format!("  {line}\n[realms]"))).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Makes a command with the realm's environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        assert!(Path::new(program).exists(), "{program} is not there; scripts/setup.sh test installs it");
        let mut command = Command::new(program);
        command.env("KRB5_CONFIG", self.path("krb5.conf")).env("KRB5_KDC_PROFILE", self.path("kdc.conf"));
        command.env_remove("KRB5CCNAME").env_remove("KRB5_KTNAME").env_remove("KRB5_CLIENT_KTNAME");
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let output = self.command(program).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Changes the realm's database.
    pub(crate) fn admin(&self, query: &str) {
        let output = self.run("/usr/sbin/kadmin.local", &["-r", "RIDA.TEST", "-q", query]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("while "), "{query}: {told}");
    }

    /// Writes a principal's new keys to a file. The principal is made when it is not there.
    pub(crate) fn keytab(&self, file: &str, principal: &str) -> PathBuf {
        let path = self.path(file);
        if principal != "HTTP/localhost" {
            self.admin(&format!("addprinc -randkey {principal}"));
        }
        self.admin(&format!("ktadd -k {} {principal}", path.display()));
        path
    }

    /// Gets a ticket as a person does, and returns the name of the cache that it is in.
    pub(crate) fn cache(&self, keytab: &Path, principal: &str, lifetime: &str) -> String {
        let name = format!("FILE:{}", self.path("cache").display());
        let keytab = keytab.display().to_string();
        self.run("/usr/bin/kinit", &["-k", "-t", &keytab, "-l", lifetime, "-c", &name, principal]);
        name
    }

    /// Returns the program that speaks with this realm; what is before it runs it.
    pub(crate) fn helper(&self, before: &[&str]) -> Vec<OsString> {
        let settings = format!("KRB5_CONFIG={}", self.path("krb5.conf").display());
        let words = ["/usr/bin/env", settings.as_str()].into_iter().chain(before.iter().copied()).chain([HELPER]);
        words.map(OsString::from).collect()
    }

    /// Starts the KDC, again too; clients are told by their settings where it is.
    pub(crate) fn restart(&mut self) {
        // Another may take a port that was free before the KDC does.
        let started = (0..5).any(|_| self.try_start());
        assert!(started, "no KDC listens: {}", fs::read_to_string(self.path("kdc.log")).unwrap_or_default());
    }

    /// Ends the KDC.
    pub(crate) fn stop(&mut self) {
        if let Some(mut kdc) = self.kdc.take() {
            kdc.kill().unwrap();
            kdc.wait().unwrap();
        }
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        self.stop();
    }
}
