use std::process::Command;

use super::*;

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

fn relation(name: &str, comparison: &str, evr: &str) -> Relation {
    Relation { name: name.to_owned(), comparison: comparison.to_owned(), evr: evr.to_owned() }
}

/// A machine whose packages RPM knows: a database with one package in it.
#[tokio::test]
async fn what_the_machine_lacks_is_told_where_rpm_knows_its_packages() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let spec = "Name: host\nVersion: 1.5\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n\
        Provides: /bin/sh\nProvides: compiler = 12\n%description\n%files\n";
    std::fs::write(path("host.spec"), spec).unwrap();
    let [top, rpms] = [format!("_topdir {}", path("top")), format!("_rpmdir {}", path("rpms"))];
    run("rpmbuild", &["-bb", "--define", &top, "--define", &rpms, &path("host.spec")]);
    let package = path("rpms/noarch/host-1.5-1.noarch.rpm");
    run("rpm", &["--dbpath", &path("database"), "--justdb", "--nodeps", "-i", &package]);

    let host = HostPackages::find(Some(path("database").into())).await;
    assert!(host.are_known());
    let required = [
        relation("host", "", ""),
        relation("host", ">=", "1.5"),
        relation("compiler", "<", "13"),
        relation("/bin/sh", "", ""),
        relation("rpmlib(Something)", "<=", "1"),
        relation("host", ">=", "2"),
        relation("nothing", "", ""),
    ];
    let missing = host.missing(&required).await;
    assert_eq!(missing, [&relation("host", ">=", "2"), &relation("nothing", "", "")]);

    let empty = HostPackages::find(Some(path("nothing").into())).await;
    assert!(!empty.are_known());
}
