use std::process::Command;

use super::*;

const VERSIONS: &[&str] = &[
    "1",
    "1.0",
    "1.0.0",
    "1.00",
    "01",
    "2",
    "10",
    "1.10",
    "1.9",
    "1a",
    "a",
    "a1",
    "1.a",
    "1~rc1",
    "1~~",
    "1~rc1~git",
    "1^",
    "1^git1",
    "1^git1~pre",
    "1.0^20160101",
    "1.0^git1~pre",
    "1_0",
    "1+0",
    "~",
    "5.0rc1",
    "5.0",
    "xyz10",
    "xyz.4",
    "20101121",
    "1.0.1^git1",
    "A",
    "0",
    "00",
];

#[test]
fn versions_are_ordered_as_rpm_orders_them() {
    let mut expected: Vec<i32> = Vec::new();
    for one in VERSIONS {
        let compare = |other: &&str| format!("print(rpm.vercmp('{one}', '{other}') .. ' ')\n");
        let script: String = VERSIONS.iter().map(compare).collect();
        let output = Command::new("rpm").arg("--eval").arg(format!("%{{lua:{script}}}")).output().unwrap();
        let answers = String::from_utf8(output.stdout).unwrap();
        expected.extend(answers.split_whitespace().map(|word| word.parse::<i32>().unwrap()));
    }
    assert_eq!(expected.len(), VERSIONS.len() * VERSIONS.len());
    let pairs = VERSIONS.iter().flat_map(|one| VERSIONS.iter().map(move |other| (one, other)));
    for ((one, other), expected) in pairs.zip(expected) {
        assert_eq!(compare_versions(one, other), expected.cmp(&0), "{one:?} and {other:?}");
    }
}

#[test]
fn a_requirement_leaves_parts_out() {
    let compare = |one, other| Evr::parse(one).compare(Evr::parse(other));
    assert_eq!(compare("0:1.2-3", "1.2"), Ordering::Equal);
    assert_eq!(compare("1:1.0-1", "2.0"), Ordering::Greater);
    assert_eq!(compare("1.0-1", "1.0-2"), Ordering::Less);
}
