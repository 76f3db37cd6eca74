//! What is recorded of submissions: one build, several or none, and under which names.

#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod streams;

use std::sync::Arc;

use rida_core::scm::AllowList;
use rida_core::testing::simulation::block_on;
use rida_core::testing::{
    Fates, Faulty, Layered, MemoryBuildSystem, MemoryPublisher, MemoryScm, MemoryStore, TestClock, sample,
};
use rida_core::{
    BuildId, BuildState, Clock, Driver, Fact, GivenModulemd, ModuleBuild, Parts, Policy, Request, Store, StreamChoices,
    Submission, SubmitError, TagName, WorkerId,
};

struct World {
    driver: Driver,
    store: MemoryStore,
    /// Nothing fails; the calls are counted.
    fates: Fates,
    scm: MemoryScm,
    clock: TestClock,
}

impl World {
    fn new(policy: Policy) -> Self {
        let (store, scm, clock) = (MemoryStore::new(), MemoryScm::default(), TestClock::at(sample::at(0)));
        let fates = Fates::new(0, 0);
        let mut policy = policy;
        policy.sources.repository = Some(sample::repository("x").to_string().replace("/x.git", "").parse().unwrap());
        let parts = Parts {
            store: Arc::new(Layered(Faulty::new(store.clone(), fates.clone()))),
            build_system: Arc::new(MemoryBuildSystem::new(Arc::new(clock.clone()))),
            publisher: Arc::new(MemoryPublisher::default()),
            scm: Arc::new(scm.clone()),
            clock: Arc::new(clock.clone()),
            allow: AllowList::new(["https://src.example.org/modules".parse().unwrap()]),
            policy,
        };
        Self { driver: Driver::new(parts, WorkerId("test".to_owned())), store, fates, scm, clock }
    }

    fn build(&self, id: BuildId) -> ModuleBuild {
        block_on(self.store.load(id)).unwrap().unwrap()
    }

    fn context(&self, id: BuildId) -> String {
        self.build(id).nsvc().context.to_string()
    }

    /// Takes turns, a second apart, until a build has ended.
    fn until_ended(&self, id: BuildId) -> ModuleBuild {
        for _ in 0..10_000 {
            let _ = block_on(self.driver.turn()).unwrap();
            let build = self.build(id);
            if !build.state().is_active() {
                return build;
            }
            self.clock.advance(std::time::Duration::from_secs(1));
        }
        panic!("it does not end: {:?}", self.build(id));
    }

    fn submit(&self, scratch: bool) -> Result<BuildId, SubmitError> {
        let url = "https://src.example.org/modules/foo.git?#main";
        block_on(self.driver.submit(Request { scratch, ..Request::new(url, sample::owner("alice")) }))
    }
}

const FOO: &str = "document: modulemd\nversion: 2\ndata:\n  name: foo\n  stream: \"1\"\n  summary: A test\n  \
    description: Of a test\n  license: {module: [MIT]}\n  dependencies:\n  - buildrequires: {platform: [f28]}\n    \
    requires: {platform: [f28]}\n  components:\n    rpms:\n      foo: {rationale: tested}\n";

fn scratch_world() -> World {
    let world = World::new(Policy { allow_scratch: true, ..Policy::default() });
    let url = "https://src.example.org/modules/foo.git?#main".parse().unwrap();
    world.scm.put_modulemd(&url, FOO, sample::at(0));
    world
}

