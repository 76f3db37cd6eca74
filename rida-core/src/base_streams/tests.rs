use proptest::prelude::*;

use super::*;

fn name(text: &str) -> StreamName {
    StreamName::new(text).unwrap()
}

fn platform() -> ModuleName {
    ModuleName::new("platform").unwrap()
}

/// Streams of the platform, each with its virtual streams.
fn known(streams: &[(&str, &[&str])]) -> BaseStreams {
    let mut known = BaseStreams::default();
    for (stream, virtually) in streams {
        known.entry(platform(), name(stream)).virtual_streams = virtually.iter().map(|it| name(it)).collect();
    }
    known
}

fn enterprise() -> BaseStreams {
    known(&[
        ("el7.6.0", &["el7"]),
        ("el8.0.0", &["el8"]),
        ("el8.1.0", &["el8"]),
        ("el8.2.0", &["el8", "el8.2"]),
        ("el8.10.0", &["el8"]),
        ("el9.0.0", &["el9"]),
        ("x8.1.0", &[]),
    ])
}

fn compatible(known: &BaseStreams, stream: &str) -> Vec<String> {
    known.compatible(&platform(), &name(stream)).iter().map(ToString::to_string).collect()
}

fn runs(known: &BaseStreams, stream: &str, needs: &[&str], built_on: Option<&str>) -> bool {
    let needs = needs.iter().map(|it| (*it).to_owned()).collect();
    known.runs(&platform(), &name(stream), &needs, built_on.map(name).as_ref())
}

#[test]
fn a_platform_makes_a_prefix_for_versions() {
    for (stream, prefix) in [
        ("f28", Some(28)),
        ("el8.1.0", Some(80_100)),
        ("fl7.0.1-beta", Some(70_001)),
        ("el9", Some(9)),
        ("rawhide", None),
    ] {
        assert_eq!(version_prefix(stream), prefix, "{stream}");
    }
    assert_eq!(version_prefix(&"9".repeat(50)), None);
}

#[test]
fn a_stream_tells_its_number() {
    // As the Module Build Service computes them.
    for (stream, number) in [
        ("f27", "270000"),
        ("f27.02.30", "270230"),
        ("el8", "80000"),
        ("el8.1.0", "80100"),
        ("el8.1.0.z", "80100"),
        ("el10.1", "100100"),
    ] {
        assert_eq!(StreamVersion::of(&name(stream)).unwrap().to_string(), number, "{stream}");
    }
    assert_eq!(StreamVersion::of(&name("rawhide")), None);
    assert_eq!(StreamVersion::of(&name(&"9".repeat(50))), None);
    // What an operator writes.
    for (text, shown) in [("80100", "80100"), ("80100.3", "80100.3"), ("80100.30", "80100.3"), ("0.05", "0.05")] {
        assert_eq!(text.parse::<StreamVersion>().unwrap().to_string(), shown);
    }
    for bad in ["", "el8", "-1", "1.", ".1", "1.0001", "1.2.3", "1e5", "9999999999999"] {
        let error = bad.parse::<StreamVersion>().unwrap_err().to_string();
        assert!(error.contains("12 digits"), "{bad}: {error}");
    }
    assert!("80100.3".parse::<StreamVersion>().unwrap() > StreamVersion::new(80_100));
    assert!("80100.3".parse::<StreamVersion>().unwrap() < StreamVersion::new(80_200));
}

