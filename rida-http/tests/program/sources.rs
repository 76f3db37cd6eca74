//! Modules and components in git, served as a hub could read them.

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rida_koji::testing::Hub;

use crate::koji::settings;
use crate::running::{repository, stdout, within};

/// A `git daemon` on a folder of repositories, ended when dropped.
pub(crate) struct Sources {
    daemon: Child,
    folder: PathBuf,
    port: u16,
}

impl Sources {
    /// Serves what is in a folder, and what comes there later.
    pub(crate) fn serve(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let programs = Command::new("git").arg("--exec-path").output().unwrap();
        let program = Path::new(stdout(&programs).trim()).join("git-daemon");
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            // Not by way of `git`, which would be ended in its place.
            let daemon = Command::new(&program)
                .args(["--listen=127.0.0.1", "--reuseaddr", "--export-all"])
                .args([format!("--port={port}"), format!("--base-path={}", folder.display())])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut sources = Self { daemon, folder: folder.clone(), port };
            let is_up = within(Duration::from_secs(60), "git daemon starts or ends", || {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Ok(true);
                }
                // Somebody else was faster to take the port.
                if sources.daemon.try_wait().unwrap().is_some() { Ok(false) } else { Err(String::new()) }
            });
            if is_up {
                return sources;
            }
        }
        panic!("git daemon does not start");
    }

    /// Returns the address of the folder.
    pub(crate) fn url(&self) -> String {
        format!("git://127.0.0.1:{}", self.port)
    }

    /// Adds a module of components, each with its buildorder, and their repositories.
    pub(crate) fn add(&self, module: &str, components: &[(&str, u32)]) {
        let mut text = format!(
            "document: modulemd\nversion: 2\ndata:\n  name: {module}\n  stream: rolling\n  summary: A module\n  \
             description: A module.\n  license: {{module: [MIT]}}\n  components:\n    rpms:\n"
        );
        for (name, order) in components {
            let _ = writeln!(text, "      {name}: {{rationale: Needed., ref: main, buildorder: {order}}}");
            let spec = format!("Name: {name}\nVersion: 1\nRelease: 1%{{?dist}}\nSummary: A part\nLicense: MIT\n");
            repository(&self.folder.join("rpms").join(name), &format!("{name}.spec"), &spec);
        }
        repository(&self.folder.join("modules").join(module), &format!("{module}.yaml"), &text);
    }

    /// Returns the address of a module.
    pub(crate) fn module(&self, module: &str) -> String {
        format!("{}/modules/{module}?#main", self.url())
    }

    /// Returns the settings of a service that builds these in a hub, and asks it often.
    pub(crate) fn settings(&self, folder: &Path, hub: &Hub) -> Vec<String> {
        let mut settings = settings(folder, hub, "secret");
        let repository = format!("sources.repository={}/rpms", self.url());
        for setting in [&repository, "koji.ask_every=100ms", "builds.follow_every=200ms", "log.filter=warn"] {
            settings.extend(["--set".to_owned(), setting.to_owned()]);
        }
        settings.extend(["--allow".to_owned(), format!("{}/", self.url())]);
        settings
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
