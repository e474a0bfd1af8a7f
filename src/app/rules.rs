//! Rules as something to read and to try: their pages, and the bench that runs their cases.

use super::error::AppError;
use crate::finding::Severity;
use crate::graph::AccessGraph;
use crate::model::Plane;
use crate::policy::{parse_config, parse_waivers};
use crate::rbac::{Catalog, Techniques};
use crate::rules::{Judging, Rule, RuleSet, run};
use crate::sources::world;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A rule's page, in Markdown, made from its own file.
pub fn page(rule: &Rule) -> String {
    let mut out = format!("# {}\n\n{}\n\n", rule.slug(), capital(&rule.text.title));
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "- {name}: {value}");
    };
    row("severity", rule.severity.name().to_owned());
    row("confidence", rule.confidence.name().to_owned());
    row("looks at", rule.subject.name().to_owned());
    row("since", rule.since.clone());
    row("on by default", if rule.enabled { "yes" } else { "no" }.to_owned());
    let needs: Vec<&str> = rule.needs.iter().map(|s| s.name()).collect();
    row("needs", if needs.is_empty() { "nothing".to_owned() } else { needs.join(", ") });
    row("meaningful in", rule.sources.join(", "));
    if !rule.subsumed_by.is_empty() {
        row("said more strongly by", rule.subsumed_by.join(", "));
    }
    for (name, value) in &rule.params {
        row(&format!("parameter `{name}`"), format!("{value}"));
    }
    let _ = write!(
        out,
        "\n## What it flags\n\n{}\n\n## Why that is bad\n\n{}\n\n## What to do\n\n{}\n",
        rule.what, rule.why, rule.text.fix
    );
    let _ = write!(out, "\n## When exactly\n\n```cel\n{}\n```\n", rule.when_text);
    for (severity, when) in &rule.severities_text {
        let _ = write!(out, "\n{} when:\n\n```cel\n{}\n```\n", capital(severity.name()), when);
    }
    if !rule.text.controls.is_empty() {
        out.push_str("\n## Controls\n\n");
        for (framework, control) in &rule.text.controls {
            let _ = writeln!(out, "- {framework}: {control}");
        }
    }
    if !rule.references.is_empty() {
        out.push_str("\n## References\n\n");
        for reference in &rule.references {
            let _ = writeln!(out, "- <{reference}>");
        }
    }
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The table of all rules, in Markdown.
pub fn index(rules: &RuleSet) -> String {
    let mut out = String::from("# Rules\n\n| rule | severity | flags |\n|---|---|---|\n");
    for rule in rules.iter() {
        let _ = writeln!(
            out,
            "| [{0}]({0}.md) | {1} | {2} |",
            rule.slug(),
            rule.severity.name(),
            rule.text.title
        );
    }
    out
}

/// All techniques of escalation, with what they take.
pub fn techniques_page() -> String {
    let all = Techniques::embedded();
    let mut out = String::from(
        "# Techniques of escalation\n\nWhat lets an identity act as another, or get at more than its roles say. `leastwise path IDENTITY` shows which are open\nto one and where they lead. One is a file in `rules/techniques/`.\n",
    );
    for (_, technique) in all.iter() {
        let confidence = technique.certainty.name();
        let _ = writeln!(
            out,
            "\n## {}\n\n{}, confidence {confidence}: {}.",
            technique.id,
            technique.group.name(),
            technique.title
        );
        let _ = writeln!(out, "\nGives {}.", technique.gives);
        if !technique.unless.is_empty() {
            let _ = writeln!(out, "Fails if {}.", technique.unless);
        }
        out.push('\n');
        for clause in &technique.clauses {
            let names: Vec<String> = all
                .operations(clause.operations)
                .map(|o| {
                    let data = if o.plane == Plane::Data { " (data)" } else { "" };
                    format!("`{}`{data}", o.name)
                })
                .collect();
            let join = if clause.all { " and " } else { " or " };
            let _ = writeln!(out, "- on the {}: {}", clause.on.words(), names.join(join));
        }
        for reference in &technique.references {
            let _ = writeln!(out, "- see {reference}");
        }
    }
    out
}

/// What the bench says of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    /// The case's file.
    pub path: String,
    /// Why the rule should say so.
    pub says: String,
    /// What was wrong; empty if nothing.
    pub problems: Vec<String>,
}