#[test]
fn a_virtual_stream_is_the_newest_that_has_it() {
    let mut known = enterprise();
    let named = |known: &BaseStreams, text: &str| known.named(&platform(), text).map(ToString::to_string);
    assert_eq!(named(&known, "el8").as_deref(), Some("el8.10.0"), "by the number, not by the text");
    assert_eq!(named(&known, "el8.2").as_deref(), Some("el8.2.0"));
    assert_eq!(named(&known, "el8.1.0").as_deref(), Some("el8.1.0"), "a stream is itself");
    assert_eq!(named(&known, "f28"), None);
    assert_eq!(named(&BaseStreams::default(), "el8"), None);
    // What only some may use is taken for who names it; what ended is not.
    known.entry(platform(), name("el8.10.0")).usage = StreamUse::Named;
    assert_eq!(named(&known, "el8").as_deref(), Some("el8.10.0"));
    known.entry(platform(), name("el8.10.0")).usage = StreamUse::Ended;
    assert_eq!(named(&known, "el8").as_deref(), Some("el8.2.0"));
    assert_eq!(named(&known, "el8.10.0"), None);
    // A number that somebody gave goes before that of the name.
    known.entry(platform(), name("el8.0.0")).version = Some(StreamVersion::new(90_000));
    assert_eq!(named(&known, "el8").as_deref(), Some("el8.0.0"));
    // A real stream goes before a virtual one of the same name.
    known.entry(platform(), name("el8"));
    assert_eq!(named(&known, "el8").as_deref(), Some("el8"));
}

#[test]
fn older_minor_streams_are_compatible() {
    let mut known = enterprise();
    assert_eq!(compatible(&known, "el8.2.0"), ["el8.2.0", "el8.1.0", "el8.0.0"]);
    assert_eq!(compatible(&known, "el8.10.0"), ["el8.10.0", "el8.2.0", "el8.1.0", "el8.0.0"]);
    assert_eq!(compatible(&known, "el7.6.0"), ["el7.6.0"]);
    assert_eq!(compatible(&known, "x8.1.0"), ["x8.1.0"], "it shares no virtual stream");
    assert_eq!(compatible(&known, "f42"), ["f42"], "nothing is known of it");
    known.entry(platform(), name("el8.1.0")).usage = StreamUse::Ended;
    assert_eq!(compatible(&known, "el8.2.0"), ["el8.2.0", "el8.0.0"]);
    known.compatibility = Compatibility::Same;
    assert_eq!(compatible(&known, "el8.2.0"), ["el8.2.0"]);
    known.compatibility = Compatibility::Any;
    assert_eq!(compatible(&known, "el8.2.0"), ["el8.2.0", "el8.10.0", "el8.1.0", "el8.0.0"]);
    // A virtual stream over several major ones is compatible only where any is.
    let mut fedora = known_fedora();
    assert_eq!(compatible(&fedora, "f30"), ["f30"]);
    fedora.compatibility = Compatibility::Any;
    assert_eq!(compatible(&fedora, "f30"), ["f30", "f31", "f29"]);
}

fn known_fedora() -> BaseStreams {
    known(&[("f29", &["fedora"]), ("f30", &["fedora"]), ("f31", &["fedora"]), ("eln", &[])])
}

#[test]
fn a_module_runs_on_what_it_names_and_on_no_older_than_it_was_built_against() {
    let known = enterprise();
    assert!(runs(&known, "el8.2.0", &["el8"], Some("el8.1.0")));
    assert!(runs(&known, "el8.2.0", &["el8"], Some("el8.2.0")));
    assert!(!runs(&known, "el8.1.0", &["el8"], Some("el8.2.0")), "it was built against a newer one");
    assert!(!runs(&known, "el8.2.0", &["el8.1.0"], Some("el8.1.0")), "it asks for that one");
    assert!(runs(&known, "el8.1.0", &["el8.1.0"], Some("el8.2.0")), "it asks for that one");
    assert!(!runs(&known, "el9.0.0", &["el8"], Some("el8.2.0")));
    assert!(runs(&known, "el9.0.0", &["el8", "el9"], None));
    assert!(runs(&known, "el8.2.0", &[], Some("el7.6.0")), "any will do");
    assert!(runs(&known, "el8.2.0", &["-el8.1.0"], Some("el7.6.0")));
    assert!(!runs(&known, "el8.1.0", &["-el8.1.0"], Some("el7.6.0")));
    // Of streams without minor numbers none is newer.
    assert!(runs(&known_fedora(), "f30", &["fedora"], Some("f31")));
    assert!(!runs(&known_fedora(), "f30", &["f31"], Some("f31")));
    assert!(runs(&BaseStreams::default(), "f42", &["f42"], None));
}