#[test]
fn scratch_builds_take_no_name_of_others_whoever_is_first() {
    // After a normal build, before one, and after another scratch build.
    for order in [[false, true, true], [true, false, true], [true, true, false]] {
        let world = scratch_world();
        let ids = order.map(|scratch| world.submit(scratch).unwrap());
        let contexts: Vec<String> = ids.iter().map(|id| world.context(*id)).collect();
        let mut tried = 0;
        for (scratch, context) in order.into_iter().zip(&contexts) {
            tried += usize::from(scratch);
            let expected = if scratch { format!("9c690d0e_{tried}") } else { "9c690d0e".to_owned() };
            assert_eq!(*context, expected, "{order:?}: {contexts:?}");
        }
        for (id, scratch) in ids.into_iter().zip(order) {
            let build = world.until_ended(id);
            let (state, tag) = (build.state(), build.tag().to_string());
            assert_eq!(state, if scratch { BuildState::Done } else { BuildState::Ready });
            assert_eq!(tag.starts_with("scrmod-foo-1-28") && tag.ends_with(&format!("+{id}")), scratch, "{tag}");
        }
    }
}

#[test]
fn a_scratch_build_that_failed_is_submitted_as_another() {
    let world = scratch_world();
    let first = world.submit(true).unwrap();
    block_on(world.driver.cancel(first, sample::owner("alice"))).unwrap();
    let second = world.submit(true).unwrap();
    assert_ne!(first, second);
    assert_eq!((world.context(first).as_str(), world.context(second).as_str()), ("9c690d0e_1", "9c690d0e_2"));
    assert_eq!(world.build(first).state(), BuildState::Failed);
}

#[test]
fn scratch_builds_are_refused_unless_they_are_enabled() {
    let world = scratch_world();
    let parts = Parts { policy: Policy::default(), ..world.driver.parts().clone() };
    let world = World { driver: Driver::new(parts, WorkerId("strict".to_owned())), ..world };
    let refused = world.submit(true).unwrap_err();
    assert!(matches!(refused, SubmitError::NoScratch), "{refused}");
    assert!(refused.to_string().contains("builds.allow_scratch"), "{refused}");
}

#[test]
fn nothing_is_built_against_what_is_only_tried() {
    let world = scratch_world();
    let id = world.submit(true).unwrap();
    world.until_ended(id);
    let url = "https://src.example.org/modules/bar.git?#main".parse().unwrap();
    let bar = FOO.replace("name: foo", "name: bar").replace("{platform: [f28]}\n    r", "{foo: [\"1\"]}\n    r");
    world.scm.put_modulemd(&url, &bar, sample::at(0));
    let bar = || Request::new(url.to_string(), sample::owner("alice"));
    let refused = block_on(world.driver.submit(bar())).unwrap_err().to_string();
    assert!(refused.contains("foo:1, which has no ready build here"), "{refused}");
    let normal = world.submit(false).unwrap();
    world.until_ended(normal);
    let built = block_on(world.driver.submit(bar())).unwrap();
    assert_eq!(world.build(built).submission.build_requires[0].build, Some(normal));
}

#[test]
fn long_contexts_give_way_to_the_number() {
    let world = World::new(Policy::default());
    let tried = |context: &str| {
        let submission = sample::submission(sample::nsvc(&format!("foo:1:1:{context}")));
        let id = block_on(world.driver.record(Submission { scratch: true, ..submission })).unwrap();
        world.context(id)
    };
    assert_eq!(tried("abcdefghijklm"), "abcdefghijk_1");
    assert_eq!(tried("abcdefghijkxy"), "abcdefghijk_2", "another context that is cut to the same");
    assert_eq!(tried("abc_1"), "abc_1_1");
    assert_eq!(tried("abc"), "abc_1");
    assert_eq!(tried("abc"), "abc_2");
}

