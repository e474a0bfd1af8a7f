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
    let hex = crate::model::hex(hash.finalize().get(..16).unwrap_or_default());
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
    let now = time(p.decided_at).or_else(|| time(p.judged_at));
    let now = now.unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned());
    let collected = time(p.collected_at).or_else(|| time(p.judged_at)).unwrap_or_else(|| now.clone());
    let run = [p.kind.as_str(), &p.name, &collected, &now, report.version()];
    let id = |kind: &str, parts: &[&str]| uuid(&[&[kind][..], &run[..], parts].concat());
    let plan = id("plan", &[]);
    let controls = report.controls();
    let selected: BTreeMap<String, Value> =
        controls.iter().map(|c| (token(c), json!({"control-id": token(c)}))).collect();
    // Written piece by piece: a large tenant has more observations than fit in memory as trees.
    let head = json!({
        "uuid": id("document", &[]),
        "metadata": {
            "title": "Least privilege of managed identities", "last-modified": now, "version": report.version(),
            "oscal-version": VERSION,
            "props": [{"name": "catalog", "ns": NAMES, "value": report.catalog()}],
        },
        "import-ap": {"href": format!("#{plan}")},
    });
    let result = json!({
        "uuid": id("result", &[]), "title": format!("Least privilege of managed identities in {}", clean(&p.name)),
        "description": clean(&super::text::summary(report)), "start": collected, "end": now,
        "reviewed-controls": {"control-selections": [{"include-controls": selected.into_values().collect::<Vec<_>>()}]},
    });
    to.write_all(b"{\"assessment-results\":")?;
    open(to, &head)?;
    to.write_all(b",\n\"results\":[")?;
    open(to, &result)?;
    let mut observed: Vec<String> = Vec::new();
    let mut risks: Vec<Value> = Vec::new();
    // By framework and control, its findings by number, and which of them are accepted.
    let mut related: HashMap<(&str, &str), Related> = HashMap::new();
    let mut list = List::begin("observations");
    for row in report.findings() {
        let observation = id("observation", &[row.fingerprint()]);
        list.put(to, &seen(&row, &observation, &collected))?;
        let accepted = row.disposition() == "waived";
        if accepted {
            risks.push(json!({
                "uuid": id("risk", &[row.fingerprint()]), "title": clean(row.title()),
                "description": clean(row.message()),
                "statement": format!("accepted by waiver {}", clean(row.waiver().unwrap_or("that is not named"))),
                "status": "deviation-approved",
            }));
        }
        for (framework, control) in row.controls() {
            let entry = related.entry((framework, control)).or_default();
            entry.0.push(observed.len());
            entry.1.extend(accepted.then(|| risks.len() - 1));
        }
        observed.push(observation);
    }
    for control in controls {
        let key = format!("{}-{}", control.framework, control.version);
        let observation = json!({
            "uuid": id("observation", &[&key, &control.control_id]),
            "title": format!("{} {}", key, control.control_id),
            "description": clean(&format!("{}: {}", control.status, control.reason)),
            "props": [
                {"name": "status", "ns": NAMES, "value": control.status},
                {"name": "population", "ns": NAMES, "value": control.population},
                {"name": "strength", "ns": NAMES, "value": control.strength},
            ],
            "methods": [if control.automation == "review" { "EXAMINE" } else { "TEST" }],
            "types": ["control-objective"], "collected": collected,
        });
        list.put(to, &observation)?;
    }
    list.end(to)?;
    let mut list = List::begin("risks");
    risks.iter().try_for_each(|risk| list.put(to, risk))?;
    list.end(to)?;
    let mut list = List::begin("findings");
    for control in controls {
        let (state, reason) = match control.status {
            "satisfied" => ("satisfied", "pass"),
            "satisfied-with-exceptions" => ("satisfied", "other"),
            "not-satisfied" => ("not-satisfied", "fail"),
            // What nobody concluded is no finding.
            _ => continue,
        };
        let key = format!("{}-{}", control.framework, control.version);
        let of = related.get(&(key.as_str(), control.control_id.as_str()));
        let own = id("observation", &[&key, &control.control_id]);
        let rest = of.iter().flat_map(|(all, _)| all).filter_map(|n| observed.get(*n));
        let shown: Vec<Value> =
            std::iter::once(&own).chain(rest).map(|o| json!({"observation-uuid": o})).collect();
        let mut finding = json!({
            "uuid": id("finding", &[&key, &control.control_id]),
            "title": format!("{} {}", key, control.control_id),
            "description": clean(if control.title.is_empty() { &control.reason } else { &control.title }),
            "target": {
                "type": "objective-id", "target-id": format!("{}_obj", token(control)),
                "status": {"state": state, "reason": reason, "remarks": clean(&control.reason)},
            },
            "related-observations": shown,
        });
        let risk = |n: &usize| Some(json!({"risk-uuid": risks.get(*n)?.get("uuid")?}));
        let accepted: Vec<Value> = of.iter().flat_map(|(_, all)| all).filter_map(risk).collect();
        if let Some(members) = finding.as_object_mut().filter(|_| !accepted.is_empty()) {
            members.insert("related-risks".to_owned(), Value::Array(accepted));
        }
        list.put(to, &finding)?;
    }
    list.end(to)?;
    let mut list = List::begin("attestations");
    for review in report.reviews.iter().flatten().filter(|r| r.closed_at.is_some()) {
        let prose = format!(
            "{} of {} grants decided, {} approved, {} denied or narrowed; acknowledged by {}",
            review.decided, review.grants, review.approved, review.denied, review.acknowledged_by
        );
        let title = clean(&format!("access review {}", review.campaign));
        list.put(to, &json!({"parts": [{"name": "access-review", "title": title, "prose": clean(&prose)}]}))?;
    }
    list.end(to)?;
    let back = json!({"resources": [{
        "uuid": plan, "title": "Assessment plan",
        "description": "The rules, their parameters and the policy of this run; leastwise rules list shows them.",
    }]});
    to.write_all(b"}],\n\"back-matter\":")?;
    serde_json::to_writer(&mut *to, &back).map_err(std::io::Error::from)?;
    to.write_all(b"}}\n")?;
    Ok(())
}

/// An object without its end, so that more members can follow.
fn open(to: &mut dyn Write, value: &Value) -> Result<(), RenderError> {
    let text = value.to_string();
    to.write_all(text.strip_suffix('}').unwrap_or(&text).as_bytes())?;
    Ok(())
}

/// A list that follows other members, one element a line. One without elements is left out, as the model wants it.
struct List {
    name: &'static str,
    any: bool,
}

impl List {
    fn begin(name: &'static str) -> List {
        List { name, any: false }
    }

    fn put(&mut self, to: &mut dyn Write, value: &Value) -> Result<(), RenderError> {
        if self.any {
            to.write_all(b",\n")?;
        } else {
            write!(to, ",\n\"{}\":[\n", self.name)?;
            self.any = true;
        }
        serde_json::to_writer(&mut *to, value).map_err(std::io::Error::from)?;
        Ok(())
    }

    fn end(self, to: &mut dyn Write) -> Result<(), RenderError> {
        if self.any {
            to.write_all(b"]")?;
        }
        Ok(())
    }
}

/// Observations and risks, by number.
type Related = (Vec<usize>, Vec<usize>);

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
            name: String::new(),
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
