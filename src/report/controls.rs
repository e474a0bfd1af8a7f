//! Controls of frameworks, as far as the rules' own mappings go.

use super::Report;
use crate::finding::Disposition;
use crate::rules::Status;
use std::collections::{BTreeMap, HashMap};

/// A control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRow {
    /// The framework, without its version.
    pub framework: String,
    /// Its version.
    pub version: String,
    /// The control's id.
    pub control_id: String,
    /// `not-satisfied`, `inconclusive`, `satisfied-with-exceptions`, `satisfied`, `not-applicable`.
    pub status: &'static str,
    /// How many things its rules looked at.
    pub subjects: usize,
    /// How many open findings.
    pub failed: usize,
    /// How many waived ones.
    pub waived: usize,
    /// For how many things its rules could not tell.
    pub inconclusive: usize,
    /// Its rules.
    pub rules: Vec<String>,
    /// Why it has this status.
    pub reason: String,
}

impl Report<'_> {
    /// Every control that a rule maps to, by framework and id.
    pub fn controls(&self) -> Vec<ControlRow> {
        let mut rules: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for rule in self.rules.iter().filter(|r| r.enabled) {
            for (framework, control) in &rule.text.controls {
                rules.entry((framework, control)).or_default().push(rule.slug());
            }
        }
        // A finding that a stronger one says is no less a failure of its own control.
        let mut tally: HashMap<&str, (usize, usize)> = HashMap::new();
        for finding in &self.judged.findings {
            let entry = tally.entry(finding.rule.slug.as_str()).or_default();
            match finding.disposition {
                Disposition::Waived => entry.1 += 1,
                _ => entry.0 += 1,
            }
        }
        let outcomes: HashMap<&str, _> = self.judged.rules.iter().map(|r| (r.slug.as_str(), r)).collect();
        let row = |((name, control), rules): ((&str, &str), Vec<&str>)| {
            let (framework, version) = split_version(name);
            let (mut subjects, mut failed, mut waived, mut inconclusive) = (0, 0, 0, 0);
            let mut blocked: Vec<String> = Vec::new();
            for slug in &rules {
                let (open, accepted) = tally.get(slug).copied().unwrap_or_default();
                failed += open;
                waived += accepted;
                if let Some(outcome) = outcomes.get(slug) {
                    subjects += outcome.subjects;
                    inconclusive += outcome.inconclusive;
                    if outcome.status == Status::Inconclusive {
                        let needs: Vec<&str> = outcome.needs.iter().map(|s| s.name()).collect();
                        blocked.push(if needs.is_empty() {
                            (*slug).to_owned()
                        } else {
                            format!("{slug} (needs {})", needs.join(", "))
                        });
                    }
                }
            }
            let (status, reason) = if failed > 0 {
                ("not-satisfied", format!("{failed} finding(s)"))
            } else if !blocked.is_empty() {
                ("inconclusive", blocked.join("; "))
            } else if waived > 0 {
                ("satisfied-with-exceptions", format!("{waived} waived"))
            } else if subjects == 0 {
                ("not-applicable", "nothing to look at".to_owned())
            } else {
                ("satisfied", format!("{subjects} looked at"))
            };
            let rules = rules.into_iter().map(str::to_owned).collect();
            ControlRow {
                framework,
                version,
                control_id: control.to_owned(),
                status,
                subjects,
                failed,
                waived,
                inconclusive,
                rules,
                reason,
            }
        };
        rules.into_iter().map(row).collect()
    }
}

/// `cis-azure-6.0` is version `6.0` of `cis-azure`; `nist-800-53-r5` is `r5`.
fn split_version(name: &str) -> (String, String) {
    match name.rsplit_once('-') {
        Some((framework, version)) if version.chars().any(|c| c.is_ascii_digit()) => {
            (framework.to_owned(), version.to_owned())
        }
        _ => (name.to_owned(), String::new()),
    }
}
