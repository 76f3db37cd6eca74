use super::*;

fn refused(body: &str) -> String {
    let error = SubmitBody::read(body.as_bytes()).unwrap_err();
    assert_eq!(error.status().as_u16(), 400, "{body}");
    format!("{error:?}")
}

#[test]
fn a_submission_is_read() {
    let body = SubmitBody::read(br#"{"scmurl": "git://h/foo?#main", "branch": null, "owner": "alice"}"#).unwrap();
    let request = body.into_request(&Owner::new("anonymous").unwrap());
    assert_eq!(
        (request.scm_url.as_str(), request.branch, request.owner.as_str()),
        ("git://h/foo?#main", None, "alice")
    );
    let body = SubmitBody::read(br#"{"scmurl": "git://h/foo?#main", "branch": "f28"}"#).unwrap();
    let request = body.into_request(&Owner::new("anonymous").unwrap());
    assert_eq!((request.branch.as_deref(), request.owner.as_str()), (Some("f28"), "anonymous"));
}

#[test]
fn streams_of_other_modules_are_read() {
    let body = br#"{"scmurl": "git://h/foo?#main", "buildrequire_overrides": {"platform": ["el8", "-el9"], "perl": []},
        "require_overrides": {}, "default_streams": {"platform": "el8"}}"#;
    let request = SubmitBody::read(body).unwrap().into_request(&Owner::new("anonymous").unwrap());
    let list = |list: &[&str]| list.iter().map(|stream| (*stream).to_owned()).collect();
    let expected = StreamChoices {
        buildrequires: [("platform".parse().unwrap(), list(&["-el9", "el8"])), ("perl".parse().unwrap(), list(&[]))]
            .into(),
        requires: [].into(),
        preferred: [("platform".parse().unwrap(), "el8".parse().unwrap())].into(),
    };
    assert_eq!(request.streams, expected);
    for (field, told) in [
        (r#""buildrequire_overrides": {"platform": "f28"}"#, r#"has for "platform" a string; send an object"#),
        (r#""require_overrides": {"platform": [28]}"#, r#"has for "platform" a number in its list"#),
        (r#""require_overrides": {"platform": ["a b"]}"#, "is not a stream"),
        (r#""buildrequire_overrides": {"a b": ["1"]}"#, "names no module"),
        (r#""buildrequire_overrides": "platform:f28""#, "is a string"),
        (r#""buildrequire_overrides": []"#, "is a list"),
        (
            r#""default_streams": {"platform": ["f28"]}"#,
            r#"has for "platform" a list; send an object such as {"platform": "el8"}"#,
        ),
        (r#""default_streams": {"platform": "-f28"}"#, "is not a stream"),
    ] {
        let said = refused(&format!(r#"{{"scmurl": "git://h/foo?#main", {field}}}"#)).replace("\\\"", "\"");
        assert!(said.contains(told), "{field}: {said}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let deep_field = format!(r#"{{"scmurl": {deep}}}"#);
    let cases = [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("null", "not a JSON object"),
        ("[]", "not a JSON object"),
        (r#""scmurl""#, "not a JSON object"),
        ("{", "not a JSON object"),
        (r#"{"scmurl": "x"} {}"#, "not a JSON object"),
        ("{}", "is missing"),
        (r#"{"scmurl": null}"#, "is missing"),
        (r#"{"scmurl": 7}"#, "a number"),
        (r#"{"scmurl": ["x"]}"#, "a list"),
        (r#"{"scmurl": {"$ne": ""}}"#, "an object"),
        (r#"{"scmurl": true}"#, "true or false"),
        (r#"{"scmurl": ""}"#, "is empty"),
        (r#"{"scmurl": "a", "scmurl": "b"}"#, "more than once"),
        (r#"{"scmurl": "a", "scm_url": 1, "colour": 2}"#, r#"\"scm_url\", \"colour\"; known are scmurl"#),
        (r#"{"scmurl": "a", "owner": "a\u0007b"}"#, "owner"),
        (&deep, "not a JSON object"),
        (&deep_field, "recursion limit"),
    ];
    for (body, expected) in cases {
        let said = refused(body);
        assert!(
            said.contains(&expected.replace('"', "\\\"").replace("\\\\\"", "\\\"")) || said.contains(expected),
            "{body}: {said}"
        );
    }
    assert!(refused(&format!(r#"{{"scmurl": "{}"}}"#, "x".repeat(5000))).contains("longer"));
    assert!(SubmitBody::read(b"{\"scmurl\": \"\xff\"}").is_err());
}

#[test]
fn a_change_takes_names_and_codes() {
    for body in [r#"{"state": "failed"}"#, r#"{"state": "4"}"#, r#"{"state": 4}"#] {
        assert_eq!(ChangeBody::read(body.as_bytes()).unwrap().change, StateChange::Cancel, "{body}");
    }
    for body in [r#"{"state": "ready"}"#, r#"{"state": 5}"#] {
        assert_eq!(ChangeBody::read(body.as_bytes()).unwrap().change, StateChange::MarkReady, "{body}");
    }
    let bad = ["{}", r#"{"state": "done"}"#, r#"{"state": 9}"#, r#"{"state": -1}"#, r#"{"state": 4.5}"#];
    for body in bad.into_iter().chain([r#"{"state": "FAILED"}"#, r#"{"state": []}"#, r#"{"state": 1e300}"#]) {
        assert_eq!(ChangeBody::read(body.as_bytes()).unwrap_err().status().as_u16(), 400, "{body}");
    }
}
