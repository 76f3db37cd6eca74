//! Base modules with virtual and compatible streams, and streams that a request asks for.

use rida_core::{BaseStreams, Compatibility, DefaultModules, Fact, ModuleName, StreamName, StreamUse, StreamVersion};

use super::*;

fn platform() -> ModuleName {
    "platform".parse().unwrap()
}

fn name(text: &str) -> StreamName {
    text.parse().unwrap()
}

/// Three minor streams of a distribution, and one of the next.
fn enterprise() -> BaseStreams {
    let mut known = BaseStreams::default();
    for stream in ["el8.1.0", "el8.2.0", "el8.10.0", "el9.0.0"] {
        let major = name(&stream[..3]);
        known.entry(platform(), name(stream)).virtual_streams.insert(major);
    }
    known
}

fn with(compatibility: Compatibility) -> BaseStreams {
    let mut known = enterprise();
    known.compatibility = compatibility;
    known
}

fn on(base_streams: BaseStreams) -> World {
    World::new(Policy { base_streams, ..Policy::default() })
}

fn read(world: &World, id: BuildId) -> rida_core::modulemd::Dependencies {
    let text = world.build(id).submission.modulemd.to_string();
    let stream = rida_core::modulemd::read(text.as_bytes()).unwrap().into_stream().unwrap();
    stream.dependencies[0].clone()
}

fn asked(world: &World, name: &str, data: &str, streams: StreamChoices) -> Result<Vec<BuildId>, SubmitError> {
    let url: rida_core::scm::ScmUrl = format!("https://src.example.org/modules/{name}.git?#main").parse().unwrap();
    world.scm.put_modulemd(&url, data, world.clock.now());
    let request = Request { streams, ..Request::new(url.to_string(), sample::owner("alice")) };
    block_on(world.driver.submit_all(request))
}

#[test]
fn a_virtual_stream_is_built_against_the_newest_that_has_it() {
    let world = on(enterprise());
    let ids = built(&world, "foo", &module("foo", "{platform: [el8]}", "{platform: [el8]}"));
    assert_eq!(requires(&world, ids[0]), ["platform:el8.10.0/0"]);
    let document = read(&world, ids[0]);
    assert_eq!(document.buildrequires["platform"].iter().collect::<Vec<_>>(), ["el8.10.0"]);
    assert_eq!(document.requires["platform"].iter().collect::<Vec<_>>(), ["el8"], "it runs on all of them");
    let build = world.build(ids[0]);
    assert!(build.nsvc().version.to_string().starts_with("81000"), "{}", build.nsvc());
    assert!(build.dist_tag.as_str().starts_with(".module+el8.10.0+1+"), "{}", build.dist_tag);
    // One that is of several builds, among real streams.
    let both = built(&world, "bar", &module("bar", "{platform: [el8, el9.0.0]}", "{}"));
    assert_eq!((requires(&world, both[0])[0].as_str(), both.len()), ("platform:el8.10.0/0", 2));
    let packager = "document: modulemd-packager\nversion: 3\ndata:\n  name: baz\n  stream: \"1\"\n  summary: A\n  description: \
        B\n  license: [MIT]\n  configurations:\n  - {context: CTX1, platform: el8}\n";
    assert_eq!(requires(&world, built(&world, "baz", packager)[0]), ["platform:el8.10.0/0"], "a static context too");
}

#[test]
fn a_stream_that_is_not_known_is_refused_with_those_that_are() {
    let mut known = enterprise();
    known.entry(platform(), name("el8.1.0")).usage = StreamUse::Ended;
    let world = on(known);
    let data = module("foo", "{platform: [el8, f42, el8.1.0]}", "{platform: [f41]}");
    let SubmitError::Invalid(problems) = submit_all(&world, "foo", &data).unwrap_err() else { panic!("another error") };
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("no stream el8.1.0 of the base module platform is known here"), "{problems:?}");
    let hint = "write one of el8, el8.10.0, el8.2.0, el9, el9.0.0; the operator names the streams";
    assert!(problems[1].contains("no stream f42") && problems[1].contains(hint), "{problems:?}");
    assert!(problems[1].starts_with("10:"), "with its place: {problems:?}");
    // Where none are known, every stream is good.
    assert_eq!(submit_all(&on(BaseStreams::default()), "foo", &data).unwrap().len(), 3);
}

