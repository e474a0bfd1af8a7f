//! Floors: a module may import only modules on lower floors, and some crates have a home.
//!
//! The tables below *are* the architecture. If this test fails, move the code down (or the type), do not edit them.

#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One row per floor, lowest first. Modules on one floor do not see each other.
const FLOORS: &[&[&str]] = &[
    &["model"],
    &["rbac", "finding"],
    &["sources", "policy"],
    &["graph"],
    &["rules"],
    &["review"],
    &["report"],
    &["render"],
    &["app"],
    &["cli"],
];

/// Crates and paths that only the named modules may mention.
const CONFINED: &[(&str, &[&str])] = &[
    ("tokio", &["sources", "app"]),
    ("azure_identity", &["sources"]),
    ("azure_core", &["sources"]),
    ("reqwest", &["sources"]),
    ("petgraph", &["graph"]),
    ("cel", &["rules"]),
    ("tera", &["render"]),
    ("csv", &["render", "sources"]),
    ("rusqlite", &["app"]),
    ("ssh_key", &["app"]),
    ("getrandom", &["app"]),
    ("rust_xlsxwriter", &["render"]),
    ("calamine", &["sources"]),
    ("zip", &["sources"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("std::fs", &["app"]),
    ("std::env", &["cli"]),
    ("SystemTime", &["cli"]),
];

/// Lines that a file may have. 400 is large; tables of facts and of arguments may reach the end.
const MOST_LINES: usize = 600;

struct Source {
    path: PathBuf,
    module: String,
    /// Without tests and comments.
    code: String,
    lines: usize,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths
        .into_iter()
        .map(|path| {
            let first = path.strip_prefix(&root).unwrap().components().next().unwrap();
            let module = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let strip = |line: &str| line.split("//").next().unwrap_or_default().to_owned() + "\n";
            Source {
                module,
                code: before_tests.lines().map(strip).collect(),
                lines: text.lines().count(),
                path,
            }
        })
        .collect()
}

fn walk(dir: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `name` stands in a line as a whole path segment at the start of a path: `crate::render::csv::` is not
/// the crate csv.
fn mentions(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + name.len()..].chars().next();
        let own = line[..at].ends_with("crate::")
            || line[..at].ends_with("self::")
            || line[..at].ends_with("super::");
        let starts = before.is_none_or(|c| !is_word(c) && c != ':') || line[..at].ends_with(" ::");
        let ends = if name.contains("::") || name == "SystemTime" {
            after.is_none_or(|c| !is_word(c))
        } else {
            line[at + name.len()..].starts_with("::")
        };
        starts && !own && ends
    })
}

#[test]
fn imports_point_down() {
    let floor: BTreeMap<&str, usize> =
        FLOORS.iter().enumerate().flat_map(|(n, row)| row.iter().map(move |m| (*m, n))).collect();
    let mut bad = Vec::new();
    for source in sources() {
        if source.module == "lib" || source.module == "main" {
            continue;
        }
        let shown = source.path.display();
        let Some(here) = floor.get(source.module.as_str()) else {
            bad.push(format!("{shown}: module `{}` has no floor", source.module));
            continue;
        };
        for (line, dep) in crate_paths(&source.code) {
            match floor.get(dep.as_str()) {
                _ if dep == source.module => {}
                Some(there) if there < here => {}
                _ => bad.push(format!("{shown}:{line}: `{}` imports `{dep}`", source.module)),
            }
        }
        for (n, line) in source.code.lines().enumerate() {
            for (name, homes) in CONFINED {
                if mentions(line, name) && !homes.contains(&source.module.as_str()) {
                    bad.push(format!("{shown}:{}: `{name}` outside {homes:?}", n + 1));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{} floor violations:\n{}", bad.len(), bad.join("\n"));
}

/// Azure is only read: one file makes requests, and it cannot say anything but GET and POST.
#[test]
fn one_place_makes_requests() {
    let mut makers = Vec::new();
    for source in sources() {
        let name = source.path.file_name().unwrap().to_string_lossy().into_owned();
        for word in ["Method::", "Request::new", "reqwest::", ".send(", ".stream("] {
            if source.module == "sources" && source.code.contains(word) {
                makers.push(format!("{name} {word}"));
            }
        }
        for verb in ["Put", "Patch", "Delete", "Head"] {
            assert!(!source.code.contains(&format!("Method::{verb}")), "{name} can {verb}");
        }
    }
    makers.sort();
    // The second proves a workflow's own identity to GitHub, for a credential; readers, the intake and the
    // snapshot's packing send on channels.
    let known = [
        "client.rs .stream(",
        "client.rs Method::",
        "client.rs Request::new",
        "client.rs reqwest::",
        "credential.rs .send(",
        "credential.rs Method::",
        "credential.rs Request::new",
        "generated.rs .send(",
        "generated.rs Method::",
        "intake.rs .send(",
        "pack.rs .send(",
        "reader.rs .send(",
    ];
    assert_eq!(makers, known);
}

#[test]
fn files_are_small() {
    let mut lines: Vec<(usize, String)> =
        sources().into_iter().map(|s| (s.lines, s.path.display().to_string())).collect();
    lines.sort();
    let too_large: Vec<_> = lines.iter().filter(|(n, _)| *n > MOST_LINES).collect();
    assert!(too_large.is_empty(), "{too_large:?}");
    let median = lines[lines.len() / 2].0;
    assert!(median <= 200, "the median file has {median} lines");
}

#[test]
fn the_test_sees_what_it_looks_for() {
    assert!(mentions("use csv::Writer;", "csv"));
    assert!(mentions("let w = ::csv::Writer;", "csv"));
    assert!(!mentions("use crate::render::csv::Table;", "csv"));
    assert!(!mentions("mod csv;", "csv"));
    assert!(mentions("std::fs::read(x)", "std::fs"));
    assert_eq!(
        crate_paths("use crate::{a, b::{c, d}};\ncrate::e::f()")
            .iter()
            .map(|(_, m)| m.as_str())
            .collect::<Vec<_>>(),
        ["a", "b", "e"]
    );
}

/// `(line, first segment)` of every `crate::…` path, looking into `crate::{a, b::c}`.
fn crate_paths(text: &str) -> Vec<(usize, String)> {
    let ident = |s: &str| -> String { s.trim_start().chars().take_while(|c| is_word(*c)).collect() };
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let line = text[..at].matches('\n').count() + 1;
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push((line, ident(rest)));
            continue;
        };
        let (mut depth, mut start) = (0usize, 0usize);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    found.push((line, ident(&group[start..i])));
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.push((line, ident(&group[start..i])));
                    start = i + 1;
                }
                _ => {}
            }
        }
    }
    found.retain(|(_, name)| !name.is_empty());
    found
}
