//! What is different between two snapshots, for people, programs and spreadsheets.

use super::csv::{CsvOptions, csv_text};
use super::overlay::{escalation, grant, text, way, words};
use super::overlay_json::Json;
use super::page::{Page, Section};
use super::{RenderError, clean};
use crate::finding::Finding;
use crate::report::Overlay;
use serde_json::json;

const COLUMNS: &str = "kind,change,identity,principal_id,principal_kind,role,role_id,scope,scope_level,condition,was_role,was_scope,detail";

/// One of the two.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// What the user named.
    pub name: String,
    /// When it was read, as RFC 3339; empty where it does not say.
    pub collected_at: String,
}

/// What is different.
#[derive(Debug)]
pub struct Difference {
    /// The one before.
    pub old: Side,
    /// The one after.
    pub new: Side,
    /// Grants, identities, ways; findings that ended.
    pub overlay: Overlay,
    /// Findings that came.
    pub came: Vec<Finding>,
    /// What was not read whole, of either.
    pub missing: Vec<String>,
}

impl Difference {
    /// How many of each, by name.
    fn counts(&self) -> Vec<(&'static str, usize)> {
        let diff = &self.overlay.diff;
        let grants = |name| diff.grants.iter().filter(|g| g.change.name() == name).count();
        let identities = |change| diff.identities.iter().filter(|i| i.change == change).count();
        let opened = diff.escalations.iter().filter(|e| e.before.is_none() && e.after.is_some()).count();
        let closed = diff.escalations.iter().filter(|e| e.before.is_some() && e.after.is_none()).count();
        vec![
            ("grants added", grants("added")),
            ("removed", grants("removed")),
            ("widened", grants("widened")),
            ("narrowed", grants("narrowed")),
            ("identities new", identities("new")),
            ("gone", identities("gone")),
            ("ways to power opened", opened),
            ("closed", closed),
            ("findings new", self.came.len()),
            ("ended", self.overlay.sorted.fixed.len()),
        ]
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut out = text(&self.overlay);
        for finding in &self.came {
            out.push_str(&format!(
                "{:<8} {:<26} {}\n",
                "finding",
                finding.rule.slug,
                clean(&finding.message)
            ));
        }
        let counts: Vec<String> = self.counts().iter().map(|(name, n)| format!("{n} {name}")).collect();
        out.push_str(&format!("{}\n", counts.join(", ")));
        out
    }

    /// For programs.
    pub fn json(&self) -> String {
        let side = |s: &Side| json!({"name": s.name, "collected_at": (!s.collected_at.is_empty()).then_some(&s.collected_at)});
        let counts: serde_json::Map<String, serde_json::Value> = {
            let names = [
                "grants_added",
                "grants_removed",
                "grants_widened",
                "grants_narrowed",
                "identities_new",
                "identities_gone",
                "ways_opened",
                "ways_closed",
                "findings_new",
                "findings_ended",
            ];
            names.iter().zip(self.counts()).map(|(name, (_, n))| ((*name).to_owned(), json!(n))).collect()
        };
        let came: Vec<_> = self
            .came
            .iter()
            .map(|f| {
                json!({"rule": f.rule.slug, "severity": f.severity.name(), "message": f.message,
                    "subject": &*f.subject, "fingerprint": f.fingerprint})
            })
            .collect();
        let all = json!({
            "schema": "leastwise.diff/1",
            "tool": {"name": "leastwise", "version": env!("CARGO_PKG_VERSION")},
            "old": side(&self.old), "new": side(&self.new), "counts": counts,
            "change": Json::new(&self.overlay), "findings_new": came, "missing": self.missing,
        });
        format!("{all:#}\n")
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let diff = &self.overlay.diff;
        let plain = |t: &str| t.to_owned();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for g in &diff.grants {
            let (was_role, was_scope) = g.was.clone().unwrap_or_default();
            let fields = [
                "grant",
                g.change.name(),
                &g.identity,
                &g.principal,
                g.holder,
                &g.role,
                &g.role_id,
                &g.scope,
                g.level,
                g.condition.as_deref().unwrap_or_default(),
                &was_role,
                &was_scope,
                &g.record,
            ];
            rows.push(fields.iter().map(|f| (*f).to_owned()).collect());
        }
        let mut other =
            |kind: &str, change: &str, identity: &str, principal: &str, of: &str, detail: String| {
                let mut row = vec![String::new(); 13];
                for (slot, value) in row.iter_mut().zip([kind, change, identity, principal, of]) {
                    value.clone_into(slot);
                }
                if let Some(last) = row.last_mut() {
                    *last = detail;
                }
                rows.push(row);
            };
        for i in &diff.identities {
            let gains = words(&i.gained, plain).into_iter().map(|w| format!("can now {w}"));
            let losses = words(&i.lost, plain).into_iter().map(|w| format!("can no longer {w}"));
            let detail: Vec<String> = gains.chain(losses).collect();
            other("identity", i.change, &i.name, &i.principal, i.kind, detail.join("; "));
        }
        for w in &diff.ways {
            other(w.kind, w.change, &w.identity, "", "", way(w, plain));
        }
        for e in &diff.escalations {
            let change = match (&e.before, &e.after) {
                (None, Some(_)) => "opened",
                (Some(_), None) => "closed",
                _ => "changed",
            };
            other("way-to-power", change, &e.identity, &e.principal, "", escalation(e, plain));
        }
        let finding = |f: &Finding| format!("{} {}: {}", f.severity.name(), f.rule.slug, f.message);
        for (change, list) in [("new", &self.came), ("ended", &self.overlay.sorted.fixed)] {
            for f in list {
                let who = f.identity.as_ref();
                let name = who.map_or("", |i| i.name.as_str());
                let principal = who.and_then(|i| i.principal_id.as_deref()).unwrap_or_default();
                other("finding", change, name, principal, "", finding(f));
            }
        }
        rows
    }

