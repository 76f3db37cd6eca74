//! What can be found out about a configuration without starting the service.

use std::path::Path;

use super::Resolved;
use crate::publisher::Lines;

impl Resolved {
    /// Returns everything that would keep the service from starting or working on this machine, as it is now.
    pub fn check(&self) -> Vec<String> {
        let config = &self.config;
        let mut problems = self.problems.clone();
        if let Err(error) = writable_folder(&config.data) {
            let folder = config.data.display();
            problems.push(format!("the data folder {folder} cannot be written ({error}); make it, or set data.folder"));
        }
        let database = match &config.store.location {
            rida_store::Location::Sqlite(file) => Some(file.as_path()),
            _ => None,
        };
        let files = [("data.database", database), ("publish.to", published_to(&config.publish))];
        for (key, folder) in files.into_iter().filter_map(|(key, file)| Some((key, file?.parent()?))) {
            if folder != config.data
                && let Err(error) = writable_folder(folder)
            {
                let folder = folder.display();
                problems
                    .push(format!("the folder {folder} of {key} cannot be written ({error}); make it, or set {key}"));
            }
        }
        for (key, file) in config.bus.files() {
            if let Err(error) = std::fs::File::open(file) {
                problems.push(format!("{} of {key} cannot be read ({error})", file.display()));
            }
        }
        if let Err(error) = std::net::TcpListener::bind(config.listen) {
            let listen = config.listen;
            problems.push(format!("nothing can listen on {listen} ({error}); end what does, or set server.listen"));
        }
        problems
    }
}

fn published_to(lines: &Lines) -> Option<&Path> {
    match lines {
        Lines::File(path) => Some(path),
        Lines::Stdout => None,
    }
}

/// Tells whether files can be made in a folder, which is made when it is not there, as the service would.
fn writable_folder(folder: &Path) -> std::io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    std::fs::create_dir_all(folder)?;
    let probe = folder.join(format!(".rida-check-{}", std::process::id()));
    std::fs::File::create_new(&probe)?;
    std::fs::remove_file(probe)
}
