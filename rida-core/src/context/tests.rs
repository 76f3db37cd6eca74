use super::*;

fn streams(text: &[(&str, &str)]) -> BTreeMap<String, String> {
    text.iter().map(|(module, stream)| ((*module).to_owned(), (*stream).to_owned())).collect()
}

fn sets(text: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
    let owned = |streams: &[&str]| streams.iter().map(|stream| (*stream).to_owned()).collect();
    text.iter().map(|(module, streams)| ((*module).to_owned(), owned(streams))).collect()
}

fn stream(dependencies: Vec<Dependencies>) -> ModuleStream {
    ModuleStream { dependencies, ..ModuleStream::default() }
}

fn block(buildrequires: &[(&str, &[&str])], requires: &[(&str, &[&str])]) -> Dependencies {
    Dependencies { buildrequires: sets(buildrequires), requires: sets(requires) }
}

#[test]
fn the_hashes_are_those_of_the_module_build_service() {
    let build = build_context(&streams(&[("platform", "f28")]));
    let runtime = runtime_context(&sets(&[("platform", &["f28"])]));
    assert_eq!(build, "f4bfd8304625d3f2835a5176ee910f50e86cc201");
    assert_eq!(runtime, "3a484dfa1afb31e4a0df5d6bce64aa4cce13cab9");
    assert_eq!(context(&build, &runtime).as_str(), "9c690d0e");
    assert_eq!(build_context(&BTreeMap::new()), "bf21a9e8fbc5a3846fb05b4fa0859e0917b2202f");

    let build = build_context(&streams(&[("perl", "5.26"), ("platform", "el8")]));
    let runtime = runtime_context(&sets(&[("platform", &["el8"]), ("perl", &["5.26"])]));
    assert_eq!(build, "87b94bddcd22626db3d41c9457f66742b0dc0fcb");
    assert_eq!(runtime, "92419c9b6b227ee27829611cd0bd4aad0b693dd5");
    assert_eq!(context(&build, &runtime).as_str(), "fbe42456");
}

#[test]
fn json_is_written_as_python_writes_it() {
    let written = |text: &str| {
        let mut json = String::new();
        quote(&mut json, text);
        json
    };
    assert_eq!(written("a\"\\\n\r\t\u{8}\u{c}\u{1}\u{7f}"), "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\u{7f}\"");
    assert_eq!(written("é中😀"), "\"\\u00e9\\u4e2d\\ud83d\\ude00\"");
    // hashlib.sha1(json.dumps({"m": ["1", "2"], "n": []}).encode()).hexdigest()
    let several = sets(&[("n", &[]), ("m", &["2", "1"])]);
    assert_eq!(runtime_context(&several), "488624f8d988fc17ca4bf66d89d4a1f429bd2a06");
}

#[test]
fn one_stream_each_is_a_declared_context() {
    let declared = stream(vec![block(&[("platform", &["f28"])], &[("platform", &["f28"])])]);
    assert_eq!(declared_context(&declared).unwrap().as_str(), "9c690d0e");
    let hashed_nothing = context(&build_context(&BTreeMap::new()), &runtime_context(&BTreeMap::new()));
    assert_eq!(declared_context(&stream(vec![])).unwrap(), hashed_nothing);
}

#[test]
fn a_static_context_is_taken_as_it_is() {
    let mut declared = stream(vec![block(&[("platform", &["el9"])], &[])]);
    declared.context = Some("el9_1".to_owned());
    assert_ne!(declared_context(&declared).unwrap().as_str(), "el9_1");
    declared.static_context = true;
    assert_eq!(declared_context(&declared).unwrap().as_str(), "el9_1");
    declared.context = Some("a-b".to_owned());
    assert_eq!(declared_context(&declared).unwrap_err().rule, Rule::StaticContext);
}

#[test]
fn a_choice_of_streams_is_refused_with_what_to_write() {
    let refused = |dependencies| {
        let problem = declared_context(&stream(dependencies)).unwrap_err();
        assert_eq!(problem.rule, Rule::StreamExpansion);
        problem.to_string()
    };
    assert_eq!(
        refused(vec![block(&[("perl", &[])], &[])]),
        "dependencies.0.buildrequires.perl: there is a choice of streams: an empty list means any stream; \
         write exactly one stream, such as `perl: [f42]`"
    );
    assert!(refused(vec![block(&[], &[("perl", &["5", "6"])])]).contains("several streams"));
    assert!(refused(vec![block(&[("perl", &["-5"])], &[])]).contains("excludes a stream"));
    assert!(refused(vec![block(&[], &[]), block(&[], &[])]).contains("more than one block"));
}
