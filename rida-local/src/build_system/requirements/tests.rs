use super::*;

fn relation(text: &str) -> Relation {
    let mut words = text.split(' ').map(str::to_owned);
    if text.starts_with('(') {
        return Relation { name: text.to_owned(), comparison: String::new(), evr: String::new() };
    }
    let mut next = || words.next().unwrap_or_default();
    Relation { name: next(), comparison: next(), evr: next() }
}

fn package(name: &str, provides: &[&str], requires: &[&str]) -> Package {
    let own = format!("{name} = 1.0-1");
    let provides = provides.iter().copied().chain([own.as_str()]).map(relation).collect();
    let requires = requires.iter().copied().map(relation).collect();
    Package { name: name.to_owned(), arch: "noarch".to_owned(), provides, requires, ..Package::default() }
}

fn names(packages: &[Package], selection: &Selection) -> Vec<String> {
    selection.packages.iter().map(|index| packages[*index].name.clone()).collect()
}

#[test]
fn only_what_is_required_is_selected_with_what_it_needs() {
    let packages = [
        package("lib", &["liblib.so.1()(64bit)"], &["common"]),
        package("lib-devel", &["pkgconfig(lib) = 1.0"], &["lib = 1.0-1", "rpmlib(PayloadIsZstd) <= 5.4"]),
        package("common", &[], &["lib"]),
        package("unused", &[], &[]),
    ];
    let selection = select(&packages, &[relation("pkgconfig(lib) >= 0.9"), relation("gcc")], &[]);
    assert_eq!(names(&packages, &selection), ["lib", "lib-devel", "common"]);
    assert_eq!(selection.unmet, [relation("gcc")]);
    assert!(selection.wrong_version.is_empty());
}

#[test]
fn another_version_is_not_what_is_required() {
    let packages = [package("lib", &[], &[])];
    for good in ["lib", "lib = 1.0", "lib >= 1.0-1", "lib <= 1.0", "lib > 0.9", "lib < 2", "lib = 0:1.0-1"] {
        let selection = select(&packages, &[relation(good)], &[]);
        assert_eq!(names(&packages, &selection), ["lib"], "{good}");
    }
    for bad in ["lib = 2", "lib > 1.0", "lib < 1.0", "lib >= 1:0", "lib = 1.0-2"] {
        let selection = select(&packages, &[relation(bad)], &[]);
        assert_eq!(selection.wrong_version, [relation(bad)], "{bad}");
        assert!(selection.packages.is_empty() && selection.unmet.is_empty(), "{bad}");
    }
}

#[test]
fn packages_are_found_by_their_files_and_in_expressions() {
    let tool = Package { files: BTreeSet::from(["/usr/bin/tool".to_owned()]), ..package("tool", &[], &[]) };
    let packages = [tool, package("other", &[], &[]), package("macros", &[], &[])];
    let selection = select(&packages, &[relation("/usr/bin/tool")], &["macros".to_owned()]);
    assert_eq!(names(&packages, &selection), ["tool", "macros"]);
    let selection = select(&packages, &[relation("(other >= 1 if gcc)")], &[]);
    assert_eq!(names(&packages, &selection), ["other"]);
}

#[test]
fn a_source_package_provides_nothing() {
    let packages = [Package { arch: "src".to_owned(), ..package("lib", &[], &[]) }];
    assert_eq!(select(&packages, &[relation("lib")], &[]).unmet, [relation("lib")]);
}
