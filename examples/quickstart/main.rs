//! Builds a module from git to a repository of RPMs, over HTTP, on embedded defaults: `scripts/quickstart.sh [FOLDER]`.
//!
//! It makes three git repositories (a module and its two packages), serves Rida from the folder, submits the module,
//! shows what happens, and says where everything is.

mod http;
mod progress;
mod sources;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use rida::http::App;
use rida::http::cli::Cli;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const DEFAULT_FOLDER: &str = "rida-quickstart";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("quickstart: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// Does it all, and tells whether the module is ready.
async fn run() -> Result<bool, Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(DEFAULT_FOLDER), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let git = folder.join("git");
    sources::make(&git)?;
    println!("made three git repositories below {}\n", git.display());

    let config = settings(&folder)?;
    let listener = TcpListener::bind(config.listen).await?;
    let address = listener.local_addr()?;
    let app = App::open(&config).await?;
    println!("{}\n", app.banner(&config, address));
    let builds = app.builds().ok_or("modules are built on this machine")?.clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(app.run(listener, async move {
        // The sender's end is the signal.
        let _ = stopped.await;
    }));

    let scmurl = format!("file://{}/modules/hello?#main", git.display());
    println!("POST /rida/module-builds/ {{\"scmurl\": \"{scmurl}\"}}");
    let (status, reply) = http::send(address, "POST", "/rida/module-builds/", Some(&json!({"scmurl": scmurl}))).await?;
    println!("{status} {reply}\n");
    let Some(id) = reply["id"].as_i64().filter(|_| status == 201) else { return Ok(false) };
    let build = progress::watch(address, id).await?;
    let ready = build["state"] == "ready";
    if ready {
        let id = rida::BuildId::new(id).ok_or("the id is positive")?;
        conclude(&folder, &build, &builds.repository(id))?;
    } else {
        progress::explain(address, &build).await?;
    }
    drop(stop);
    server.await?;
    Ok(ready)
}

/// Configures what `rida-http serve` would with the same flags: everything else is default.
fn settings(folder: &Path) -> Result<rida::http::config::Config, Box<dyn Error>> {
    let git = format!("file://{}", folder.join("git").display());
    let data = folder.join("data");
    let arguments = [
        "rida-http".to_owned(),
        format!("--data={}", data.display()),
        "--listen=127.0.0.1:0".to_owned(),
        format!("--allow={git}/modules"),
        format!("--set=sources.repository={git}/rpms"),
        format!("--set=publish.to={}", data.join("published.jsonl").display()),
        "serve".to_owned(),
    ];
    let resolved = Cli::try_parse_from(arguments)?.settings.resolve(std::iter::empty())?;
    if resolved.problems.is_empty() { Ok(resolved.config) } else { Err(resolved.problems.join("\n").into()) }
}

/// Says what was built, where it is, and how to look at it.
fn conclude(folder: &Path, build: &Value, repository: &Path) -> Result<(), Box<dyn Error>> {
    let text = |key: &str| build[key].as_str().unwrap_or_default();
    let [name, stream, version, context] = ["name", "stream", "version", "context"].map(text);
    println!("\nbuilt {name}:{stream}:{version}:{context}\n");
    println!("repository  {}", repository.display());
    let mut packages = Vec::new();
    sources::find(repository, &|path| path.extension().is_some_and(|end| end == "rpm"), &mut packages)?;
    for package in packages {
        println!("            {}", package.strip_prefix(repository).unwrap_or(&package).display());
    }
    let data = folder.join("data");
    println!("told        {}", data.join("published.jsonl").display());
    println!("\nlook at it with");
    println!("  dnf --repofrompath=rida,file://{} --repo=rida module info {name}", repository.display());
    println!("  rpm --query --info --list --package {}/*.rpm", repository.display());
    println!("and go on with");
    let git = format!("file://{}/git", folder.display());
    println!("  cargo run --release --package rida-http -- --data {} \\", data.display());
    println!("    --allow {git}/modules --set sources.repository={git}/rpms serve");
    Ok(())
}
