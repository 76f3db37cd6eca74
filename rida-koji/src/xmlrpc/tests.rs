use proptest::prelude::*;

use super::*;

fn read(value: &str) -> Result<Value, DecodeError> {
    let document =
        format!("<?xml version='1.0'?><methodResponse><params><param>{value}</param></params></methodResponse>");
    decode_response(document.as_bytes()).map(|answer| answer.expect("it is no fault"))
}

#[test]
fn values_are_read_as_koji_writes_them() {
    for (written, expected) in [
        ("<value>plain</value>", Value::from("plain")),
        ("<value>  </value>", Value::from("  ")),
        ("<value/>", Value::from("")),
        ("<value><string>a &amp; b &lt;&gt;&quot;&apos;&#13;&#x41;</string></value>", Value::from("a & b <>\"'\rA")),
        ("<value><string><![CDATA[a<b]]>c<!-- no -->d</string></value>", Value::from("a<bcd")),
        ("<value><string>a\r\nb</string></value>", Value::from("a\nb")),
        ("<value>\n<int> 7 </int>\n</value>", Value::Int(7)),
        ("<value><i8>-9223372036854775808</i8></value>", Value::Int(i64::MIN)),
        ("<value><ex:i8>9223372036854775807</ex:i8></value>", Value::Int(i64::MAX)),
        ("<value><boolean>1</boolean></value>", Value::Bool(true)),
        ("<value><double>1795343567.759722</double></value>", Value::Double(1_795_343_567.759_722)),
        ("<value><double>1e-07</double></value>", Value::Double(1e-7)),
        ("<value><nil/></value>", Value::Nil),
        ("<value><ex:nil></ex:nil></value>", Value::Nil),
        ("<value><dateTime.iso8601>20261122T10:32:47</dateTime.iso8601></value>", Value::from("20261122T10:32:47")),
        ("<value><base64>aGVs\nbG8</base64></value>", Value::Bytes(b"hello".to_vec())),
        ("<value><array><data></data></array></value>", Value::Array(Vec::new())),
        ("<value><array><data/></array></value>", Value::Array(Vec::new())),
        ("<value><struct></struct></value>", Value::Struct(Struct::new())),
        (
            "<value><struct><member><name></name><value><int>1</int></value></member></struct></value>",
            Value::from([("", Value::Int(1))]),
        ),
    ] {
        assert_eq!(read(written), Ok(expected), "{written}");
    }
}

#[test]
fn what_is_no_answer_is_refused_with_a_short_cause() {
    let deep = format!("{}{}", "<value><array><data>".repeat(70), "</data></array></value>".repeat(70));
    let very_deep = "<value><array><data>".repeat(100_000);
    for (written, expected) in [
        ("<value><int>1</value>", "it is not XML"),
        ("<value><int>x</int></value>", "\"x\" is not of the type int"),
        ("<value><int>99999999999999999999</int></value>", "is not of the type int"),
        ("<value><boolean>2</boolean></value>", "is not of the type boolean"),
        ("<value><i9>1</i9></value>", "an element \"i9\""),
        ("<value>a<int>1</int></value>", "text between elements"),
        ("<value><int>1</int>a</value>", "text between elements"),
        ("<value><int><int>1</int></int></value>", "an element \"int\""),
        ("<value><string>&bomb;</string></value>", "an entity is not known"),
        ("<value><string>&#0;&#xffffffff;</string></value>", "it is not XML"),
        (&deep, "too deep"),
        (&very_deep, "too deep"),
    ] {
        let error = read(written).unwrap_err().to_string();
        assert!(error.contains(expected) && error.len() < 250, "{error}");
    }
    for (document, expected) in [
        ("", "cut off"),
        ("<html><body>503 Service Unavailable</body></html>", "an element \"html\""),
        ("<methodResponse><params><param><value><int>1", "cut off"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><methodResponse/>", "a document type is not allowed"),
        ("<methodResponse><fault><value><int>1</int></value></fault></methodResponse>", "the fault has no code"),
        ("\u{1}\u{2}", "text between elements"),
    ] {
        let error = decode_response(document.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{document}: {error}");
    }
    assert!(decode_response(b"<methodResponse>\xff").is_err());
}

#[test]
fn a_fault_is_read_whatever_else_is_in_it() {
    let fault = |members: &str| {
        let document =
            format!("<methodResponse><fault><value><struct>{members}</struct></value></fault></methodResponse>");
        decode_response(document.as_bytes()).unwrap().unwrap_err()
    };
    let code = "<member><name>faultCode</name><value><int>1000</int></value></member>";
    let text = "<member><name>faultString</name><value><string>no</string></value></member>";
    let more = "<member><name>traceback</name><value><array><data></data></array></value></member>";
    let expected = Fault { code: 1000, message: "no".to_owned() };
    assert_eq!(fault(&format!("{code}{text}")), expected);
    assert_eq!(fault(&format!("{more}{text}{code}")), expected);
    let as_text = "<member><name>faultCode</name><value>1000</value></member>";
    assert_eq!(fault(&format!("{as_text}{text}")), expected);
}

#[test]
fn keywords_are_a_last_struct() {
    let call = Call::new("login", [Value::from("user")]).with("opts", Value::Nil);
    let text = encode_call(&call).unwrap();
    assert!(text.contains("<name>__starstar</name>\n<value><boolean>1</boolean></value>"), "{text}");
    assert_eq!(decode_call(text.as_bytes()).unwrap(), call);
    let plain = Call::new("getTag", [Value::Int(7)]);
    assert!(!encode_call(&plain).unwrap().contains("struct"));
    let hidden = Call::new("f", [Value::from([(STARSTAR, Value::Bool(true))])]);
    assert_eq!(encode_call(&hidden), Err(EncodeError::Starstar));
}

#[test]
fn what_xml_cannot_hold_is_not_sent() {
    for text in ["a\0", "\u{1b}[31m", "\u{ffff}"] {
        assert!(
            matches!(encode_call(&Call::new("f", [Value::from(text)])), Err(EncodeError::Character(_))),
            "{text:?}"
        );
    }
    assert!(encode_call(&Call::new("f", [Value::Double(f64::NAN)])).is_err());
}

fn values() -> impl Strategy<Value = Value> {
    let text = "[\t\n\r -~äß€\u{1f600}]{0,12}";
    let scalar = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("a number that can be sent", |n| n.is_finite()).prop_map(Value::Double),
        text.prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
    ];
    scalar.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::btree_map(text, inner, 0..6).prop_map(Value::Struct),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_equal(value in values()) {
        let text = encode_response(&value).unwrap();
        prop_assert_eq!(decode_response(text.as_bytes()), Ok(Ok(value)));
    }

    #[test]
    fn no_document_makes_it_panic(document in "(<(/?)(value|int|struct|member|name|array|data|param|params|methodResponse|fault|nil/)>|[ -~]|&[a-z#0-9]{0,4};){0,60}") {
        let _ = decode_response(document.as_bytes());
        let _ = decode_call(document.as_bytes());
    }
}
