//! From logs: what the identity did, place by place, and the smallest roles for just that.

use super::direct;
use crate::app::lookup::scope;
use crate::graph::{AccessGraph, Grant, Identity, Party, ScopeNode};
use crate::model::{GrantState, Ix, Level, Operation, Plane, Source, Usage, UsageLog};
use crate::rbac::{Access, Candidate, Catalog, Class, CompiledRole, OpSet, Suggestion, classify, suggest};
use crate::report::{Remedy, RemedyGrant, RemedyRole, RoleRef};
use std::collections::{BTreeMap, BTreeSet};

/// What stands in one place of what is held.
pub(super) struct Instead {
    pub(super) scope: Ix<ScopeNode>,
    pub(super) needs: Vec<Operation>,
    pub(super) found: Suggestion,
    /// Name and GUID.
    pub(super) roles: Vec<(String, String)>,
    /// Operations that are held there and would not be, by class, the worst first.
    pub(super) removed: Vec<(Class, usize)>,
}

/// In days: below that, logs say little.
const ENOUGH: i64 = 30;

/// The resources of a group that something was done to, and what.
type Used = (BTreeSet<Ix<ScopeNode>>, Vec<Operation>);

/// What was found.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) places: Vec<Instead>,
    /// Done in places that the estate does not know.
    pub(super) elsewhere: BTreeSet<String>,
    /// Operations that the catalogue does not know.
    pub(super) unknown: BTreeSet<String>,
    /// Done then, and not held now.
    pub(super) unheld: BTreeSet<String>,
    /// Tried and refused.
    pub(super) denied: BTreeSet<String>,
    pub(super) remedy: Remedy,
}

impl Found {
    pub(super) fn new(
        graph: &AccessGraph,
        catalog: &'static Catalog,
        from: &Identity,
        party: Ix<Party>,
        log: &UsageLog,
    ) -> Found {
        let ids: Vec<&str> = [Some(graph.parties()[party].principal), from.client]
            .into_iter()
            .flatten()
            .map(|s| graph.text(s))
            .collect();
        let own = |u: &&Usage| ids.iter().any(|id| id.eq_ignore_ascii_case(graph.text(u.principal)));
        let rows: Vec<&Usage> = log.rows.iter().filter(own).collect();
        let denied = rows.iter().filter(|r| r.denied > 0);
        let mut found = Found {
            name: graph.identity_name(from).to_owned(),
            places: Vec::new(),
            elsewhere: BTreeSet::new(),
            unknown: BTreeSet::new(),
            unheld: BTreeSet::new(),
            denied: denied.map(|r| graph.text(r.operation).to_owned()).collect(),
            remedy: Remedy::default(),
        };
        let mut places: BTreeMap<Ix<ScopeNode>, Used> = BTreeMap::new();
        for row in rows.iter().filter(|r| r.done > 0) {
            let name = graph.text(row.operation);
            let operation = if row.data { Operation::data(name) } else { Operation::control(name) };
            let Ok(at) = scope(graph, graph.text(row.scope)) else {
                found.elsewhere.insert(graph.text(row.scope).to_owned());
                continue;
            };
            // What the catalogue lacks, it cannot say the smallest role for.
            if catalog.operations().find(operation.plane, &operation.name).is_none() {
                found.unknown.insert(name.to_owned());
                continue;
            }
            if graph.can(party, &operation, at) == Access::Denied {
                found.unheld.insert(format!("{name} on {}", graph.text(row.scope)));
                continue;
            }
            let node = &graph.scopes().nodes()[at];
            let place = places.entry(node.resource_group.unwrap_or(at)).or_default();
            place.0.insert(at);
            if !place.1.contains(&operation) {
                place.1.push(operation);
            }
        }
        for (group, (resources, mut needs)) in places {
            needs.sort();
            // One resource alone is the narrower scope.
            let one = resources.first().copied().filter(|_| resources.len() == 1);
            found.places.push(place(graph, catalog, party, one.unwrap_or(group), needs));
        }
        found.remedy = found.remedy(graph, from, party);
        found
    }

    fn remedy(&self, graph: &AccessGraph, from: &Identity, party: Ix<Party>) -> Remedy {
        let mut remedy = Remedy { identity: self.name.clone(), ..Remedy::default() };
        let principal = graph.text(graph.parties()[party].principal);
        for one in &self.places {
            let scope = graph.text(graph.scopes().nodes()[one.scope].id).to_owned();
            let mut give = |role| {
                remedy.create.push(RemedyGrant {
                    assignment: String::new(),
                    principal: principal.to_owned(),
                    role,
                    scope: scope.clone(),
                    condition: None,
                });
            };
            if one.roles.is_empty() {
                give(RoleRef::Made(remedy.roles.len()));
                remedy.roles.push(custom(graph, &self.name, one));
            } else {
                one.roles.iter().for_each(|(name, guid)| give(RoleRef::Known(guid.clone(), name.clone())));
            }
        }
        let held = direct(graph, from);
        let same = |a: &RemedyGrant, b: &RemedyGrant| {
            a.role == b.role && a.scope.eq_ignore_ascii_case(&b.scope) && a.condition == b.condition
        };
        // What is there already is neither made nor deleted.
        if !remedy.create.is_empty() {
            remedy.delete =
                held.iter().filter(|h| !remedy.create.iter().any(|c| same(c, h))).cloned().collect();
        }
        remedy.create.retain(|c| !held.iter().any(|h| same(c, h)));
        remedy
    }

