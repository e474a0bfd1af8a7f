//! What findings are to each other: a stronger one stands for the weaker ones on its subject, and equal ones are numbered.
//!
//! Not here: which rule implies which (the rules' `subsumed_by`).

use super::set::RuleSet;
use crate::finding::{Disposition, Finding, FingerprintParts, Severity, SubjectKind, fingerprint};
use crate::model::FastMap;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Findings that are equal in all that a fingerprint is made of get a number each. They stand together, since they
/// are of one rule and one subject.
pub(super) fn number_equals(findings: &mut [Finding]) {
    let mut before = String::new();
    let mut ordinal = 0;
    for finding in findings.iter_mut() {
        if finding.fingerprint != before {
            before.clone_from(&finding.fingerprint);
            ordinal = 0;
            continue;
        }
        ordinal += 1;
        let again =
            FingerprintParts { rule: &finding.rule.slug, subject: &before, ordinal, ..Default::default() };
        finding.fingerprint = fingerprint(&again);
    }
}

/// Of several findings on one subject, those that a stronger one implies are marked. A policy assignment's finding
/// stands for those on its identity's assignments, which it is expected to have. Nothing hides what is worse than
/// itself, and nothing of less than critical severity hides what is critical.
pub(super) fn subsume(findings: &mut [Finding], rules: &RuleSet) {
    type Slugs<K> = FastMap<K, Vec<(Arc<crate::finding::RuleText>, Severity)>>;
    let whose = |f: &Finding| f.identity.as_ref().map_or(0, |i| Arc::as_ptr(i) as usize);
    let stronger: BTreeSet<&str> = rules.iter().flat_map(|r| &r.subsumed_by).map(String::as_str).collect();
    let mut by_subject: Slugs<(SubjectKind, usize, usize)> = HashMap::default();
    let mut by_policy: Slugs<usize> = HashMap::default();
    for finding in findings.iter().filter(|f| stronger.contains(f.rule.slug.as_str())) {
        let Some(row) = finding.row else { continue };
        by_subject
            .entry((finding.subject_kind, row, whose(finding)))
            .or_default()
            .push((Arc::clone(&finding.rule), finding.severity));
        if finding.subject_kind == SubjectKind::PolicyAssignment {
            by_policy.entry(whose(finding)).or_default().push((Arc::clone(&finding.rule), finding.severity));
        }
    }
    let weaker: HashMap<&str, &[String]> = rules
        .iter()
        .filter(|r| !r.subsumed_by.is_empty())
        .map(|r| (r.slug(), r.subsumed_by.as_slice()))
        .collect();
    for finding in findings.iter_mut() {
        let (Some(by), Some(row)) = (weaker.get(finding.rule.slug.as_str()), finding.row) else { continue };
        let own = finding.severity;
        let same = by_subject.get(&(finding.subject_kind, row, whose(finding))).into_iter().flatten();
        let same = same.filter(|(_, severity)| *severity >= own);
        let policy = by_policy.get(&whose(finding)).into_iter().flatten();
        let policy = policy.filter(|(_, severity)| *severity >= own || own != Severity::Critical);
        let mut found: Vec<String> =
            same.chain(policy).filter(|(r, _)| by.contains(&r.slug)).map(|(r, _)| r.slug.clone()).collect();
        found.sort_unstable();
        found.dedup();
        if !found.is_empty() {
            finding.disposition = Disposition::Subsumed;
            finding.related = found;
        }
    }
}
