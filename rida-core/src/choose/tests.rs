use proptest::prelude::*;

use super::*;

fn module(text: &str) -> ModuleName {
    ModuleName::new(text).unwrap()
}

fn stream(text: &str) -> StreamName {
    StreamName::new(text).unwrap()
}

/// What a build needs: modules, each with a list of streams as it is written in a document.
type Lists<'a> = &'a [(&'a str, &'a [&'a str])];

/// What there is.
#[derive(Clone, Debug, Default)]
struct World {
    builds: BTreeMap<(ModuleName, StreamName), Vec<Candidate>>,
    elsewhere: BTreeMap<(ModuleName, StreamName), Candidate>,
    needs: BTreeMap<BuildId, Needs>,
    base_streams: BaseStreams,
}

impl World {
    /// Adds a build, which has the version of its number, against a platform.
    fn build(&mut self, id: i64, name: &str, of: &str, platform: &str, requires: Lists<'_>) {
        let id = BuildId::new(id).unwrap();
        let candidate = Candidate { id, version: id.get().unsigned_abs() };
        let key = (module(name), stream(of));
        self.elsewhere.insert(key.clone(), candidate);
        self.builds.entry(key).or_default().insert(0, candidate);
        let lists = requires.iter().map(|(name, list)| {
            (module(name), list.iter().map(|stream| (*stream).to_owned()).collect::<BTreeSet<_>>())
        });
        let built_on = BTreeMap::from([(module("platform"), stream(platform))]);
        self.needs.insert(id, Needs { requires: lists.collect(), built_on });
    }

    /// Chooses, and returns what was looked up for it.
    fn ask(&self, wanted: &[(&str, &str)], offered: &[&str]) -> (Answer, Vec<Lookup>) {
        let chosen: BTreeMap<ModuleName, StreamName> =
            wanted.iter().map(|(name, of)| (module(name), stream(of))).collect();
        let offered = offered.iter().map(|name| module(name)).collect();
        let base_modules = BTreeSet::from([module("platform")]);
        let wanted = Wanted {
            chosen: &chosen,
            offered: &offered,
            base: chosen.get_key_value("platform"),
            base_modules: &base_modules,
            base_streams: &self.base_streams,
        };
        let (mut found, mut looked) = (Found::default(), Vec::new());
        loop {
            let Answer::Look(lookup) = choose(&wanted, &found) else { return (choose(&wanted, &found), looked) };
            assert!(!looked.contains(&lookup), "{lookup:?} was looked up before");
            looked.push(lookup.clone());
            match lookup {
                Lookup::Builds(name, of) => {
                    let builds = self.builds.get(&(name.clone(), of.clone())).cloned().unwrap_or_default();
                    found.builds.insert((name, of), builds);
                }
                Lookup::Elsewhere(name, of) => {
                    let build = self.elsewhere.get(&(name.clone(), of.clone())).copied();
                    found.elsewhere.insert((name, of), build);
                }
                Lookup::Streams(name) => {
                    let all = self.elsewhere.keys().filter(|(of, _)| *of == name).map(|(_, of)| of.clone());
                    found.streams.insert(name.clone(), all.collect());
                }
                Lookup::Needs(id) => drop(found.needs.insert(id, self.needs[&id].clone())),
            }
        }
    }

    /// Returns the builds that are chosen, or why there are none.
    fn chosen(&self, wanted: &[(&str, &str)]) -> Result<Vec<String>, String> {
        match self.ask(wanted, &[]).0 {
            Answer::Together(builds) => Ok(builds.iter().map(|(name, (of, id))| format!("{name}:{of}/{id}")).collect()),
            Answer::No(Refusal::LeftOut(why) | Refusal::Missing(why)) => Err(why),
            Answer::Look(_) => unreachable!(),
        }
    }
}

const ON_F28: (&str, &str) = ("platform", "f28");
const F28: (&str, &[&str]) = ("platform", &["f28"]);

#[test]
fn of_several_builds_the_one_that_fits_the_others_is_chosen() {
    let mut world = World::default();
    world.build(1, "perl", "5.26", "f28", &[F28]);
    world.build(2, "perl", "5.28", "f28", &[F28]);
    // Two contexts of one version.
    world.build(3, "lib", "1", "f28", &[F28, ("perl", &["5.26"])]);
    world.build(4, "lib", "1", "f28", &[F28, ("perl", &["5.28"])]);
    let with = |perl| world.chosen(&[ON_F28, ("lib", "1"), ("perl", perl)]).unwrap();
    assert_eq!(with("5.26"), ["lib:1/3", "perl:5.26/1"]);
    assert_eq!(with("5.28"), ["lib:1/4", "perl:5.28/2"]);
    assert_eq!(world.chosen(&[ON_F28, ("lib", "1")]).unwrap(), ["lib:1/4", "perl:5.28/2"], "the first that is good");
    let refused = world.chosen(&[ON_F28, ("lib", "1"), ("perl", "5.30")]).unwrap_err();
    assert!(refused.contains("lib:1 needs another stream of perl than 5.30"), "{refused}");
}

#[test]
fn a_stream_that_somebody_else_needs_otherwise_is_chosen_again() {
    let mut world = World::default();
    world.build(1, "base", "1", "f28", &[]);
    world.build(2, "base", "2", "f28", &[]);
    world.build(3, "open", "1", "f28", &[("base", &[])]);
    world.build(4, "strict", "1", "f28", &[("base", &["1"])]);
    assert_eq!(world.chosen(&[ON_F28, ("open", "1")]).unwrap(), ["base:2/2", "open:1/3"], "the newest");
    let both = world.chosen(&[ON_F28, ("open", "1"), ("strict", "1")]).unwrap();
    assert_eq!(both, ["base:1/1", "open:1/3", "strict:1/4"]);
    world.build(5, "other", "1", "f28", &[("base", &["-1"])]);
    let refused = world.chosen(&[ON_F28, ("other", "1"), ("strict", "1")]).unwrap_err();
    assert!(refused.contains("strict:1 needs another stream of base than 2"), "{refused}");
}

#[test]
fn what_is_for_another_platform_is_taken_only_when_it_runs() {
    let mut world = World::default();
    world.build(1, "any", "1", "f27", &[("platform", &[])]);
    world.build(2, "old", "1", "f27", &[("platform", &["f27"])]);
    world.builds.clear();
    assert_eq!(world.chosen(&[ON_F28, ("any", "1")]).unwrap(), ["any:1/1"]);
    let refused = world.chosen(&[ON_F28, ("old", "1")]).unwrap_err();
    assert!(refused.contains("old:1, whose build 2 needs platform: [f27] and is not for platform:f28"), "{refused}");
    // What the document does not name is not looked for elsewhere.
    let (answer, looked) = world.ask(&[ON_F28, ("any", "1")], &["any"]);
    assert!(matches!(answer, Answer::No(Refusal::LeftOut(_))), "{answer:?}");
    assert_eq!(looked, [Lookup::Builds(module("any"), stream("1"))]);
}

#[test]
fn what_was_built_against_a_newer_minor_stream_is_passed_over() {
    let mut world = World::default();
    for minor in ["el8.0.0", "el8.1.0", "el8.2.0"] {
        world.base_streams.entry(module("platform"), stream(minor)).virtual_streams.insert(stream("el8"));
    }
    world.build(1, "lib", "1", "el8.0.0", &[("platform", &["el8"])]);
    world.build(2, "lib", "1", "el8.2.0", &[("platform", &["el8"])]);
    let on = |minor| world.chosen(&[("platform", minor), ("lib", "1")]).unwrap();
    assert_eq!((on("el8.1.0"), on("el8.2.0")), (vec!["lib:1/1".to_owned()], vec!["lib:1/2".to_owned()]));
}

#[test]
fn nothing_is_looked_up_that_is_not_needed() {
    let mut world = World::default();
    for id in 1..=8 {
        world.build(id, "lib", "1", "f28", &[F28]);
    }
    let (answer, looked) = world.ask(&[ON_F28, ("lib", "1")], &[]);
    assert!(matches!(answer, Answer::Together(_)));
    assert_eq!(looked, [Lookup::Builds(module("lib"), stream("1")), Lookup::Needs(BuildId::new(8).unwrap())]);
}

#[test]
fn a_search_that_leads_nowhere_is_given_up() {
    let mut world = World::default();
    let names: Vec<String> = (0..20).map(|number| format!("m{number:02}")).collect();
    for (number, name) in (0_i64..).zip(&names) {
        for choice in 1..=4 {
            world.build(number * 10 + choice, name, "1", "f28", &[]);
        }
    }
    world.build(500, "z", "1", "f28", &[("m00", &["2"])]);
    let mut wanted: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    wanted.extend([ON_F28, ("z", "1")]);
    let refused = world.chosen(&wanted).unwrap_err();
    assert!(refused.contains("ways to choose builds"), "{refused}");
    // A chain that is too long.
    let mut world = World::default();
    let names: Vec<String> = (0..=MOST_TOGETHER).map(|number| format!("c{number}")).collect();
    for (id, pair) in (1..).zip(names.windows(2)) {
        world.build(id, &pair[0], "1", "f28", &[(&pair[1], &["1"])]);
    }
    world.build(10_000, &names[MOST_TOGETHER], "1", "f28", &[]);
    let refused = world.chosen(&[ON_F28, ("c0", "1")]).unwrap_err();
    assert!(refused.contains("more than 500 modules"), "{refused}");
    assert_eq!(world.chosen(&[ON_F28, ("c2", "1")]).unwrap().len(), MOST_TOGETHER - 1);
}

#[test]
fn a_circle_of_needs_is_met() {
    let mut world = World::default();
    world.build(1, "a", "1", "f28", &[("b", &["1"]), ("a", &["1"])]);
    world.build(2, "b", "1", "f28", &[("a", &[])]);
    assert_eq!(world.chosen(&[ON_F28, ("a", "1")]).unwrap(), ["a:1/1", "b:1/2"]);
    world.build(3, "b", "1", "f28", &[("a", &["2"])]);
    assert_eq!(world.chosen(&[ON_F28, ("b", "1"), ("a", "1")]).unwrap(), ["a:1/1", "b:1/2"]);
}

/// Worlds of four modules with two streams, of which some have builds that need others.
fn worlds() -> impl Strategy<Value = World> {
    let list = prop::sample::select(vec![&[][..], &["1"][..], &["2"][..], &["1", "2"][..], &["-1"][..], &["-2"][..]]);
    let need = (0_usize..4, list);
    let build = (0_usize..4, 1_u8..3, prop::collection::vec(need, 0..3));
    prop::collection::vec(build, 1..10).prop_map(|builds| {
        let mut world = World::default();
        for (id, (name, of, needs)) in (1..).zip(builds) {
            let names = ["a", "b", "c", "d"];
            let needs: BTreeMap<&str, &[&str]> = needs.into_iter().map(|(name, list)| (names[name], list)).collect();
            let lists: Vec<(&str, &[&str])> = needs.into_iter().collect();
            world.build(id, names[name], &of.to_string(), "f28", &lists);
        }
        world
    })
}

/// Tells whether builds can be chosen, by trying all.
fn possible(world: &World, open: &[ModuleName], fixed: &BTreeMap<ModuleName, (StreamName, BuildId)>) -> bool {
    let Some(name) = open.first() else {
        return fixed
            .values()
            .all(|(_, id)| world.needs[id].requires.iter().all(|(needed, list)| is_good(list, &fixed[needed].0)));
    };
    world.builds.iter().filter(|((of, _), _)| of == name).any(|((_, of), candidates)| {
        candidates.iter().any(|candidate| {
            let mut fixed = fixed.clone();
            fixed.insert(name.clone(), (of.clone(), candidate.id));
            let needed = world.needs[&candidate.id].requires.keys();
            let mut open: Vec<ModuleName> = open[1..].iter().chain(needed).cloned().collect();
            open.retain(|name| !fixed.contains_key(name));
            open.sort();
            open.dedup();
            possible(world, &open, &fixed)
        })
    })
}

proptest! {
    #[test]
    fn what_is_chosen_fits_and_what_fits_is_found(world in worlds(), of in 1_u8..3) {
        let of = of.to_string();
        let (answer, _) = world.ask(&[ON_F28, ("a", &of)], &[]);
        let any = world.builds.get(&(module("a"), stream(&of))).is_some_and(|candidates| {
            candidates.iter().any(|candidate| {
                let fixed = BTreeMap::from([(module("a"), (stream(&of), candidate.id))]);
                let mut open: Vec<ModuleName> = world.needs[&candidate.id].requires.keys().cloned().collect();
                open.retain(|name| !fixed.contains_key(name));
                possible(&world, &open, &fixed)
            })
        });
        match answer {
            Answer::Together(builds) => {
                prop_assert!(any);
                prop_assert_eq!(builds[&module("a")].0.as_str(), &of);
                for (name, (of, id)) in &builds {
                    let candidates = &world.builds[&(name.clone(), of.clone())];
                    prop_assert!(candidates.iter().any(|candidate| candidate.id == *id));
                    for (needed, list) in &world.needs[id].requires {
                        prop_assert!(is_good(list, &builds[needed].0), "{} needs {:?} of {}", id, list, needed);
                    }
                }
                // Nothing is built against that nobody needs.
                let needed: BTreeSet<&ModuleName> =
                    builds.values().flat_map(|(_, id)| world.needs[id].requires.keys()).collect();
                prop_assert!(builds.keys().all(|name| *name == module("a") || needed.contains(name)));
            }
            Answer::No(_) => prop_assert!(!any, "there is a choice"),
            Answer::Look(_) => unreachable!(),
        }
    }
}