#[test]
fn what_is_excluded_is_not_offered() {
    let mut known = known_fedora();
    known.entry(platform(), name("eln")).usage = StreamUse::Named;
    known.entry(platform(), name("f29")).usage = StreamUse::Ended;
    let offered: Vec<String> = known.offered(&platform()).iter().map(ToString::to_string).collect();
    assert_eq!(offered, ["f30", "f31"]);
    assert!(known.offered(&ModuleName::new("other").unwrap()).is_empty());
}

/// Streams of three major ones, as some distribution may have them.
fn any_streams() -> impl Strategy<Value = BaseStreams> {
    let stream = (7_u32..10, 0_u32..12, 0_u32..3, any::<bool>(), 0_u8..3, prop::option::of(60_000_u32..100_000));
    let compatibility = prop::sample::select(vec![Compatibility::Older, Compatibility::Any, Compatibility::Same]);
    (prop::collection::vec(stream, 0..12), compatibility).prop_map(|(streams, compatibility)| {
        let mut known = BaseStreams { compatibility, ..BaseStreams::default() };
        for (major, minor, patch, virtually, usage, version) in streams {
            let own = known.entry(platform(), name(&format!("el{major}.{minor}.{patch}")));
            own.virtual_streams.extend(virtually.then(|| name(&format!("el{major}"))));
            own.virtual_streams.extend((patch == 2).then(|| name("all")));
            own.usage = [StreamUse::Offered, StreamUse::Named, StreamUse::Ended][usize::from(usage)];
            own.version = version.map(StreamVersion::new);
        }
        known
    })
}

proptest! {
    #[test]
    fn numbers_read_back(number in 0_u64..10_u64.pow(15)) {
        let version = StreamVersion { thousandths: number };
        prop_assert_eq!(version.to_string().parse::<StreamVersion>().unwrap(), version);
    }

    #[test]
    fn a_stream_is_named_by_itself_and_by_what_it_has(known in any_streams()) {
        for (stream, own) in known.of(&platform()) {
            let by_name = known.named(&platform(), stream.as_str());
            prop_assert_eq!(by_name, (own.usage != StreamUse::Ended).then_some(stream));
            for name in &own.virtual_streams {
                let found = known.named(&platform(), name.as_str());
                let Some(found) = found else {
                    prop_assert_eq!(own.usage, StreamUse::Ended);
                    continue;
                };
                let newest = known.get(&platform(), found).unwrap();
                prop_assert!(newest.virtual_streams.contains(name) && newest.usage != StreamUse::Ended);
                let (ours, theirs) = (known.version(&platform(), stream), known.version(&platform(), found));
                prop_assert!(own.usage == StreamUse::Ended || ours <= theirs, "{} is newer than {}", stream, found);
            }
        }
    }

    #[test]
    fn compatible_streams_are_of_one_kind_and_in_order(known in any_streams()) {
        for (stream, own) in known.of(&platform()) {
            let found = known.compatible(&platform(), stream);
            prop_assert_eq!(&found[0], stream);
            let version = |stream: &StreamName| known.version(&platform(), stream).unwrap();
            prop_assert!(found[1..].windows(2).all(|pair| version(&pair[0]) >= version(&pair[1])));
            for other in &found[1..] {
                let theirs = known.get(&platform(), other).unwrap();
                prop_assert!(other != stream && known.compatibility != Compatibility::Same);
                prop_assert!(!own.virtual_streams.is_disjoint(&theirs.virtual_streams));
                if known.compatibility == Compatibility::Older {
                    prop_assert!(version(other) <= version(stream) && theirs.usage != StreamUse::Ended);
                    prop_assert_eq!(version(other).major(), version(stream).major());
                    // What was built against an older one by a name that both have runs.
                    let shared = own.virtual_streams.intersection(&theirs.virtual_streams).map(ToString::to_string);
                    prop_assert!(known.runs(&platform(), stream, &shared.collect(), Some(other)));
                }
            }
        }
    }
}
