//! How databases find what lists are filtered by, with tables of many rows: not by reading all of them.

use rida_core::{
    BaseModuleFilter, BuildFilter, BuildId, BuildState, ComponentFilter, ComponentQuery, ListQuery, OrderKey,
    StreamVersion, TaskId, Timestamp,
};
use rida_test_postgres::Cluster;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, QueryTrait, Statement};

use super::{components, list};
use crate::config::StoreConfig;
use crate::database::Database;

/// How many builds there are; each has four components and is built against one of a hundred streams.
const BUILDS: u32 = 5_000;

/// Two indexes begin with the name; either is good.
const BY_NAME: &str = "module_builds_nsvc|module_builds_donors";

#[tokio::test]
async fn sqlite_finds_what_lists_are_filtered_by() {
    let folder = tempfile::tempdir().unwrap();
    check(&StoreConfig::sqlite(folder.path().join("rida.db"))).await;
}

#[tokio::test]
async fn postgres_finds_what_lists_are_filtered_by() {
    let database = Cluster::shared().database();
    check(&StoreConfig::postgres(database.url().parse().unwrap())).await;
}

async fn check(config: &StoreConfig) {
    let database = Database::connect(config).await.unwrap();
    database.migrate().await.unwrap();
    fill(&database).await;
    for (index, filter) in builds() {
        // As a page is asked for, the newest first, and as another service looks for the highest version.
        for order in [vec![], vec![OrderKey::Version]] {
            let query =
                ListQuery { filter: filter.clone(), order, descending: true, limit: 10, ..ListQuery::default() };
            let found = list::list(&database, &query).await.unwrap();
            assert!(!found.is_empty() && found.len() <= 10, "{query:?} matches {} builds", found.len());
            let plan = explain(&database, &list::page(&query).build(database.backend())).await;
            assert!(uses(&plan, index), "{query:?} does not use {index}: {plan}");
        }
        let plan = explain(&database, &list::matching(&filter).build(database.backend())).await;
        assert!(uses(&plan, index), "counting {filter:?} does not use {index}: {plan}");
    }
    for (index, filter) in component_filters() {
        let query = ComponentQuery { filter: filter.clone(), descending: true, limit: 10, ..ComponentQuery::default() };
        assert!(!components::list(&database, &query).await.unwrap().is_empty(), "{query:?} matches nothing");
        let plan = explain(&database, &components::page(&query).build(database.backend())).await;
        assert!(uses(&plan, index), "{query:?} does not use {index}: {plan}");
        let plan = explain(&database, &components::matching(&filter).build(database.backend())).await;
        assert!(uses(&plan, index), "counting {filter:?} does not use {index}: {plan}");
    }
    database.close().await;
}

/// Filters of builds, each with the index that finds them: those that docs/http.md promises.
fn builds() -> Vec<(&'static str, BuildFilter)> {
    let all = BuildFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let base = |base| BuildFilter { base_module: Some(base), ..all() };
    let platform = BaseModuleFilter { name: text("platform"), ..BaseModuleFilter::default() };
    let number = |number| Some(StreamVersion::new(number));
    vec![
        (BY_NAME, BuildFilter { name: text("module-77"), ..all() }),
        (BY_NAME, BuildFilter { name: text("module-77"), stream: text("1"), ..all() }),
        ("module_builds_state", BuildFilter { states: vec![BuildState::Build, BuildState::Wait], ..all() }),
        ("module_builds_owner", BuildFilter { owner: text("user-7"), ..all() }),
        (
            "module_builds_modified_at",
            BuildFilter { modified_after: Some(Timestamp::from_millis(i64::from(BUILDS) - 5)), ..all() },
        ),
        ("module_builds_tag", BuildFilter { tag: text("module-77-tag-77"), ..all() }),
        ("module_builds_by_scm_url", BuildFilter { scm_url: text("https://example.org/77.git?#a"), ..all() }),
        ("module_builds_reused_id", BuildFilter { reused: BuildId::new(70), ..all() }),
        ("module_build_requires_stream", base(BaseModuleFilter { stream: text("f7"), ..platform.clone() })),
        (
            "module_build_requires_number",
            base(BaseModuleFilter { least: number(70_000), most: number(70_000), ..platform.clone() }),
        ),
        // As another Module Build Service asks for what is built for its platform.
        (
            BY_NAME,
            BuildFilter {
                states: vec![BuildState::Ready],
                name: text("module-77"),
                stream: text("1"),
                base_module: Some(BaseModuleFilter { stream: text("f77"), ..platform }),
                ..all()
            },
        ),
    ]
}

