//! The git repositories of the example: a module and its two packages.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each repository with its files.
const REPOSITORIES: &[(&str, &[(&str, &str)])] = &[
    (
        "rpms/greeting",
        &[
            ("greeting.spec", include_str!("rpms/greeting/greeting.spec")),
            ("greeting.sh", include_str!("rpms/greeting/greeting.sh")),
        ],
    ),
    (
        "rpms/hello",
        &[("hello.spec", include_str!("rpms/hello/hello.spec")), ("hello.in", include_str!("rpms/hello/hello.in"))],
    ),
    ("modules/hello", &[("hello.yaml", include_str!("../modules/hello.yaml"))]),
];

/// Makes the repositories below a folder, or one more commit in each: a module's version is its commit's time.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    for (name, files) in REPOSITORIES {
        let repository = folder.join(name);
        std::fs::create_dir_all(&repository)?;
        for (file, text) in *files {
            std::fs::write(repository.join(file), text)?;
        }
        git(&repository, &["init", "--quiet", "--initial-branch=main"])?;
        git(&repository, &["add", "--all"])?;
        git(&repository, &["commit", "--quiet", "--allow-empty", "--message=Build it"])?;
    }
    Ok(())
}

/// Finds the files below a folder that are wanted, in order.
pub(crate) fn find(folder: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            find(&path, wanted, found)?;
        } else if wanted(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Runs git as somebody without settings of their own.
fn git(folder: &Path, arguments: &[&str]) -> io::Result<()> {
    let status = Command::new("git")
        .args(["-c", "user.name=Packager", "-c", "user.email=packager@example.org", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(folder)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("git {} ended with {status}", arguments.join(" "))))
    }
}