#[test]
fn what_is_submitted_together_is_recorded_together_or_not_at_all() {
    let policy = Policy::default();
    let world = World::new(Policy { limits: rida_core::Limits { queue: 3, ..policy.limits }, ..policy });
    let of = |context: &str| sample::submission(sample::nsvc(&format!("foo:1:1:{context}")));
    let together = |contexts: &[&str]| block_on(world.driver.record_all(contexts.iter().map(|it| of(it)).collect()));
    let ids = together(&["a", "b"]).unwrap();
    for (id, other) in [(ids[0], ids[1]), (ids[1], ids[0])] {
        let build = world.build(id);
        assert_eq!(build.submission.siblings, [other]);
        assert!(build.dist_tag.as_str().starts_with(&format!(".module+el8+{}+", ids[0])), "{}", build.dist_tag);
    }
    assert_ne!(world.build(ids[0]).dist_tag, world.build(ids[1]).dist_tag);
    // One more has room, two have not.
    let refused = together(&["c", "d"]).unwrap_err();
    assert!(matches!(refused, SubmitError::QueueFull { .. }), "{refused}");
    assert_eq!(block_on(world.store.count(&rida_core::BuildFilter::default())).unwrap(), 2);
    // What exists is left alone as long as anything is new.
    let all = together(&["a", "b", "c"]).unwrap();
    assert_eq!(all[..2], ids);
    assert_eq!(world.build(all[2]).submission.siblings, ids);
    assert_eq!(world.build(ids[0]).revision, 1);
    let refused = together(&["b", "a"]).unwrap_err();
    assert!(matches!(refused, SubmitError::Exists { id, .. } if id == ids[1]), "{refused}");
    // What failed is taken up again.
    block_on(world.driver.cancel(ids[1], sample::owner("bob"))).unwrap();
    assert_eq!(together(&["a", "b"]).unwrap(), ids);
    let log = block_on(world.store.log_of(ids[1])).unwrap();
    assert!(matches!(log.last().unwrap().event.fact, Fact::Resubmitted { .. }));
    assert_eq!(world.build(ids[1]).state(), BuildState::Init);
}

/// Submits a modulemd of a module, and returns the builds that it makes.
fn submit_all(world: &World, name: &str, data: &str) -> Result<Vec<BuildId>, SubmitError> {
    let url: rida_core::scm::ScmUrl = format!("https://src.example.org/modules/{name}.git?#main").parse().unwrap();
    let seconds = i64::from(world.clock.now() != sample::at(0)) * 10 + world.clock.now().millis() / 1000;
    world.scm.put_modulemd(&url, data, rida_core::Timestamp::from_seconds(seconds));
    let owner = sample::owner("alice");
    block_on(world.driver.submit_all(Request::new(url.to_string(), owner)))
}

/// Returns a modulemd of stream 1 without components.
fn module(name: &str, buildrequires: &str, requires: &str) -> String {
    format!(
        "document: modulemd\nversion: 2\ndata:\n  name: {name}\n  stream: \"1\"\n  summary: A test\n  description: Of a \
         test\n  license: {{module: [MIT]}}\n  dependencies:\n  - buildrequires: {buildrequires}\n    requires: {requires}\n"
    )
}

fn platforms(streams: &[&str]) -> Policy {
    let streams = streams.iter().map(|it| ("platform".parse().unwrap(), it.parse().unwrap())).collect();
    Policy { base_streams: streams, ..Policy::default() }
}

/// Builds a module and returns its builds, all ready.
fn built(world: &World, name: &str, data: &str) -> Vec<BuildId> {
    let ids = submit_all(world, name, data).unwrap();
    for id in &ids {
        assert_eq!(world.until_ended(*id).state(), BuildState::Ready);
    }
    world.clock.advance(std::time::Duration::from_secs(60));
    ids
}

fn requires(world: &World, id: BuildId) -> Vec<String> {
    let submission = world.build(id).submission;
    let each = submission.build_requires.iter();
    each.map(|it| format!("{}:{}/{}", it.name, it.stream, it.build.map_or(0, BuildId::get))).collect()
}