fn component_filters() -> Vec<(&'static str, ComponentFilter)> {
    let all = ComponentFilter::default;
    let text = |text: &str| Some(text.to_owned());
    vec![
        // The table's own, whose name each database gives.
        ("component_builds_", ComponentFilter { build: BuildId::new(77), ..all() }),
        ("component_builds_name", ComponentFilter { name: text("package-77"), ..all() }),
        ("component_builds_nvr", ComponentFilter { nvr: text("package-77-1-1"), ..all() }),
        ("component_builds_task_id", ComponentFilter { task: Some(TaskId(77)), ..all() }),
    ]
}

/// Tells whether a plan uses an index, and reads no table from one end to the other.
fn uses(plan: &str, index: &str) -> bool {
    let key = index == "component_builds_" && (plan.contains("component_builds_pkey") || plan.contains("autoindex"));
    let everything = plan.contains("Seq Scan") || plan.lines().any(|line| line.starts_with("SCAN "));
    (key || index.split('|').any(|index| plan.contains(index))) && !everything
}

/// Returns how the database would execute a statement, a line for each of its steps.
async fn explain(database: &Database, statement: &Statement) -> String {
    let (explain, column) = match database.backend() {
        DbBackend::Postgres => ("EXPLAIN ", 0),
        _ => ("EXPLAIN QUERY PLAN ", 3),
    };
    let sql = format!("{explain}{}", statement.sql);
    let values = statement.values.clone().expect("what is asked for is bound").0;
    let asked = Statement::from_sql_and_values(database.backend(), sql, values);
    let rows = database
        .read(|| async |connection: &DatabaseConnection| Ok(connection.query_all_raw(asked.clone()).await?))
        .await
        .unwrap();
    rows.iter().map(|row| row.try_get_by_index::<String>(column).unwrap()).collect::<Vec<_>>().join("\n")
}

/// Writes many rows at once, as they are in the tables of a service that has long been used.
async fn fill(database: &Database) {
    let numbers =
        |last: u32| format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {last})");
    // About as long as that of a build that has ended.
    let document = format!("'{{\"history\": \"{}\"}}'", "-".repeat(1_000));
    let statements = [
        format!(
            "INSERT INTO module_builds (id, revision, name, stream, version, context, state, owner, scm_url, scratch, \
             batches, submitted_at, modified_at, since, tag, reused_id, document) {} \
             SELECT i, 1, 'module-' || (i % 500), '1', '0000000000' || (1000000000 + i), 'c0ffee', \
             CASE WHEN i > {BUILDS} - 10 THEN 2 WHEN i % 3 = 0 THEN 4 ELSE 5 END, 'user-' || (i % 300), \
             'https://example.org/' || i || '.git?#a', FALSE, 1, i, i, i, 'module-' || i || '-tag-' || i, \
             CASE WHEN i % 10 = 0 THEN i - i % 70 END, {document} FROM n",
            numbers(BUILDS)
        ),
        format!(
            "INSERT INTO module_build_requires (build_id, position, name, stream, stream_number) {} \
             SELECT i, 0, 'platform', 'f' || (i % 100), (i % 100) * 10000000 FROM n",
            numbers(BUILDS)
        ),
        format!(
            "INSERT INTO component_builds (build_id, position, name, batch, state, task_id, nvr, attempt, document) {} \
             SELECT 1 + (i - 1) / 4, (i - 1) % 4, 'package-' || (i % 2000), 1, 'available', i, \
             'package-' || i || '-1-1', 1, {document} FROM n",
            numbers(BUILDS * 4)
        ),
        "ANALYZE".to_owned(),
    ];
    for statement in statements {
        let write = || {
            async |tx: &DatabaseTransaction| {
                tx.execute_unprepared(&statement).await?;
                Ok(())
            }
        };
        database.write(write).await.unwrap();
    }
}
