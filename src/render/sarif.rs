//! SARIF 2.1.0 as code scanning takes it: one descriptor for each rule and severity in use, results with a file, worst
//! first. What has no file, what could not be read, and what was cut are notifications.
//!
//! Source: OASIS "Static Analysis Results Interchange Format Version 2.1.0"; GitHub "SARIF support for code scanning".

use super::RenderError;
use super::text::clean;
use crate::report::{FindingRow, GapRow, Report};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;

/// More than these are not taken by those who read them.
const MOST: usize = 25_000;
/// In characters: longer texts are cut by those who show them.
const LONGEST: usize = 1000;

/// The level of a severity, and the score by which GitHub names it.
fn level(severity: &str) -> (&'static str, Option<&'static str>) {
    match severity {
        "critical" => ("error", Some("9.5")),
        "high" => ("error", Some("8.0")),
        "medium" => ("warning", Some("5.5")),
        "low" => ("note", Some("2.0")),
        _ => ("note", None),
    }
}

fn short(text: &str) -> String {
    clean(text).chars().take(LONGEST).collect()
}

/// A path as a URI relative to the repository.
fn uri(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let escaped = path
        .trim_start_matches("./")
        .bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") });
    escaped.collect()
}

fn location(path: &str, line: u64, column: u64) -> Value {
    json!({"physicalLocation": {"artifactLocation": {"uri": uri(path), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": line.max(1), "startColumn": column.max(1)}}})
}

pub(super) fn write(
    report: &Report<'_>,
    anchor: Option<&str>,
    to: &mut dyn Write,
) -> Result<(), RenderError> {
    let shown = report.findings().filter(|f| f.disposition() != "subsumed");
    let place =
        |f: &FindingRow<'_>| f.location().or(anchor.map(|a| (a, 1, 1))).map(|(p, l, c)| (p.to_owned(), l, c));
    let (placed, homeless): (Vec<_>, Vec<_>) = shown.partition(|f| place(f).is_some());
    let mut descriptors: BTreeMap<String, Value> = BTreeMap::new();
    let rules: BTreeMap<&str, _> = report.rules().map(|r| (r.rule, r)).collect();
    let id = |f: &FindingRow<'_>| match rules.get(f.rule()) {
        Some(rule) if rule.severity == f.severity() => f.rule().to_owned(),
        _ => format!("{}/{}", f.rule(), f.severity()),
    };
    for finding in placed.iter().take(MOST) {
        let made = descriptors.entry(id(finding));
        made.or_insert_with(|| {
            let (level, score) = level(finding.severity());
            let rule = rules.get(finding.rule());
            let (what, why) = rule.map_or(("", ""), |r| (r.what, r.why));
            let mut properties = json!({"tags": ["security", "azure", "least-privilege"], "precision": match finding.confidence() {
                "high" => "high",
                "medium" => "medium",
                _ => "low",
            }});
            if let (Some(score), Some(object)) = (score, properties.as_object_mut()) {
                object.insert("security-severity".to_owned(), score.into());
            }
            json!({"id": id(finding), "name": finding.rule(), "shortDescription": {"text": short(finding.title())},
                "fullDescription": {"text": short(what)},
                "help": {"text": short(&format!("{why} {}", finding.fix())),
                    "markdown": format!("{why}\n\n**What to do.** {}", finding.fix())},
                "defaultConfiguration": {"level": level}, "properties": properties})
        });
    }
    let index: BTreeMap<&str, usize> = descriptors.keys().enumerate().map(|(n, k)| (k.as_str(), n)).collect();
    let results = placed.iter().take(MOST).map(|finding| {
        let rule = id(finding);
        let at = place(finding).map(|(path, line, column)| location(&path, line, column));
        let mut result = json!({"ruleId": rule, "ruleIndex": index.get(rule.as_str()), "level": level(finding.severity()).0,
            "message": {"text": short(finding.message())}, "locations": at.into_iter().collect::<Vec<_>>(),
            "partialFingerprints": {"primaryLocationLineHash": format!("{}:1", finding.fingerprint().get(..16).unwrap_or_default()),
                "leastwise/v1": finding.fingerprint()},
            "properties": {"severity": finding.severity(), "confidence": finding.confidence(),
                "disposition": finding.disposition(), "subject": finding.subject(), "identity": finding.identity(),
                "role": finding.role(), "scope": finding.scope()}});
        if let Some(object) = result.as_object_mut() {
            match finding.disposition() {
                "waived" => {
                    let why = finding.waiver().unwrap_or_default();
                    let suppressed = json!([{"kind": "external", "justification": format!("waiver {why}")}]);
                    object.insert("suppressions".to_owned(), suppressed);
                }
                "baseline" | "existing" => {
                    object.insert("baselineState".to_owned(), "unchanged".into());
                }
                _ if report.is_new(finding) => {
                    object.insert("baselineState".to_owned(), "new".into());
                }
                _ => {}
            }
        }
        result
    });
    let mut notifications: Vec<Value> = report.gaps().map(|g| notification(&g)).collect();
    notifications.extend(report.proposed.iter().map(|proposed| {
        let text = format!("new in this change, and not counted: {}", clean(proposed));
        json!({"level": "warning", "message": {"text": text}})
    }));
    let cut = placed.len().saturating_sub(MOST);
    if cut > 0 {
        let text = format!("{cut} results of lower severity are left out: no more than {MOST} are taken");
        notifications.push(json!({"level": "warning", "message": {"text": text}}));
    }
    if !homeless.is_empty() {
        let text = format!(
            "{} findings belong to no file and are left out: name one with --sarif-anchor, or give the source of a plan with --source",
            homeless.len()
        );
        notifications.push(json!({"level": "warning", "message": {"text": text}}));
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "leastwise", "semanticVersion": report.version(),
                "rules": descriptors.values().collect::<Vec<_>>()}},
            "automationDetails": {"id": format!("leastwise/{}/", report.provenance.kind)},
            "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": notifications}],
            "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "the root of the repository"}}},
            "columnKind": "utf16CodeUnits",
            "results": results.collect::<Vec<_>>(),
        }],
    });
    serde_json::to_writer(&mut *to, &log).map_err(std::io::Error::from)?;
    writeln!(to)?;
    Ok(())
}

/// What could not be read, as something that happened on the way.
fn notification(gap: &GapRow<'_>) -> Value {
    let level = if gap.blocking { "error" } else { "note" };
    let text = format!("{} {}: {}", gap.source, gap.reason, gap.detail);
    let at = gap.location.map(|(path, line, column)| location(path, line, column));
    json!({"level": level, "message": {"text": short(&text)}, "locations": at.into_iter().collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_become_uris_that_lead_nowhere_else() {
        assert_eq!(uri("./infra/ma in.tf"), "infra/ma%20in.tf");
        assert_eq!(uri("a?b#c:d"), "a%3Fb%23c%3Ad");
    }
}
