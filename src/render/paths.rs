//! Ways to more power as text for a terminal, and as JSON.

use super::clean;
use crate::report::{BlastRow, GrantRow, OpenRow, PathRow, StepRow};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Ways as text, numbered.
pub fn paths_text(paths: &[PathRow]) -> String {
    let mut out = String::new();
    for (n, path) in paths.iter().enumerate() {
        let steps = path.steps.len();
        let _ = writeln!(
            out,
            "{}. {} in {steps} {} (confidence {})",
            n + 1,
            clean(&path.to),
            if steps == 1 { "step" } else { "steps" },
            path.confidence
        );
        for (n, step) in path.steps.iter().enumerate() {
            step_text(&mut out, n + 1, step);
        }
    }
    out
}

fn step_text(out: &mut String, n: usize, step: &StepRow) {
    let on = step.on.as_deref().map(|on| format!(" on {}", clean(on))).unwrap_or_default();
    let technique = step.technique.as_deref().map(|t| format!(" [{t}]")).unwrap_or_default();
    let _ = writeln!(out, "   {n}) `{}` can {}{on}{technique}", clean(&step.actor), step.does);
    let _ = writeln!(out, "      gets {}", clean(&step.gains));
    for by in &step.by {
        let _ = writeln!(out, "      by {}", grant_text(by));
    }
    if step.by.is_empty() && step.technique.is_some() {
        let _ = writeln!(out, "      by what the step before gives");
    }
    if !step.operations.is_empty() {
        let _ = writeln!(out, "      with {}", clean(&step.operations.join(", ")));
    }
    if step.conditional {
        let _ = writeln!(out, "      if a condition or a deny assignment lets it");
    }
    if !step.unless.is_empty() {
        let _ = writeln!(out, "      unless {}", step.unless);
    }
}

/// In characters: the JSON has all of it.
const MOST_OF_A_CONDITION: usize = 300;

fn grant_text(by: &GrantRow) -> String {
    let mut text = format!("{} on {}", by.role, by.scope);
    if !by.via.is_empty() {
        let _ = write!(text, ", via group {}", by.via.join(" > "));
    }
    if by.condition {
        let shown: String = by.condition_text.chars().take(MOST_OF_A_CONDITION).collect();
        let more = if shown.len() < by.condition_text.len() { "…" } else { "" };
        let _ = write!(text, ", under the condition `{shown}{more}`");
    }
    if by.ends {
        text.push_str(", for a time");
    }
    clean(&text)
}

/// Open techniques as text, a line each.
pub fn open_text(open: &[OpenRow]) -> String {
    let mut out = String::new();
    if !open.is_empty() {
        out.push_str("what it holds is enough to\n");
    }
    for row in open {
        let things = row.things.map(|n| format!(", {n} there")).unwrap_or_default();
        let (title, place) = (&row.title, clean(&row.place));
        let _ = writeln!(out, "  {title} on {place}{things} [{}, {}]", row.technique, row.confidence);
    }
    out
}

/// How far harm goes as text.
pub fn blast_text(blast: &BlastRow) -> String {
    let mut out = String::new();
    let (now, ways) = blast.any;
    let _ = writeln!(out, "can change or get at {now} known resources now, {ways} step by step:");
    for (class, now, ways) in blast.classes.iter().rev().filter(|(_, now, ways)| *now + *ways > 0) {
        let _ = writeln!(out, "  {class:<14} {now:>8} {ways:>8}");
    }
    out
}

/// The same as JSON.
pub fn blast_json(blast: &BlastRow) -> Value {
    let classes: serde_json::Map<String, Value> = blast
        .classes
        .iter()
        .map(|(class, now, ways)| ((*class).to_owned(), json!({"now": now, "by_ways": ways})))
        .collect();
    json!({"resources": {"now": blast.any.0, "by_ways": blast.any.1}, "identities": blast.identities,
        "classes": classes})
}

/// An open technique as JSON.
pub fn open_json(row: &OpenRow) -> Value {
    json!({
        "technique": row.technique, "title": row.title, "gives": row.gives, "group": row.group,
        "scope": row.scope, "things": row.things, "confidence": row.confidence,
    })
}

/// A way as JSON.
pub fn path_json(path: &PathRow) -> Value {
    let steps: Vec<Value> = path.steps.iter().map(step_json).collect();
    json!({
        "from": path.from,
        "to": {"kind": path.to_kind, "id": path.to_id, "text": path.to},
        "confidence": path.confidence,
        "steps": steps,
    })
}

fn step_json(step: &StepRow) -> Value {
    let by: Vec<Value> = step
        .by
        .iter()
        .map(|g| {
            json!({"role": g.role, "scope": g.scope, "assignment": g.assignment, "via": g.via,
                "condition": g.condition, "condition_text": g.condition.then_some(&g.condition_text), "ends": g.ends})
        })
        .collect();
    json!({
        "actor": {"name": step.actor, "principal_id": step.actor_id},
        "does": step.does,
        "technique": step.technique,
        "on": step.on,
        "gains": step.gains,
        "by": by,
        "operations": step.operations,
        "unless": step.unless,
        "confidence": step.confidence,
        "conditional": step.conditional,
        "references": step.references,
    })
}