#[test]
fn what_was_built_for_an_older_minor_stream_is_built_against() {
    let old = module("lib", "{platform: [el8.1.0]}", "{platform: [el8]}");
    let new = module("lib", "{platform: [el8.10.0]}", "{platform: [el8]}");
    let app = module("app", "{platform: [el8.2.0], lib: []}", "{platform: [el8]}");
    let world = on(enterprise());
    let first = built(&world, "lib", &old)[0];
    let ids = built(&world, "app", &app);
    assert_eq!(requires(&world, ids[0])[0], format!("lib:1/{first}"));
    // What is built for a newer one is not, though its version is higher.
    built(&world, "lib", &new);
    let ids = built(&world, "app", &app);
    assert_eq!(requires(&world, ids[0])[0], format!("lib:1/{first}"));
    // What is built for the same one goes before.
    let own = built(&world, "lib", &module("lib", "{platform: [el8.2.0]}", "{platform: [el8]}"))[0];
    let ids = built(&world, "app", &app);
    assert_eq!(requires(&world, ids[0])[0], format!("lib:1/{own}"));

    let refused = |compatibility| {
        let world = on(with(compatibility));
        built(&world, "lib", &old);
        built(&world, "lib", &new);
        submit_all(&world, "app", &app).map(|ids| requires(&world, ids[0])[0].clone()).map_err(|it| it.to_string())
    };
    assert!(refused(Compatibility::Same).unwrap_err().contains("lib:1 has no ready build against platform:el8.2.0"));
    assert_eq!(refused(Compatibility::Any).unwrap(), "lib:1/1", "and still not what is built for a newer one");
}

#[test]
fn streams_that_are_excluded_are_built_against_only_by_name() {
    let mut known = enterprise();
    known.entry(platform(), name("el9.0.0")).usage = StreamUse::Named;
    known.entry(platform(), name("el8.1.0")).usage = StreamUse::Ended;
    let world = on(known);
    let all = |name: &str, list: &str| {
        let ids = submit_all(&world, name, &module(name, &format!("{{platform: {list}}}"), "{platform: []}")).unwrap();
        ids.iter().map(|id| requires(&world, *id).concat()).collect::<Vec<_>>()
    };
    assert_eq!(all("a", "[]"), ["platform:el8.10.0/0", "platform:el8.2.0/0"]);
    assert_eq!(all("b", "['-el8.2.0']"), ["platform:el8.10.0/0"]);
    assert_eq!(all("c", "[el9.0.0]"), ["platform:el9.0.0/0"]);
}

#[test]
fn an_operator_says_what_dist_tags_have_and_how_streams_are_ordered() {
    let mut known = enterprise();
    known.entry(platform(), name("el8.10.0")).dist_tag_marking = Some(name("el8"));
    known.entry(platform(), name("el8.2.0")).version = Some(StreamVersion::new(990_000));
    let world = on(known);
    let ids = built(&world, "foo", &module("foo", "{platform: [el8.10.0]}", "{}"));
    assert!(world.build(ids[0]).dist_tag.as_str().starts_with(".module+el8+1+"), "{}", world.build(ids[0]).dist_tag);
    let ids = built(&world, "foo", &module("foo", "{platform: [el8]}", "{}"));
    assert_eq!(requires(&world, ids[0]), ["platform:el8.2.0/0"]);
}

