//! JUnit: a suite for the run, a test case for each rule, so that what was looked at shows as well as what was found.
//!
//! Source: the schema that Jenkins, GitLab and Azure Pipelines read.

use super::RenderError;
use super::text::clean;
use crate::report::Report;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

fn escape(text: &str) -> String {
    clean(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> Result<(), RenderError> {
    let mut found: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for row in report.findings().filter(|f| f.disposition() == "open") {
        found.entry(row.rule()).or_default().push(row);
    }
    let (mut cases, mut tests, mut failures, mut skipped) = (String::new(), 0, 0, 0);
    for rule in report.rules().filter(|r| r.status != "disabled") {
        tests += 1;
        let _ = write!(cases, "    <testcase classname=\"leastwise\" name=\"{}\">", escape(rule.rule));
        let open = found.get(rule.rule).map_or(&[][..], Vec::as_slice);
        let counts = |row: &crate::report::FindingRow<'_>| row.reaches(report.threshold);
        if let Some(worst) = open.first().filter(|_| !open.iter().any(counts)) {
            // Below what fails a run: told, and no failure.
            let _ = write!(
                cases,
                "<system-out>{} of {} subjects, {} at worst</system-out>",
                open.len(),
                rule.subjects,
                worst.severity()
            );
        } else if let Some(worst) = open.first() {
            failures += 1;
            let _ = write!(
                cases,
                "\n      <failure type=\"{}\" message=\"{} of {} subjects\">",
                worst.severity(),
                open.len(),
                rule.subjects
            );
            for row in open {
                let place = row.location().map(|(path, line, column)| format!("{path}:{line}:{column}: "));
                let _ = writeln!(
                    cases,
                    "{}{}: {}",
                    escape(&place.unwrap_or_default()),
                    row.severity(),
                    escape(row.message())
                );
            }
            cases.push_str("</failure>\n    ");
        } else if rule.status != "evaluated" {
            skipped += 1;
            let why = match rule.status {
                "inconclusive" if !rule.needs.is_empty() => {
                    format!("not read whole: {}", rule.needs.join(", "))
                }
                other => other.to_owned(),
            };
            let _ = write!(cases, "<skipped message=\"{}\"/>", escape(&why));
        }
        cases.push_str("</testcase>\n");
    }
    let gaps: Vec<_> = report.gaps().filter(|g| g.blocking).collect();
    if !gaps.is_empty() {
        tests += 1;
        let _ = write!(
            cases,
            "    <testcase classname=\"leastwise\" name=\"everything was read\">\n      <error type=\"incomplete\" message=\"{} gap(s)\">",
            gaps.len()
        );
        for gap in &gaps {
            let place = gap.location.map(|(path, line, column)| format!("{path}:{line}:{column}: "));
            let _ = writeln!(cases, "{}{}", escape(&place.unwrap_or_default()), escape(&gap.detail));
        }
        cases.push_str("</error>\n    </testcase>\n");
    }
    let errors = usize::from(!gaps.is_empty());
    let head = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"");
    write!(
        to,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"leastwise\" {head}>\n  <testsuite name=\"{}\" {head}>\n{cases}  </testsuite>\n</testsuites>\n",
        escape(&report.provenance.name)
    )?;
    Ok(())
}
