use super::*;
use crate::scm::GitRef;

fn wanted(name: &str, buildorder: i64, buildafter: &[&str]) -> WantedComponent {
    WantedComponent {
        name: name.parse().unwrap(),
        source: ComponentSource {
            repository: format!("https://git.example.org/rpms/{name}").parse().unwrap(),
            reference: GitRef::new("main").unwrap(),
            cache: None,
        },
        buildorder,
        buildafter: buildafter.iter().map(|name| name.parse().unwrap()).collect(),
        buildonly: false,
        arches: Vec::new(),
    }
}

/// Plans components and prints the batches: `1 module-build-macros | 2 a b`.
fn plan(wanted: Vec<WantedComponent>) -> String {
    match Plan::new(wanted) {
        Ok(plan) => {
            let batches = plan.batches().map(|(number, components)| {
                let names: Vec<_> = components.iter().map(|c| c.name.as_str()).collect();
                format!("{number} {}", names.join(" "))
            });
            batches.collect::<Vec<_>>().join(" | ")
        }
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn nothing_to_build_is_an_empty_plan() {
    assert_eq!(plan(vec![]), "");
}

#[test]
fn each_buildorder_is_a_batch_after_the_macros() {
    let components = vec![wanted("c", 10, &[]), wanted("b", 0, &[]), wanted("a", 0, &[]), wanted("d", -1, &[])];
    assert_eq!(plan(components), "1 module-build-macros | 2 d | 3 a b | 4 c");
    let extremes = vec![wanted("a", i64::MIN, &[]), wanted("b", i64::MAX, &[])];
    assert_eq!(plan(extremes), "1 module-build-macros | 2 a | 3 b");
}

#[test]
fn buildafter_makes_a_graph() {
    let components =
        vec![wanted("d", 0, &["b", "c"]), wanted("c", 0, &["a"]), wanted("b", 0, &[]), wanted("a", 0, &["b", "b"])];
    assert_eq!(plan(components.clone()), "1 module-build-macros | 2 b | 3 a | 4 c | 5 d");
    let plan = Plan::new(components).unwrap();
    let waits = |name: &str| {
        let index = plan.index_of(&name.parse().unwrap()).unwrap();
        plan.get(index).unwrap().waits_for.clone()
    };
    assert_eq!(waits("b"), WaitsFor::Components(vec![0]));
    assert_eq!(waits("a"), WaitsFor::Components(vec![0, 1]));
    assert_eq!(waits("d"), WaitsFor::Components(vec![0, 1, 3]));
}

#[test]
fn what_cannot_be_ordered_is_told() {
    assert_eq!(
        plan(vec![wanted("a", 0, &["b"]), wanted("b", 0, &["c"]), wanted("c", 0, &["b"])]),
        "b → c → b wait for each other in a circle; take one buildafter out"
    );
    assert_eq!(plan(vec![wanted("a", 0, &["a"])]), "a → a wait for each other in a circle; take one buildafter out");
    assert_eq!(
        plan(vec![wanted("a", 0, &["x"]), wanted("a", 0, &[]), wanted("module-build-macros", 3, &[])]),
        "a is named twice; name each component once\n\
         a is to be built after x, which is not a component of this module\n\
         module-build-macros is made for every module; choose another name\n\
         module-build-macros has a buildorder and a a buildafter; a module may use only one of the two"
    );
}

#[test]
fn a_long_chain_needs_no_stack() {
    let chain: Vec<_> = (0..20_000)
        .map(|n| if n == 0 { wanted("c0", 0, &[]) } else { wanted(&format!("c{n}"), 0, &[&format!("c{}", n - 1)]) })
        .collect();
    assert_eq!(Plan::new(chain).unwrap().batches().last().unwrap().0, 20_001);
}
