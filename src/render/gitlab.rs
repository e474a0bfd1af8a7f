//! GitLab's code quality report. Of equal fingerprints GitLab keeps the first, and ours are never equal.
//!
//! Source: GitLab "Code Quality", the report's format.

use super::RenderError;
use super::text::clean;
use crate::report::Report;
use serde_json::json;
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
    let rows: Vec<_> = rows.collect();
    serde_json::to_writer(&mut *to, &rows).map_err(std::io::Error::from)?;
    writeln!(to)?;
    Ok(())
}