    /// For spreadsheets.
    ///
    /// # Errors
    /// Never, as it is written to memory.
    pub fn csv(&self, options: &CsvOptions) -> Result<Vec<u8>, RenderError> {
        csv_text(COLUMNS, &self.rows(), options)
    }

    /// A page.
    ///
    /// # Errors
    /// If the template is broken.
    pub fn html(&self) -> Result<String, RenderError> {
        let diff = &self.overlay.diff;
        let plain = |t: &str| t.to_owned();
        let grants =
            diff.grants.iter().map(|g| vec![g.identity.clone(), g.holder.to_owned(), grant(g, plain)]);
        let identities = diff.identities.iter().map(|i| {
            let (gained, lost) = (words(&i.gained, plain).join("; "), words(&i.lost, plain).join("; "));
            vec![i.name.clone(), i.change.to_owned(), gained, lost]
        });
        let escalations = diff.escalations.iter().map(|e| vec![e.identity.clone(), escalation(e, plain)]);
        let ways = diff.ways.iter().map(|w| vec![w.identity.clone(), way(w, plain)]);
        let finding =
            |f: &Finding| vec![f.severity.name().to_owned(), f.rule.slug.clone(), f.message.to_string()];
        let fixed = &self.overlay.sorted.fixed;
        let about = ["severity", "rule", "what"];
        let side = |s: &Side| match s.collected_at.as_str() {
            "" => s.name.clone(),
            at => format!("{}, read {at}", s.name),
        };
        let missing = self.missing.iter().map(|m| vec![m.clone()]).collect();
        let page = Page {
            title: "Leastwise: what changed".to_owned(),
            lead: vec![format!("before: {}", side(&self.old)), format!("after: {}", side(&self.new))],
            tiles: self.counts().iter().map(|(name, n)| ((*name).to_owned(), n.to_string())).collect(),
            sections: vec![
                Section::new("Grants", "", &["who", "what it is", "what changed"], grants.collect()),
                Section::new(
                    "Identities",
                    "New, gone, or able to do more or less at the scopes where grants changed.",
                    &["name", "change", "can now", "can no longer"],
                    identities.collect(),
                ),
                Section::new("Ways to more power", "", &["who", "what changed"], escalations.collect()),
                Section::new("Other ways in", "", &["who", "what changed"], ways.collect()),
                Section::new("New findings", "", &about, self.came.iter().map(finding).collect()),
                Section::new("Findings that ended", "", &about, fixed.iter().map(finding).collect()),
                Section::new("Not read", "What could hide a change.", &["what"], missing),
            ],
        };
        page.html()
    }
}