#[test]
fn components_are_taken_over_from_a_build_for_an_older_minor_stream() {
    for (compatibility, taken) in
        [(Compatibility::Older, true), (Compatibility::Same, false), (Compatibility::Any, false)]
    {
        let world = on(with(compatibility));
        let data = |stream: &str| {
            let data = module("foo", &format!("{{platform: [{stream}]}}"), "{platform: [el8]}");
            format!("{data}  components:\n    rpms:\n      bash: {{rationale: tested, ref: main}}\n")
        };
        let newer = built(&world, "foo", &data("el8.10.0"))[0];
        let older = built(&world, "foo", &data("el8.1.0"))[0];
        assert_eq!(world.build(older).donor(), None, "never from a newer one");
        let id = built(&world, "foo", &data("el8.2.0"))[0];
        assert_eq!(world.build(id).donor(), taken.then_some(older), "{compatibility:?}");
        let id = built(&world, "foo", &data("el8.10.0"))[0];
        assert_eq!(world.build(id).donor(), Some(newer), "that for the same one goes before");
    }
}

#[test]
fn a_request_puts_other_streams_in_place_of_the_documents() {
    let world = on(enterprise());
    let data = module("foo", "{platform: [el9.0.0]}", "{platform: [el9]}");
    let choices = StreamChoices {
        buildrequires: [(platform(), ["el8".to_owned()].into())].into(),
        requires: [(platform(), ["el8".to_owned(), "el9".to_owned()].into())].into(),
        ..StreamChoices::default()
    };
    let ids = asked(&world, "foo", &data, choices.clone()).unwrap();
    assert_eq!(requires(&world, ids[0]), ["platform:el8.10.0/0"]);
    assert_eq!(read(&world, ids[0]).requires["platform"].iter().collect::<Vec<_>>(), ["el8", "el9"]);
    let usual = asked(&world, "foo", &data, StreamChoices::default()).unwrap();
    assert_ne!(world.context(ids[0]), world.context(usual[0]), "it is another build");
    // An empty list is any stream.
    let any = StreamChoices { buildrequires: [(platform(), [].into())].into(), ..StreamChoices::default() };
    assert_eq!(asked(&world, "bar", &module("bar", "{platform: [el9.0.0]}", "{}"), any).unwrap().len(), 4);
    // What the document does not have is told.
    let gone = ["zip", "app"].map(|it| (it.parse().unwrap(), ["1".to_owned()].into()));
    let other = StreamChoices { requires: gone.into(), ..choices };
    let refused = asked(&world, "foo", &data, other).unwrap_err();
    let told = "require_overrides names modules that the modulemd does not have in its requires: app, zip";
    assert!(matches!(&refused, SubmitError::Streams(text) if text.contains(told)), "{refused}");
    assert_eq!(block_on(world.store.count(&rida_core::BuildFilter::default())).unwrap(), 6, "nothing was recorded");
}

#[test]
fn a_request_chooses_where_the_document_leaves_a_choice() {
    let world = on(enterprise());
    for stream in ["1", "2"] {
        built(&world, "lib", &module("lib", "{platform: [el8]}", "{}").replace("\"1\"", &format!("\"{stream}\"")));
    }
    let prefer = |list: &[(&str, &str)]| StreamChoices {
        preferred: list.iter().map(|(module, stream)| (module.parse().unwrap(), name(stream))).collect(),
        ..StreamChoices::default()
    };
    let open = module("app", "{platform: [], lib: []}", "{lib: []}");
    let ids = asked(&world, "app", &open, prefer(&[("platform", "el8"), ("lib", "1"), ("unused", "3")])).unwrap();
    assert_eq!(ids.len(), 1);
    assert_eq!(requires(&world, ids[0]), ["lib:1/1", "platform:el8.10.0/0"]);
    assert_eq!(read(&world, ids[0]).requires["lib"].iter().collect::<Vec<_>>(), ["1"], "it listed the same");
    let listed = module("many", "{platform: [el8], lib: ['1', '2']}", "{lib: ['1', '2']}");
    let ids = asked(&world, "many", &listed, prefer(&[("lib", "2")])).unwrap();
    assert_eq!((ids.len(), requires(&world, ids[0])[0].as_str()), (1, "lib:2/2"));
    let refused = |list| asked(&world, "many", &listed, prefer(list)).unwrap_err().to_string();
    assert!(refused(&[("lib", "3")]).contains("the request asks for lib:3, which is not among its streams"));
    assert!(refused(&[("platform", "f42")]).contains("default_streams names platform:f42, which is not known here"));
    let log = block_on(world.store.log_of(ids[0])).unwrap();
    assert!(matches!(log[0].event.fact, Fact::Submitted));
}

