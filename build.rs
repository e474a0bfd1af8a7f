//! Lists the files of `rules/`, so that adding a rule touches no code.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let rules = Path::new(&root).join("rules");
    println!("cargo::rerun-if-changed={}", rules.display());
    let mut names: Vec<String> = std::fs::read_dir(&rules)
        .map(|entries| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.retain(|n| n.ends_with(".toml"));
    names.sort();
    let mut list = String::from("&[\n");
    for name in &names {
        let path = rules.join(name);
        println!("cargo::rerun-if-changed={}", path.display());
        let _ = writeln!(list, "({name:?}, include_str!({:?})),", path.display().to_string());
    }
    list.push(']');
    let out = std::env::var("OUT_DIR").unwrap_or_default();
    if let Err(error) = std::fs::write(Path::new(&out).join("rules.rs"), list) {
        println!("cargo::error=cannot list the rules: {error}");
    }
}
