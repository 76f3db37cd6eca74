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
