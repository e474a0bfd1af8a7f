//! Totals, the fix-first queue and the map of scopes by privilege.

use super::Report;
use crate::finding::{Disposition, Finding, Severity};
use crate::model::{GrantState, Ix, Level};
use crate::rbac::Class;
use std::collections::{BTreeMap, HashMap};

/// Findings in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Open ones, by severity, worst first.
    pub open: Vec<(&'static str, usize)>,
    /// Waived ones.
    pub waived: usize,
    /// Those that a stronger one says.
    pub subsumed: usize,
}

/// Open findings that one kind of change would fix, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The rule.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// The worst severity among them.
    pub severity: &'static str,
    /// The role that they have in common, if they have one.
    pub role: String,
    /// The level that they have in common.
    pub level: String,
    /// How many.
    pub count: usize,
    /// How many identities.
    pub identities: usize,
    /// What to do.
    pub fix: String,
    /// One of them, as an example.
    pub example: String,
}

/// A scope with how many grants of each class are held on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeatRow {
    /// The scope's name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its level.
    pub level: &'static str,
    /// How deep it lies below the root.
    pub depth: usize,
    /// Its environment.
    pub environment: String,
    /// Grants by worst class, least first.
    pub cells: Vec<usize>,
}

impl Report<'_> {
    /// Findings in numbers.
    pub fn totals(&self) -> Totals {
        let count = |pick: &dyn Fn(&Finding) -> bool| self.judged.findings.iter().filter(|f| pick(f)).count();
        let open = Severity::ALL
            .iter()
            .map(|s| (s.name(), count(&|f| f.disposition == Disposition::Open && f.severity == *s)));
        Totals {
            open: open.collect(),
            waived: count(&|f| f.disposition == Disposition::Waived),
            subsumed: count(&|f| f.disposition == Disposition::Subsumed),
        }
    }

    /// Open findings, grouped by what one change would fix, worst and largest first.
    pub fn queue(&self) -> Vec<Queue> {
        let mut groups: BTreeMap<(&str, Severity, &str, &str), Vec<&Finding>> = BTreeMap::new();
        for finding in self.judged.findings.iter().filter(|f| f.disposition == Disposition::Open) {
            let role = finding.role.as_deref().map_or("", |r| r.0.as_str());
            let level = finding.place.as_deref().map_or("", |p| p.level);
            groups.entry((&finding.rule.slug, finding.severity, role, level)).or_default().push(finding);
        }
        let queue = groups.into_iter().filter_map(|((rule, severity, role, level), findings)| {
            let first = findings.first()?;
            let mut identities: Vec<&str> =
                findings.iter().filter_map(|f| f.identity.as_deref()).map(|i| i.name.as_str()).collect();
            identities.sort_unstable();
            identities.dedup();
            let queue = Queue {
                rule: rule.to_owned(),
                title: first.rule.title.clone(),
                severity: severity.name(),
                role: role.to_owned(),
                level: level.to_owned(),
                count: findings.len(),
                identities: identities.len(),
                fix: first.rule.fix.clone(),
                example: first.message.clone(),
            };
            Some((severity, queue))
        });
        let mut queue: Vec<(Severity, Queue)> = queue.collect();
        queue.sort_by(|a, b| {
            b.0.cmp(&a.0)
                .then_with(|| b.1.count.cmp(&a.1.count))
                .then_with(|| a.1.rule.cmp(&b.1.rule))
                .then_with(|| a.1.role.cmp(&b.1.role))
        });
        queue.into_iter().map(|(_, q)| q).collect()
    }

    /// The root, management groups and subscriptions, each with the grants of identities held on it or, for a
    /// subscription, in it.
    pub fn heat(&self) -> Vec<HeatRow> {
        let graph = self.graph;
        let nodes = graph.scopes().nodes();
        let mut cells: HashMap<usize, Vec<usize>> = HashMap::new();
        for (_, grant) in graph.grants().iter().filter(|(_, g)| g.state != GrantState::Eligible) {
            let identity = graph.parties()[grant.party].identity;
            if !identity.is_some_and(|i| self.judged.identities.get(i.index()).is_some_and(|f| f.judged)) {
                continue;
            }
            let row = nodes[grant.scope].subscription.unwrap_or(grant.scope);
            let worst = graph.roles()[grant.role].profile.worst().unwrap_or(Class::Read);
            let column = Class::ALL.iter().position(|c| *c == worst).unwrap_or(0);
            if let Some(slot) =
                cells.entry(row.index()).or_insert_with(|| vec![0; Class::ALL.len()]).get_mut(column)
            {
                *slot += 1;
            }
        }
        let mut children: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, node) in nodes.iter().filter(|(_, n)| n.level <= Level::Subscription) {
            if let Some(parent) = node.parent {
                children.entry(parent.index()).or_default().push(at.index());
            }
        }
        let name = |at: usize| match self.judged.scope_names.get(&at) {
            Some(name) => name.clone(),
            None => crate::model::role_key(graph.text(nodes[Ix::new(at)].id)).to_owned(),
        };
        for list in children.values_mut() {
            list.sort_by_key(|at| (nodes[Ix::new(*at)].level, name(*at).to_lowercase(), *at));
        }
        let mut rows = Vec::new();
        let mut stack = vec![(graph.scopes().root().index(), 0)];
        while let Some((at, depth)) = stack.pop() {
            let node = &nodes[Ix::new(at)];
            rows.push(HeatRow {
                name: if node.level == Level::Root { "/".to_owned() } else { name(at) },
                id: graph.text(node.id).to_owned(),
                level: node.level.name(),
                depth,
                environment: self.judged.environments.get(at).cloned().flatten().unwrap_or_default(),
                cells: cells.remove(&at).unwrap_or_else(|| vec![0; Class::ALL.len()]),
            });
            for child in children.get(&at).into_iter().flatten().rev() {
                stack.push((*child, depth + 1));
            }
        }
        rows
    }
}
