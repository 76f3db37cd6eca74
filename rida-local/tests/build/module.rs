use rida_core::{BuildSystem, Phase};

use crate::world::{World, built, log, output, regenerated, with_macros};

/// A module whose second component needs files, macros and a program of the first.
const TOOL: &str = "\
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

const USER: &str = "\
Name: user
Version: %{tool_version}
Release: 1%{?dist}
Summary: Uses the tool
License: MIT
BuildArch: noarch
BuildRequires: tool-devel >= 2:1.0
BuildRequires: gcc

%description
Uses the tool: %{modularitylabel} %{_module_name} %{author_macro}

%prep

%build
tool > made-by-tool
test ! -e /usr/share/unused

%install
install -D -m 644 made-by-tool %{buildroot}/usr/share/user/made-by-tool

%files
/usr/share/user
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_of_two_batches_is_built_and_can_be_installed() {
    let world = World::new();
    let system = world.open().await;
    let tool = world.component("tool", &[("tool.spec", TOOL), ("tool.sh", "#!/bin/sh\necho made by the tool\n")]);
    let user = world.spec("user", &USER.replace("%{tool_version}", "3"));
    let mut build = world.module(&[("tool", tool), ("user", user)]);
    with_macros(&system, &mut build).await;
    built(&system, &mut build, "tool").await;
    regenerated(&system, &mut build).await;
    let result = built(&system, &mut build, "user").await;
    println!("{} {}", result.nvr, log(&system, &build, "user").await);
    build.phase = Phase::Finishing;
    system.write_metadata(&build).await.unwrap();
    let repository = system.repository(build.id);
    println!("{}", output("find", &[repository.parent().unwrap().to_str().unwrap()]));
}
