//! Lists the files of `rules/`, `rules/techniques/` and `rules/frameworks/`, so that adding one touches no code; and sorts
//! the catalogue's names of operations, so that no run has to.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let out = std::env::var("OUT_DIR").unwrap_or_default();
    if let Err(error) = operations(Path::new(&root), Path::new(&out)) {
        println!("cargo::error=cannot sort the catalogue's operations: {error}");
    }
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

/// The lower-case names of each plane's operations, sorted, a line each: what `rbac::catalog::operations` makes of the same
/// lines, which a test holds against this.
fn operations(root: &Path, out: &Path) -> std::io::Result<()> {
    let path = root.join("src/rbac/catalog/catalog.txt");
    println!("cargo::rerun-if-changed={}", path.display());
    let text = std::fs::read_to_string(path)?.to_ascii_lowercase();
    let section = text.split_once("[operations]\n").and_then(|(_, rest)| rest.split_once("[roles]\n"));
    let mut planes: [BTreeSet<String>; 2] = Default::default();
    for line in section.map_or("", |(operations, _)| operations).lines() {
        let mut fields = line.split('\t');
        let kind = fields.next().unwrap_or_default();
        for (names, verbs) in planes.iter_mut().zip(fields) {
            names.extend(verbs.split(' ').filter(|v| !v.is_empty()).map(|verb| format!("{kind}/{verb}")));
        }
    }
    for (names, file) in planes.iter().zip(["operations-control.txt", "operations-data.txt"]) {
        let lines: String = names.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
        std::fs::write(out.join(file), lines)?;
    }
    Ok(())
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
