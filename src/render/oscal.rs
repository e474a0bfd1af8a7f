//! Assessment results as OSCAL 1.1 has them, for governance tools: every control that was looked at, an observation for each finding
//! and each control, a finding only where rules or reviews conclude one.
//!
//! What is inconclusive, met in part, or for a person to conclude is an observation and no finding: nobody can take it for
//! satisfied. Identifiers come from what is named, so that the same results give the same bytes. Source: OSCAL assessment-results
//! model, version 1.1.3.

use super::RenderError;
use super::text::clean;
use crate::report::{ControlRow, FindingRow, Report};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

const VERSION: &str = "1.1.3";

/// An identifier made from what it names, in the form of a UUID of version 5.
fn uuid(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hex: String = hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
    let piece = |range| hex.get::<std::ops::Range<usize>>(range).unwrap_or_default();
    format!("{}-{}-5{}-8{}-{}", piece(0..8), piece(8..12), piece(13..16), piece(17..20), piece(20..32))
}

/// A control's id as a token, which starts with a letter.
fn token(control: &ControlRow) -> String {
    if control.oscal {
        return control.control_id.clone();
    }
    let whole = format!("{}-{}_{}", control.framework, control.version, control.control_id);
    let kept = whole.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' });
    let kept: String = kept.collect();
    if kept.starts_with(char::is_alphabetic) { kept } else { format!("x_{kept}") }
}

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> Result<(), RenderError> {
    let p = &report.provenance;
    let time = |t: Option<crate::model::Instant>| t.map(|t| t.to_string());
    let now =
        time(p.decided_at).or_else(|| time(p.judged_at)).unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned());
    let collected = time(p.collected_at).or_else(|| time(p.judged_at)).unwrap_or_else(|| now.clone());
    let run = [p.kind.as_str(), &p.name, &collected, &now, report.version()];
    let id = |kind: &str, parts: &[&str]| uuid(&[&[kind][..], &run[..], parts].concat());
    let mut observations: Vec<Value> = Vec::new();
    let mut risks: Vec<Value> = Vec::new();
    // By framework and control: observations and risks of its findings.
    let mut related: HashMap<(&str, &str), Related> = HashMap::new();
    for row in report.findings() {
        let observation = id("observation", &[row.fingerprint()]);
        let mut risk = None;
        if row.disposition() == "waived" {
            let uuid = id("risk", &[row.fingerprint()]);
            risks.push(json!({
                "uuid": uuid, "title": clean(row.title()), "description": clean(row.message()),
                "statement": format!("accepted by waiver {}", clean(row.waiver().unwrap_or("that is not named"))),
                "status": "deviation-approved",
            }));
            risk = Some(uuid);
        }
        observations.push(seen(&row, &observation, &collected));
        for (framework, control) in row.controls() {
            let entry = related.entry((framework, control)).or_default();
            entry.0.push(observation.clone());
            entry.1.extend(risk.clone());
        }
    }
    let controls = report.controls();
    let mut findings: Vec<Value> = Vec::new();
    let mut selected: BTreeMap<String, Value> = BTreeMap::new();
    for control in &controls {
        let token = token(control);
        let key = format!("{}-{}", control.framework, control.version);
        let of = related.get(&(key.as_str(), control.control_id.as_str()));
        let observation = id("observation", &[&key, &control.control_id]);
        observations.push(json!({
            "uuid": observation, "title": format!("{} {}", key, control.control_id),
            "description": clean(&format!("{}: {}", control.status, control.reason)),
            "props": [
                {"name": "status", "ns": NAMES, "value": control.status},
                {"name": "population", "ns": NAMES, "value": control.population},
                {"name": "strength", "ns": NAMES, "value": control.strength},
            ],
            "methods": [if control.automation == "review" { "EXAMINE" } else { "TEST" }],
            "types": ["control-objective"], "collected": collected,
        }));
        selected.insert(token.clone(), json!({"control-id": token}));
        let (state, reason) = match control.status {
            "satisfied" => ("satisfied", "pass"),
            "satisfied-with-exceptions" => ("satisfied", "other"),
            "not-satisfied" => ("not-satisfied", "fail"),
            _ => continue,
        };
        let mut shown = vec![observation];
        shown.extend(of.iter().flat_map(|(o, _)| o.iter().cloned()));
        let shown: Vec<Value> = shown.iter().map(|o| json!({"observation-uuid": o})).collect();
        let mut finding = json!({
            "uuid": id("finding", &[&key, &control.control_id]),
            "title": format!("{} {}", key, control.control_id),
            "description": clean(if control.title.is_empty() { &control.reason } else { &control.title }),
            "target": {
                "type": "objective-id", "target-id": format!("{token}_obj"),
                "status": {"state": state, "reason": reason, "remarks": clean(&control.reason)},
            },
            "related-observations": shown,
        });
        let accepted: Vec<Value> = of.iter().flat_map(|(_, r)| r).map(|r| json!({"risk-uuid": r})).collect();
        if let Some(members) = finding.as_object_mut().filter(|_| !accepted.is_empty()) {
            members.insert("related-risks".to_owned(), Value::Array(accepted));
        }
        findings.push(finding);
    }
    let plan = id("plan", &[]);
    let mut result = json!({
        "uuid": id("result", &[]), "title": format!("Least privilege of managed identities in {}", clean(&p.name)),
        "description": clean(&super::text::summary(report)), "start": collected, "end": now,
        "reviewed-controls": {"control-selections": [{"include-controls": selected.into_values().collect::<Vec<_>>()}]},
        "observations": observations,
    });
    let attested: Vec<Value> = report
        .reviews
        .iter()
        .flatten()
        .filter(|r| r.closed_at.is_some())
        .map(|r| {
            json!({"parts": [{"name": "access-review", "title": clean(&format!("access review {}", r.campaign)),
                "prose": clean(&format!("{} of {} grants decided, {} approved, {} denied or narrowed; acknowledged by {}",
                    r.decided, r.grants, r.approved, r.denied, r.acknowledged_by))}]})
        })
        .collect();
    if let Some(members) = result.as_object_mut() {
        // Lists are left out rather than empty.
        for (name, list) in [("risks", risks), ("findings", findings), ("attestations", attested)] {
            if !list.is_empty() {
                members.insert(name.to_owned(), Value::Array(list));
            }
        }
    }
    let all = json!({"assessment-results": {
        "uuid": id("document", &[]),
        "metadata": {
            "title": "Least privilege of managed identities", "last-modified": now, "version": report.version(),
            "oscal-version": VERSION,
            "props": [{"name": "catalog", "ns": NAMES, "value": report.catalog()}],
        },
        "import-ap": {"href": format!("#{plan}")},
        "results": [result],
        "back-matter": {"resources": [{
            "uuid": plan, "title": "Assessment plan",
            "description": "The rules, their parameters and the policy of this run; leastwise rules list shows them.",
        }]},
    }});
    serde_json::to_writer_pretty(&mut *to, &all).map_err(std::io::Error::from)?;
    to.write_all(b"\n")?;
    Ok(())
}

