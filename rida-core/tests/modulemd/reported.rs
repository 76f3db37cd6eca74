//! What is told of a text, in each of the three forms; `UPDATE_GOLDEN=1` writes the files anew.

use rida_core::modulemd::{self, Options, Report, Rules};
use serde_json::Value;

use crate::fixtures::golden;
use crate::{documents, fixtures};

#[test]
fn the_three_forms_are_these() {
    for (name, text) in documents("report") {
        let judged = modulemd::judge(&text, &Options::default(), &Rules::default());
        let omitted = judged.problems.as_ref().map_or(0, |problems| problems.omitted());
        let report = Report::new(&name, &text).errors(judged.problems.iter().flatten()).warnings(&judged.warnings);
        let report = report.omitted(omitted);
        golden(&format!("report/{name}.human.txt"), &report.human().to_string());
        golden(&format!("report/{name}.lines.txt"), &report.lines().to_string());
        golden(&format!("report/{name}.json"), &format!("{}\n", report.json()));
    }
}

#[test]
fn json_is_json_and_marks_are_below_the_text_whatever_the_document() {
    for folder in ["bad", "service/bad", "report"] {
        for (name, text) in documents(folder) {
            let judged = modulemd::judge(&text, &Options::default(), &Rules::default());
            let report = Report::new(&name, &text).errors(judged.problems.iter().flatten()).warnings(&judged.warnings);
            let json: Value = serde_json::from_str(&report.json().to_string()).unwrap();
            assert_eq!(json["good"], judged.problems.is_none(), "{name}");
            let told = json["problems"].as_array().unwrap().len();
            assert_eq!(report.lines().to_string().lines().count(), told, "{name}");
            let human = report.human().to_string();
            assert_eq!(human.matches("\n\n").count(), told, "{name}");
            assert!(!human.contains(|c: char| c.is_control() && c != '\n'), "{name}");
            assert!(human.lines().all(|line| line.chars().count() < 700), "{name}");
        }
    }
}

#[test]
fn a_report_of_nothing_is_good() {
    let path = fixtures().join("good/full.yaml");
    let text = std::fs::read(&path).unwrap();
    let report = Report::new("full", &text);
    assert!(report.is_good());
    assert_eq!(report.human().to_string(), "");
    assert_eq!(report.lines().to_string(), "");
    assert_eq!(report.json().to_string(), r#"{"name":"full","good":true,"problems":[],"omitted":0}"#);
    assert!(!report.omitted(1).is_good());
}
