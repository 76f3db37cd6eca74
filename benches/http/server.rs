//! The server that is measured, in a process of its own: this program again.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser as _;
use rida::http::cli::Cli;
use rida::http::config::Config;
use rida::http::{App, Metrics, ServerLimits};
use rida::store::{Database, Durability, StoreConfig};
use rida::testing::sample;
use rida::{Phase, Store as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use warp::Filter as _;

const SERVE: &str = "RIDA_BENCH_SERVE";

/// The server's process.
pub(crate) struct Child {
    process: std::process::Child,
    /// Where the interface is.
    pub(crate) api: SocketAddr,
    /// Where the route is that does nothing.
    pub(crate) trivial: SocketAddr,
}

impl Child {
    /// Starts a server on a folder and reads where it listens.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("a program knows itself"))
            .env(SERVE, folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts again");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let mut address = || lines.next()?.ok()?.parse().ok();
        let (api, trivial) = (address().expect("an address"), address().expect("an address"));
        Self { process, api, trivial }
    }

    /// Returns a figure of the kernel's on the process, in KiB.
    pub(crate) fn memory(&self, figure: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).expect("the kernel tells it")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the folder to serve when this process is the server.
pub(crate) fn asked_to_serve() -> Option<PathBuf> {
    std::env::var_os(SERVE).map(PathBuf::from)
}

/// Serves the interface and the trivial route until the process is ended.
pub(crate) fn serve(folder: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let config = config(folder);
        let listener = TcpListener::bind(config.listen).await.expect("a port is free");
        let beside = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        println!("{}", listener.local_addr().expect("it has an address"));
        println!("{}", beside.local_addr().expect("it has an address"));
        let app = App::open(&config).await.expect("it opens");
        let nothing = warp::any().map(|| warp::reply::Reply::into_response(r#"{"id":4711,"state":"init"}"#)).boxed();
        let (draining, _) = watch::channel(false);
        let trivial = rida::http::serve(
            beside,
            nothing,
            ServerLimits::default(),
            Metrics::default(),
            draining,
            std::future::pending(),
        );
        tokio::join!(app.run(listener, std::future::pending()), trivial);
    });
}

/// Fills the database with builds that have ended, so that nothing but requests is worked on.
pub(crate) async fn fill(folder: &Path, builds: i64) {
    let config = StoreConfig { durability: Durability::Normal, ..StoreConfig::sqlite(folder.join("rida.sqlite")) };
    let store = Database::connect(&config).await.expect("it opens");
    store.migrate().await.expect("it is made");
    for number in 1..=builds {
        let id = store.reserve_id().await.expect("there are ids");
        let mut first = sample::Written::new(id, sample::nsvc(&format!("lua:5.4:{number}:c0ffee")));
        first.after.phase = Phase::Ready;
        first.effects.clear();
        first.look_at = None;
        store.commit(first.commit()).await.expect("it is accepted");
    }
}

fn config(folder: &Path) -> Config {
    let arguments = [
        "rida-http".to_owned(),
        format!("--data={}", folder.display()),
        "--listen=127.0.0.1:0".to_owned(),
        "--allow=https://src.example.org/".to_owned(),
        "--set=log.filter=error".to_owned(),
        format!("--set=publish.to={}", folder.join("published.jsonl").display()),
        "serve".to_owned(),
    ];
    let cli = Cli::try_parse_from(arguments).expect("the arguments are good");
    cli.settings.resolve(std::iter::empty()).expect("the settings are good").config
}
