//! From logs: what the identity did, place by place, and the smallest roles for just that.

use super::direct;
use crate::app::lookup::scope;
use crate::graph::{AccessGraph, Grant, Identity, Party, ScopeNode, Uses};
use crate::model::{GrantState, Ix, Level, Operation, Plane, Source, Usage, UsageLog};
use crate::rbac::{
    Access, Candidate, Catalog, Class, CompiledRole, OpSet, Suggestion, classify, count_by_class, suggest,
    weight,
};
use crate::report::{Remedy, RemedyGrant, RemedyRole, RoleRef};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What stands in one place of what is held.
pub(super) struct Instead {
    pub(super) scope: Ix<ScopeNode>,
    pub(super) needs: Vec<Operation>,
    pub(super) found: Suggestion,
    /// Name and GUID.
    pub(super) roles: Vec<(String, String)>,
    /// What a custom role of just this costs.
    pub(super) exact: u64,
    /// Operations that are held there and would not be, by class, the worst first.
    pub(super) removed: Vec<(Class, usize)>,
}

/// In days: below that, logs say little.
pub(super) const ENOUGH: i64 = 30;

/// The resources of a group that something was done to, and what.
type Used = (BTreeSet<Ix<ScopeNode>>, Vec<Operation>);

/// What a place gets depends on roles that are held there, what was done, and custom roles that can be assigned there.
type Case = (Vec<usize>, Vec<Operation>, Vec<String>);

/// A role with all that it gives.
type Known = (Candidate, String, OpSet);

/// Answers for places, each worked out once.
pub(super) struct Places<'g> {
    graph: &'g AccessGraph,
    catalog: &'static Catalog,
    built_in: Vec<Known>,
    custom: Vec<(Vec<Ix<ScopeNode>>, Known)>,
    answers: RefCell<HashMap<Case, Answer>>,
}

/// Of a place, all but where it is.
#[derive(Clone)]
struct Answer {
    found: Suggestion,
    roles: Vec<(String, String)>,
    removed: Vec<(Class, usize)>,
}

impl<'g> Places<'g> {
    pub(super) fn new(graph: &'g AccessGraph, catalog: &'static Catalog) -> Places<'g> {
        let known = |key: &str, name: &str, permissions: Vec<crate::model::Permission>| -> Known {
            let gives = CompiledRole::compile(&permissions, catalog.operations()).most;
            (Candidate { key: key.to_owned(), permissions }, name.to_owned(), gives)
        };
        let roles = catalog.guids().into_iter().filter_map(|guid| catalog.role(guid));
        let built_in = roles
            .filter(|role| role.assignable_scopes.iter().any(|s| s == "/"))
            .map(|r| known(&r.guid, &r.name, r.permissions))
            .collect();
        let scope = |s: &String| {
            let sym = graph.estate().strings.find(s)?;
            graph.scopes().find(graph.estate(), sym)
        };
        let own = graph.roles().iter().filter(|(_, r)| r.defined && catalog.role(&r.key).is_none());
        let custom = own.map(|(_, role)| {
            let permissions = role.compiled.blocks.iter().map(|b| b.permission.clone()).collect();
            let scopes = role.assignable_scopes.iter().filter_map(scope).collect();
            (scopes, known(&role.key, &role.name, permissions))
        });
        let custom = custom.collect();
        Places { graph, catalog, built_in, custom, answers: RefCell::default() }
    }

    fn at(&self, party: Ix<Party>, scope: Ix<ScopeNode>, needs: Vec<Operation>) -> Instead {
        let graph = self.graph;
        // What a condition bounds is no room for a role without it.
        let in_force = |g: &Grant| holds_freely(graph, g, scope);
        let grants = graph.held_by(party).into_iter().map(|h| &graph.grants()[h.grant]);
        let mut held: Vec<usize> = grants.filter(|g| in_force(g)).map(|g| g.role.index()).collect();
        held.sort_unstable();
        held.dedup();
        let there = |scopes: &[Ix<ScopeNode>]| scopes.iter().any(|at| graph.scopes().contains(*at, scope));
        let custom: Vec<&Known> = self.custom.iter().filter(|(s, _)| there(s)).map(|(_, k)| k).collect();
        let case = (held, needs, custom.iter().map(|k| k.0.key.clone()).collect());
        let known = self.answers.borrow().get(&case).cloned();
        let Answer { found, roles, removed } = known.unwrap_or_else(|| {
            let answer = self.answer(&case.0, &custom, &case.1);
            self.answers.borrow_mut().insert(case.clone(), answer.clone());
            answer
        });
        let exact = case.1.iter().map(|o| weight(classify(o.plane, &o.name))).sum();
        Instead { scope, needs: case.1, found, roles, exact, removed }
    }

    fn answer(&self, roles: &[usize], custom: &[&Known], needs: &[Operation]) -> Answer {
        let operations = self.catalog.operations();
        let mut held = OpSet::new();
        roles.iter().for_each(|r| held.union(&self.graph.roles()[Ix::new(*r)].compiled.sure));
        // Never wider than today.
        let offered: Vec<&Known> =
            self.built_in.iter().chain(custom.iter().copied()).filter(|k| held.covers(&k.2)).collect();
        let candidates: Vec<Candidate> = offered.iter().map(|k| k.0.clone()).collect();
        let found = suggest(needs, &candidates, operations);
        let mut gives = OpSet::new();
        for known in found.roles.iter().filter_map(|at| offered.get(*at)) {
            gives.union(&known.2);
        }
        if found.roles.is_empty() {
            for need in needs {
                if let Some(at) = operations.find(need.plane, &need.name) {
                    gives.insert(need.plane, at);
                }
            }
        }
        held.subtract(&gives);
        let removed = count_by_class(&held, operations);
        let named = |at: &usize| offered.get(*at).map(|k| (k.1.clone(), k.0.key.clone()));
        Answer { roles: found.roles.iter().filter_map(named).collect(), found, removed }
    }
}

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
    /// Held, and its use would not show.
    unseen: BTreeSet<String>,
    /// Grants whose condition bounds what was used.
    bounded: BTreeSet<String>,
    /// Held through groups.
    through_groups: BTreeSet<String>,
    /// What longer logs might show not to be needed.
    later: BTreeSet<String>,
    pub(super) remedy: Remedy,
}

