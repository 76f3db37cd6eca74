use std::collections::BTreeSet;
use std::fs;

use rida_core::{BuildRequire, BuildSystem, ModuleName, Phase, StreamName};

use crate::world::{MODULEMD, World, built, failed, log, names_in, output, regenerated, spec, start, with_macros};

/// Filters, keeps its own settings, and sets a macro; the components are named by their keys.
const DOCUMENT: &str = "\
document: modulemd
version: 2
data:
  summary: A bench
  description: A bench of tools.
  license: {module: MIT}
  xmd: {mbs: {secret: 1}, author: {kept: yes}}
  dependencies:
  - buildrequires: {platform: []}
    requires: {platform: []}
  profiles: {default: {rpms: [user]}}
  api: {rpms: [tool]}
  filter: {rpms: [tool-secret]}
  buildopts:
    rpms:
      macros: |
        %author_macro said by the author
  components:
    rpms:
      tool: {rationale: Needed., ref: main, buildorder: 1, cache: 'https://example.org/cache'}
      only-helper: {rationale: Helps., ref: main, buildorder: 2, buildonly: true}
      user: {rationale: Used., ref: main, buildorder: 3, repository: 'https://example.org/user'}
";

/// A module whose second component needs files, macros and a program of the first.
pub(crate) const TOOL: &str = "\
Name: tool
Version: 1.0
Release: 1%{?dist}
Epoch: 2
Summary: A tool
License: MIT
BuildArch: noarch
Source0: tool.sh

%description
A tool.

%package devel
Summary: Macros for the tool
License: Apache-2.0
Requires: tool = %{epoch}:%{version}-%{release}

%description devel
Macros for the tool.

%package secret
Summary: Left out of the module

%description secret
Left out of the module.

%prep

%build

%install
install -D -m 755 %{SOURCE0} %{buildroot}/usr/bin/tool
mkdir -p %{buildroot}/etc/rpm
echo '%%tool_version 1.0-of-the-tool' > %{buildroot}/etc/rpm/macros.tool

%files
/usr/bin/tool

%files devel
/etc/rpm/macros.tool

%files secret
";

pub(crate) const USER: &str = "\
Name: user
Version: 1.0
Release: 1%{?dist}
Summary: Uses the tool
License: MIT
BuildArch: noarch
BuildRequires: tool-devel >= 2:1.0
BuildRequires: gcc

%description
Uses the tool %{tool_version}: %{modularitylabel} %{_module_name} %{author_macro}

%prep

%build
tool > made-by-tool
test ! -e /usr/share/unused

%install
install -D -m 644 made-by-tool %{buildroot}/usr/share/user/made-by-tool

%files
/usr/share/user
";

