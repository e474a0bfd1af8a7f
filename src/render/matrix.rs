//! The matrix of controls for a page: one table for each framework.

use crate::report::Report;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Line<'r> {
    id: &'r str,
    title: &'r str,
    status: &'static str,
    /// The status as a sign, since not everybody sees colours.
    sign: &'static str,
    population: &'static str,
    reason: &'r str,
    rules: String,
}

/// A framework with how many of its controls have each status.
#[derive(Serialize)]
pub(super) struct FrameworkLines<'r> {
    name: String,
    summary: String,
    controls: Vec<Line<'r>>,
}

/// All of them, by name.
pub(super) fn frameworks<'r>(report: &'r Report<'_>) -> Vec<FrameworkLines<'r>> {
    let mut all: BTreeMap<String, Vec<Line<'_>>> = BTreeMap::new();
    for row in report.controls() {
        let name = format!("{} {}", row.name, row.version);
        all.entry(name).or_default().push(Line {
            id: &row.control_id,
            title: &row.title,
            status: row.status,
            sign: match row.status {
                "not-satisfied" => "\u{2717}",
                "inconclusive" => "?",
                "satisfied" | "satisfied-with-exceptions" => "\u{2713}",
                "partial" => "\u{25d0}",
                "manual" => "\u{270e}",
                _ => "\u{2013}",
            },
            population: row.population,
            reason: &row.reason,
            rules: row.rules.join(", "),
        });
    }
    let lines = |(name, controls): (String, Vec<Line<'r>>)| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        controls.iter().for_each(|c| *counts.entry(c.status).or_default() += 1);
        let summary: Vec<String> = counts.iter().map(|(status, n)| format!("{n} {status}")).collect();
        FrameworkLines { name, summary: summary.join(", "), controls }
    };
    all.into_iter().map(lines).collect()
}
