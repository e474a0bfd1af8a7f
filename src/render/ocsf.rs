//! Findings as lines of OCSF, class 2003 (compliance finding), for security lakes: one for each finding and framework.
//!
//! Source: Open Cybersecurity Schema Framework 1.3, compliance_finding.

use super::RenderError;
use super::text::clean;
use crate::report::Report;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;

const VERSION: &str = "1.3.0";

/// Their numbers of severities.
fn severity(name: &str) -> (u8, &'static str) {
    match name {
        "info" => (1, "Informational"),
        "low" => (2, "Low"),
        "medium" => (3, "Medium"),
        "high" => (4, "High"),
        "critical" => (5, "Critical"),
        _ => (0, "Unknown"),
    }
}

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> Result<(), RenderError> {
    let p = &report.provenance;
    let millis = p.judged_at.or(p.decided_at).map_or(0, crate::model::Instant::milliseconds);
    for row in report.findings() {
        let mut frameworks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (framework, control) in row.controls() {
            frameworks.entry(framework).or_default().push(control);
        }
        if frameworks.is_empty() {
            frameworks.insert("", Vec::new());
        }
        let (severity_id, severity) = severity(row.severity());
        // Suppressed is what somebody accepted, or something else says.
        let (status_id, status) = if row.disposition() == "open" { (1, "New") } else { (3, "Suppressed") };
        for (framework, requirements) in frameworks {
            let mut line = json!({
                "activity_id": 1, "activity_name": "Create", "category_uid": 2, "category_name": "Findings",
                "class_uid": 2003, "class_name": "Compliance Finding", "type_uid": 200_301,
                "time": millis, "severity_id": severity_id, "severity": severity,
                "status_id": status_id, "status": status, "status_detail": row.disposition(), "message": clean(row.message()),
                "metadata": {
                    "version": VERSION, "profiles": ["cloud"], "uid": format!("{}/{framework}", row.fingerprint()),
                    "product": {"name": "leastwise", "vendor_name": "leastwise", "version": report.version()},
                },
                "cloud": {"provider": "Azure", "account": {"uid": row.subscription().unwrap_or_default()}},
                "finding_info": {
                    "uid": row.fingerprint(), "title": clean(row.title()), "desc": clean(row.message()),
                    "analytic": {"name": row.rule(), "type_id": 1, "type": "Rule"},
                },
                "compliance": {
                    "control": row.rule(), "requirements": requirements,
                    "standards": if framework.is_empty() { Vec::new() } else { vec![framework] },
                    "status_id": 3, "status": "Fail",
                },
                "resources": [{
                    "uid": clean(row.subject()), "type": row.subject_kind(),
                    "name": clean(row.identity().unwrap_or_default()),
                    "owner": {"name": clean(row.owner().unwrap_or_default())},
                }],
                "remediation": {"desc": clean(row.fix())},
            });
            if let (Some(known), Some(members)) =
                (row.first_seen(), line.pointer_mut("/finding_info").and_then(Value::as_object_mut))
            {
                let at = crate::model::Instant::parse(known).map_or(0, crate::model::Instant::milliseconds);
                members.insert("first_seen_time".to_owned(), json!(at));
            }
            bare(&mut line);
            serde_json::to_writer(&mut *to, &line).map_err(std::io::Error::from)?;
            to.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// Leaves out what says nothing.
fn bare(value: &mut Value) {
    let says = |v: &Value| match v {
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(bare);
            members.retain(|_, v| says(v));
        }
        Value::Array(all) => all.iter_mut().for_each(bare),
        _ => {}
    }
}
