//! Lists of components, and several builds at once.

use super::commit;
use crate::build::ModuleBuild;
use crate::component::ComponentState;
use crate::id::{BuildId, ComponentId};
use crate::ports::{ComponentFilter, ComponentQuery, ComponentSummary, Store};
use crate::testing::sample::{self, id, nsvc};

/// Writes two builds, one to its end and one to the middle of another life, and returns them by id.
async fn write_two(store: &dyn Store) -> Vec<ModuleBuild> {
    let lives = [
        sample::life_to_ready(id(1), nsvc("foo:1:1:cafe")),
        sample::life_to_failed(id(2), nsvc("foo:1:2:cafe")),
        sample::life_to_ready(id(7), nsvc("bar:1:2:cafe")).into_iter().take(5).collect(),
    ];
    let mut builds = Vec::new();
    for life in lives {
        for written in &life {
            commit(store, written).await;
        }
        builds.extend(life.last().map(|written| written.after.clone()));
    }
    builds
}

/// Returns what lists should tell of the components of builds.
fn expected(builds: &[ModuleBuild]) -> Vec<ComponentSummary> {
    let of = |build: &ModuleBuild| {
        let tell = |(index, (planned, component)): (u32, (&crate::plan::PlannedComponent, &crate::ComponentBuild))| {
            ComponentSummary {
                id: ComponentId { build: build.id, index },
                name: planned.name.clone(),
                batch: planned.batch,
                state: component.state.name(),
                task: component.state.task(),
                nvr: component.state.built().map(|built| (*built.nvr).clone()),
                reason: component.reason().map(str::to_owned),
            }
        };
        (0..).zip(build.components()).map(tell).collect::<Vec<_>>()
    };
    builds.iter().flat_map(of).collect()
}

async fn list(store: &dyn Store, filter: ComponentFilter) -> Vec<ComponentSummary> {
    let counted = store.count_components(&filter).await.expect("components can be counted");
    let query = ComponentQuery { filter, limit: 1000, ..ComponentQuery::default() };
    let found = store.list_components(&query).await.expect("components can be listed");
    assert_eq!(u64::try_from(found.len()).ok(), Some(counted), "the count is the length of the list");
    found
}

pub(super) async fn components_are_listed_as_their_builds_have_them(store: &dyn Store) {
    assert_eq!(list(store, ComponentFilter::default()).await, []);
    let mut expected = expected(&write_two(store).await);
    assert_eq!(list(store, ComponentFilter::default()).await, expected);
    for descending in [false, true] {
        for (offset, limit) in [(0, 2), (1, 3), (4, 0), (100, 5), (u64::MAX, u64::MAX)] {
            let query = ComponentQuery { offset, limit, descending, ..ComponentQuery::default() };
            let page = store.list_components(&query).await.expect("components can be listed");
            let (skip, take) = (usize::try_from(offset).unwrap_or(0), usize::try_from(limit).unwrap_or(usize::MAX));
            let wanted: Vec<_> = expected.iter().skip(skip).take(take).cloned().collect();
            assert_eq!(page, wanted, "from {offset} on {limit}");
        }
        expected.reverse();
    }
}

pub(super) async fn each_part_of_a_filter_of_components_filters(store: &dyn Store) {
    let builds = write_two(store).await;
    let known = expected(&builds);
    let all = ComponentFilter::default;
    let check = async |filter: ComponentFilter, fits: &dyn Fn(&ComponentSummary) -> bool| {
        let wanted: Vec<_> = known.iter().filter(|component| fits(component)).cloned().collect();
        assert!(!wanted.is_empty() && wanted.len() < known.len(), "the check must tell components apart: {filter:?}");
        assert_eq!(list(store, filter.clone()).await, wanted, "{filter:?}");
    };
    check(ComponentFilter { build: Some(id(2)), ..all() }, &|it| it.id.build == id(2)).await;
    check(ComponentFilter { batch: Some(1), ..all() }, &|it| it.batch == 1).await;
    for component in &known {
        let name = component.name.to_string();
        check(ComponentFilter { name: Some(name), ..all() }, &|it| it.name == component.name).await;
        let states = Some(vec![component.state]);
        check(ComponentFilter { states, ..all() }, &|it| it.state == component.state).await;
        if let Some(task) = component.task {
            check(ComponentFilter { task: Some(task), ..all() }, &|it| it.task == Some(task)).await;
        }
        if let Some(nvr) = &component.nvr {
            let filter = ComponentFilter { nvr: Some(nvr.to_string()), ..all() };
            check(filter, &|it| it.nvr.as_ref() == Some(nvr)).await;
        }
    }
    let sources =
        builds.iter().flat_map(ModuleBuild::components).filter_map(|(_, component)| component.source.as_ref());
    for source in sources {
        let commit = source.commit.to_string();
        let found = list(store, ComponentFilter { commit: Some(commit), ..all() }).await;
        assert!(!found.is_empty() && found.len() < known.len());
    }
    assert_eq!(list(store, ComponentFilter { states: Some(Vec::new()), ..all() }).await, []);
    assert_eq!(list(store, ComponentFilter { states: Some(ComponentState::NAMES.to_vec()), ..all() }).await, known);
    for text in ["' OR '1'='1", "ba%", "foo\0", ""] {
        let text = Some(text.to_owned());
        assert_eq!(list(store, ComponentFilter { name: text.clone(), ..all() }).await, [], "{text:?}");
        assert_eq!(list(store, ComponentFilter { nvr: text.clone(), ..all() }).await, [], "{text:?}");
        assert_eq!(list(store, ComponentFilter { commit: text.clone(), ..all() }).await, [], "{text:?}");
    }
}

pub(super) async fn several_builds_load_as_one_by_one(store: &dyn Store) {
    assert_eq!(store.load_all(&[]).await.expect("it can be asked"), []);
    let builds = write_two(store).await;
    let ask = [7, 3, 1, 2].map(|number| BuildId::new(number).expect("it is positive"));
    let [first, second, third] = builds.as_slice() else { panic!("three builds were written") };
    let loaded = store.load_all(&ask).await.expect("builds can be loaded");
    assert_eq!(loaded, [third.clone(), first.clone(), second.clone()], "in the order asked for");
}
