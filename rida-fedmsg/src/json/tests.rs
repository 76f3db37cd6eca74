use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> String {
    match Json::read(text.as_bytes(), JsonLimits::default()) {
        Ok(value) => value.canonical(),
        Err(error) => error.to_string(),
    }
}

/// Vectors that Python wrote: `tests/python/vectors.py` made them.
#[test]
fn it_writes_what_python_writes() {
    let recorded = include_str!("../../tests/fixtures/canonical.jsonl");
    let mut checked = 0;
    for line in recorded.lines() {
        let [text, expected]: [String; 2] = serde_json::from_str(line).unwrap();
        assert_eq!(canonical(&text), expected, "{text}");
        assert_eq!(canonical(&expected), expected, "what was written reads back equal");
        checked += 1;
    }
    assert!(checked > 2000, "{checked}");
}

#[test]
fn it_refuses_what_python_refuses() {
    let refused = include_str!("../../tests/fixtures/refused.jsonl");
    for line in refused.lines() {
        let text: String = serde_json::from_str(line).unwrap();
        let read = Json::read(text.as_bytes(), JsonLimits::default());
        assert!(read.is_err(), "{text:?} was read as {read:?}");
    }
    assert!(refused.lines().count() > 30);
    assert!(Json::read(b"\"\xff\"", JsonLimits::default()).is_err());
    // What no UTF-8 may hold raw.
    assert!(Json::read(b"\"\xed\xa0\x80\"", JsonLimits::default()).is_err());
}

#[test]
fn limits_hold() {
    let limits = JsonLimits { bytes: 100, depth: 3, values: 10 };
    let read = |text: &str| Json::read(text.as_bytes(), limits);
    assert!(read("[[[]]]").is_ok());
    assert!(read("[[[[]]]]").unwrap_err().to_string().contains("too deep"));
    assert!(read(&"[".repeat(100)).is_err());
    assert!(read("[1,2,3,4,5,6,7,8,9]").is_ok());
    assert!(read("[1,2,3,4,5,6,7,8,9,0]").unwrap_err().to_string().contains("too many values"));
    assert!(read(&format!("\"{}\"", "x".repeat(99))).unwrap_err().to_string().contains("too many bytes"));
    let deep = "{\"a\":".repeat(100_000);
    assert!(Json::read(deep.as_bytes(), JsonLimits::default()).is_err());
    let long = JsonLimits { bytes: 10_000, ..JsonLimits::default() };
    assert!(Json::read("9".repeat(4300).as_bytes(), long).is_ok());
    assert!(Json::read("9".repeat(4301).as_bytes(), long).is_err(), "Python makes no integer of it");
}

fn value() -> impl Strategy<Value = Json> {
    let text = any::<Vec<u16>>().prop_map(|units| {
        // Any UTF-16, lone surrogates included, through the escapes.
        let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let read = Json::read(format!("\"{escaped}\"").as_bytes(), JsonLimits::default());
        match read {
            Ok(Json::Text(text)) => text,
            other => panic!("{other:?}"),
        }
    });
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_filter("NaN is not equal to itself", |number| !number.is_nan()).prop_map(Json::Float),
        text.clone().prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::List),
            prop::collection::btree_map(text.clone(), inner, 0..6).prop_map(Json::Object),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_equal(value in value()) {
        let text = value.canonical();
        prop_assert!(text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control()));
        let again = Json::read(text.as_bytes(), JsonLimits::default());
        prop_assert_eq!(again.as_ref(), Ok(&value));
        prop_assert_eq!(again.unwrap().canonical(), text);
    }

    #[test]
    fn spaces_and_order_of_keys_change_nothing(entries in prop::collection::vec((any::<String>(), any::<i64>()), 0..8)) {
        let unique: std::collections::BTreeMap<_, _> = entries.into_iter().collect();
        let member = |(key, number): (&String, &i64)| format!(" {} :\t{number}\n", serde_json::to_string(key).unwrap());
        let forward: Vec<String> = unique.iter().map(member).collect();
        let backward: Vec<String> = unique.iter().rev().map(member).collect();
        let text = |members: Vec<String>| canonical(&format!("{{{}}}", members.join(",")));
        prop_assert_eq!(text(forward), text(backward));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
        let _ = Json::read(&bytes, JsonLimits::default());
    }

    #[test]
    fn no_text_like_json_makes_it_panic(text in "[\\[\\]{}:,\"\\\\u0-9a-f eE+.tnr-]{0,60}") {
        if let Ok(value) = Json::read(text.as_bytes(), JsonLimits::default()) {
            let written = value.canonical();
            prop_assert_eq!(Json::read(written.as_bytes(), JsonLimits::default()).unwrap().canonical(), written);
        }
    }
}
