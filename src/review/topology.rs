//! From where things are, without any log: the scopes beside an identity's hosts that are enough for a role at a wide scope.
//!
//! That a workload uses what lies beside it is taken for granted here, and said. What applies nowhere near keeps its scope.

use crate::graph::{AccessGraph, Grant, Identity, ScopeNode};
use crate::model::{Ix, Level, Sym};
use crate::rbac::Class;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// A resource of a group: where it is, and its type by number, unless it belongs to another one.
type Thing = (Ix<ScopeNode>, Option<usize>);

/// Where resources are, by resource group.
#[derive(Debug)]
pub struct Topology<'g> {
    graph: &'g AccessGraph,
    by_group: BTreeMap<Ix<ScopeNode>, Vec<Thing>>,
    /// Groups of each subscription.
    groups: HashMap<Ix<ScopeNode>, Vec<Ix<ScopeNode>>>,
    /// Types, lower-case, by number.
    kinds: HashMap<String, usize>,
    /// The types that each role is for, once it was asked for; none where it is too wide to say.
    meant: RefCell<HashMap<usize, Option<Rc<BTreeSet<usize>>>>>,
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
        let mut by_group: BTreeMap<Ix<ScopeNode>, Vec<Thing>> = BTreeMap::new();
        let mut kinds: HashMap<String, usize> = HashMap::new();
        let mut numbers: HashMap<Sym, Option<usize>> = HashMap::new();
        for resource in &estate.resources {
            let Some(at) = graph.scopes().find(estate, resource.id) else { continue };
            let Some(group) = graph.scopes().nodes()[at].resource_group else { continue };
            let number = *numbers.entry(resource.kind).or_insert_with(|| {
                let kind = graph.text(resource.kind).to_ascii_lowercase();
                let next = kinds.len();
                // A child is reached with what it belongs to.
                (kind.matches('/').count() == 1).then(|| *kinds.entry(kind).or_insert(next))
            });
            by_group.entry(group).or_default().push((at, number));
        }
        let mut groups: HashMap<Ix<ScopeNode>, Vec<Ix<ScopeNode>>> = HashMap::new();
        for group in by_group.keys() {
            if let Some(subscription) = graph.scopes().nodes()[*group].subscription {
                groups.entry(subscription).or_default().push(*group);
            }
        }
        let (meant, counted) = (RefCell::default(), RefCell::default());
        Topology { graph, by_group, groups, kinds, meant, counted }
    }

    /// The resource groups that an identity's hosts are in.
    pub fn near(&self, identity: &Identity) -> BTreeSet<Ix<ScopeNode>> {
        let hosts = identity.hosts.iter().filter_map(|h| h.scope);
        hosts.filter_map(|s| self.graph.scopes().nodes()[s].resource_group).collect()
    }

    fn meant(&self, grant: &Grant) -> Option<Rc<BTreeSet<usize>>> {
        let key = grant.role.index();
        if let Some(known) = self.meant.borrow().get(&key) {
            return known.clone();
        }
        let types = &self.graph.roles()[grant.role].profile.resource_types;
        let numbers = || types.iter().filter_map(|t| self.kinds.get(t).copied()).collect();
        let meant = (!types.is_empty()).then(|| Rc::new(numbers()));
        self.meant.borrow_mut().insert(key, meant.clone());
        meant
    }

    /// The resources of a group that a role can change, see the data of or get secrets of; all where it is too wide to say.
    fn applicable(&self, grant: &Grant, group: Ix<ScopeNode>) -> Vec<Ix<ScopeNode>> {
        let meant = self.meant(grant);
        let all = self.by_group.get(&group).map(Vec::as_slice).unwrap_or_default();
        let fits = |kind: &Option<usize>| meant.as_ref().is_none_or(|m| kind.is_some_and(|k| m.contains(&k)));
        let within = |at: Ix<ScopeNode>| self.graph.scopes().contains(grant.scope, at);
        all.iter().filter(|(at, kind)| fits(kind) && within(*at)).map(|(at, _)| *at).collect()
    }

    /// How many resources a grant applies to.
    pub fn applies_to(&self, grant: &Grant) -> usize {
        let key = (grant.scope.index(), grant.role.index());
        if let Some(known) = self.counted.borrow().get(&key) {
            return *known;
        }
        let groups = self.groups_of(grant.scope).into_iter();
        let count = groups.map(|group| self.applicable(grant, group).len()).sum();
        self.counted.borrow_mut().insert(key, count);
        count
    }

    /// How many resources grants apply to, each once.
    pub fn reached<'a>(&self, grants: impl Iterator<Item = (&'a Grant, Ix<ScopeNode>)>) -> usize {
        let mut all: BTreeSet<Ix<ScopeNode>> = BTreeSet::new();
        for (grant, scope) in grants {
            let within = |at: &Ix<ScopeNode>| self.graph.scopes().contains(scope, *at);
            for group in self.groups_of(scope) {
                all.extend(self.applicable(grant, group).into_iter().filter(within));
            }
        }
        all.len()
    }

    /// The resource groups around or below a scope.
    fn groups_of(&self, scope: Ix<ScopeNode>) -> Vec<Ix<ScopeNode>> {
        let node = &self.graph.scopes().nodes()[scope];
        match (node.resource_group, node.subscription) {
            (Some(group), _) => vec![group],
            (None, Some(subscription)) => self.groups.get(&subscription).cloned().unwrap_or_default(),
            (None, None) => {
                let below = |group: &&Ix<ScopeNode>| self.graph.scopes().contains(scope, **group);
                self.by_group.keys().filter(below).copied().collect()
            }
        }
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
