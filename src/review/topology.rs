//! From where things are, without any log: the scopes beside an identity's hosts that are enough for a role at a wide scope.
//!
//! That a workload uses what lies beside it is taken for granted here, and said. What applies nowhere near keeps its scope.

use crate::graph::{AccessGraph, Grant, Identity, ScopeNode};
use crate::model::{Ix, Level};
use crate::rbac::Class;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where resources are, by resource group.
#[derive(Debug)]
pub struct Topology<'g> {
    graph: &'g AccessGraph,
    by_group: BTreeMap<Ix<ScopeNode>, Vec<(Ix<ScopeNode>, String)>>,
    /// How many resources a role applies to below a scope, once it was asked for.
    counted: RefCell<HashMap<(usize, usize), usize>>,
}

/// What is enough in place of a grant.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Narrowed {
    /// How many resources beside the hosts it applies to.
    pub near: usize,
    /// The scopes that are enough; empty where nothing is said.
    pub scopes: Vec<Ix<ScopeNode>>,
    /// Why it is kept as it is, or what the new scopes rest on.
    pub why: &'static str,
}

impl<'g> Topology<'g> {
    /// Looks where resources are.
    pub fn new(graph: &'g AccessGraph) -> Topology<'g> {
        let estate = graph.estate();
        let mut by_group: BTreeMap<Ix<ScopeNode>, Vec<(Ix<ScopeNode>, String)>> = BTreeMap::new();
        for resource in &estate.resources {
            let Some(at) = graph.scopes().find(estate, resource.id) else { continue };
            let Some(group) = graph.scopes().nodes()[at].resource_group else { continue };
            by_group.entry(group).or_default().push((at, graph.text(resource.kind).to_ascii_lowercase()));
        }
        Topology { graph, by_group, counted: RefCell::default() }
    }

    /// The resource groups that an identity's hosts are in.
    pub fn near(&self, identity: &Identity) -> BTreeSet<Ix<ScopeNode>> {
        let hosts = identity.hosts.iter().filter_map(|h| h.scope);
        hosts.filter_map(|s| self.graph.scopes().nodes()[s].resource_group).collect()
    }

    /// The resources of a group that a role can change, see the data of or get secrets of; all where it is too wide to say.
    fn applicable(&self, grant: &Grant, group: Ix<ScopeNode>) -> Vec<Ix<ScopeNode>> {
        let types = &self.graph.roles()[grant.role].profile.resource_types;
        let all = self.by_group.get(&group).map(Vec::as_slice).unwrap_or_default();
        let within = all.iter().filter(|(at, _)| self.graph.scopes().contains(grant.scope, *at));
        // A child is reached with what it belongs to.
        let top = |kind: &str| kind.matches('/').count() == 1;
        within
            .filter(|(_, kind)| types.is_empty() || (top(kind) && types.contains(kind)))
            .map(|(at, _)| *at)
            .collect()
    }

    /// How many resources a grant applies to.
    pub fn applies_to(&self, grant: &Grant) -> usize {
        let key = (grant.scope.index(), grant.role.index());
        if let Some(known) = self.counted.borrow().get(&key) {
            return *known;
        }
        let count = self.by_group.keys().map(|group| self.applicable(grant, *group).len()).sum();
        self.counted.borrow_mut().insert(key, count);
        count
    }

    /// The scopes that are enough in place of a grant's.
    pub fn narrow(&self, grant: &Grant, near: &BTreeSet<Ix<ScopeNode>>) -> Narrowed {
        let level = self.graph.scopes().nodes()[grant.scope].level;
        let role = &self.graph.roles()[grant.role];
        let kept = |why| Narrowed { why, ..Narrowed::default() };
        if near.is_empty() {
            return kept("no host of it is known");
        }
        if !role.defined {
            return kept("its role is not known");
        }
        if level == Level::Resource {
            return kept("it is on one resource");
        }
        if role.profile.worst().is_none_or(|c| c == Class::Read) {
            return kept("it only reads");
        }
        let beside: Vec<(Ix<ScopeNode>, Vec<Ix<ScopeNode>>)> = near
            .iter()
            .map(|group| (*group, self.applicable(grant, *group)))
            .filter(|(_, resources)| !resources.is_empty())
            .collect();
        if beside.is_empty() {
            return kept("it applies to nothing beside the hosts: what it is for does not show");
        }
        // Too wide a role to say which resources it is for: the group is as far as it goes.
        let named = !role.profile.resource_types.is_empty();
        let scopes: Vec<Ix<ScopeNode>> = beside
            .iter()
            .map(|(group, resources)| match resources.as_slice() {
                [one] if named => *one,
                _ => *group,
            })
            .collect();
        if scopes.contains(&grant.scope) {
            return kept("it is as narrow as the resource group of its hosts");
        }
        let near = beside.iter().map(|(_, resources)| resources.len()).sum();
        Narrowed { near, scopes, why: "resources beside its hosts" }
    }
}
