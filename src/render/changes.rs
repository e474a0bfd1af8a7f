//! Findings for a comment on a change: the verdict, what is new, what each identity gets, what was not judged. Short
//! enough for a comment, the worst first.
//!
//! Not here: the sheet of one identity (`markdown`).

use super::RenderError;
use super::markdown::escape;
use super::text::summary;
use crate::report::{FindingRow, Report};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

/// In characters: what GitHub takes in a comment, with room for what tools put around it.
const LONGEST: usize = 64_000;
const ROWS: usize = 50;

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> Result<(), RenderError> {
    let mut out = String::from("<!-- leastwise -->\n");
    let _ = writeln!(out, "## Least privilege: {}\n\n{}\n", report.verdict(), escape(&summary(report)));
    if !report.proposed.is_empty() {
        let _ = writeln!(out, "### New waivers in this change\n\nThey do not count for this run.\n");
        for proposed in report.proposed.iter().take(ROWS) {
            let _ = writeln!(out, "- {}", escape(proposed));
        }
        out.push('\n');
    }
    let of = |disposition: &str| -> Vec<FindingRow<'_>> {
        report.findings().filter(|f| f.disposition() == disposition).collect()
    };
    let open = of("open");
    if !open.is_empty() {
        let _ = writeln!(out, "| severity | where | what | rule |\n|---|---|---|---|");
        for row in open.iter().take(ROWS) {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                row.severity(),
                place(row),
                escape(row.message()) + if report.is_new(row) { " (new since the earlier run)" } else { "" },
                escape(row.rule())
            );
        }
        if open.len() > ROWS {
            let _ = writeln!(out, "\n{} more are in the report.", open.len() - ROWS);
        }
        out.push('\n');
    }
    match report.change {
        Some(change) => super::overlay::markdown(&mut out, change),
        None => gains(&mut out, report),
    }
    for (disposition, title) in [
        ("existing", "Left as they are by this change"),
        ("baseline", "Known from the baseline"),
        ("waived", "Waived"),
    ] {
        let rows = of(disposition);
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(out, "<details><summary>{title}: {}</summary>\n", rows.len());
        for row in rows.iter().take(ROWS) {
            let _ = writeln!(out, "- {} {}: {}", row.severity(), place(row), escape(row.message()));
        }
        let _ = writeln!(out, "\n</details>\n");
    }
    let missing: Vec<_> =
        report.gaps().filter(|g| g.blocking || g.accepted || g.reason != "not-collected").collect();
    if !missing.is_empty() {
        let _ = writeln!(out, "### Not judged\n");
        for gap in missing.iter().take(ROWS) {
            let at =
                gap.location.map(|(path, line, _)| format!("{}:{line}: ", escape(path))).unwrap_or_default();
            let _ = writeln!(out, "- {at}{}", escape(&gap.detail));
        }
        if missing.len() > ROWS {
            let _ = writeln!(out, "\n{} more are in the report.", missing.len() - ROWS);
        }
        out.push('\n');
    }
    if out.chars().count() > LONGEST {
        out = out.chars().take(LONGEST).collect();
        // A row that is cut would break the page.
        out.truncate(out.rfind('\n').unwrap_or(0));
        out.push_str("\n\nCut: the report has the rest.\n");
    }
    let _ = writeln!(out, "<sub>leastwise {}</sub>", report.version());
    to.write_all(out.as_bytes())?;
    Ok(())
}

fn place(row: &FindingRow<'_>) -> String {
    match row.location() {
        Some((path, line, _)) => format!("{}:{line}", escape(path)),
        None => escape(row.subject()),
    }
}

/// What each identity gets by the code: every grant that it makes or changes, the riskiest first, with or without a finding.
fn gains(out: &mut String, report: &Report<'_>) {
    let mut by_identity: BTreeMap<(&str, &str), Vec<(bool, String)>> = BTreeMap::new();
    for (grant, place) in report.declared_grants() {
        let place = place.map(|(path, line)| format!(" ({}:{line})", escape(path))).unwrap_or_default();
        let state = if grant.state == "eligible" { ", if activated" } else { "" };
        let condition = if grant.condition.is_empty() { "" } else { ", under a condition" };
        let (role, scope) = (escape(grant.role), escape(grant.scope));
        let text = format!("{role} on {scope}: {}{state}{condition}{place}", grant.risk);
        let gains = by_identity.entry((grant.identity, grant.principal_id)).or_default();
        gains.push((grant.findings == 0, text));
    }
    if by_identity.is_empty() {
        return;
    }
    let _ = writeln!(out, "### What identities get\n");
    let mut all: Vec<_> = by_identity.into_iter().collect();
    all.iter_mut().for_each(|(_, gains)| gains.sort());
    all.sort_by_key(|(_, gains)| gains.iter().all(|(fine, _)| *fine));
    for ((identity, _), gains) in all.iter().take(ROWS) {
        let _ = writeln!(out, "- **{}**", escape(identity));
        for (_, gain) in gains.iter().take(ROWS) {
            let _ = writeln!(out, "  - {gain}");
        }
        if gains.len() > ROWS {
            let _ = writeln!(out, "  - and {} more", gains.len() - ROWS);
        }
    }
    if all.len() > ROWS {
        let _ = writeln!(out, "- and {} more identities", all.len() - ROWS);
    }
    out.push('\n');
}
