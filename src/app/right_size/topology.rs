//! From where things are, without any log: a role at a wide scope is moved to the resources beside the identity's hosts that it
//! applies to, and a grant that a narrower one already makes for those is left out.
//!
//! That a workload uses what lies beside it is taken for granted here, and said. What applies nowhere near keeps its scope.

use super::{direct, grant};
use crate::graph::{AccessGraph, Grant, Identity, Party, ScopeNode};
use crate::model::{GrantState, Ix, Level};
use crate::report::{Remedy, RemedyGrant, RoleRef};
use std::collections::{BTreeMap, BTreeSet};

/// One grant, and what stands for it.
pub(super) struct Narrowed {
    pub(super) grant: RemedyGrant,
    /// Resources that it applies to.
    pub(super) applies_to: usize,
    /// Those beside the hosts.
    pub(super) near: usize,
    /// The scopes that are enough; empty where nothing is said.
    pub(super) scopes: Vec<String>,
    /// Why it is kept as it is, or what the new scopes rest on.
    pub(super) why: &'static str,
}

/// What was found.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) grants: Vec<Narrowed>,
    pub(super) remedy: Remedy,
    /// Whether it is known where it runs.
    runs: bool,
}

/// What a role applies to that lies at a place and below, by resource group.
type Applies = BTreeMap<Ix<ScopeNode>, BTreeSet<Ix<ScopeNode>>>;

impl Found {
    pub(super) fn new(graph: &AccessGraph, from: &Identity, party: Ix<Party>) -> Found {
        let name = graph.identity_name(from).to_owned();
        let hosts = from.hosts.iter().filter_map(|h| h.scope);
        let near: BTreeSet<Ix<ScopeNode>> =
            hosts.filter_map(|s| graph.scopes().nodes()[s].resource_group).collect();
        let mut found = Found {
            remedy: Remedy { identity: name.clone(), ..Remedy::default() },
            name,
            grants: Vec::new(),
            runs: !near.is_empty(),
        };
        let held = graph.held_by(party).into_iter().filter(|h| h.via.is_empty());
        for at in held.map(|h| h.grant).filter(|g| graph.grants()[*g].state != GrantState::Eligible) {
            let Some(old) = grant(graph, at) else { continue };
            let narrowed = narrow(graph, &graph.grants()[at], old, &near);
            if !narrowed.scopes.is_empty() {
                found.remedy.delete.push(narrowed.grant.clone());
                found.remedy.create.extend(narrowed.scopes.iter().map(|scope| RemedyGrant {
                    assignment: String::new(),
                    scope: scope.clone(),
                    ..narrowed.grant.clone()
                }));
            }
            found.grants.push(narrowed);
        }
        found.without_what_is_there(&direct(graph, from));
        found
    }

    /// A narrow grant that is there does for the new one.
    fn without_what_is_there(&mut self, held: &[RemedyGrant]) {
        let stays: Vec<&RemedyGrant> = held.iter().filter(|h| !self.remedy.delete.contains(h)).collect();
        let does = |stays: &RemedyGrant, new: &RemedyGrant| {
            let (outer, inner) = (stays.scope.to_ascii_lowercase(), new.scope.to_ascii_lowercase());
            let within = inner == outer || inner.starts_with(&format!("{}/", outer.trim_end_matches('/')));
            stays.role == new.role
                && within
                && (stays.condition.is_none() || stays.condition == new.condition)
        };
        self.remedy.create.retain(|new| !stays.iter().any(|s| does(s, new)));
        let mut seen = BTreeSet::new();
        self.remedy.create.retain(|new| seen.insert(new.clone()));
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.runs {
            notes.push("no host of it is known, so nothing is said of scopes: give the activity log with --activity PATH".to_owned());
        } else {
            notes.push("from where things are alone: it is taken to use what lies in the resource groups of its hosts; logs given with --activity PATH say what it does".to_owned());
        }
        notes
    }
}

fn narrow(graph: &AccessGraph, grant: &Grant, old: RemedyGrant, near: &BTreeSet<Ix<ScopeNode>>) -> Narrowed {
    let level = graph.scopes().nodes()[grant.scope].level;
    let role = &graph.roles()[grant.role];
    let types = &role.profile.resource_types;
    let kept = |old, applies_to, why| Narrowed { grant: old, applies_to, near: 0, scopes: Vec::new(), why };
    if near.is_empty() {
        return kept(old, 0, "no host of it is known");
    }
    if !matches!(&old.role, RoleRef::Known(..)) || !role.defined {
        return kept(old, 0, "its role is not known");
    }
    if level == Level::Resource {
        return kept(old, 1, "it is on one resource");
    }
    let only_reads = role.profile.worst().is_none_or(|c| c == crate::rbac::Class::Read);
    let applies = applies(graph, grant, types);
    let applies_to: usize = applies.values().map(BTreeSet::len).sum();
    let beside: Vec<(&Ix<ScopeNode>, &BTreeSet<Ix<ScopeNode>>)> =
        applies.iter().filter(|(group, _)| near.contains(group)).collect();
    let count: usize = beside.iter().map(|(_, r)| r.len()).sum();
    if only_reads {
        return kept(old, applies_to, "it only reads");
    }
    if count == 0 {
        return kept(old, applies_to, "it applies to nothing beside the hosts: what it is for does not show");
    }
    // Too wide a role to say which resources it is for: the group is as far as it goes.
    let named = !types.is_empty();
    let scopes: Vec<Ix<ScopeNode>> = beside
        .iter()
        .map(|(group, resources)| match resources.first() {
            Some(one) if named && resources.len() == 1 => *one,
            _ => **group,
        })
        .collect();
    if scopes.contains(&grant.scope) {
        return kept(old, applies_to, "it is as narrow as the resource group of its hosts");
    }
    let texts = scopes.iter().map(|s| graph.text(graph.scopes().nodes()[*s].id).to_owned()).collect();
    Narrowed { grant: old, applies_to, near: count, scopes: texts, why: "resources beside its hosts" }
}

/// The resources that a grant's role can change, see the data of or get secrets of; all where it is too wide to say.
fn applies(graph: &AccessGraph, grant: &Grant, types: &BTreeSet<String>) -> Applies {
    let estate = graph.estate();
    let mut all = Applies::new();
    for resource in &estate.resources {
        let Some(at) = graph.scopes().find(estate, resource.id) else { continue };
        let Some(group) = graph.scopes().nodes()[at].resource_group else { continue };
        if !graph.scopes().contains(grant.scope, at) {
            continue;
        }
        let kind = graph.text(resource.kind).to_ascii_lowercase();
        // A child is reached with what it belongs to.
        let top = kind.matches('/').count() == 1;
        if types.is_empty() || (top && types.contains(&kind)) {
            all.entry(group).or_default().insert(at);
        }
    }
    all
}
