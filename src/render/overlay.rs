//! What a change does to the tenant that it was laid over, for each format that tells it.

use super::markdown::escape;
use super::text::clean;
use crate::report::Overlay;
use crate::review::{EscalationChange, GetsTo, GrantChange, Power, Present, WayChange};
use serde::Serialize;
use std::fmt::Write as _;

const ROWS: usize = 50;

/// An identity for the page: its name, what it is, what became of it, and a line for each grant and each gain or loss.
#[derive(Serialize)]
struct PageIdentity {
    name: String,
    kind: &'static str,
    change: &'static str,
    grants: Vec<String>,
    gained: Vec<String>,
    lost: Vec<String>,
}

/// What the page shows.
#[derive(Serialize)]
pub(super) struct Page {
    identities: Vec<PageIdentity>,
    others: Vec<String>,
    fixed: Vec<String>,
    untouched: usize,
}

impl Page {
    pub(super) fn new(overlay: &Overlay) -> Page {
        let plain = |text: &str| text.to_owned();
        let diff = &overlay.diff;
        let identities = diff.identities.iter().map(|i| PageIdentity {
            name: i.name.clone(),
            kind: i.kind,
            change: i.change,
            grants: diff
                .grants
                .iter()
                .filter(|g| g.principal == i.principal)
                .map(|g| grant(g, plain))
                .collect(),
            gained: words(&i.gained, plain),
            lost: words(&i.lost, plain),
        });
        let known = |g: &&GrantChange| !diff.identities.iter().any(|i| i.principal == g.principal);
        let others = diff
            .grants
            .iter()
            .filter(known)
            .map(|g| format!("{} ({}): {}", g.identity, g.holder, grant(g, plain)))
            .chain(diff.ways.iter().map(|w| format!("{}: {}", w.identity, way(w, plain))))
            .chain(diff.present.iter().map(|p| format!("{}: {}", p.identity, present(p, plain))))
            .chain(diff.escalations.iter().map(|e| format!("{} {}", e.identity, escalation(e, plain))));
        let fixed = overlay.sorted.fixed.iter();
        Page {
            identities: identities.collect(),
            others: others.collect(),
            fixed: fixed.map(|f| format!("{} {}: {}", f.severity.name(), f.rule.slug, f.message)).collect(),
            untouched: overlay.sorted.untouched,
        }
    }
}

/// What somebody can do with operations of a class.
fn harm(class: &str) -> &str {
    match class {
        "authorization" => "change who may do what",
        "identity" => "become other identities",
        "credential" => "get secrets and keys",
        "execution" => "run code",
        "data-write" => "change data",
        "write" => "change resources",
        "data-read" => "see data",
        "read" => "see how resources are set up",
        other => other,
    }
}

/// `run code on SCOPE: microsoft.web/sites/write and 3 more`, the worst first.
pub(super) fn words(powers: &[Power], shown: fn(&str) -> String) -> Vec<String> {
    let mut lines = Vec::new();
    for power in powers {
        let named: Vec<String> = power.operations.iter().take(3).map(|o| shown(o)).collect();
        let more = power.count.saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let harm = harm(power.class);
        lines.push(format!("{harm} on {}: {}{more}", shown(&power.scope), named.join(", ")));
    }
    lines
}

pub(super) fn grant(g: &GrantChange, shown: fn(&str) -> String) -> String {
    let was = g.was.as_ref().map(|(role, scope)| format!(", was {} on {}", shown(role), shown(scope)));
    let condition = if g.condition.is_some() { " under a condition" } else { "" };
    let redundant = if g.redundant { " (gives nothing that it did not have)" } else { "" };
    let state = if g.state == "active" { String::new() } else { format!(" ({})", g.state) };
    let (role, scope) = (shown(&g.role), shown(&g.scope));
    format!(
        "{} {role} on {} {scope}{condition}{state}{}{redundant}",
        g.change.name(),
        g.level,
        was.unwrap_or_default()
    )
}

pub(super) fn way(w: &WayChange, shown: fn(&str) -> String) -> String {
    let says = shown(&w.says);
    match w.kind {
        "access-policy" => format!("{} access policy of {}: {says}", w.change, shown(&w.resource)),
        "local-grant" => format!("{} {says} on {}", w.change, shown(&w.resource)),
        "host" => format!("{} host {}, {says}", w.change, shown(&w.resource)),
        _ => format!("{} federated credential: {says}", w.change),
    }
}

fn present(p: &Present, shown: fn(&str) -> String) -> String {
    let name = p.there_as.rsplit('/').next().unwrap_or_default();
    format!(
        "{} on {} is there already as {}: where that is not its own, Azure refuses {}",
        shown(&p.role),
        shown(&p.scope),
        shown(name),
        shown(&p.declared_as)
    )
}

