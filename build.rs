//! Lists the files of `rules/`, `rules/techniques/` and `rules/frameworks/`, so that adding one touches no code.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let out = std::env::var("OUT_DIR").unwrap_or_default();
    let rules = Path::new(&root).join("rules");
    for (folder, list) in [
        (rules.clone(), "rules.rs"),
        (rules.join("techniques"), "techniques.rs"),
        (rules.join("frameworks"), "frameworks.rs"),
    ] {
        if let Err(error) = std::fs::write(Path::new(&out).join(list), listed(&folder)) {
            println!("cargo::error=cannot list {}: {error}", folder.display());
        }
    }
}

/// The names and texts of a folder's TOML files, as an expression.
fn listed(folder: &Path) -> String {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.retain(|n| n.ends_with(".toml"));
    names.sort();
    let mut list = String::from("&[\n");
    for name in &names {
        let path = folder.join(name);
        println!("cargo::rerun-if-changed={}", path.display());
        let _ = writeln!(list, "({name:?}, include_str!({:?})),", path.display().to_string());
    }
    list.push(']');
    list
}
