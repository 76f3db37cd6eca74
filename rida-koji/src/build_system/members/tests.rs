//! Packages as they are built, and where each goes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Package, Rules, members};
use crate::wire::Rpm;
use crate::xmlrpc::Struct;

/// Makes packages of `component: name.arch name.arch …`, and those of `component < arch …`, which are for these alone, or
/// `component ! arch …`, which are not for these.
fn packages(lines: &str) -> Vec<Package> {
    let mut made = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, list) = line.split_once(": ").unwrap();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
        let (component, exclusive, excluded) = match (head.split_once(" < "), head.split_once(" ! ")) {
            (Some((component, arches)), _) => (component, words(arches), words("")),
            (_, Some((component, arches))) => (component, words(""), words(arches)),
            _ => (head, words(""), words("")),
        };
        for (number, word) in (1..).zip(list.split_whitespace()) {
            let (name, arch) = word.rsplit_once('.').unwrap();
            let rpm = Rpm {
                id: number,
                build: 1,
                name: name.to_owned(),
                version: "1".to_owned(),
                release: "1".to_owned(),
                epoch: None,
                arch: arch.to_owned(),
                payload_hash: None,
                rest: Struct::new(),
            };
            let is_source = arch.ends_with("src");
            made.push(Package {
                component: component.parse().unwrap(),
                rpm,
                license: String::new(),
                exclusive: if is_source { exclusive.clone() } else { BTreeSet::new() },
                excluded: if is_source { excluded.clone() } else { BTreeSet::new() },
            });
        }
    }
    made
}

/// Returns the rules of a module that has all components, but not what is filtered, with multilib of some components.
fn rules(packages: &[Package], filter: &str, multilib: &[(&str, &str)]) -> Rules {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    Rules {
        components: packages.iter().map(|package| package.component.to_string()).collect(),
        filter: words(filter),
        multilib: multilib.iter().map(|(component, arches)| ((*component).to_owned(), words(arches))).collect(),
    }
}

fn names(packages: &[&Package]) -> String {
    let mut names: Vec<String> =
        packages.iter().map(|package| format!("{}.{}", package.rpm.name, package.rpm.arch)).collect();
    names.sort();
    names.join(" ")
}

#[track_caller]
fn check(rules: &Rules, arch: &str, packages: &[Package], module: &str, devel: &str) {
    let found = members(rules, arch, packages);
    assert_eq!(names(&found.module), module, "the module on {arch}");
    assert_eq!(names(&found.devel), devel, "its companion on {arch}");
}

#[test]
fn each_architecture_has_its_own_packages_and_those_for_all() {
    let built = packages("perl: perl.src perl.x86_64 perl.s390x perl-doc.noarch");
    let rules = rules(&built, "", &[]);
    check(&rules, "x86_64", &built, "perl-doc.noarch perl.src perl.x86_64", "");
    check(&rules, "s390x", &built, "perl-doc.noarch perl.s390x perl.src", "");
    check(&rules, "aarch64", &built, "perl-doc.noarch perl.src", "");
}

#[test]
fn packages_of_the_other_width_are_in_the_module_where_it_says_so() {
    let built = packages(
        "libs: libs.src libs.x86_64 libs.i686 libs-debuginfo.i686
         tool: tool.src tool.x86_64 tool.i686 tool-debuginfo.i686",
    );
    let rules = rules(&built, "", &[("libs", "x86_64"), ("tool", "s390x")]);
    let module = "libs-debuginfo.i686 libs.i686 libs.src libs.x86_64 tool.src tool.x86_64";
    check(&rules, "x86_64", &built, module, "tool-debuginfo.i686 tool.i686");
    let module = "libs-debuginfo.i686 libs.i686 libs.src tool-debuginfo.i686 tool.i686 tool.src";
    check(&rules, "i686", &built, module, "");
    check(&rules, "aarch64", &built, "", "");
}

#[test]
fn widths_go_together_as_machines_do() {
    let built = packages("a: a.src a.i386 a.i486 a.i586 a.i686 a.athlon a.s390 a.ppc a.armv7hl");
    let rules = rules(&built, "", &[("a", "x86_64 s390x ppc64 ppc64le aarch64")]);
    check(&rules, "x86_64", &built, "a.athlon a.i386 a.i486 a.i586 a.i686 a.src", "");
    check(&rules, "s390x", &built, "a.s390 a.src", "");
    check(&rules, "ppc64", &built, "a.ppc a.src", "");
    check(&rules, "ppc64le", &built, "", "");
    check(&rules, "aarch64", &built, "", "");
}

#[test]
fn what_a_component_is_not_for_is_nowhere() {
    let built = packages(
        "exclusive < x86_64 ppc64le: exclusive.src exclusive.noarch
         excluded ! x86_64: excluded.src excluded.noarch excluded-lib.i686
         not32 ! i686: not32.src not32.noarch",
    );
    let rules = rules(&built, "", &[("excluded", "x86_64")]);
    check(&rules, "x86_64", &built, "exclusive.noarch exclusive.src not32.noarch not32.src", "");
    check(&rules, "s390x", &built, "excluded.noarch excluded.src not32.noarch not32.src", "");
    check(&rules, "i686", &built, "excluded-lib.i686 excluded.noarch excluded.src", "");
}

