use super::*;

#[test]
fn an_nvr_is_split_from_the_right() {
    let nvr: Nvr = "module-build-macros-0.1-1.module+el8+2+39d2f818".parse().unwrap();
    assert_eq!(&*nvr.name, "module-build-macros");
    assert_eq!(&*nvr.version, "0.1");
    assert_eq!(&*nvr.release, "1.module+el8+2+39d2f818");
    assert_eq!(nvr.to_string(), "module-build-macros-0.1-1.module+el8+2+39d2f818");
    for wrong in ["", "a", "a-1", "-1-2", "a--1", "a-1-", "a b-1-2", "--x-1-2", "a-1-2/.."] {
        assert!(wrong.parse::<Nvr>().is_err(), "{wrong}");
    }
}

#[test]
fn an_nsvc_has_four_parts() {
    let nsvc: Nsvc = "nodejs:10:20180920144631:9edba152".parse().unwrap();
    assert_eq!(nsvc.version, 20_180_920_144_631);
    assert_eq!(nsvc.to_string(), "nodejs:10:20180920144631:9edba152");
    for wrong in
        ["", "a", "a:1:2", "a:1:2:c:d", "a:1:x:c", "a:1:-2:c", "a:1:+2:c", "a:1:18446744073709551616:c", ":1:2:c"]
    {
        assert!(wrong.parse::<Nsvc>().is_err(), "{wrong}");
    }
}

#[test]
fn names_refuse_what_could_be_an_option_a_path_or_a_format() {
    for wrong in ["", "-x", ".", "..", "a/b", "a b", "a\n", "a:b", "%x", "a\u{e9}", "--upload-pack=x", &"a".repeat(129)]
    {
        assert!(ModuleName::new(wrong).is_err(), "{wrong}");
        assert!(StreamName::new(wrong).is_err(), "{wrong}");
        assert!(ComponentName::new(wrong).is_err(), "{wrong}");
        assert!(TagName::new(&format!("{wrong}\u{0}")).is_err(), "{wrong}");
    }
    for right in ["nodejs", "10", "5.30", "rhel8", "libstdc++", "perl-Foo_Bar", "389-ds"] {
        assert_eq!(ModuleName::new(right).unwrap().as_str(), right);
        assert_eq!(ComponentName::new(right).unwrap().as_str(), right);
    }
    assert!(Context::new("00000000").is_ok());
    assert!(Context::new("").is_err() && Context::new("a-b").is_err() && Context::new("12345678901234").is_err());
    assert!(DistTag::new(".module+el8+2+39d2f818").is_ok() && DistTag::new("el8").is_err());
}

#[test]
fn a_build_id_is_a_positive_number() {
    assert_eq!("42".parse::<BuildId>().unwrap().get(), 42);
    for wrong in ["", "0", "-1", "+1", " 1", "1.0", "18446744073709551616", "9223372036854775808", "x"] {
        assert!(wrong.parse::<BuildId>().is_err(), "{wrong}");
    }
}

#[test]
fn an_error_says_what_was_wrong_and_what_would_be_right() {
    let error = StreamName::new("a b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"a b\" is not a stream: letters, digits and . _ + -, first a letter or digit, at most 128"
    );
}

#[test]
fn the_number_of_a_component_leads_back_to_it() {
    let builds = [1, 2, 4711, i64::MAX / 65_536 - 1].map(|number| BuildId::new(number).unwrap());
    let mut seen = std::collections::BTreeSet::new();
    for build in builds {
        for index in [0, 1, 299, 65_535] {
            let id = ComponentId { build, index };
            assert_eq!(ComponentId::new(id.get()), Some(id));
            assert!(seen.insert(id.get()), "no other has it");
        }
    }
    assert_eq!(ComponentId { build: builds[0], index: 0 }.get(), 65_537, "listeners of the bus know it");
    for none in [i64::MIN, -1, 0, 1, 65_536] {
        assert_eq!(ComponentId::new(none), None, "{none}");
    }
}