#[test]
fn a_build_is_built_against_what_was_built_for_its_platform() {
    let world = World::new(platforms(&["f28", "f29"]));
    let old = built(&world, "lib", &module("lib", "{platform: []}", "{platform: []}"));
    assert_eq!(old.len(), 2);
    assert_eq!(
        (requires(&world, old[0]), requires(&world, old[1])),
        (vec!["platform:f28/0".to_owned()], vec!["platform:f29/0".to_owned()])
    );
    assert_eq!(world.build(old[0]).submission.siblings, [old[1]]);
    // The context of a build for one platform is that of a document which names it alone.
    assert_eq!(world.context(old[0]), "9c690d0e");
    let new = built(&world, "lib", &module("lib", "{platform: [f28]}", "{platform: [f28]}"));
    let app = built(&world, "app", &module("app", "{platform: ['-f30'], lib: ['1']}", "{platform: [], lib: ['1']}"));
    let (f28, f29) = (requires(&world, app[0]), requires(&world, app[1]));
    assert_eq!(f28, [format!("lib:1/{}", new[0]), "platform:f28/0".to_owned()], "the highest version for f28");
    assert_eq!(f29, [format!("lib:1/{}", old[1]), "platform:f29/0".to_owned()], "the only one for f29");
    for id in app {
        let build = world.build(id);
        let own = build.submission.build_requires[1].stream.to_string();
        let read = rida_core::modulemd::read(build.submission.modulemd.as_bytes()).unwrap().into_stream().unwrap();
        assert_eq!(read.dependencies[0].requires["platform"].iter().collect::<Vec<_>>(), [&own], "it lists the same");
        assert_eq!(read.dependencies[0].buildrequires["platform"].iter().collect::<Vec<_>>(), [&own]);
    }
}

#[test]
fn what_a_required_module_needs_is_built_against_too() {
    let world = World::new(platforms(&["f28", "f29"]));
    let base = built(&world, "base", &module("base", "{platform: [f28]}", "{platform: [f28]}"));
    let middle =
        built(&world, "middle", &module("middle", "{platform: [f28], base: ['1']}", "{platform: [f28], base: []}"));
    let top = built(&world, "top", &module("top", "{platform: [f28], middle: []}", "{}"));
    assert_eq!(
        requires(&world, top[0]),
        [format!("base:1/{}", base[0]), format!("middle:1/{}", middle[0]), "platform:f28/0".into()]
    );
    // Nothing of an open list is there for the other platform: that combination is left out, unless nothing is left.
    let both = built(&world, "both", &module("both", "{platform: [], middle: []}", "{}"));
    assert_eq!(both.len(), 1);
    let refused =
        submit_all(&world, "none", &module("none", "{platform: [f29], middle: []}", "{}")).unwrap_err().to_string();
    assert!(refused.contains("middle:1 has no ready build against platform:f29 here"), "{refused}");
    // What is named is taken from elsewhere, if it runs on this platform.
    let refused = submit_all(&world, "named", &module("named", "{platform: [f29], middle: ['1']}", "{}")).unwrap_err();
    assert!(refused.to_string().contains("middle:1, whose build 2 needs platform: [f28]"), "{refused}");
    built(&world, "tool", &module("tool", "{platform: [f28]}", "{platform: []}"));
    assert_eq!(built(&world, "named", &module("named", "{platform: [f29], tool: ['1']}", "{}")).len(), 1);
    let refused = submit_all(&world, "gone", &module("gone", "{platform: [f28], gone: ['1', '2']}", "{}")).unwrap_err();
    let SubmitError::Invalid(problems) = refused else { panic!("{refused}") };
    assert_eq!(problems.len(), 2, "all that is missing is told: {problems:?}");
    assert_eq!(
        block_on(world.store.count(&rida_core::BuildFilter { name: Some("gone".into()), ..Default::default() }))
            .unwrap(),
        0
    );
}

