//! Every rule has cases: at least one world in which it fires and one in which it is silent, each with its reason.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use leastwise::app::rules::{open_techniques, test};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn names(dir: &str, ending: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let entries = fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    entries.filter_map(|n| n.strip_suffix(ending).map(str::to_owned)).collect()
}

#[test]
fn every_case_holds() {
    let results = test(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules"), &[]).unwrap();
    let bad: Vec<String> = results
        .iter()
        .filter(|r| !r.problems.is_empty())
        .map(|r| format!("{}: {}\n  {}", r.path, r.says, r.problems.join("\n  ")))
        .collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn every_rule_has_a_firing_and_a_silent_case() {
    let rules = names("rules", ".toml");
    let cases = names("fixtures/rules", "");
    assert_eq!(rules, cases);
    for rule in &rules {
        let files = names(&format!("fixtures/rules/{rule}"), ".toml");
        assert!(files.contains("fires") && files.contains("silent"), "{rule} has {files:?}");
    }
}

#[test]
fn every_technique_has_a_world_where_it_is_open_and_one_where_it_is_not() {
    let techniques = names("rules/techniques", ".toml");
    assert_eq!(techniques.len(), 66);
    assert_eq!(techniques, names("fixtures/techniques", ""));
    for id in &techniques {
        let cases = names(&format!("fixtures/techniques/{id}"), ".toml");
        assert!(cases.contains("open") && cases.contains("closed"), "{id} has {cases:?}");
        for case in &cases {
            // `closed-…` is closed for another reason than `closed` is.
            let expected = case.starts_with("open");
            let path =
                Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/techniques/{id}/{case}.toml"));
            let text = fs::read_to_string(&path).unwrap();
            let open =
                open_techniques(&path.display().to_string(), &text).unwrap_or_else(|e| panic!("{id}: {e}"));
            assert_eq!(open.contains(id), expected, "{id} {case}: {open:?}");
        }
    }
}
