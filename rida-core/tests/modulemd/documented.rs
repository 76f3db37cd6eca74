//! The page about modulemd has every rule, as the code has it; `UPDATE_GOLDEN=1` writes its table anew.

use std::path::Path;

use rida_core::modulemd::{Rule, Rules};

const START: &str = "<!-- rules: made by the test `documented` -->\n";
const END: &str = "<!-- end of rules -->\n";

fn table() -> String {
    let mut table = "| rule | of | on by default | what it demands |\n|---|---|---|---|\n".to_owned();
    let default = Rules::default();
    for rule in Rule::ALL {
        let (of, on) = match (Rules::ALL.contains(rule), default.has(*rule)) {
            (true, true) => ("service", "yes"),
            (true, false) => ("service", "no"),
            // It is told by who makes a build of a document, and has no switch.
            (false, _) if *rule == Rule::StreamExpansion => ("service", "always"),
            (false, _) => ("format", ""),
        };
        table.push_str(&format!("| `{rule}` | {of} | {on} | {} |\n", rule.explanation()));
    }
    table
}

#[test]
fn the_page_has_every_rule() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/modulemd.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(START).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{before}{START}{}{END}{after}", table())).unwrap();
    } else {
        assert_eq!(found, table());
    }
}