    pub(super) fn notes(&self, graph: &AccessGraph, catalog: &Catalog, log: &UsageLog) -> Vec<String> {
        let days = log.until.days_since(log.from);
        let mut notes = vec![format!(
            "the logs cover {days} days, from {} to {}; reads are not in the activity log, so that a role that reads may be needed besides",
            log.from.date(),
            log.until.date()
        )];
        let mut say = |all: &BTreeSet<String>, what: &str, most| {
            if !all.is_empty() {
                notes.push(format!("{what}: {}", list(all, most)));
            }
        };
        say(&self.unheld, "done in that time and not held today", 5);
        say(&self.elsewhere, "done where the estate knows of nothing, and left out", 3);
        let unknown = format!(
            "operations that the catalogue of {} does not know, and that no role is suggested for",
            catalog.date()
        );
        say(&self.unknown, &unknown, 5);
        say(&self.denied, "tried and refused, which is no need", 5);
        if days < ENOUGH {
            notes.push(format!("{days} days are too few to take anything away: jobs may run less often"));
        }
        for gap in graph.estate().gaps.iter().filter(|g| g.source == Source::SignIns && g.location.is_some())
        {
            let at = gap.location.as_ref().map(|l| format!("{}:{}", l.path, l.line)).unwrap_or_default();
            notes.push(format!("{at}: {}, so there may be more use", gap.detail));
        }
        notes
    }
}

fn list(all: &BTreeSet<String>, most: usize) -> String {
    let shown: Vec<&str> = all.iter().take(most).map(String::as_str).collect();
    let more = all.len().saturating_sub(most);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

fn place(
    graph: &AccessGraph,
    catalog: &'static Catalog,
    party: Ix<Party>,
    scope: Ix<ScopeNode>,
    needs: Vec<Operation>,
) -> Instead {
    let mut held = OpSet::new();
    let in_force = |g: &Grant| g.state != GrantState::Eligible && graph.scopes().contains(g.scope, scope);
    for h in graph.held_by(party) {
        let grant = &graph.grants()[h.grant];
        if in_force(grant) {
            held.union(&graph.roles()[grant.role].compiled.most);
        }
    }
    let mut names: Vec<(String, String)> = Vec::new();
    let mut candidates = Vec::new();
    let mut offer = |key: &str, name: &str, permissions: Vec<crate::model::Permission>| {
        // Never wider than today.
        if held.covers(&CompiledRole::compile(&permissions, catalog.operations()).most) {
            names.push((name.to_owned(), key.to_owned()));
            candidates.push(Candidate { key: key.to_owned(), permissions });
        }
    };
    for guid in catalog.guids() {
        if let Some(role) = catalog.role(guid)
            && role.assignable_scopes.iter().any(|s| s == "/")
        {
            offer(&role.guid, &role.name, role.permissions);
        }
    }
    for (_, role) in graph.roles().iter() {
        let there = |s: &String| {
            let known = graph.estate().strings.find(s);
            let at = known.and_then(|s| graph.scopes().find(graph.estate(), s));
            at.is_some_and(|at| graph.scopes().contains(at, scope))
        };
        if role.defined && catalog.role(&role.key).is_none() && role.assignable_scopes.iter().any(there) {
            let permissions = role.compiled.blocks.iter().map(|b| b.permission.clone()).collect();
            offer(&role.key, &role.name, permissions);
        }
    }
    let found = suggest(&needs, &candidates, catalog.operations());
    let mut gives = OpSet::new();
    for at in &found.roles {
        if let Some(candidate) = candidates.get(*at) {
            gives.union(&CompiledRole::compile(&candidate.permissions, catalog.operations()).most);
        }
    }
    if found.roles.is_empty() {
        for need in &needs {
            if let Some(at) = catalog.operations().find(need.plane, &need.name) {
                gives.insert(need.plane, at);
            }
        }
    }
    held.subtract(&gives);
    let mut removed: Vec<(Class, usize)> = Class::ALL.iter().rev().map(|c| (*c, 0)).collect();
    for plane in Plane::ALL {
        for at in held.iter(plane) {
            let class = classify(plane, catalog.operations().name(plane, at));
            if let Some((_, count)) = removed.iter_mut().find(|(c, _)| *c == class) {
                *count += 1;
            }
        }
    }
    removed.retain(|(_, count)| *count > 0);
    let roles = found.roles.iter().filter_map(|at| names.get(*at).cloned()).collect();
    Instead { scope, needs, found, roles, removed }
}

/// A custom role of just what was used.
fn custom(graph: &AccessGraph, identity: &str, instead: &Instead) -> RemedyRole {
    let node = &graph.scopes().nodes()[instead.scope];
    // A custom role is assignable at a resource group and above.
    let at = if node.level == Level::Resource {
        node.resource_group.unwrap_or(instead.scope)
    } else {
        instead.scope
    };
    let last = |scope| graph.text(graph.scopes().nodes()[scope].id).rsplit('/').next().unwrap_or_default();
    let name = format!("{identity} on {}", last(instead.scope));
    crate::app::suggest::custom_role(&instead.needs, Some(graph.text(graph.scopes().nodes()[at].id)), &name)
}
