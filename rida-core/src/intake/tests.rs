use super::*;
use crate::scm::CommitHash;

const HEAD: &str = "document: modulemd\nversion: 2\ndata:\n  summary: A module\n  description: A module for tests.\n  \
                    license: {module: MIT}\n";

/// Takes a modulemd in with `data` appended and returns what it says of the submission, or its problems.
fn take_in(data: &str, url: &str, branch: Option<&str>, policy: &Policy) -> Result<Submission, Vec<String>> {
    let fetched = FetchedModulemd {
        bytes: format!("{HEAD}{data}").into_bytes(),
        commit: CommitHash::new(&"a".repeat(40)).unwrap(),
        committed_at: Timestamp::from_seconds(1_517_838_714),
    };
    let owner = Owner::new("alice").unwrap();
    let url: ScmUrl = url.parse().unwrap();
    let mut found = Found::fetched(fetched, &url);
    found.branch = branch.map(str::to_owned);
    let origin = Origin {
        owner,
        scratch: false,
        rebuild_strategy: RebuildStrategy::All,
        at: Timestamp::from_seconds(1_800_000_000),
    };
    let allow = AllowList::new(["https://git.example.org/forks".parse().unwrap()]);
    submission(&found, &origin, &Overrides::default(), &allow, policy)
}

/// Takes in what makes one build, as if every module were the distribution's.
fn submission(
    found: &Found,
    origin: &Origin,
    overrides: &Overrides,
    allow: &AllowList,
    policy: &Policy,
) -> Result<Submission, Vec<String>> {
    let taken = take(found, overrides, &[], allow, policy)?;
    let stream = taken.streams.first().unwrap();
    let combinations = expand::combinations(stream, &expand::Known::new(), &BTreeMap::new(), 1);
    let combinations =
        combinations.map_err(|found| found.into_iter().map(|problem| taken.located(problem)).collect::<Vec<_>>())?;
    let chosen = combinations[0].chosen.iter();
    let requires =
        chosen.map(|(name, stream)| BuildRequire { build: None, name: name.clone(), stream: stream.clone() });
    Ok(taken.submission(&combinations[0], requires.collect(), found, origin, policy))
}

const URL: &str = "https://git.example.org/modules/lua.git?#main";

fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.sources.repository = Some("https://git.example.org/rpms".parse().unwrap());
    policy.sources.cache = Some("https://cache.example.org/pkgs".into());
    policy
}

#[test]
fn a_module_is_named_by_its_file_its_branch_and_its_commit() {
    let taken = take_in("", URL, Some("5.4-beta"), &policy()).unwrap();
    assert_eq!(taken.nsvc.to_string(), "lua:5.4_beta:20180205135154:6a6c3e52");
    assert_eq!(taken.scm_url.unwrap().revision().as_str(), "a".repeat(40));
    assert!(taken.plan.is_empty());
    let taken = take_in("  stream: 5.30\n", "https://git.example.org/modules/x.git/lua.yaml?#main", None, &policy());
    assert_eq!(taken.unwrap().nsvc.stream.as_str(), "5.30");
}

#[test]
fn the_platform_comes_before_the_version_and_into_the_context() {
    let data = "  dependencies:\n  - {buildrequires: {platform: f28}, requires: {platform: f28}}\n";
    let taken = take_in(data, URL, Some("master"), &policy()).unwrap();
    // The context is the one that the Module Build Service gives for the same dependencies.
    assert_eq!(taken.nsvc.to_string(), "lua:master:2820180205135154:9c690d0e");
    assert_eq!(taken.build_requires.len(), 1);
}