#[test]
fn compatible_streams_cost_the_store_no_more_questions() {
    let mut known = BaseStreams::default();
    for minor in 0..=10 {
        known.entry(platform(), name(&format!("el8.{minor}.0"))).virtual_streams.insert(name("el8"));
    }
    let world = on(known);
    let libraries: Vec<String> = (0..6).map(|number| format!("lib{number}")).collect();
    for library in &libraries {
        // Four contexts each, by what they are built with.
        let oldest = module(library, "{platform: [el8.0.0]}", "{platform: [el8]}");
        built(&world, library, &oldest);
    }
    let all: Vec<String> = libraries.iter().map(|library| format!("{library}: ['1']")).collect();
    let app = module("app", &format!("{{platform: [el8], {}}}", all.join(", ")), "{}");
    let before = world.fates.store_calls();
    let ids = submit_all(&world, "app", &app).unwrap();
    assert_eq!(requires(&world, ids[0]).len(), 7);
    // A look at the queue; each module's build, found and read; a name and a number; and the build.
    assert_eq!(world.fates.store_calls() - before, 1 + 6 * 2 + 2 + 1);
}

#[test]
fn contexts_of_a_required_module_cost_a_look_only_when_they_are_tried() {
    let world = on(enterprise());
    let tools = ["1", "2", "3", "4"];
    for stream in tools {
        built(&world, "tool", &module("tool", "{platform: [el8]}", "{}").replace("\"1\"", &format!("\"{stream}\"")));
    }
    let libraries: Vec<String> = (0..6).map(|number| format!("lib{number}")).collect();
    for library in &libraries {
        let ids = built(&world, library, &module(library, "{platform: [el8], tool: []}", "{tool: []}"));
        assert_eq!(ids.len(), tools.len(), "a context for each");
    }
    let all: Vec<String> = libraries.iter().map(|library| format!("{library}: ['1']")).collect();
    for (stream, looks) in [("4", 1), ("1", 4)] {
        let app = module("app", &format!("{{platform: [el8], tool: ['{stream}'], {}}}", all.join(", ")), "{}");
        let before = world.fates.store_calls();
        let ids = submit_all(&world, "app", &app).unwrap();
        for library in &requires(&world, ids[0])[..6] {
            let id = library.rsplit_once('/').unwrap().1.parse().unwrap();
            assert!(requires(&world, id).iter().any(|it| it.starts_with(&format!("tool:{stream}/"))), "{library}");
        }
        assert_eq!(world.fates.store_calls() - before, 1 + 6 * (1 + looks) + 2 + 2 + 1, "tool:{stream}");
        world.clock.advance(std::time::Duration::from_secs(60));
    }
}