#[test]
fn however_much_a_module_requires_the_store_is_asked_a_few_times() {
    let streams = ["f28", "f29", "f30", "f31"];
    let world = World::new(platforms(&streams));
    let libraries: Vec<String> = (0..6).map(|number| format!("lib{number}")).collect();
    for library in &libraries {
        assert_eq!(built(&world, library, &module(library, "{platform: []}", "{platform: []}")).len(), streams.len());
    }
    let all: Vec<String> = libraries.iter().map(|library| format!("{library}: []")).collect();
    let app = module("app", &format!("{{platform: [], {}}}", all.join(", ")), "{}");
    let before = world.fates.store_calls();
    let ids = submit_all(&world, "app", &app).unwrap();
    let calls = world.fates.store_calls() - before;
    assert_eq!(ids.len(), streams.len());
    assert!(ids.iter().all(|id| requires(&world, *id).len() == 1 + libraries.len()));
    // A look at the queue; the streams of each module; for each platform each module's build, found and read; a name and a number for each
    // build; and all of them written at once.
    assert_eq!(calls, 1 + 6 + 4 * 6 * 2 + 4 * 2 + 1);
}

#[test]
fn a_required_module_with_a_long_list_costs_no_look_at_each() {
    let world = World::new(platforms(&["f28"]));
    built(&world, "lib", &module("lib", "{platform: [f28]}", "{}"));
    let list: Vec<String> = (1..=5000).map(|stream| format!("'{stream}'")).collect();
    let wide = module("wide", "{platform: [f28]}", &format!("{{lib: [{}]}}", list.join(", ")));
    built(&world, "wide", &wide);
    let before = world.fates.store_calls();
    let ids = submit_all(&world, "user", &module("user", "{platform: [f28], wide: ['1']}", "{}")).unwrap();
    let calls = world.fates.store_calls() - before;
    assert!(requires(&world, ids[0])[0].starts_with("lib:1/"), "{:?}", requires(&world, ids[0]));
    assert!(calls <= 10, "{calls}");
}

#[test]
fn streams_that_cannot_be_together_make_no_build() {
    let world = World::new(platforms(&["f28"]));
    for stream in ["1", "2"] {
        built(&world, "base", &module("base", "{platform: [f28]}", "{}").replace("\"1\"", &format!("\"{stream}\"")));
    }
    built(&world, "needs", &module("needs", "{platform: [f28]}", "{base: ['1']}"));
    let ids = built(&world, "app", &module("app", "{platform: [f28], needs: ['1'], base: ['1', '2']}", "{}"));
    assert_eq!(ids.len(), 1);
    assert!(requires(&world, ids[0])[0].starts_with("base:1/"));
    let alone = module("alone", "{platform: [f28], needs: ['1'], base: ['2']}", "{}");
    let refused = submit_all(&world, "alone", &alone).unwrap_err().to_string();
    assert!(refused.contains("needs:1 needs another stream of base than 2"), "{refused}");
    // Of several that are good, the one with the highest version is taken.
    built(&world, "open", &module("open", "{platform: [f28]}", "{base: []}"));
    let ids = built(&world, "user", &module("user", "{platform: [f28], open: ['1']}", "{}"));
    assert!(requires(&world, ids[0])[0].starts_with("base:2/"), "{:?}", requires(&world, ids[0]));
}

