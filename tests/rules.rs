//! Every rule has cases: at least one world in which it fires and one in which it is silent, each with its reason.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use leastwise::app::rules::test;
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
