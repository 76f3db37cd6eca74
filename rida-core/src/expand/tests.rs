use super::*;

fn sets(text: Modules<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let owned = |streams: &[&str]| streams.iter().map(|stream| (*stream).to_owned()).collect();
    text.iter().map(|(module, streams)| ((*module).to_owned(), owned(streams))).collect()
}

/// Modules, each with its streams.
type Modules<'a> = &'a [(&'a str, &'a [&'a str])];

/// What a block is built against, and what it needs at run time.
type Block<'a> = (Modules<'a>, Modules<'a>);

fn stream(blocks: &[Block<'_>]) -> ModuleStream {
    let block = |(built, run): &Block<'_>| Dependencies { buildrequires: sets(built), requires: sets(run) };
    ModuleStream { dependencies: blocks.iter().map(block).collect(), ..ModuleStream::default() }
}

fn known(text: Modules<'_>) -> Known {
    let name = |name: &String| ModuleName::new(name).unwrap();
    let streams = |streams: &BTreeSet<String>| streams.iter().map(|it| StreamName::new(it).unwrap()).collect();
    sets(text).iter().map(|(module, list)| (name(module), streams(list))).collect()
}

/// Shows each combination as `built with => runs with`.
fn shown(stream: &ModuleStream, known: &Known) -> Vec<String> {
    let one = |modules: &BTreeMap<String, BTreeSet<String>>| {
        let each = modules.iter().map(|(module, list)| {
            format!("{module}:{}", list.iter().map(String::as_str).collect::<Vec<_>>().join("|"))
        });
        each.collect::<Vec<_>>().join(" ")
    };
    let found = combinations(stream, known, &BTreeMap::new(), 64).unwrap();
    found
        .iter()
        .map(|it| {
            format!("{} => {}", one(&it.stream.dependencies[0].buildrequires), one(&it.stream.dependencies[0].requires))
        })
        .collect()
}

fn refused(stream: &ModuleStream, known: &Known, most: usize) -> String {
    let problems = combinations(stream, known, &BTreeMap::new(), most).unwrap_err();
    problems.iter().map(|problem| format!("{}: {problem}", problem.rule)).collect::<Vec<_>>().join("; ")
}

#[test]
fn each_combination_is_one_stream_of_each_module() {
    let several = stream(&[(
        &[("platform", &["f28", "f29"]), ("perl", &["5.26", "5.28"])],
        &[("platform", &["f28", "f29"]), ("perl", &["5.28"])],
    )]);
    assert_eq!(
        shown(&several, &Known::new()),
        [
            "perl:5.26 platform:f28 => perl:5.28 platform:f28",
            "perl:5.26 platform:f29 => perl:5.28 platform:f29",
            "perl:5.28 platform:f28 => perl:5.28 platform:f28",
            "perl:5.28 platform:f29 => perl:5.28 platform:f29",
        ]
    );
}

#[test]
fn an_open_list_stands_for_what_is_known() {
    let known = known(&[("platform", &["f27", "f28", "f29"]), ("perl", &["5"])]);
    let any = stream(&[(&[("platform", &[])], &[("platform", &[]), ("perl", &[]), ("ruby", &[])])]);
    assert_eq!(
        shown(&any, &known),
        [
            "platform:f27 => perl:5 platform:f27 ruby:",
            "platform:f28 => perl:5 platform:f28 ruby:",
            "platform:f29 => perl:5 platform:f29 ruby:",
        ]
    );
    let but_one = stream(&[(&[("platform", &["-f28"])], &[("platform", &["-f28"])])]);
    assert_eq!(shown(&but_one, &known), ["platform:f27 => platform:f27", "platform:f29 => platform:f29"]);
    // The two lists stand for the same, however they are written.
    let written = stream(&[(&[("platform", &["-f28"])], &[("platform", &["f27", "f29"])])]);
    assert_eq!(shown(&written, &known), shown(&but_one, &known));
    // Beside a stream that is named, what is excluded says nothing.
    let mixed = stream(&[(&[("platform", &["-f28", "f27"])], &[])]);
    assert_eq!(shown(&mixed, &known), ["platform:f27 => "]);
    assert_eq!(open_modules(&any).iter().map(ToString::to_string).collect::<Vec<_>>(), ["perl", "platform", "ruby"]);
    assert!(open_modules(&mixed).is_empty());
}

#[test]
fn each_block_is_expanded_by_itself() {
    let blocks = stream(&[
        (&[("platform", &["f28"])], &[("platform", &["f28"])]),
        (&[("platform", &["f29"]), ("perl", &["5"])], &[]),
    ]);
    assert_eq!(shown(&blocks, &Known::new()), ["platform:f28 => platform:f28", "perl:5 platform:f29 => "]);
    let none = combinations(&ModuleStream::default(), &Known::new(), &BTreeMap::new(), 1).unwrap();
    assert_eq!((none.len(), &none[0].stream, none[0].chosen.len()), (1, &ModuleStream::default(), 0));
}

#[test]
fn without_a_stream_to_choose_it_is_told_what_to_write() {
    let any = stream(&[(&[("platform", &[]), ("perl", &["-5"])], &[])]);
    let told = refused(&any, &known(&[("perl", &["5"])]), 64);
    assert!(told.contains("no known stream of perl is left") && told.contains("`platform: [f42]`"), "{told}");
    assert!(told.contains("builds.base_streams") && told.contains("dependencies.0.buildrequires.platform"), "{told}");
}

#[test]
fn a_document_makes_a_limited_number_of_builds() {
    let streams: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let many: Vec<&str> = streams.iter().map(String::as_str).collect();
    let names: Vec<String> = (0..100).map(|number| format!("m{number}")).collect();
    let hostile: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), many.as_slice())).collect();
    let told = refused(&stream(&[(&hostile, &[])]), &Known::new(), 64);
    assert!(told.contains("one submission may make 64"), "{told}");
    let blocks: Vec<Block<'_>> = vec![(&[("platform", &["f28"])], &[]); 65];
    assert!(refused(&stream(&blocks), &Known::new(), 64).contains("65 builds"));
    let names: Vec<String> = (0..201).map(|number| format!("m{number}")).collect();
    let wide: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &["1"][..])).collect();
    assert!(refused(&stream(&[(&wide, &[])]), &Known::new(), 64).contains("more than 200 modules"));
}