#[test]
fn contexts_that_a_document_names_are_taken_as_they_are() {
    let world = World::new(Policy { allow_scratch: true, ..Policy::default() });
    let packager = "document: modulemd-packager\nversion: 3\ndata:\n  name: foo\n  stream: \"1\"\n  summary: A\n  description: B\n  \
        license: [MIT]\n  configurations:\n  - {context: CTX1, platform: f28, buildopts: {rpms: {macros: '%one 1'}}}\n  \
        - {context: CTX2, platform: f29, requires: {}}\n";
    let ids = built(&world, "foo", packager);
    let contexts: Vec<String> = ids.iter().map(|id| world.context(*id)).collect();
    assert_eq!(contexts, ["CTX1", "CTX2"]);
    assert_eq!(world.build(ids[1]).submission.siblings, [ids[0]]);
    for (id, macros) in [(ids[0], Some("%one 1")), (ids[1], None)] {
        let text = world.build(id).submission.modulemd.to_string();
        let read = rida_core::modulemd::read(text.as_bytes()).unwrap().to_source().unwrap();
        assert!(read.static_context);
        let options = read.buildopts.as_ref().and_then(|options| options.rpms.macros.as_deref());
        assert_eq!(options.map(str::trim_end), macros, "each configuration has options of its own");
    }
    // So does a document of version 2, in two ways.
    let fixed = module("bar", "{platform: [f28]}", "{platform: [f28]}")
        .replace("  summary", "  context: fixed\n  static_context: true\n  summary");
    assert_eq!(world.context(built(&world, "bar", &fixed)[0]), "fixed");
    let named = module("baz", "{platform: []}", "{}").replace(
        "  summary",
        "  xmd: {mbs_options: {contexts: {a1: {buildrequires: {platform: f28}}, b2: {buildrequires: {platform: f29}}}}}\n  summary",
    );
    let ids = built(&world, "baz", &named);
    assert_eq!(ids.iter().map(|id| world.context(*id)).collect::<Vec<_>>(), ["a1", "b2"]);
    assert_eq!(requires(&world, ids[1]), ["platform:f29/0"]);
    // Tried beside the build of that name.
    let url = "https://src.example.org/modules/bar.git?#main".to_owned();
    let tried = Request { scratch: true, ..Request::new(url, sample::owner("alice")) };
    assert_eq!(world.context(block_on(world.driver.submit(tried)).unwrap()), "fixed_1");
}

#[test]
fn a_document_that_makes_one_build_stays_as_it_was_written() {
    let world = scratch_world();
    let id = world.submit(false).unwrap();
    assert_eq!(&*world.build(id).submission.modulemd, FOO);
    assert!(world.build(id).submission.siblings.is_empty());
}

#[test]
fn nothing_is_taken_over_from_another_side_tag() {
    let plain = sample::submission(sample::nsvc("foo:1:1:c0ffee"));
    let on = |tag| Submission { side_tag: Some(TagName::new(tag).unwrap()), ..plain.clone() }.build_context();
    assert_ne!(plain.build_context(), on("gcc14"));
    assert_ne!(on("gcc14"), on("gcc15"));
    assert_eq!(on("gcc14"), on("gcc14"));
}

#[test]
fn a_side_tag_is_kept_where_there_are_any() {
    for allow_side_tags in [true, false] {
        let world = World::new(Policy { allow_side_tags, ..Policy::default() });
        let url = "https://src.example.org/modules/foo.git?#main";
        world.scm.put_modulemd(&url.parse().unwrap(), FOO, sample::at(0));
        let side_tag = Some(TagName::new("gcc14").unwrap());
        let owner = sample::owner("alice");
        let request = Request { side_tag: side_tag.clone(), ..Request::new(url, owner) };
        match block_on(world.driver.submit(request)) {
            Ok(id) => assert_eq!((allow_side_tags, &world.build(id).submission.side_tag), (true, &side_tag)),
            Err(error) => assert!(!allow_side_tags && error.to_string().contains("koji.side_tags"), "{error}"),
        }
    }
}

/// Asks for a scratch build of a document that comes with the request.
fn bringing(packages: &[&str]) -> Request {
    let modulemd = Some(GivenModulemd { text: FOO.to_owned(), name: Some("draft".to_owned()) });
    let packages = packages.iter().map(|place| place.parse().unwrap()).collect();
    Request { modulemd, packages, scratch: true, ..Request::new("", sample::owner("alice")) }
}