impl Found {
    /// `rows` are the identity's own.
    pub(super) fn new(
        all: &Places,
        from: &Identity,
        party: Ix<Party>,
        uses: &Uses<'_>,
        rows: &[&Usage],
    ) -> Found {
        let (graph, catalog) = (all.graph, all.catalog);
        let denied = rows.iter().filter(|r| r.denied > 0);
        let mut found = Found {
            name: graph.identity_name(from).to_owned(),
            places: Vec::new(),
            elsewhere: BTreeSet::new(),
            unknown: BTreeSet::new(),
            unheld: BTreeSet::new(),
            denied: denied.map(|r| graph.text(r.operation).to_owned()).collect(),
            unseen: BTreeSet::new(),
            bounded: BTreeSet::new(),
            through_groups: BTreeSet::new(),
            later: BTreeSet::new(),
            remedy: Remedy::default(),
        };
        let mut places: BTreeMap<Ix<ScopeNode>, Used> = BTreeMap::new();
        let mut bounded: BTreeSet<String> = BTreeSet::new();
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
            let under = under_a_condition(graph, catalog, party, &operation, at);
            if !under.is_empty() {
                bounded.extend(under);
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
            found.places.push(all.at(party, one.unwrap_or(group), needs));
        }
        found.remedy = found.remedy(graph, from, party);
        found.keep_what_does_not_show(graph, party, uses, &bounded);
        let held = direct(graph, from);
        found.bounded = held.iter().filter(|h| bounded.contains(&h.assignment)).map(told).collect();
        if uses.days() < ENOUGH {
            found.later = std::mem::take(&mut found.remedy.delete).iter().map(told).collect();
        }
        let groups = graph.held_by(party).into_iter().filter(|h| !h.via.is_empty());
        found.through_groups = groups
            .map(|held| {
                let grant = &graph.grants()[held.grant];
                let through = held.via.first().map(|g| graph.party_name(*g)).unwrap_or_default();
                let scope = graph.text(graph.scopes().nodes()[grant.scope].id);
                format!("{} on {scope} through `{through}`", graph.roles()[grant.role].name)
            })
            .collect();
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

    /// Reads are not in the activity log, and the data plane only in logs of the service: a grant that gives nothing whose use would
    /// show stays, and so does one where the log does not reach.
    fn keep_what_does_not_show(
        &mut self,
        graph: &AccessGraph,
        party: Ix<Party>,
        uses: &Uses<'_>,
        bounded: &BTreeSet<String>,
    ) {
        let operations = graph.catalog().operations();
        let mut shows = BTreeSet::new();
        for held in graph.held_by(party) {
            let grant = &graph.grants()[held.grant];
            let gives = &graph.roles()[grant.role].compiled.most;
            let harm =
                |at: usize| classify(Plane::Control, operations.name(Plane::Control, at)) != Class::Read;
            let data = gives.iter(Plane::Data).next().is_some();
            let data_logged = data && uses.covers_data(grant, &providers(gives, operations));
            // What gives both shows only where both logs reach.
            let control = gives.iter(Plane::Control).any(harm);
            let seen = (data || control) && (!data || data_logged) && (!control || uses.covers(grant));
            if seen && let Some(record) = graph.record(grant) {
                shows.insert(graph.estate().strings.show_id(record.id));
            }
        }
        let all = std::mem::take(&mut self.remedy.delete).into_iter();
        let (delete, keep): (Vec<_>, Vec<_>) = all
            .filter(|old| !bounded.contains(&old.assignment))
            .partition(|old| shows.contains(&old.assignment));
        self.remedy.delete = delete;
        self.unseen = keep.iter().map(told).collect();
    }

    pub(super) fn notes(&self, graph: &AccessGraph, catalog: &Catalog, log: &UsageLog) -> Vec<String> {
        let days = log.until.days_since(log.from);
        let mut notes = vec![format!(
            "the logs cover {days} days, from {} to {}; reads are not in the activity log, so that a role that reads may be needed besides",
            log.from.date(),
            log.until.date()
        )];
        let say = |notes: &mut Vec<String>, all: &BTreeSet<String>, what: &str, most| {
            if !all.is_empty() {
                notes.push(format!("{what}: {}", list(all, most)));
            }
        };
        say(&mut notes, &self.unheld, "done in that time and not held today", 5);
        say(&mut notes, &self.elsewhere, "done where the estate knows of nothing, and left out", 3);
        let unknown = format!(
            "operations that the catalogue of {} does not know, and that no role is suggested for",
            catalog.date()
        );
        say(&mut notes, &self.unknown, &unknown, 5);
        say(&mut notes, &self.unseen, "kept, since its use would not show in these logs", 5);
        say(&mut notes, &self.bounded, "used under its condition, and kept with it", 5);
        say(
            &mut notes,
            &self.through_groups,
            "held through groups, whose members these commands leave alone",
            5,
        );
        say(&mut notes, &self.denied, "tried and refused, which is no need", 5);
        if days < ENOUGH {
            notes.push(format!("{days} days are too few to take anything away: jobs may run less often"));
        }
        say(&mut notes, &self.later, "not needed in that time, and not deleted before longer logs say so", 5);
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

/// A grant in words.
fn told(old: &RemedyGrant) -> String {
    let name = if let RoleRef::Known(_, name) = &old.role { name.as_str() } else { "" };
    format!("{name} on {}", old.scope)
}

/// Whether a grant holds at a scope without a condition of its own.
fn holds_freely(graph: &AccessGraph, grant: &Grant, scope: Ix<ScopeNode>) -> bool {
    grant.state != GrantState::Eligible
        && graph.scopes().contains(grant.scope, scope)
        && graph.condition(grant).is_none()
}

/// The grants that give an operation at a scope, where all of them do so under conditions; none where one does without.
fn under_a_condition(
    graph: &AccessGraph,
    catalog: &Catalog,
    party: Ix<Party>,
    operation: &Operation,
    scope: Ix<ScopeNode>,
) -> Vec<String> {
    let operations = catalog.operations();
    let Some(at) = operations.find(operation.plane, &operation.name) else { return Vec::new() };
    let mut under = Vec::new();
    for held in graph.held_by(party) {
        let grant = &graph.grants()[held.grant];
        let role = &graph.roles()[grant.role].compiled;
        let there = grant.state != GrantState::Eligible && graph.scopes().contains(grant.scope, scope);
        if !there || !role.most.contains(operation.plane, at) {
            continue;
        }
        if holds_freely(graph, grant, scope) && role.sure.contains(operation.plane, at) {
            return Vec::new();
        }
        under.extend(graph.record(grant).map(|r| graph.estate().strings.show_id(r.id)));
    }
    under
}

/// The providers of the operations of the data plane that a role gives, lower-case.
fn providers(gives: &OpSet, operations: &crate::rbac::catalog::Operations) -> BTreeSet<String> {
    let names = gives.iter(Plane::Data).filter_map(|at| operations.name(Plane::Data, at).split('/').next());
    names.map(str::to_ascii_lowercase).collect()
}

/// A custom role of just what was used.
pub(super) fn custom(graph: &AccessGraph, identity: &str, instead: &Instead) -> RemedyRole {
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