#[test]
fn what_is_filtered_is_in_the_companion_with_what_debugs_it() {
    let built = packages(
        "dhcp: dhcp.src dhcp-libs.x86_64 dhcp-libs-debuginfo.x86_64 dhcp-libs-debugsource.x86_64
         perl: perl.src perl.x86_64 perl-tests.noarch perl-debuginfo.x86_64 perl-tests-debuginfo.x86_64",
    );
    check(
        &rules(&built, "dhcp-libs perl-tests never-built", &[]),
        "x86_64",
        &built,
        "perl-debuginfo.x86_64 perl.src perl.x86_64",
        "dhcp-libs-debuginfo.x86_64 dhcp-libs-debugsource.x86_64 dhcp-libs.x86_64 dhcp.src perl-tests-debuginfo.x86_64 \
         perl-tests.noarch",
    );
    // They can be filtered by themselves.
    check(
        &rules(&built, "perl-debuginfo perl-tests-debuginfo dhcp-libs", &[]),
        "x86_64",
        &built,
        "perl-tests.noarch perl.src perl.x86_64",
        "dhcp-libs-debuginfo.x86_64 dhcp-libs-debugsource.x86_64 dhcp-libs.x86_64 dhcp.src perl-debuginfo.x86_64 \
         perl-tests-debuginfo.x86_64",
    );
}

#[test]
fn what_debugs_no_package_in_particular_comes_with_any_of_its_component() {
    let built = packages(
        "python-db: python-db.src python3-db.x86_64 python3-db-debuginfo.x86_64 python-db-debuginfo.x86_64 \
         python-db-debugsource.x86_64",
    );
    let all = "python-db-debuginfo.x86_64 python-db-debugsource.x86_64 python-db.src python3-db-debuginfo.x86_64 \
               python3-db.x86_64";
    check(&rules(&built, "", &[]), "x86_64", &built, all, "");
    // A source package with nothing but what debugs it would be of no use.
    check(&rules(&built, "python3-db", &[]), "x86_64", &built, "", all);
    // What only looks like such a package is one as any other.
    let built = packages("kernel: kernel.src kernel.aarch64 kernel-debuginfo-common.aarch64 kernel-debuginfo.aarch64");
    let all = "kernel-debuginfo-common.aarch64 kernel-debuginfo.aarch64 kernel.aarch64 kernel.src";
    check(&rules(&built, "", &[]), "aarch64", &built, all, "");
}

#[test]
fn a_list_of_components_leaves_the_others_to_the_companion() {
    let built = packages(
        "python27-dhcp: python27-dhcp.src python27-dhcp-libs.x86_64 python27-dhcp-libs.i686
         foo-perl: foo-perl.nosrc foo-perl.x86_64",
    );
    let listed = Rules { components: ["python27-dhcp".to_owned()].into(), ..rules(&built, "", &[]) };
    let devel = "foo-perl.nosrc foo-perl.x86_64 python27-dhcp-libs.i686";
    check(&listed, "x86_64", &built, "python27-dhcp-libs.x86_64 python27-dhcp.src", devel);
}

proptest! {
    /// Whatever was built: each package for the architecture is in one of the two, no source package in both or without
    /// a package, and what is filtered is not in the module.
    #[test]
    fn nothing_is_in_both_and_nothing_in_neither(
        built in proptest::collection::btree_set(
            ("[ab]", prop_oneof![Just(""), Just("-x"), Just("-debuginfo"), Just("-x-debuginfo"), Just("-debugsource")],
             prop_oneof![Just("x86_64"), Just("i686"), Just("noarch"), Just("s390x")]),
            0..12,
        ),
        filter in proptest::collection::btree_set("[ab](-x|-debuginfo)?", 0..3),
        multilib in proptest::option::of("[ab]"),
    ) {
        let line = |component: &str| {
            let of = built.iter().filter(|(name, ..)| name == component);
            let list: String = of.map(|(name, suffix, arch)| format!(" {name}{suffix}.{arch}")).collect();
            format!("{component}: {component}.src{list}\n")
        };
        let built = packages(&format!("{}{}", line("a"), line("b")));
        let filter: Vec<String> = filter.into_iter().collect();
        let multilib: Vec<(&str, &str)> = multilib.iter().map(|name| (name.as_str(), "x86_64")).collect();
        let rules = rules(&built, &filter.join(" "), &multilib);
        for arch in ["x86_64", "i686", "s390x"] {
            let found = members(&rules, arch, &built);
            for package in &built {
                let count = |list: &[&Package]| list.iter().filter(|other| std::ptr::eq(**other, package)).count();
                let (module, devel) = (count(&found.module), count(&found.devel));
                prop_assert!(module + devel <= 1);
                let is_for = package.rpm.arch == arch || package.rpm.arch == "noarch"
                    || (arch, package.rpm.arch.as_str()) == ("x86_64", "i686");
                if !package.is_source() {
                    prop_assert_eq!(module + devel, usize::from(is_for));
                    prop_assert!(module == 0 || !rules.filter.contains(&package.rpm.name));
                }
            }
            for list in [&found.module, &found.devel] {
                for source in list.iter().filter(|package| package.is_source()) {
                    prop_assert!(list.iter().any(|other| !other.is_source() && other.component == source.component));
                }
            }
            for package in &found.module {
                prop_assert!(found.module.iter().any(|other| other.is_source() && other.component == package.component));
            }
        }
    }
}