/// Identifiers of observations and of risks.
type Related = (Vec<String>, Vec<String>);

/// Whose names our properties are.
const NAMES: &str = "https://leastwise.dev/ns/oscal";

fn seen(row: &FindingRow<'_>, uuid: &str, collected: &str) -> Value {
    let prop = |name: &str, value: &str| json!({"name": name, "ns": NAMES, "value": clean(value)});
    let mut props = vec![
        prop("rule", row.rule()),
        prop("severity", row.severity()),
        prop("disposition", row.disposition()),
        prop("fingerprint", row.fingerprint()),
        prop("subject", row.subject()),
    ];
    props.retain(|p| p.get("value").and_then(Value::as_str).is_some_and(|v| !v.trim().is_empty()));
    let evidence: Vec<Value> = row
        .evidence()
        .filter(|e| !e.text.trim().is_empty())
        .map(|e| json!({"description": clean(e.text), "props": [prop("kind", e.kind)]}))
        .collect();
    let mut all = json!({
        "uuid": uuid, "title": clean(row.title()), "description": clean(row.message()), "props": props,
        "methods": ["TEST"], "types": ["finding"], "collected": collected,
    });
    if let Some(members) = all.as_object_mut().filter(|_| !evidence.is_empty()) {
        members.insert("relevant-evidence".to_owned(), Value::Array(evidence));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_tokens_and_uuids() {
        let control = |id: &str, oscal| ControlRow {
            framework: "cis-azure".to_owned(),
            version: "6.0".to_owned(),
            control_id: id.to_owned(),
            title: String::new(),
            automation: "auto",
            population: "resources",
            strength: "decides",
            status: "satisfied",
            subjects: 0,
            failed: 0,
            waived: 0,
            inconclusive: 0,
            rules: Vec::new(),
            evidence: "",
            reason: String::new(),
            oscal,
        };
        assert_eq!(token(&control("5.4", false)), "cis-azure-6.0_5.4");
        assert_eq!(token(&control("ac-6.1", true)), "ac-6.1");
        let id = uuid(&["a", "b"]);
        assert_ne!(id, uuid(&["ab", ""]));
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(id.split('-').nth(2).unwrap().starts_with('5'));
    }
}
