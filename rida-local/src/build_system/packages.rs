//! What a run built: packages, checked before anything relies on them, and what their headers say.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use rida_core::{Nvr, PortError};
use serde::{Deserialize, Serialize};

use crate::config::BuildLimits;
use crate::layout::{beside, open_regular, put_folder, remove_tree, storage, write_record};
use crate::process::Limits;
use crate::sandbox::{Place, Run, Sandbox};

/// The file with what is known of the packages beside it.
pub(crate) const PACKAGES: &str = "packages.json";

/// The most packages that one component may have.
const MOST_PACKAGES: usize = 5000;

/// How many names a build's folder of results may have.
const MOST_RESULTS: usize = 100_000;

/// The longest description of a component's packages, in bytes. Each line of it becomes some times its size in memory.
const LARGEST_DESCRIPTION: u64 = 32 * 1024 * 1024;

/// A package, by its header.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Package {
    /// The name of its file, which is made of its name, version, release and architecture.
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) epoch: u64,
    pub(crate) version: String,
    pub(crate) release: String,
    /// The architecture; `src` for a source package.
    pub(crate) arch: String,
    pub(crate) license: String,
    pub(crate) provides: Vec<Relation>,
    pub(crate) requires: Vec<Relation>,
    /// The files that others may require.
    pub(crate) files: BTreeSet<String>,
}

/// A name with, maybe, a comparison and a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Relation {
    pub(crate) name: String,
    /// `<`, `=`, `>` or a combination; empty for any version.
    pub(crate) comparison: String,
    pub(crate) evr: String,
}

impl Package {
    pub(crate) fn is_source(&self) -> bool {
        matches!(self.arch.as_str(), "src" | "nosrc")
    }

    pub(crate) fn is_debug(&self) -> bool {
        self.name.ends_with("-debuginfo") || self.name.ends_with("-debugsource")
    }

    /// Returns `name-epoch:version-release.arch`.
    pub(crate) fn nevra(&self) -> String {
        let Self { name, epoch, version, release, arch, .. } = self;
        format!("{name}-{epoch}:{version}-{release}.{arch}")
    }

    pub(crate) fn nvr(&self) -> Option<Nvr> {
        format!("{}-{}-{}", self.name, self.version, self.release).parse().ok()
    }

    fn file_name(&self) -> String {
        format!("{}-{}-{}.{}.rpm", self.name, self.version, self.release, self.arch)
    }

    /// Tells whether all parts are what they should be; the rest of the program builds names of files of them.
    fn is_sound(&self) -> bool {
        let word = |text: &str| {
            !text.is_empty()
                && text.len() <= 200
                && !text.starts_with(['.', '-'])
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-~^".contains(&b))
        };
        let part = |text: &str| word(text) && !text.contains('-');
        word(&self.name) && part(&self.version) && part(&self.release) && part(&self.arch)
    }
}

/// What describes packages: one line a fact, each with a letter for its kind.
const QUERY: &str = "N\t%{NAME}\nE\t%{EPOCHNUM}\nV\t%{VERSION}\nR\t%{RELEASE}\nA\t%{ARCH}\n\
    S\t%|SOURCERPM?{binary}:{source}|\nL\t%{LICENSE}\n[P\t%{PROVIDENAME}\t%{PROVIDEFLAGS:depflags}\t%{PROVIDEVERSION}\n]\
    [Q\t%{REQUIRENAME}\t%{REQUIREFLAGS:depflags}\t%{REQUIREVERSION}\n][F\t%{FILENAMES}\n]";

/// Asks RPM about every package in the folder that is its first argument. A failure names the file only.
const SCRIPT: &str = r#"cd -- "$1" || exit 1
for file in *.rpm; do
    [ -f "$file" ] || continue
    printf '#\t%s\n' "$file"
    rpm -qp --nosignature --dbpath "$3/rpmdb" --qf "$2" -- "$file" || exit 1
done"#;

/// Takes the packages over that a run left in its folder of results: checks each, names it by its header, and puts
/// them into `into`. Does nothing when that is there.
///
/// # Errors
/// [`Permanent`](rida_core::PortErrorKind::Permanent) when a package is not sound.
pub(crate) async fn take_over(
    sandbox: &Sandbox,
    results: &Path,
    scratch: &Path,
    into: &Path,
    limits: BuildLimits,
) -> Result<(), PortError> {
    if into.exists() {
        return Ok(());
    }
    let part = beside(into, "new");
    remove_tree(&part).await.map_err(storage)?;
    remove_tree(scratch).await.map_err(storage)?;
    sandbox.furnish(scratch).map_err(storage)?;
    let checked = scratch.join("sources");
    let found = copy_packages(results, &checked)?;
    let described = if found == 0 { Vec::new() } else { describe(sandbox, scratch, limits).await? };
    if described.len() != found {
        return Err(PortError::permanent("a package that was built cannot be read"));
    }
    place(&described, &checked, &part, into)?;
    remove_tree(scratch).await.map_err(storage)
}

