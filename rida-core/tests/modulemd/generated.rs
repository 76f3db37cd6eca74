//! Streams of every shape, made by chance.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use rida_core::modulemd::{
    Artifacts, BuildOpts, Components, Configuration, Content, Date, DefaultSet, Defaults, Dependencies, License,
    Minute, ModuleComponent, ModuleStream, Obsoletes, Packager, Profile, References, RpmBuildOpts, RpmComponent,
    RpmMapEntry, RpmSet, ServiceLevel, Successor, Translation, Translations, Xmd,
};

/// Texts that readers and writers of YAML are known to get wrong, and any other.
fn text() -> BoxedStrategy<String> {
    let awkward = prop::sample::select(vec![
        "",
        " ",
        "~",
        "null",
        "Null",
        "true",
        "TRUE",
        "False",
        "no",
        "NO",
        "y",
        "on",
        "=",
        "<<",
        "5.30",
        "1e3",
        "4051e825",
        "00000000",
        "0x1F",
        "0o17",
        "1_000",
        "12:30:45",
        "2020-01-01",
        "-1",
        "+1",
        ".5",
        "-.inf",
        ".NaN",
        "- a",
        "a: b",
        "a #b",
        "#a",
        "[a",
        "{a",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "'",
        "\"",
        "%a",
        "@a",
        "`a",
        "---",
        "...",
        "--- a",
        "?",
        "? a",
        ": a",
        "a:",
        "a,b",
        "\n",
        "a\n",
        "a\n\n",
        "\na",
        "a\n b",
        "a \nb",
        "a\n\nb\n",
        "\ta",
        "a\tb",
        "a\t\nb",
        "\r\n",
        "a\rb",
        "\u{85}",
        "\u{2028}a",
        "\u{feff}a",
        "\u{7f}",
        "\u{1b}[0m",
        "é",
        "中文",
        "😀",
        "\u{200b}",
        "\u{a0}a\u{a0}",
    ])
    .prop_map(str::to_owned);
    let word = "[a-zA-Z0-9_.+:-]{1,12}";
    let prose = vec("[a-zA-Z0-9,.:#'\"-]{1,14}", 1..40).prop_map(|words| words.join(" "));
    let lines = vec("[ -~]{0,100}", 1..5).prop_map(|lines| lines.join("\n"));
    let any = vec(any::<char>().prop_filter("a text has no NUL", |c| *c != '\0'), 0..12).prop_map(String::from_iter);
    prop_oneof![3 => awkward, 4 => word, 1 => prose, 1 => lines, 2 => any].boxed()
}

fn texts() -> BoxedStrategy<BTreeSet<String>> {
    btree_set(text(), 0..4).boxed()
}

fn xmd() -> BoxedStrategy<Xmd> {
    fn map(entries: BTreeMap<String, Xmd>) -> Xmd {
        Xmd::Map(entries.into_iter().collect())
    }
    let leaf = prop_oneof![any::<bool>().prop_map(Xmd::Bool), text().prop_map(Xmd::text)];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![vec(inner.clone(), 0..3).prop_map(Xmd::List), btree_map(text(), inner, 0..3).prop_map(map),]
    });
    btree_map(text(), value, 0..3).prop_map(map).boxed()
}

fn streams() -> BoxedStrategy<BTreeMap<String, BTreeSet<String>>> {
    let stream = text().prop_map(|text| text.trim_start_matches('-').to_owned());
    let set = (btree_set(stream, 0..3), any::<bool>()).prop_map(|(streams, excluded): (BTreeSet<String>, bool)| {
        if excluded { streams.iter().map(|stream| format!("-{stream}")).collect() } else { streams }
    });
    btree_map(text(), set, 0..3).boxed()
}

fn profile() -> impl Strategy<Value = Profile> {
    (option::of(text()), texts(), any::<bool>()).prop_map(|(description, rpms, default)| Profile {
        description,
        rpms,
        default,
    })
}

fn rpm_component() -> impl Strategy<Value = RpmComponent> {
    let names = (option::of(text()), option::of(text()), option::of(text()), option::of(text()), option::of(text()));
    (names, any::<(bool, bool, bool)>(), any::<i32>()).prop_map(|(names, flags, buildorder)| {
        let (rationale, name, repository, reference, cache) = names;
        let (buildroot, srpm_buildroot, buildonly) = flags;
        let sets = BTreeSet::new();
        RpmComponent {
            rationale,
            name,
            repository,
            reference,
            cache,
            buildroot,
            srpm_buildroot,
            buildonly,
            buildorder,
            arches: sets.clone(),
            multilib: sets.clone(),
            buildafter: sets,
        }
    })
}

