//! What keeps input from being run: every statement that is not built by the query builder, and every place that starts
//! a program, is named here with why no byte of it is a stranger's.

use std::path::{Path, PathBuf};

/// Statements as text. `what` is in the line or one of the six before it.
const STATEMENTS: &[(&str, &str)] = &[
    // Fixed texts.
    ("rida-store/src/integrity.rs", "\"PRAGMA integrity_check(100)\""),
    ("rida-store/src/integrity.rs", "\"PRAGMA foreign_key_check\""),
    ("rida-store/src/database/postgres.rs", "SELECT current_setting('server_version_num')"),
    // The only value is a constant of the file.
    ("rida-store/src/database/version.rs", "pg_advisory_xact_lock({MIGRATION_LOCK})"),
    // Tables, columns and collations are constants of the file.
    ("rida-store/src/migration/m20261126_000004_settings.rs", "ALTER TABLE {table} ALTER COLUMN {column}"),
];

/// What makes a statement of a text.
const RAW: &[&str] = &[
    "from_string(",
    "from_sql_and_values(",
    "execute_unprepared(",
    "execute_raw(",
    "Expr::cust",
    "raw_sql!",
    "sqlx::query",
];

/// What starts a program otherwise than by the runner of `rida-local`, which takes no byte of a stranger for an option.
const PROGRAMS: &[(&str, &str)] = &[
    // The runner itself.
    ("rida-local/src/process/run.rs", "Command::new(prlimit)"),
    // Builds: the words come from the sandbox, behind its terminator; paths are the service's own.
    ("rida-local/src/build_system/supervisor.rs", "locate(\"setsid\")"),
    // Fixed arguments, the service's own folder, and `--` before the spec, which the core wrote; the check of the settings
    // packs one, too.
    ("rida-koji/src/build_system/macros.rs", "Command::new(config.rpmbuild"),
    // The hub's host and the principal, both of the operator's settings.
    ("rida-koji/src/client/kerberos/talk.rs", "Command::new(program)"),
];

/// Returns the code of the crates that are shipped, without their tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = ["rida-core", "rida-store", "rida-local", "rida-koji", "rida-fedmsg", "rida-http"];
    let mut folders: Vec<PathBuf> = crates.iter().map(|name| root.join(name).join("src")).collect();
    folders.push(root.join("src"));
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the sources are there") {
            let path = entry.expect("the sources are listed").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a source has a plain name");
            if path.is_dir() {
                // What only tests need.
                if !matches!(name, "tests" | "testing") {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).expect("a source is text");
                let shown = path.strip_prefix(root).expect("it is within").display().to_string();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
                sources.push((shown, code));
            }
        }
    }
    assert!(sources.len() > 100, "only {} sources were found", sources.len());
    sources
}

/// Finds the lines that have one of the words, each with the lines before it.
fn find<'a>(text: &'a str, words: &[&str]) -> Vec<Vec<&'a str>> {
    let lines: Vec<&str> = text.lines().collect();
    let code = |line: &str| !line.trim_start().starts_with("//");
    let has = |line: &&str| code(line) && words.iter().any(|word| line.contains(word));
    let found = lines.iter().enumerate().filter(|(_, line)| has(line));
    found.map(|(at, _)| lines[at.saturating_sub(6)..=at].to_vec()).collect()
}

/// Checks that what is found is what is listed.
fn check(listed: &[(&str, &str)], words: &[&str], advice: &str) {
    let mut met = vec![false; listed.len()];
    for (file, text) in sources() {
        for lines in find(&text, words) {
            // The nearest line that says which it is.
            let which = |line: &&str| listed.iter().position(|(of, what)| *of == file && line.contains(what));
            match lines.iter().rev().find_map(which) {
                Some(index) => met[index] = true,
                None => panic!("{file}: {}\n{advice}", lines.last().unwrap_or(&"")),
            }
        }
    }
    for (what, met) in listed.iter().zip(met) {
        assert!(met, "{what:?} is listed and not there");
    }
}

#[test]
fn no_sql_is_built_from_text() {
    check(STATEMENTS, RAW, "use the query builder, which binds values, or list it here with why it is safe");
}

#[test]
fn every_program_is_started_by_the_runner() {
    let words = ["Command::new("];
    check(PROGRAMS, &words, "use rida-local's Program, or list it here with why no argument is a stranger's");
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let text = "a\nlet sql = format!(\"SELECT {x}\");\n// Command::new(\"sh\")\nconnection.execute_unprepared(&sql)\n";
    assert_eq!(find(text, RAW).len(), 1);
    assert_eq!(find(text, &["Command::new("]).len(), 0);
}
