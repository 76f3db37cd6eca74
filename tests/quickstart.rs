//! The quickstart builds a real module, and other people's tools read what it made.

use std::path::Path;
use std::process::{Command, Output};

#[test]
fn a_module_comes_from_git_over_http_to_a_repository() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let output = quickstart(folder.path());
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", text(&output.stderr));

    // How far each component is when it is asked for depends on how fast the machine is.
    let parts = [
        "201 {",
        " init\n",
        " wait\n",
        " build\n",
        "batch 1 module-build-macros: ",
        "batch 2 greeting: ",
        " greeting-1.0-1.module+f42+",
        "batch 3 hello: ",
        " hello-2.0-1.module+f42+",
        " done\n",
        " ready\n",
        "built hello:rolling:",
    ];
    let mut rest = told.as_str();
    for part in parts {
        let place = rest.find(part).unwrap_or_else(|| panic!("{part:?} is missing, or too early, in:\n{told}"));
        rest = rest.get(place..).unwrap_or_default();
    }
    let repository = folder.path().canonicalize().expect("it is there").join("data/builds/builds/1/module/repo");
    assert!(told.contains(&format!("repository  {}", repository.display())), "{told}");
    dnf_reads(&repository);
    libmodulemd_reads(&repository);
    what_was_built_runs(&repository);

    let again = quickstart(folder.path());
    assert!(again.status.success(), "a second build in the same folder: {}", text(&again.stdout));
    let published = std::fs::read_to_string(folder.path().join("data/published.jsonl")).expect("it is there");
    let states: Vec<_> = published.lines().filter(|line| line.contains("module.state.change")).collect();
    assert_eq!(states.len(), 10, "five states of each of the two builds: {published}");
}

fn quickstart(folder: &Path) -> Output {
    let test = std::env::current_exe().expect("a test knows itself");
    let target = test.ancestors().nth(2).expect("a test is in target/<profile>/deps");
    Command::new(target.join("examples/quickstart")).arg(folder).output().expect("the example is built")
}

fn dnf_reads(repository: &Path) {
    let from = format!("--repofrompath=rida,file://{}", repository.display());
    let cache = tempfile::tempdir().expect("a folder can be made");
    let dnf = |arguments: &[&str]| {
        let output = Command::new("dnf")
            .args(["--quiet", "--releasever=42", "--setopt=module_platform_id=platform:f42", "--repo=rida", &from])
            .arg(format!("--setopt=cachedir={}", cache.path().display()))
            .args(arguments)
            .output()
            .expect("dnf is installed");
        assert!(output.status.success(), "dnf {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let list = dnf(&["module", "list", "hello"]);
    assert!(list.contains("hello") && list.contains("rolling"), "{list}");
    let packages = dnf(&["repoquery", "--disable-modular-filtering"]);
    assert!(
        packages.contains("greeting-0:1.0-1.module+f42+") || packages.contains("greeting-1.0-1.module"),
        "{packages}"
    );
}

fn libmodulemd_reads(repository: &Path) {
    let repodata = std::fs::read_dir(repository.join("repodata")).expect("it is there");
    let modules = repodata
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().contains("modules.yaml"))
        .expect("the repository has module metadata");
    let script = "import sys, gi; gi.require_version('Modulemd', '2.0'); from gi.repository import Modulemd\n\
                  index = Modulemd.ModuleIndex.new()\n\
                  good, failures = index.update_from_file(sys.argv[1], True)\n\
                  assert good, [f.get_gerror().message for f in failures]\n\
                  stream = index.get_module('hello').get_all_streams()[0]\n\
                  print(stream.get_NSVCA(), stream.get_rpm_artifacts(), stream.get_content_licenses())\n";
    let plain = repository.with_file_name("modules-for-test.yaml");
    let unpacked = Command::new("sh")
        .args([
            "-c",
            "case $1 in *.gz) gzip -dc \"$1\";; *.zst) zstd -dc \"$1\";; *.xz) xz -dc \"$1\";; *) cat \"$1\";; esac",
            "sh",
        ])
        .arg(&modules)
        .output()
        .expect("a shell is there");
    std::fs::write(&plain, unpacked.stdout).expect("it can be written");
    let output =
        Command::new("/usr/bin/python3").args(["-c", script]).arg(&plain).output().expect("python is installed");
    let told = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(told.starts_with("hello:rolling:") && told.contains("hello-0:2.0-1.module+f42+"), "{told}");
    assert!(told.contains("'MIT'"), "{told}");
}

/// The second package was built from what the first one has in it, with the module's macros in force.
fn what_was_built_runs(repository: &Path) {
    let script = "cd \"$1\" && rpm2cpio hello-2.0-*.noarch.rpm | cpio --quiet -i --to-stdout ./usr/bin/hello";
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(repository).output().expect("a shell is there");
    assert!(text(&output.stdout).contains("echo \"Hello, module (built for hello)\""), "{output:?}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