#[test]
fn a_static_context_leaves_no_choice() {
    let fixed = |streams: &[&str]| ModuleStream {
        static_context: true,
        context: Some("fixed".to_owned()),
        ..stream(&[(&[("platform", streams)], &[])])
    };
    assert_eq!(shown(&fixed(&["f28"]), &Known::new()), ["platform:f28 => "]);
    let known = known(&[("platform", &["f28"])]);
    for choice in [&["f28", "f29"][..], &[], &["-f29"]] {
        assert!(refused(&fixed(choice), &known, 64).contains("there is a choice of streams"), "{choice:?}");
    }
}

#[test]
fn contexts_of_the_options_take_the_place_of_the_dependencies() {
    let read = |contexts: &str| {
        let text = format!(
            "document: modulemd\nversion: 2\ndata:\n  summary: A\n  description: B\n  license: {{module: MIT}}\n  \
             dependencies:\n  - buildrequires: {{platform: []}}\n  xmd:\n    mbs_options:\n      blocked_packages: [vim]\n      \
             contexts: {contexts}\n"
        );
        named_contexts(&crate::modulemd::read(text.as_bytes()).unwrap().into_stream().unwrap(), 2)
    };
    let good = read(
        "{c1: {buildrequires: {platform: f28, perl: ['5']}, requires: {platform: f28}}, c2: {buildrequires: {platform: f29}}}",
    );
    let streams = good.unwrap().unwrap();
    let contexts: Vec<_> = streams.iter().map(|stream| (stream.context.as_deref(), stream.static_context)).collect();
    assert_eq!(contexts, [(Some("c1"), true), (Some("c2"), true)]);
    assert_eq!(shown(&streams[0], &Known::new()), ["perl:5 platform:f28 => platform:f28"]);
    assert_eq!(shown(&streams[1], &Known::new()), ["platform:f29 => "]);
    let options = streams[0].xmd.get("mbs_options").unwrap();
    assert!(options.get("contexts").is_none() && options.get("blocked_packages").is_some());
    for (bad, told) in [
        ("{a-b: {buildrequires: {platform: f28}}}", "a-b"),
        ("{c1: {buildrequires: {platform: [f28, f29]}}}", "exactly one stream"),
        ("{c1: {buildrequires: {platform: []}}}", "exactly one stream"),
        ("{c1: {buildrequires: {'a:b': f28}}}", "exactly one stream"),
        ("[c1]", "there are no contexts"),
        ("{a: {}, b: {}, c: {}}", "its dependencies make 3 builds, and one submission may make 2"),
    ] {
        let problems = read(bad).unwrap_err();
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(text.join("; ").contains(told), "{bad}: {text:?}");
    }
    let plain = ModuleStream::default();
    assert_eq!(named_contexts(&plain, 2).unwrap(), None);
}