fn module_component() -> impl Strategy<Value = ModuleComponent> {
    (option::of(text()), option::of(text()), option::of(text()), any::<bool>(), any::<i32>()).prop_map(
        |(rationale, repository, reference, buildonly, buildorder)| ModuleComponent {
            rationale,
            repository,
            reference,
            buildonly,
            buildorder,
        },
    )
}

/// Components that keep the rules: of one order, with arches out of `arches` and `buildafter` out of the keys.
fn components(arches: Vec<String>) -> impl Strategy<Value = Components> {
    let choice = any::<(prop::sample::Index, bool)>();
    let rpms = btree_map(text(), (rpm_component(), texts(), vec(choice, 0..3)), 0..4);
    (rpms, btree_map(text(), module_component(), 0..2), any::<bool>()).prop_map(move |(rpms, modules, ordered)| {
        let keys: Vec<String> = rpms.keys().cloned().collect();
        let finish =
            |(mut rpm, multilib, choices): (RpmComponent, BTreeSet<String>, Vec<(prop::sample::Index, bool)>)| {
                rpm.multilib = multilib;
                for (index, _) in choices.iter().filter(|(_, chosen)| *chosen) {
                    rpm.arches.extend((!arches.is_empty()).then(|| index.get(&arches).clone()));
                    if !ordered {
                        rpm.buildafter.insert(index.get(&keys).clone());
                    }
                }
                rpm.buildorder = if ordered { rpm.buildorder } else { 0 };
                rpm
            };
        Components { rpms: rpms.into_iter().map(|(key, parts)| (key, finish(parts))).collect(), modules }
    })
}

fn artifacts() -> impl Strategy<Value = Artifacts> {
    let entry = (text(), any::<u32>(), text(), text(), text()).prop_map(|(name, epoch, version, release, arch)| {
        let mut entry = RpmMapEntry { name, epoch, version, release, arch, nevra: String::new() };
        entry.nevra = entry.made_nevra();
        entry
    });
    let rpms = btree_set("[a-z0-9+-]{1,9}-[0-9]{1,3}:[0-9.]{1,5}-[a-z0-9.]{1,5}\\.(src|x86_64|noarch)", 0..3);
    // libmodulemd cannot write more than one entry, and finds entries by name alone.
    let map = option::of((prop::sample::select(vec!["md5".to_owned(), "sha256".to_owned()]), "[0-9a-f]{4,9}", entry))
        .prop_map(|entry| {
            entry.into_iter().map(|(digest, checksum, entry)| (digest, BTreeMap::from([(checksum, entry)]))).collect()
        });
    (rpms, map).prop_map(|(rpms, rpm_map)| Artifacts { rpms, rpm_map })
}

fn build_opts() -> impl Strategy<Value = BuildOpts> {
    (option::of(text()), texts(), texts())
        .prop_map(|(macros, whitelist, arches)| BuildOpts { rpms: RpmBuildOpts { macros, whitelist }, arches })
}

fn date() -> impl Strategy<Value = Date> {
    (1_u16..=9999, 1_u8..=12, 1_u8..=28).prop_map(|(y, m, d)| Date::parse(&format!("{y}-{m}-{d}")).unwrap())
}

prop_compose! {
    fn identity()(
        name in option::of(text()),
        stream in option::of(text()),
        version in option::of(1..=u64::MAX),
        context in option::of("[a-z0-9_]{1,13}"),
        arch in option::of(text()),
        static_context in any::<bool>(),
        summary in text(),
        description in text(),
        licenses in (btree_set(text(), 1..3), texts()),
    ) -> ModuleStream {
        let license = License { module: licenses.0, content: licenses.1 };
        ModuleStream {
            name, stream, version, context, arch, static_context, summary, description, license,
            ..ModuleStream::default()
        }
    }
}

prop_compose! {
    fn packages()(
        servicelevels in btree_map(text(), option::of(date()).prop_map(|eol| ServiceLevel { eol }), 0..3),
        xmd in xmd(),
        dependencies in vec((streams(), streams()), 0..3),
        references in (option::of(text()), option::of(text()), option::of(text())),
        profiles in btree_map(text(), profile(), 0..3),
        rpms in (texts(), texts(), texts()),
        artifacts in artifacts(),
    ) -> ModuleStream {
        let block = |(buildrequires, requires)| Dependencies { buildrequires, requires };
        let (community, documentation, tracker) = references;
        ModuleStream {
            servicelevels, xmd, profiles, artifacts,
            dependencies: dependencies.into_iter().map(block).collect(),
            references: References { community, documentation, tracker },
            api: RpmSet { rpms: rpms.0 },
            filter: RpmSet { rpms: rpms.1 },
            demodularized: RpmSet { rpms: rpms.2 },
            ..ModuleStream::default()
        }
    }
}

