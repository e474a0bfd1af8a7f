//! GitLab's code quality report. Of equal fingerprints GitLab keeps the first, and ours are never equal. What could not be
//! read or resolved stands in it like a finding, since the report has no other place for it.
//!
//! Source: GitLab "Code Quality", the report's format.

use super::RenderError;
use super::text::clean;
use crate::report::{GapRow, Report};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;

pub(super) fn write(
    report: &Report<'_>,
    anchor: Option<&str>,
    to: &mut dyn Write,
) -> Result<(), RenderError> {
    let open = report.findings().filter(|f| f.disposition() == "open");
    let rows = open.filter_map(|row| {
        let (path, line, _) = row.location().or(anchor.map(|a| (a, 1, 1)))?;
        let severity = match row.severity() {
            "critical" => "blocker",
            "high" => "critical",
            "medium" => "major",
            "low" => "minor",
            _ => "info",
        };
        Some(json!({"description": clean(row.message()), "check_name": row.rule(), "fingerprint": row.fingerprint(),
            "severity": severity, "location": {"path": path.trim_start_matches("./"), "lines": {"begin": line}}}))
    });
    let mut alike: BTreeMap<String, usize> = BTreeMap::new();
    let gaps = report.gaps().filter(|g| g.blocking).filter_map(|gap| {
        let (path, line, _) = gap.location.or(anchor.map(|a| (a, 1, 1)))?;
        let path = path.trim_start_matches("./");
        let key = key(&gap, path);
        let nth = alike.entry(key.clone()).and_modify(|n| *n += 1).or_default();
        let fingerprint = crate::model::sha256(format!("{key}{nth}").as_bytes());
        let text = format!("not read: {} {}: {}", gap.source, gap.reason, gap.detail);
        Some(json!({"description": clean(&text), "check_name": "incomplete", "fingerprint": fingerprint,
            "severity": "major", "location": {"path": path, "lines": {"begin": line}}}))
    });
    let rows: Vec<_> = rows.chain(gaps).collect();
    serde_json::to_writer(&mut *to, &rows).map_err(std::io::Error::from)?;
    writeln!(to)?;
    Ok(())
}

/// What tells gaps apart from run to run: not the line, which moves.
fn key(gap: &GapRow<'_>, path: &str) -> String {
    [gap.source, gap.reason, gap.scope, &gap.detail, path]
        .map(|part| format!("{}:{part};", part.len()))
        .concat()
}