/// Returns the words of a query of a repository by dnf, which reads nothing else of the machine.
fn dnf(world: &World, repository: &str, words: &[&str]) -> String {
    let cache = world.path("dnf");
    let [from, state, root] = [
        format!("--repofrompath=bench,file://{repository}"),
        format!("--setopt=cachedir={}", cache.display()),
        format!("--setopt=persistdir={}", cache.display()),
    ];
    let modules = format!("--setopt=modulesdir={}", cache.join("modules.d").display());
    let mut all =
        vec!["--quiet", "--disablerepo=*", &from, "--enablerepo=bench", "--setopt=module_platform_id=platform:el8"];
    all.extend([state.as_str(), &root, &modules, "--nogpgcheck"]);
    all.extend(words);
    output("dnf", &all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_of_two_batches_is_built_and_can_be_installed() {
    let world = World::new();
    let system = world.open().await;
    let tool = world.component("tool", &[("tool.spec", TOOL), ("tool.sh", "#!/bin/sh\necho made by the tool\n")]);
    let helper = spec("only-helper", "", "");
    let helper = world.spec("only-helper", &helper);
    let user = world.spec("user", USER);
    let commit = user.commit.to_string();
    let mut build = world.module_of(DOCUMENT, &[("tool", tool), ("only-helper", helper), ("user", user)]);
    let dist = build.dist_tag.to_string();
    with_macros(&system, &mut build).await;
    let nvr = built(&system, &mut build, "tool").await.nvr;
    assert_eq!(nvr.to_string(), format!("tool-1.0-1{dist}"));
    built(&system, &mut build, "only-helper").await;
    regenerated(&system, &mut build).await;
    built(&system, &mut build, "user").await;
    let said = log(&system, &build, "user").await;
    assert!(said.contains("packages of modules in the root: module-build-macros, tool, tool-devel\n"), "{said}");
    assert!(said.contains("taken from this machine without a check") && said.contains(": gcc\n"), "{said}");
    build.phase = Phase::Finishing;
    system.write_metadata(&build).await.unwrap();

    let repository = system.repository(build.id);
    let file = |name: &str, arch: &str| format!("{name}-1.0-1{dist}.{arch}.rpm");
    let expected = ["tool", "tool-devel", "user"].map(|name| file(name, "noarch"));
    assert_eq!(names_in(&repository), BTreeSet::from(expected));
    let expected = ["tool", "user"].map(|name| file(name, "src"));
    assert_eq!(names_in(&repository.with_file_name("source")), BTreeSet::from(expected));

    // What was built is made by the earlier component, with the macros of the module.
    let user = repository.join(file("user", "noarch")).display().to_string();
    let description = output("rpm", &["-qp", "--qf", "%{DESCRIPTION}", &user]);
    assert_eq!(description, "Uses the tool 1.0-of-the-tool: bench:1.0:1:c0ffee bench said by the author");
    let content = output("sh", &["-c", &format!("rpm2archive - < {user} | tar -xzO ./usr/share/user/made-by-tool")]);
    assert_eq!(content, "made by the tool\n");

    let document = repository.with_file_name("modules.yaml");
    output("modulemd-validator", &[document.to_str().unwrap()]);
    let document = fs::read(document).unwrap();
    let stream = rida_core::modulemd::read(&document).unwrap().to_source().unwrap();
    assert_eq!((stream.version, stream.context.as_deref()), (Some(1), Some("c0ffee")));
    let artifacts = [
        format!("tool-2:1.0-1{dist}.noarch"),
        format!("tool-2:1.0-1{dist}.src"),
        format!("tool-devel-2:1.0-1{dist}.noarch"),
        format!("user-0:1.0-1{dist}.noarch"),
        format!("user-0:1.0-1{dist}.src"),
    ];
    assert_eq!(stream.artifacts.rpms, BTreeSet::from(artifacts));
    assert_eq!(stream.filter.rpms, BTreeSet::from(["only-helper".to_owned(), "tool-secret".to_owned()]));
    assert_eq!(stream.license.content, BTreeSet::from(["Apache-2.0".to_owned(), "MIT".to_owned()]));
    let component = &stream.components.rpms["user"];
    assert_eq!((component.reference.as_deref(), component.repository.as_deref()), (Some(commit.as_str()), None));
    assert_eq!(stream.components.rpms["tool"].cache, None);
    assert!(stream.xmd.get("mbs").is_none() && stream.xmd.get("author").is_some());

    let repository = repository.to_str().unwrap();
    let listed = dnf(&world, repository, &["module", "list"]);
    assert!(listed.lines().any(|line| line.starts_with("bench") && line.contains(" 1.0 ")), "{listed}");
    let queried = dnf(&world, repository, &["repoquery", "--disable-modular-filtering", "--qf", "%{name}"]);
    assert_eq!(queried.split_whitespace().collect::<Vec<_>>(), ["tool", "tool-devel", "user"]);
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packages_of_the_module_must_be_required_to_be_used() {
    let world = World::new();
    let system = world.open().await;
    let tool = world.component("tool", &[("tool.spec", TOOL), ("tool.sh", "#!/bin/sh\necho made by the tool\n")]);
    let forgetful = world.spec("forgetful", &spec("forgetful", "", "tool"));
    let newer = world.spec("newer", &spec("newer", "BuildRequires: tool >= 3:1", ""));
    let mut build = world.module(&[("tool", tool), ("forgetful", forgetful), ("newer", newer)]);
    with_macros(&system, &mut build).await;
    built(&system, &mut build, "tool").await;
    regenerated(&system, &mut build).await;
    start(&system, &mut build, "forgetful").await;
    let reason = failed(&system, &build, "forgetful").await;
    assert!(reason.contains("tool: not found (in %build)"), "{reason}");
    start(&system, &mut build, "newer").await;
    let reason = failed(&system, &build, "newer").await;
    assert!(reason.starts_with("build requirements are not there: tool >= 3:1;"), "{reason}");
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_is_built_against_another() {
    let world = World::new();
    let system = world.open().await;
    let tool = world.component("tool", &[("tool.spec", TOOL), ("tool.sh", "#!/bin/sh\necho made by the tool\n")]);
    let mut first = world.module(&[("tool", tool)]);
    let user = world.spec("user", &USER.replace("%{author_macro}", "nobody"));
    let second = world.module_of(MODULEMD, &[("user", user)]);
    let require = BuildRequire {
        build: Some(first.id),
        name: ModuleName::new("bench").unwrap(),
        stream: StreamName::new("1.0").unwrap(),
    };
    let mut submission = (*second.submission).clone();
    submission.build_requires = vec![require];
    let mut second = rida_core::ModuleBuild { submission: submission.into(), ..second };

    let error = system.prepare(&second).await.unwrap_err();
    assert_eq!(
        error.message(),
        "the packages of bench:1.0 (build 1) are not on this server any more; build it, and then this module, from a new \
         commit"
    );
    with_macros(&system, &mut first).await;
    built(&system, &mut first, "tool").await;
    first.phase = Phase::Finishing;
    system.write_metadata(&first).await.unwrap();
    with_macros(&system, &mut second).await;
    built(&system, &mut second, "user").await;
    let said = log(&system, &second, "user").await;
    // The macros are the second module's own.
    assert!(said.contains(&format!("user-1.0-1{}", second.dist_tag)), "{said}");
    system.close().await;
}
