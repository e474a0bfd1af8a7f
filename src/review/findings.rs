//! Findings of two estates, by what they say: which ones a change brings, which ones it leaves, which ones it ends.

use crate::finding::{Disposition, Finding, SubjectKind};
use crate::graph::AccessGraph;
use crate::model::Ix;
use std::collections::HashMap;

/// Findings of a tenant under a change.
#[derive(Debug, Default)]
pub struct Sorted {
    /// Those that the change ends.
    pub fixed: Vec<Finding>,
    /// How many there are that the change has nothing to do with.
    pub untouched: usize,
}

/// What a finding says, whatever its subject is called in code.
fn key(graph: &AccessGraph, finding: &Finding) -> String {
    let strings = &graph.estate().strings;
    let row = finding.row;
    let id = |sym: Option<crate::model::Sym>| sym.map(|s| graph.text(s).to_ascii_lowercase());
    let subject = match finding.subject_kind {
        SubjectKind::Assignment => row.filter(|at| *at < graph.grants().len()).map(|at| {
            let (principal, role, scope, condition, state) =
                super::diff::key(graph, &graph.grants()[Ix::new(at)]);
            format!("{principal}\n{role}\n{scope}\n{condition}\n{state}")
        }),
        SubjectKind::Identity => row
            .filter(|at| *at < graph.identities().len())
            .and_then(|at| id(graph.identities()[Ix::new(at)].id)),
        SubjectKind::RoleDefinition => {
            row.filter(|at| *at < graph.roles().len()).map(|at| graph.roles()[Ix::new(at)].key.clone())
        }
        SubjectKind::FederatedCredential => row
            .and_then(|at| graph.estate().federated.get(at))
            .map(|c| strings.show_id(c.id).to_ascii_lowercase()),
        SubjectKind::Vault => id(row.and_then(|at| graph.estate().vaults.get(at)).map(|v| v.id)),
        SubjectKind::Resource => id(row.and_then(|at| graph.estate().resources.get(at)).map(|r| r.id)),
        SubjectKind::PolicyAssignment => {
            id(row.and_then(|at| graph.estate().policy_assignments.get(at)).map(|p| p.id))
        }
        SubjectKind::Waiver | SubjectKind::File => None,
    };
    let subject = subject.unwrap_or_else(|| finding.subject.to_ascii_lowercase());
    let holder = finding.identity.as_ref().and_then(|i| i.principal_id.as_deref()).unwrap_or_default();
    format!("{}\n{}\n{subject}\n{}", finding.rule.slug, finding.severity.name(), holder.to_ascii_lowercase())
}

/// Keeps of the findings after a change those that it brings, and those about what it declares, which are `existing` where
/// they were there before, unless `all` count. Gives the rest.
/// Rules that can no longer tell end none.
pub fn sort_findings(
    (before, old): (&AccessGraph, Vec<Finding>),
    (after, new): (&AccessGraph, &mut Vec<Finding>),
    unsure: &dyn Fn(&str) -> bool,
    all: bool,
) -> Sorted {
    let mut known: HashMap<String, Vec<Finding>> = HashMap::new();
    for finding in old {
        known.entry(key(before, &finding)).or_default().push(finding);
    }
    let mut sorted = Sorted::default();
    new.retain_mut(|finding| {
        let there = known.get_mut(&key(after, finding)).and_then(Vec::pop).is_some();
        if there && !all && finding.disposition == Disposition::Open {
            finding.disposition = Disposition::Existing;
        }
        let kept = !there || finding.location.is_some();
        sorted.untouched += usize::from(!kept);
        kept
    });
    // What something as bad takes the place of is not ended.
    let place = |of: &Finding| {
        let principal = of.identity.as_ref().and_then(|i| i.principal_id.clone());
        (of.subject_kind, principal, of.place.as_ref().map(|p| p.scope.to_ascii_lowercase()))
    };
    let mut worst = HashMap::new();
    for finding in new.iter().filter(|f| f.disposition == Disposition::Open) {
        let known = worst.entry(place(finding)).or_insert(finding.severity);
        *known = finding.severity.max(*known);
    }
    let ended = known
        .into_values()
        .flatten()
        .filter(|f| f.disposition == Disposition::Open && !unsure(f.rule.slug.as_str()));
    sorted.fixed = ended.filter(|f| worst.get(&place(f)).is_none_or(|new| *new < f.severity)).collect();
    sorted.fixed.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| a.rule.slug.cmp(&b.rule.slug))
            .then_with(|| a.subject.cmp(&b.subject))
    });
    sorted
}