/// Streams that keep the rules of the format.
pub(crate) fn stream() -> impl Strategy<Value = ModuleStream> {
    let built = option::of(build_opts()).prop_flat_map(|opts| {
        let arches = opts.iter().flat_map(|opts| opts.arches.iter().cloned()).collect();
        (Just(opts), components(arches))
    });
    (identity(), packages(), built).prop_map(|(identity, packages, (buildopts, components))| ModuleStream {
        servicelevels: packages.servicelevels,
        xmd: packages.xmd,
        dependencies: packages.dependencies,
        references: packages.references,
        profiles: packages.profiles,
        api: packages.api,
        filter: packages.filter,
        demodularized: packages.demodularized,
        artifacts: packages.artifacts,
        buildopts,
        components,
        ..identity
    })
}

fn default_set() -> impl Strategy<Value = DefaultSet> {
    (option::of(text()), btree_map(text(), texts(), 0..3))
        .prop_map(|(stream, profiles)| DefaultSet { stream, profiles })
}

fn defaults() -> impl Strategy<Value = Defaults> {
    (option::of(text()), any::<u64>(), default_set(), btree_map(text(), default_set(), 0..3))
        .prop_map(|(module, modified, base, intents)| Defaults { module, modified, base, intents })
}

fn minute() -> impl Strategy<Value = Minute> {
    (date(), 0..24, 0..60).prop_map(|(date, hour, minute)| Minute::parse(&format!("{date}T{hour}:{minute}Z")).unwrap())
}

fn given() -> impl Strategy<Value = String> {
    text().prop_filter("something is given", |text| !text.is_empty())
}

fn obsoletes() -> impl Strategy<Value = Obsoletes> {
    let successor = (text(), text()).prop_map(|(module, stream)| Successor { module, stream });
    let end = (option::of(minute()), option::of(successor), any::<bool>());
    (minute(), (given(), given(), given()), option::of(text()), end).prop_map(|(modified, names, context, end)| {
        let (eol_date, obsoleted_by, reset) = end;
        let reset = reset && eol_date.is_none() && obsoleted_by.is_none();
        let (module, stream, message) = names;
        Obsoletes { modified: Some(modified), reset, module, stream, context, eol_date, message, obsoleted_by }
    })
}

fn translations() -> impl Strategy<Value = Translations> {
    let translation = (option::of(text()), option::of(text()), btree_map(text(), text(), 0..3))
        .prop_map(|(summary, description, profiles)| Translation { summary, description, profiles });
    (given(), given(), 1..=u64::MAX, btree_map(text(), translation, 0..3))
        .prop_map(|(module, stream, modified, translations)| Translations { module, stream, modified, translations })
}

/// Packager documents of version 3 that keep the rules of the format.
pub(crate) fn packager() -> impl Strategy<Value = Packager> {
    let requires = || btree_map(text(), text(), 0..3);
    let configuration = (text(), requires(), requires(), option::of(build_opts())).prop_map(
        |(platform, buildrequires, requires, buildopts)| Configuration { platform, buildrequires, requires, buildopts },
    );
    let own = (option::of(text()), option::of(text()), texts(), btree_map("[a-zA-Z0-9]{1,10}", configuration, 0..3));
    (stream(), own).prop_map(|(stream, (summary, description, license, configurations))| Packager {
        name: stream.name,
        stream: stream.stream,
        summary,
        description,
        license,
        xmd: stream.xmd,
        configurations,
        references: stream.references,
        profiles: stream.profiles,
        api: stream.api,
        filter: stream.filter,
        demodularized: stream.demodularized,
        components: stream.components,
    })
}

/// Documents of every type that keep the rules of the format.
pub(crate) fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        stream().prop_map(|stream| Content::Stream(Box::new(stream))),
        packager().prop_map(|packager| Content::Packager(Box::new(packager))),
        defaults().prop_map(Content::Defaults),
        obsoletes().prop_map(Content::Obsoletes),
        translations().prop_map(Content::Translations),
    ]
}