/// Runs the cases of a folder `DIR/<rule>/*.toml`, each with its rule alone.
///
/// # Errors
/// If the folder or a case cannot be read.
pub fn test(folder: &Path, more: &[(String, String)]) -> Result<Vec<CaseResult>, AppError> {
    let failed =
        |path: &Path, e: std::io::Error| AppError::usage(format!("cannot read `{}`: {e}", path.display()));
    let list = |path: &Path| -> Result<Vec<PathBuf>, AppError> {
        let entries = std::fs::read_dir(path).map_err(|e| failed(path, e))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        paths.sort();
        Ok(paths)
    };
    let mut results = Vec::new();
    for rule in list(folder)?.into_iter().filter(|p| p.is_dir()) {
        let slug = rule.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        for case in list(&rule)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "toml")) {
            let bytes = super::read_file(&case)?;
            let text = String::from_utf8_lossy(&bytes);
            results.push(one(&slug, &case.display().to_string(), &text, more)?);
        }
    }
    if results.is_empty() {
        let message = format!("no cases in `{}`", folder.display());
        return Err(AppError::usage(message).help("a case is a file DIR/<rule>/<name>.toml"));
    }
    Ok(results)
}

/// The techniques of escalation that are open to `id-a` in a small world, by id.
///
/// # Errors
/// If the text is no world, or has no such identity.
pub fn open_techniques(path: &str, text: &str) -> Result<Vec<String>, AppError> {
    let case = world::read(path, text).map_err(|e| AppError::usage(e.to_string()))?;
    let graph = AccessGraph::build(case.estate, Catalog::embedded(), Some(case.now));
    let at = super::lookup::identity(&graph, "id-a")?;
    let open = crate::graph::Escalation::new(&graph).open(&graph.identities()[at]);
    Ok(open.into_iter().map(|o| o.technique.id.clone()).collect())
}

fn one(slug: &str, path: &str, text: &str, more: &[(String, String)]) -> Result<CaseResult, AppError> {
    let wrong = |e: &dyn std::fmt::Display| AppError::usage(e.to_string());
    let case = world::read(path, text).map_err(|e| wrong(&e))?;
    let config = parse_config(path, &case.config).map_err(|e| wrong(&e))?;
    let waivers = parse_waivers(path, &case.waivers).map_err(|e| wrong(&e))?;
    let all = RuleSet::load(more, &config, (path, &case.waivers, &waivers)).map_err(|e| wrong(&e))?;
    let Some(rule) = all.get(slug) else {
        return Err(AppError::usage(format!("`{path}` is a case of `{slug}`, and there is no such rule")));
    };
    // A rule is tried where it is meaningful.
    let source = rule.sources.iter().find(|s| *s == "snapshot").or(rule.sources.first()).cloned();
    let mut slugs = vec![slug];
    slugs.extend(case.with.iter().map(String::as_str));
    let rules = all.only(&slugs);
    let graph = AccessGraph::build(case.estate, Catalog::embedded(), Some(case.now));
    let judging = Judging {
        rules: &rules,
        config: &config,
        waivers: &waivers,
        source: source.as_deref().unwrap_or("snapshot"),
        judged_at: case.now,
        decided_at: case.now,
        threshold: Severity::High,
        all: false,
    };
    let judged = run(&graph, &judging);
    let shown = judged.findings.iter().map(|f| {
        let who = f
            .identity
            .as_deref()
            .map_or_else(|| crate::model::role_key(&f.subject).to_owned(), |i| i.name.clone());
        let name = if f.rule.slug == slug { String::new() } else { format!("{} ", f.rule.slug) };
        let became = if f.disposition == crate::finding::Disposition::Open {
            String::new()
        } else {
            format!(" {}", f.disposition.name())
        };
        format!("{name}{} {who}{became}", f.severity.name())
    });
    let mut found: Vec<String> = shown.collect();
    found.sort();
    let mut expected = case.fires.clone();
    expected.sort();
    let mut problems = Vec::new();
    if found != expected {
        problems.push(format!("expected {expected:?}, found {found:?}"));
    }
    let unsure: usize = judged.rules.iter().filter(|r| r.slug == slug).map(|r| r.inconclusive).sum();
    if unsure != case.inconclusive {
        problems.push(format!("expected {} inconclusive, found {unsure}", case.inconclusive));
    }
    Ok(CaseResult { path: path.to_owned(), says: case.says, problems })
}