#[test]
fn builds_of_one_document_know_each_other_whenever_they_were_submitted() {
    let mut known = enterprise();
    known.entry(platform(), name("el9.0.0")).usage = StreamUse::Named;
    let policy = Policy { base_streams: known, allow_scratch: true, ..Policy::default() };
    let world = World::new(policy.clone());
    let data = module("foo", "{platform: []}", "{platform: []}");
    let first = asked(&world, "foo", &data, StreamChoices::default()).unwrap();
    assert_eq!(first.len(), 3);
    // Another stream is offered, and the document is submitted again.
    let parts = Parts { policy: Policy { base_streams: enterprise(), ..policy }, ..world.driver.parts().clone() };
    let world = World { driver: Driver::new(parts, WorkerId("later".to_owned())), ..world };
    let all = asked(&world, "foo", &data, StreamChoices::default()).unwrap();
    let other = asked(&world, "other", &module("other", "{platform: [el8]}", "{}"), StreamChoices::default()).unwrap();
    let url = "https://src.example.org/modules/foo.git?#main";
    let tried = Request { scratch: true, ..Request::new(url, sample::owner("alice")) };
    let tried = block_on(world.driver.submit_all(tried)).unwrap();
    assert_eq!((all.len(), tried.len()), (4, 4));
    assert_eq!(world.build(first[0]).submission.siblings, first[1..], "as it was recorded");
    let mut builds: Vec<ModuleBuild> = all.iter().chain(&other).chain(&tried).map(|id| world.build(*id)).collect();
    let before = world.fates.store_calls();
    block_on(world.driver.find_siblings(&mut builds)).unwrap();
    assert_eq!(world.fates.store_calls() - before, 1, "for all of them");
    for build in builds {
        let group = [&all, &other, &tried].into_iter().find(|group| group.contains(&build.id)).unwrap();
        let mut rest = group.clone();
        rest.retain(|id| *id != build.id);
        rest.sort();
        assert_eq!(build.submission.siblings, rest, "{}", build.id);
    }
    // A later commit is another document.
    world.clock.advance(std::time::Duration::from_secs(60));
    let later = asked(&world, "foo", &data, StreamChoices::default()).unwrap();
    let mut build = world.build(later[0]);
    block_on(world.driver.find_siblings(std::slice::from_mut(&mut build))).unwrap();
    assert_eq!(build.submission.siblings, later[1..]);
}

fn defaults_place(reference: &str) -> DefaultModules {
    let repository = "https://src.example.org/defaults.git".parse().unwrap();
    DefaultModules { repository, reference: reference.parse().unwrap() }
}

/// Documents of defaults, by module and stream.
fn put_defaults(world: &World, reference: &str, modules: &[(&str, &str)]) {
    let document = |(module, stream): &(&str, &str)| {
        format!("document: modulemd-defaults\nversion: 1\ndata: {{module: {module}, stream: '{stream}'}}\n")
    };
    let files: Vec<(String, String)> = modules.iter().map(|it| (format!("{}.yaml", it.0), document(it))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.scm.put_defaults(&defaults_place(reference), &files);
}

/// A distribution of two streams, of which each has modules by default.
fn with_defaults() -> World {
    let mut known = enterprise();
    known.entry(platform(), name("el8.10.0")).default_modules = Some(defaults_place("el8"));
    known.entry(platform(), name("el9.0.0")).default_modules = Some(defaults_place("el9"));
    on(known)
}

#[test]
fn modules_that_a_distribution_has_by_default_are_built_against() {
    let world = with_defaults();
    put_defaults(&world, "el8", &[]);
    put_defaults(&world, "el9", &[]);
    let build = |name: &str, requires: &str| built(&world, name, &module(name, "{platform: [el8.2.0]}", requires))[0];
    let perl = build("perl", "{platform: [el8]}");
    let base = build("base", "{platform: []}");
    let needs = build("needs", "{platform: [el8], base: []}");
    build("nowhere", "{}");
    build("old", "{platform: [el8.2.0]}");
    let other =
        built(&world, "perl", &module("perl", "{platform: [el8.2.0]}", "{platform: [el8]}").replace("\"1\"", "\"2\""));
    put_defaults(
        &world,
        "el8",
        &[("gone", "1"), ("needs", "1"), ("nowhere", "1"), ("old", "1"), ("perl", "1"), ("platform", "el8")],
    );
    put_defaults(&world, "el9", &[("perl", "1"), ("base", "1")]);
    let data = module("app", "{platform: [el8.10.0, el9.0.0]}", "{}");
    let ids = built(&world, "app", &data);
    // What it needs comes with it; what is not there, does not say that it is for this platform, or is for another, does not.
    let expected =
        [format!("base:1/{base}"), format!("needs:1/{needs}"), format!("perl:1/{perl}"), "platform:el8.10.0/0".into()];
    assert_eq!(requires(&world, ids[0]), expected);
    assert_eq!(requires(&world, ids[1]), ["platform:el9.0.0/0"], "nothing was built for it");
    let by_default = |id| world.build(id).submission.by_default.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (by_default(ids[0]), by_default(ids[1])),
        (["base", "needs", "perl"].map(str::to_owned).to_vec(), vec![])
    );
    // The context is that of the document alone.
    let alone = on(enterprise());
    let same = built(&alone, "app", &data);
    assert_eq!(world.context(ids[0]), alone.context(same[0]));
    // What the document asks for goes before.
    let ids = built(&world, "user", &module("user", "{platform: [el8.10.0], perl: ['2']}", "{}"));
    assert_eq!(requires(&world, ids[0])[2], format!("perl:2/{}", other[0]));
    assert_eq!(by_default(ids[0]), ["base", "needs"]);
    // A default that needs another stream of what is asked for does not go with it.
    build("strict", "{platform: [el8], perl: ['1']}");
    put_defaults(&world, "el8", &[("strict", "1")]);
    let ids = built(&world, "user", &module("user", "{platform: [el8.10.0], perl: ['2']}", "{}"));
    assert_eq!(by_default(ids[0]), Vec::<String>::new());
}