#[test]
fn components_get_the_defaults_of_the_service() {
    let data = "  stream: a\n  components:\n    rpms:\n      bar: {rationale: x}\n      \
                foo: {rationale: x, ref: v1, buildorder: 10, name: foo-real}\n";
    let taken = take_in(data, URL, None, &policy()).unwrap();
    let planned: Vec<_> = taken
        .plan
        .iter()
        .map(|c| {
            let source = c.source.as_ref().map(|s| format!("{} {}", s.repository, s.reference)).unwrap_or_default();
            format!("{} {} {source}", c.batch, c.name)
        })
        .collect();
    assert_eq!(
        planned,
        [
            "1 module-build-macros ",
            "2 bar https://git.example.org/rpms/bar a",
            "3 foo-real https://git.example.org/rpms/foo-real v1"
        ]
    );
    let cache = taken.plan.get(1).unwrap().source.as_ref().unwrap().cache.clone();
    assert_eq!(cache.as_deref(), Some("https://cache.example.org/pkgs"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let data = "  name: other\n  version: 5\n  components:\n    rpms:\n      \
                bar: {rationale: x, buildafter: [baz], repository: 'https://git.example.org/forks/bar'}\n      \
                baz: {rationale: x, buildafter: [bar], ref: '--upload-pack=x'}\n";
    let problems = take_in(data, URL, None, &policy()).unwrap_err();
    let text = problems.join("\n");
    for part in [
        "name: the modulemd says \"other\"",
        "stream: neither",
        "version",
        "--upload-pack=x",
        "wait for each other",
        "own repositories",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

#[test]
fn a_repository_of_its_own_must_be_allowed_by_policy_and_place() {
    let data = |place: &str| {
        format!("  stream: a\n  components:\n    rpms:\n      bar: {{rationale: x, repository: '{place}'}}\n")
    };
    let mut policy = policy();
    let refused = take_in(&data("https://git.example.org/forks/bar"), URL, None, &policy).unwrap_err();
    assert!(refused.join("").contains("components come from the service's own repositories"), "{refused:?}");
    policy.sources.allow_repository = true;
    assert!(take_in(&data("https://git.example.org/forks/bar"), URL, None, &policy).is_ok());
    let refused = take_in(&data("https://git.example.org/forks-evil/bar"), URL, None, &policy).unwrap_err();
    assert!(refused.join("").contains("not in an allowed place"), "{refused:?}");
    let refused = take_in(&data("ext::sh -c id"), URL, None, &policy).unwrap_err();
    assert_eq!(refused.len(), 1);
}

#[test]
fn without_defaults_a_component_needs_a_repository() {
    let data = "  stream: a\n  components:\n    rpms:\n      bar: {rationale: x}\n";
    let refused = take_in(data, URL, None, &Policy::default()).unwrap_err();
    assert_eq!(
        refused,
        ["components.rpms.bar: it has no repository, and this service has no default; add `repository`"]
    );
}

#[test]
fn a_static_context_makes_no_choice_of_streams() {
    let data = |streams: &str| {
        format!(
            "  stream: a\n  context: fixed\n  static_context: true\n  dependencies:\n  \
             - {{buildrequires: {{perl: {streams}}}, requires: {{perl: {streams}}}}}\n"
        )
    };
    assert_eq!(take_in(&data("['5.30']"), URL, None, &policy()).unwrap().nsvc.context.as_str(), "fixed");
    for choice in ["[]", "['-5.30']", "['5.28', '5.30']"] {
        let refused = take_in(&data(choice), URL, None, &policy()).unwrap_err();
        assert!(refused.join("").contains("there is a choice of streams"), "{choice}: {refused:?}");
    }
}

#[test]
fn a_modulemd_is_written_in_utf_8() {
    let utf_16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(HEAD.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let fetched = FetchedModulemd {
        bytes: utf_16,
        commit: CommitHash::new(&"a".repeat(40)).unwrap(),
        committed_at: Timestamp::EPOCH,
    };
    let found = Found::fetched(fetched, &URL.parse().unwrap());
    let refused = take(&found, &Overrides::default(), &[], &AllowList::default(), &policy()).err().unwrap();
    assert_eq!(refused, ["the modulemd is not written in UTF-8; convert it"]);
}

#[test]
fn a_configuration_of_a_packager_document_is_built_in_its_context() {
    let take = |configurations: &str| {
        let text = format!(
            "document: modulemd-packager\nversion: 3\ndata:\n  summary: A\n  description: B\n  stream: a\n  configurations:\n\
             {configurations}"
        );
        let fetched = FetchedModulemd {
            bytes: text.into_bytes(),
            commit: CommitHash::new(&"a".repeat(40)).unwrap(),
            committed_at: Timestamp::from_seconds(1_517_838_714),
        };
        let found = Found::fetched(fetched, &URL.parse().unwrap());
        let owner = Owner::new("alice").unwrap();
        let origin = Origin {
            owner,
            scratch: false,
            rebuild_strategy: RebuildStrategy::All,
            at: Timestamp::from_seconds(1_800_000_000),
        };
        submission(&found, &origin, &Overrides::default(), &AllowList::new([]), &policy())
    };
    let one = "  - {context: A1, platform: f28, buildrequires: {perl: [5.30]}}\n";
    let taken = take(one).unwrap();
    assert_eq!(taken.nsvc.to_string(), "lua:a:2820180205135154:A1");
    assert_eq!(taken.build_requires.len(), 2);
    let bad = take("  - {context: A1, platform: f28, buildrequires: {'a:b': [5.30]}}\n").unwrap_err();
    assert!(bad.iter().any(|line| line.contains("a:b")), "{bad:?}");
    let none = take("    []\n").unwrap_err();
    assert!(none.iter().any(|line| line.contains("no configuration")), "{none:?}");
}

#[test]
fn what_describes_no_build_is_told_so() {
    let fetched = FetchedModulemd {
        bytes: b"document: modulemd-defaults\nversion: 1\ndata: {module: a}\n".to_vec(),
        commit: CommitHash::new(&"a".repeat(40)).unwrap(),
        committed_at: Timestamp::from_seconds(1_517_838_714),
    };
    let found = Found::fetched(fetched, &URL.parse().unwrap());
    let told = super::take(&found, &Overrides::default(), &[], &AllowList::new([]), &policy()).err().unwrap();
    assert!(told.iter().any(|line| line.contains("describes nothing to build")), "{told:?}");
}

/// Takes in a document that came with a request.
fn given(
    data: &str,
    name: Option<&str>,
    branch: Option<&str>,
    overrides: &Overrides,
) -> Result<Submission, Vec<String>> {
    let given = GivenModulemd { text: format!("{HEAD}{data}"), name: name.map(str::to_owned) };
    let mut found = Found::given(given, Timestamp::from_seconds(1_517_838_714));
    found.branch = branch.map(str::to_owned);
    let origin = Origin {
        owner: Owner::new("alice").unwrap(),
        scratch: true,
        rebuild_strategy: RebuildStrategy::All,
        at: Timestamp::from_seconds(1_800_000_000),
    };
    submission(&found, &origin, overrides, &AllowList::new([]), &policy())
}

#[test]
fn a_document_of_a_request_is_named_by_itself_or_by_the_request() {
    let plain = Overrides::default();
    let stream = |name: &str| Overrides { stream: Some(StreamName::new(name).unwrap()), ..Overrides::default() };
    let both = "  name: lua\n  stream: \"5.4\"\n";
    let taken = given(both, Some("draft"), None, &plain).unwrap();
    assert_eq!((taken.nsvc.to_string().as_str(), taken.scm_url), ("lua:5.4:20180205135154:6a6c3e52", None));
    assert_eq!(&*taken.modulemd, format!("{HEAD}{both}"), "it stays as it was written");
    let taken = given(both, None, None, &stream("5.5")).unwrap();
    assert_eq!(taken.nsvc.stream.as_str(), "5.5");
    assert!(taken.modulemd.contains("5.5") && !taken.modulemd.contains("5.4"), "{}", taken.modulemd);
    assert_eq!(
        given("", Some("lua"), Some("a-b"), &plain).unwrap().nsvc.to_string(),
        "lua:a_b:20180205135154:6a6c3e52"
    );
    // The branch is that of a folder on somebody's machine.
    assert_eq!(given(both, None, Some("draft"), &stream("6")).unwrap().nsvc.stream.as_str(), "6");
    let refused = given("", None, None, &plain).unwrap_err().join("\n");
    assert!(refused.contains("name: neither") && refused.contains("stream: neither"), "{refused}");
    let refused = given(both, Some("../../etc/passwd"), None, &plain);
    assert!(refused.is_ok(), "the document has a name");
    assert!(given("  stream: a\n", Some("../../etc/passwd"), None, &plain).is_err());
}

#[test]
fn a_request_may_say_what_is_built_of_components() {
    let data = "  name: lua\n  stream: a\n  components:\n    rpms:\n      lua: {rationale: It is., ref: main}\n";
    let references = |names: &[&str]| {
        let pair = |name: &&str| (ComponentName::new(name).unwrap(), crate::scm::GitRef::new("other").unwrap());
        Overrides { references: names.iter().map(pair).collect(), ..Overrides::default() }
    };
    let taken = given(data, None, None, &references(&["lua"])).unwrap();
    assert_eq!(taken.plan.get(1).unwrap().source.as_ref().unwrap().reference.as_str(), "other");
    assert!(!taken.modulemd.contains("main"), "{}", taken.modulemd);
    let refused = given(data, None, None, &references(&["lua", "luarocks", "moon"])).unwrap_err();
    let expected = "rpm_component_ref_overrides: the module has no component luarocks, moon; take it out";
    assert_eq!(refused, [expected]);
}