#[test]
fn a_modulemd_may_come_with_the_request_to_be_tried() {
    let world = World::new(Policy { allow_scratch: true, ..Policy::default() });
    let id = block_on(world.driver.submit(bringing(&[]))).unwrap();
    let build = world.until_ended(id);
    assert_eq!((build.state(), &build.submission.scm_url), (BuildState::Done, &None));
    assert_eq!(build.nsvc().name.as_str(), "foo", "the document says more than the name of a file");
    assert_eq!(&*build.submission.modulemd, FOO);
    let summary = block_on(world.store.find(build.nsvc())).unwrap().unwrap();
    assert_eq!(summary.scm_url, None);
    // Released ones only where the operator wants that.
    let request = Request { scratch: false, ..bringing(&[]) };
    let refused = block_on(world.driver.submit(request.clone())).unwrap_err();
    assert!(matches!(refused, SubmitError::NoModulemd), "{refused}");
    assert!(refused.to_string().contains("builds.allow_modulemd"), "{refused}");
    let world = World::new(Policy { allow_modulemd: true, ..Policy::default() });
    let id = block_on(world.driver.submit(request)).unwrap();
    assert_eq!(world.until_ended(id).state(), BuildState::Ready);
    let refused = block_on(world.driver.submit(bringing(&[]))).unwrap_err();
    assert!(matches!(refused, SubmitError::NoScratch), "{refused}");
}

#[test]
fn source_packages_come_with_scratch_builds_where_they_are_taken() {
    let world = World::new(Policy { allow_scratch: true, allow_packages: true, ..Policy::default() });
    let place = "cli-build/1790.abc/foo.src.rpm";
    let id = block_on(world.driver.submit(bringing(&[place]))).unwrap();
    let build = world.build(id);
    let (planned, _) = build.component(&sample::component("foo")).unwrap();
    assert_eq!((planned.package.as_ref().map(ToString::to_string).as_deref(), &planned.source), (Some(place), &None));
    // Nobody looks for its sources, which may not be anywhere.
    let build = world.until_ended(id);
    assert_eq!(build.state(), BuildState::Done, "{:?}", build.reason());
    let (_, component) = build.component(&sample::component("foo")).unwrap();
    assert!(component.source.is_none() && component.state.built().is_some());

    let refused = block_on(world.driver.submit(bringing(&["cli-build/1790.abc/bar.src.rpm"]))).unwrap_err();
    assert!(refused.to_string().contains("srpms: cli-build/1790.abc/bar.src.rpm is of no component"), "{refused}");
    let macros = bringing(&["cli-build/1790.abc/module-build-macros.src.rpm"]);
    assert!(block_on(world.driver.submit(macros)).is_err(), "they are the service's own");
    let twice = bringing(&[place, "cli-build/1791.abc/foo.src.rpm"]);
    assert!(block_on(world.driver.submit(twice)).is_err());
    let kept = Request { scratch: false, ..bringing(&[place]) };
    let refused = block_on(world.driver.submit(kept)).unwrap_err();
    assert!(refused.to_string().contains("for scratch builds only"), "{refused}");
    let world = World::new(Policy { allow_scratch: true, ..Policy::default() });
    let refused = block_on(world.driver.submit(bringing(&[place]))).unwrap_err();
    assert!(refused.to_string().contains("srpms cannot be taken here"), "{refused}");
    assert_eq!(block_on(world.store.count(&rida_core::BuildFilter::default())).unwrap(), 0);
}

#[test]
fn what_a_source_package_is_built_of_is_never_taken_over_from_an_earlier_build() {
    let world =
        World::new(Policy { allow_scratch: true, allow_modulemd: true, allow_packages: true, ..Policy::default() });
    let first = block_on(world.driver.submit(Request { scratch: false, ..bringing(&[]) })).unwrap();
    assert_eq!(world.until_ended(first).state(), BuildState::Ready);
    let again = block_on(world.driver.submit(bringing(&[]))).unwrap();
    let again = world.until_ended(again);
    assert_eq!(again.donor(), Some(first), "nothing has changed");
    let id = block_on(world.driver.submit(bringing(&["cli-build/1790.abc/foo.src.rpm"]))).unwrap();
    let build = world.until_ended(id);
    assert_eq!((build.state(), build.donor()), (BuildState::Done, None), "{:?}", build.components);
    let (_, macros) = build.component(&sample::component("module-build-macros")).unwrap();
    assert!(macros.state.built().is_some(), "what is built needs them");
}