#[test]
fn defaults_that_cannot_be_read_refuse_what_they_are_for() {
    let world = with_defaults();
    let on_el8 = module("app", "{platform: [el8.10.0]}", "{}");
    let refused = || submit_all(&world, "app", &on_el8).unwrap_err();
    let missing = refused();
    assert!(matches!(&missing, SubmitError::DefaultModules { of, .. } if of == "platform:el8.10.0"), "{missing}");
    let told = "the default modules of platform:el8.10.0 cannot be read: there is no el8 in https://src.example.org/defaults.git";
    assert!(missing.to_string().starts_with(told), "{missing}");
    world.scm.put_defaults(&defaults_place("el8"), &[("a.yaml", "document: modulemd-defaults\nversion: 7\n")]);
    assert!(refused().to_string().contains("a.yaml:"), "{}", refused());
    assert_eq!(block_on(world.store.count(&rida_core::BuildFilter::default())).unwrap(), 0, "nothing was recorded");
    // Other platforms do not care.
    assert_eq!(submit_all(&world, "app", &module("app", "{platform: [el8.2.0]}", "{}")).unwrap().len(), 1);
}

#[test]
fn default_modules_cost_the_store_two_questions_for_each_platform_whatever_their_number() {
    let world = with_defaults();
    put_defaults(&world, "el8", &[]);
    put_defaults(&world, "el9", &[]);
    let names: Vec<String> = (0..6).map(|number| format!("lib{number}")).collect();
    for name in &names {
        assert_eq!(built(&world, name, &module(name, "{platform: [el8, el9]}", "{platform: [el8, el9]}")).len(), 2);
    }
    let defaults: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    put_defaults(&world, "el8", &defaults);
    put_defaults(&world, "el9", &defaults);
    let before = world.fates.store_calls();
    let ids = submit_all(&world, "app", &module("app", "{platform: [el8, el9], lib0: []}", "{}")).unwrap();
    assert!(ids.iter().all(|id| requires(&world, *id).len() == 7));
    // A look at the queue and at the streams of lib0; for each platform the build of lib0, found and read, and those of all
    // others, found and read; a name and a number for each build; and both of them written at once.
    assert_eq!(world.fates.store_calls() - before, 1 + 1 + 2 * 2 + 2 * 2 + 2 * 2 + 1);
}