/// Where an identity gets to now, and where it did.
pub(super) fn escalation(e: &EscalationChange, shown: fn(&str) -> String) -> String {
    let to = |to: &GetsTo| {
        let steps = if to.steps == 1 { "step" } else { "steps" };
        format!("{} in {} {steps} (confidence {})", shown(&to.words), to.steps, to.confidence)
    };
    let ways = match (&e.before, &e.after) {
        (None, Some(after)) => format!("could become more: {}", to(after)),
        (Some(before), None) => format!("can no longer become more, was: {}", to(before)),
        (Some(before), Some(after)) => format!("could become more: {}; before: {}", to(after), to(before)),
        (None, None) => "has no way to more power".to_owned(),
    };
    let ((_, was), (_, is)) = (e.reach_before, e.reach_after);
    format!("{ways}; resources that it could change or get at: {was} before, {is} after")
}

/// For a comment on a change.
pub(super) fn markdown(out: &mut String, overlay: &Overlay) {
    let _ = writeln!(out, "### What the change does to the tenant\n");
    let plain = |text: &str| escape(text);
    if overlay.diff.is_empty() {
        let _ = writeln!(out, "Nobody can do more or less.\n");
    }
    for identity in overlay.diff.identities.iter().take(ROWS) {
        let _ = writeln!(out, "- **{}** ({}, {})", escape(&identity.name), identity.kind, identity.change);
        for g in overlay.diff.grants.iter().filter(|g| g.principal == identity.principal).take(ROWS) {
            let _ = writeln!(out, "  - {}", grant(g, plain));
        }
        for (title, powers) in [("can now", &identity.gained), ("can no longer", &identity.lost)] {
            for line in words(powers, plain).iter().rev().take(ROWS).rev() {
                let _ = writeln!(out, "  - {title}: {line}");
            }
        }
    }
    let known: Vec<&str> = overlay.diff.identities.iter().map(|i| i.principal.as_str()).collect();
    for g in overlay.diff.grants.iter().filter(|g| !known.contains(&g.principal.as_str())).take(ROWS) {
        let _ = writeln!(out, "- **{}** ({}): {}", escape(&g.identity), g.holder, grant(g, plain));
    }
    for w in overlay.diff.ways.iter().take(ROWS) {
        let _ = writeln!(out, "- **{}**: {}", escape(&w.identity), way(w, plain));
    }
    for p in overlay.diff.present.iter().take(ROWS) {
        let _ = writeln!(out, "- **{}**: {}", escape(&p.identity), present(p, plain));
    }
    for e in overlay.diff.escalations.iter().take(ROWS) {
        let _ = writeln!(out, "- **{}** {}", escape(&e.identity), escalation(e, plain));
    }
    out.push('\n');
    if !overlay.sorted.fixed.is_empty() {
        let _ = writeln!(out, "Findings that it ends: {}\n", overlay.sorted.fixed.len());
        for finding in overlay.sorted.fixed.iter().take(ROWS) {
            let _ = writeln!(
                out,
                "- {} {}: {}",
                finding.severity.name(),
                finding.rule.slug,
                escape(&finding.message)
            );
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "Findings of the tenant that it has nothing to do with: {}\n",
        overlay.sorted.untouched
    );
}

/// For a terminal.
pub(super) fn text(overlay: &Overlay) -> String {
    let mut out = String::new();
    let plain = |text: &str| clean(text);
    for g in &overlay.diff.grants {
        let _ = writeln!(out, "{:<8} {:<26} {}", "change", clean(&g.identity), grant(g, plain));
    }
    for w in &overlay.diff.ways {
        let _ = writeln!(out, "{:<8} {:<26} {}", "change", clean(&w.identity), way(w, plain));
    }
    for p in &overlay.diff.present {
        let _ = writeln!(out, "{:<8} {:<26} {}", "present", clean(&p.identity), present(p, plain));
    }
    for e in &overlay.diff.escalations {
        let _ = writeln!(out, "{:<8} {:<26} {}", "becomes", clean(&e.identity), escalation(e, plain));
    }
    for identity in &overlay.diff.identities {
        for (title, powers) in [("gains", &identity.gained), ("loses", &identity.lost)] {
            for line in words(powers, plain) {
                let _ = writeln!(out, "{title:<8} {:<26} {line}", clean(&identity.name));
            }
        }
    }
    for finding in &overlay.sorted.fixed {
        let _ = writeln!(out, "{:<8} {:<26} {}", "ends", finding.rule.slug, clean(&finding.message));
    }
    if overlay.sorted.untouched > 0 {
        let _ = writeln!(
            out,
            "{} finding(s) of the tenant have nothing to do with the change",
            overlay.sorted.untouched
        );
    }
    out
}
