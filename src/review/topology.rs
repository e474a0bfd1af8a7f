//! From where things are, without any log: the scopes beside an identity's hosts that are enough for a role at a wide scope.
//!
//! That a workload uses what lies beside it is taken for granted here, and said. What applies nowhere near keeps its scope.

use crate::graph::{AccessGraph, Grant, Identity, ScopeNode};
use crate::model::{Ix, Level, Sym};
use crate::rbac::Class;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// A resource: its number in the walk of scopes, where it is, and its type by number, unless it belongs to another one.
type Thing = (u32, Ix<ScopeNode>, Option<usize>);

/// Where resources of resource groups are.
#[derive(Debug)]
pub struct Topology<'g> {
    graph: &'g AccessGraph,
    /// In the order of the walk of scopes, so that those in a scope are a range.
    things: Vec<Thing>,
    /// Types, lower-case, by number.
    kinds: HashMap<String, usize>,
    /// The types that each role is for, by number, once it was asked for; none where it is too wide to say.
    meant: RefCell<HashMap<usize, Option<Rc<Vec<bool>>>>>,
    /// How many resources a role applies to below a scope, once it was asked for.
    counted: RefCell<HashMap<(usize, usize), usize>>,
    /// For each thing, the question that met it last.
    met: RefCell<(usize, Vec<usize>)>,
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
        let mut things: Vec<Thing> = Vec::new();
        let mut kinds: HashMap<String, usize> = HashMap::new();
        let mut numbers: HashMap<Sym, Option<usize>> = HashMap::new();
        for resource in &estate.resources {
            let Some(at) = graph.scopes().find(estate, resource.id) else { continue };
            if graph.scopes().nodes()[at].resource_group.is_none() {
                continue;
            }
            let number = *numbers.entry(resource.kind).or_insert_with(|| {
                let kind = graph.text(resource.kind).to_ascii_lowercase();
                let next = kinds.len();
                // A child is reached with what it belongs to.
                (kind.matches('/').count() == 1).then(|| *kinds.entry(kind).or_insert(next))
            });
            things.push((graph.scopes().range(at).start, at, number));
        }
        things.sort_unstable();
        let met = RefCell::new((0, vec![0; things.len()]));
        let (meant, counted) = (RefCell::default(), RefCell::default());
        Topology { graph, things, kinds, meant, counted, met }
    }

    /// The resource groups that an identity's hosts are in.
    pub fn near(&self, identity: &Identity) -> BTreeSet<Ix<ScopeNode>> {
        let hosts = identity.hosts.iter().filter_map(|h| h.scope);
        hosts.filter_map(|s| self.graph.scopes().nodes()[s].resource_group).collect()
    }

    fn meant(&self, grant: &Grant) -> Option<Rc<Vec<bool>>> {
        let key = grant.role.index();
        if let Some(known) = self.meant.borrow().get(&key) {
            return known.clone();
        }
        let types = &self.graph.roles()[grant.role].profile.resource_types;
        let meant = (!types.is_empty()).then(|| {
            let mut meant = vec![false; self.kinds.len()];
            for number in types.iter().filter_map(|t| self.kinds.get(t)) {
                if let Some(slot) = meant.get_mut(*number) {
                    *slot = true;
                }
            }
            Rc::new(meant)
        });
        self.meant.borrow_mut().insert(key, meant.clone());
        meant
    }

    /// The resources in a scope that a grant's role can change, see the data of or get secrets of; all where it is
    /// too wide to say. By number.
    fn applicable(
        &self,
        grant: &Grant,
        scope: Ix<ScopeNode>,
    ) -> impl Iterator<Item = (usize, Ix<ScopeNode>)> {
        let scopes = self.graph.scopes();
        // One of two scopes that meet holds the other.
        let inner = if scopes.contains(grant.scope, scope) {
            scopes.range(scope)
        } else if scopes.contains(scope, grant.scope) {
            scopes.range(grant.scope)
        } else {
            0..0
        };
        let from = self.things.partition_point(|(walk, ..)| *walk < inner.start);
        let below = self.things.iter().enumerate().skip(from);
        let meant = self.meant(grant);
        let fits = move |kind: Option<usize>| {
            let known = |m: &Rc<Vec<bool>>| kind.and_then(|k| m.get(k)).is_some_and(|fits| *fits);
            meant.as_ref().is_none_or(known)
        };
        below
            .take_while(move |(_, (walk, ..))| *walk < inner.end)
            .filter(move |(_, (.., kind))| fits(*kind))
            .map(|(number, (_, at, _))| (number, *at))
    }

    /// How many resources a grant applies to.
    pub fn applies_to(&self, grant: &Grant) -> usize {
        let key = (grant.scope.index(), grant.role.index());
        if let Some(known) = self.counted.borrow().get(&key) {
            return *known;
        }
        let count = self.applicable(grant, grant.scope).count();
        self.counted.borrow_mut().insert(key, count);
        count
    }

    /// How many resources grants apply to within scopes, each once.
    pub fn reached<'a>(&self, grants: impl Iterator<Item = (&'a Grant, Ix<ScopeNode>)>) -> usize {
        let mut met = self.met.borrow_mut();
        let (question, met) = &mut *met;
        *question += 1;
        let mut count = 0;
        for (grant, scope) in grants {
            for (number, _) in self.applicable(grant, scope) {
                if let Some(last) = met.get_mut(number).filter(|last| **last != *question) {
                    *last = *question;
                    count += 1;
                }
            }
        }
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
            .map(|group| (*group, self.applicable(grant, *group).map(|(_, at)| at).collect::<Vec<_>>()))
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