/// Links every regular file that is called like a package.
fn copy_packages(results: &Path, into: &Path) -> Result<usize, PortError> {
    let mut found: Vec<String> = Vec::new();
    for (number, entry) in fs::read_dir(results).map_err(storage)?.enumerate() {
        if number == MOST_RESULTS {
            return Err(PortError::permanent(format!("there are more than {MOST_RESULTS} files beside the packages")));
        }
        found.extend(entry.map_err(storage)?.file_name().into_string().ok().filter(|name| name.ends_with(".rpm")));
        if found.len() > MOST_PACKAGES {
            return Err(PortError::permanent(format!("there are more than {MOST_PACKAGES} packages")));
        }
    }
    found.sort();
    for (number, name) in found.iter().enumerate() {
        let from = results.join(name);
        let is_one = open_regular(&from).and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.nlink() == 1);
        if !is_one {
            return Err(PortError::permanent("something that is called like a package is not a file"));
        }
        let to = into.join(format!("{number}.rpm"));
        fs::hard_link(&from, &to).map_err(storage)?;
        own(&to).map_err(storage)?;
    }
    Ok(found.len())
}

/// Makes a file this service's, readable for all.
pub(crate) fn own(path: &Path) -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(0), Some(0))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

/// Reads the headers of the packages in the sources of a run's folder.
async fn describe(sandbox: &Sandbox, work: &Path, limits: BuildLimits) -> Result<Vec<Package>, PortError> {
    let place = |place| sandbox.inside(work, place).into_os_string();
    let command = vec![
        "sh".into(),
        "-c".into(),
        SCRIPT.into(),
        "describe".into(),
        place(Place::Sources),
        QUERY.into(),
        place(Place::Build),
    ];
    let run = Run { work: work.to_owned(), limits, network: false, command };
    let allowed = Limits { time: Duration::from_secs(300), output: LARGEST_DESCRIPTION, ..Limits::default() };
    let output = sandbox.program(&run).limits(allowed).run().await;
    let output = output.map_err(|error| error.into_port("a package that was built cannot be read"))?;
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

pub(crate) fn parse(text: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let (kind, mut next) = (fields.next().unwrap_or_default(), || fields.next().unwrap_or_default().to_owned());
        if kind == "#" {
            packages.push(Package { file: next(), ..Package::default() });
            continue;
        }
        let Some(package) = packages.last_mut() else { continue };
        match kind {
            "N" => package.name = next(),
            "E" => package.epoch = next().parse().unwrap_or(0),
            "V" => package.version = next(),
            "R" => package.release = next(),
            "A" => package.arch = next(),
            "S" if next() == "source" => package.arch = "src".to_owned(),
            "L" => package.license = next(),
            "P" => package.provides.push(relation(next)),
            "Q" => package.requires.push(relation(next)),
            "F" => {
                let file = next();
                if can_be_required(&file) {
                    package.files.insert(file);
                }
            }
            _ => {}
        }
    }
    packages
}

fn relation(mut next: impl FnMut() -> String) -> Relation {
    Relation { name: next(), comparison: next().trim().to_owned(), evr: next() }
}

/// Tells whether other packages require the file by its path, as repositories' primary metadata have it.
fn can_be_required(file: &str) -> bool {
    file.starts_with("/etc/") || file.contains("bin/") || file == "/usr/lib/sendmail"
}

/// Names the files by their headers and puts the finished folder in its place.
fn place(described: &[Package], from: &Path, part: &Path, into: &Path) -> Result<(), PortError> {
    fs::create_dir(part).map_err(storage)?;
    let mut packages = Vec::new();
    for package in described {
        if !package.is_sound() {
            return Err(PortError::permanent("a package that was built has a name, version or release that cannot be"));
        }
        let file = package.file_name();
        match fs::rename(from.join(&package.file), part.join(&file)) {
            _ if packages.iter().any(|other: &Package| other.file == file) => {
                return Err(PortError::permanent(format!("the package {file} was built twice")));
            }
            result => result.map_err(storage)?,
        }
        packages.push(Package { file, ..package.clone() });
    }
    packages.sort_by(|one, other| one.file.cmp(&other.file));
    write_record(&part.join(PACKAGES), &packages).map_err(storage)?;
    put_folder(part, into).map_err(storage)
}
