//! Questions with provenance: what does someone hold, and who can do something somewhere.

use super::deny::ids_of;
use super::parties::{Identity, Party, PartyKind};
use super::scopes::ScopeNode;
use super::{AccessGraph, Edge, Grant, Node};
use crate::model::{GrantState, Id, Ix, LocalGrant, LocalSystem, Operation};
use crate::rbac::{Access, Tri};
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;
use std::collections::{HashMap, VecDeque};

/// A grant that someone holds, directly or through groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The grant.
    pub grant: Ix<Grant>,
    /// The groups between, the one that the holder is in first. Empty for a direct grant.
    pub via: Vec<Ix<Party>>,
}

/// One way in which someone can do something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Who.
    pub party: Ix<Party>,
    /// Through which grant and groups.
    pub held: Held,
    /// Whether for sure.
    pub access: Access,
    /// The deny assignment that decided, if one did.
    pub denied_by: Option<Id>,
}

impl AccessGraph {
    fn party_node(&self, party: Ix<Party>) -> Option<NodeIndex> {
        self.party_nodes.get(party.index()).copied()
    }

    fn scope_node(&self, scope: Ix<ScopeNode>) -> Option<NodeIndex> {
        self.scope_nodes.get(scope.index()).copied()
    }

    /// The name of an identity: the last segment of its id, or what the directory calls it.
    pub fn identity_name(&self, identity: &Identity) -> &str {
        let text = self.text(identity.name);
        // One that code refers to is called like the resource whose identity it is.
        if let Some(id) = text.strip_prefix("${").and_then(|t| t.strip_suffix("#principalId}")) {
            return id.rsplit('/').next().unwrap_or(id);
        }
        if text.starts_with('/') { text.rsplit('/').next().unwrap_or(text) } else { text }
    }

    /// The name to show for a party: its identity's, the directory's, or its object id.
    pub fn party_name(&self, party: Ix<Party>) -> &str {
        let party = &self.parties[party];
        match (party.identity, party.name) {
            (Some(identity), _) if party.kind != PartyKind::Unknown => {
                self.identity_name(&self.identities[identity])
            }
            (_, Some(name)) => self.text(name),
            _ => self.text(party.principal),
        }
    }

    /// Every group that a party is in, each with the shortest chain to it. Cycles end.
    pub fn groups_of(&self, party: Ix<Party>) -> Vec<(Ix<Party>, Vec<Ix<Party>>)> {
        let Some(start) = self.party_node(party) else { return Vec::new() };
        let mut found: Vec<(Ix<Party>, Vec<Ix<Party>>)> = Vec::new();
        let mut seen: HashMap<NodeIndex, ()> = HashMap::from([(start, ())]);
        let mut queue: VecDeque<(NodeIndex, Vec<Ix<Party>>)> = VecDeque::from([(start, Vec::new())]);
        while let Some((at, chain)) = queue.pop_front() {
            let mut next: Vec<(Ix<Party>, NodeIndex)> = self
                .graph
                .edges_directed(at, Direction::Outgoing)
                .filter(|e| *e.weight() == Edge::MemberOf)
                .filter_map(|e| match self.graph.node_weight(e.target()) {
                    Some(Node::Party(group)) => Some((*group, e.target())),
                    _ => None,
                })
                .collect();
            next.sort_unstable_by_key(|(group, _)| *group);
            for (group, node) in next {
                if seen.insert(node, ()).is_none() {
                    let mut chain = chain.clone();
                    chain.push(group);
                    found.push((group, chain.clone()));
                    queue.push_back((node, chain));
                }
            }
        }
        found
    }

    fn direct(&self, party: Ix<Party>) -> Vec<Ix<Grant>> {
        let Some(node) = self.party_node(party) else { return Vec::new() };
        let edges = self.graph.edges_directed(node, Direction::Outgoing);
        let mut grants: Vec<Ix<Grant>> = edges
            .filter_map(|e| match e.weight() {
                Edge::Holds(grant) => Some(*grant),
                _ => None,
            })
            .collect();
        grants.sort_unstable();
        grants
    }

    /// Everything a party holds, direct grants first, in the order of the records.
    pub fn held_by(&self, party: Ix<Party>) -> Vec<Held> {
        let mut held: Vec<Held> =
            self.direct(party).into_iter().map(|grant| Held { grant, via: Vec::new() }).collect();
        for (group, chain) in self.groups_of(party) {
            held.extend(self.direct(group).into_iter().map(|grant| Held { grant, via: chain.clone() }));
        }
        held
    }

    /// What an identity holds in other authorization systems, directly or through a group, in the order of records.
    pub fn local_grants(&self, identity: &Identity) -> Vec<(&LocalGrant, Option<Ix<Party>>)> {
        let groups = identity.party.map(|p| self.groups_of(p)).unwrap_or_default();
        let own = [identity.party.map(|p| self.parties[p].principal), identity.client];
        let own = own.into_iter().flatten().map(|id| (id, None));
        let through = groups.into_iter().map(|(group, _)| (self.parties[group].principal, Some(group)));
        let mut found: Vec<(usize, Option<Ix<Party>>)> = Vec::new();
        for (id, via) in own.chain(through) {
            let held = self.local.get(&self.estate.strings.class(id)).into_iter().flatten();
            found.extend(held.map(|at| (*at, via)));
        }
        found.sort_unstable();
        found.dedup_by_key(|(at, _)| *at);
        found.into_iter().filter_map(|(at, via)| Some((self.estate.local_grants.get(at)?, via))).collect()
    }

    /// Everyone who can do `operation` on `target`, and everyone whom only a condition or a deny keeps from it.
    /// Sorted by party, then by record.
    pub fn who_can(&self, operation: &Operation, target: Ix<ScopeNode>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for scope in self.scopes.up(target) {
            let Some(node) = self.scope_node(scope) else { continue };
            for edge in self.graph.edges_directed(node, Direction::Incoming) {
                let (Edge::Holds(at), Some(Node::Party(holder))) =
                    (edge.weight(), self.graph.node_weight(edge.source()))
                else {
                    continue;
                };
                let access = self.grant_allows(&self.grants[*at], operation);
                if access == Access::Denied {
                    continue;
                }
                for (party, via) in self.holders(*holder) {
                    answers.push(self.answer(party, Held { grant: *at, via }, access, operation, target));
                }
            }
        }
        answers.sort_by(|a, b| {
            (a.party, a.held.grant, a.held.via.len()).cmp(&(b.party, b.held.grant, b.held.via.len()))
        });
        answers.dedup_by(|a, b| (a.party, a.held.grant) == (b.party, b.held.grant));
        answers
    }

    /// Everyone who can do `operation` somewhere, and everyone whom only a condition or a deny keeps from it: for each
    /// grant on its own scope, those that reach most resources first.
    pub fn who_can_anywhere(&self, operation: &Operation) -> Vec<Answer> {
        let mut answers = Vec::new();
        for (at, grant) in self.grants.iter() {
            let access = self.grant_allows(grant, operation);
            if access == Access::Denied {
                continue;
            }
            for (party, via) in self.holders(grant.party) {
                answers.push(self.answer(party, Held { grant: at, via }, access, operation, grant.scope));
            }
        }
        let reach = |a: &Answer| {
            let scope = self.grants[a.held.grant].scope;
            (self.scopes.resources_in(self.scopes.range(scope)), std::cmp::Reverse(scope))
        };
        answers.sort_by(|a, b| {
            let (here, there) = (reach(a), reach(b));
            there.cmp(&here).then_with(|| {
                (a.party, a.held.grant, a.held.via.len()).cmp(&(b.party, b.held.grant, b.held.via.len()))
            })
        });
        answers.dedup_by(|a, b| (a.party, a.held.grant) == (b.party, b.held.grant));
        answers
    }

    /// Delegations to other tenants whose roles give `operation`, on `target` or anywhere.
    pub fn delegated(
        &self,
        operation: &Operation,
        target: Option<Ix<ScopeNode>>,
    ) -> Vec<(&LocalGrant, Access)> {
        let estate = &self.estate;
        let lighthouse = estate.local_grants.iter().filter(|l| l.system == LocalSystem::Lighthouse);
        let there = lighthouse.filter(|l| {
            let held = self.scopes.find(estate, l.scope);
            target.is_none_or(|t| held.is_some_and(|h| self.scopes.contains(h, t)))
        });
        let gives = |l: &'_ LocalGrant| {
            let role = &self.roles[self.roles.of_id(estate.strings.class(l.role))?];
            let access = if role.defined {
                role.compiled.allows(operation, self.catalog.operations(), None)
            } else {
                Access::Conditional
            };
            (access != Access::Denied).then_some(access)
        };
        there.filter_map(|l| Some((l, gives(l)?))).collect()
    }

    /// What a grant in force allows, denies aside.
    pub fn grant_allows(&self, grant: &Grant, operation: &Operation) -> Access {
        if grant.state == GrantState::Eligible {
            return Access::Denied;
        }
        let role = &self.roles[grant.role];
        if !role.defined {
            return Access::Conditional;
        }
        role.compiled.allows(operation, self.catalog.operations(), self.parsed(grant))
    }

    /// Whether one party can do `operation` on `target`: the best of its grants, minus what is denied.
    pub fn can(&self, party: Ix<Party>, operation: &Operation, target: Ix<ScopeNode>) -> Access {
        let held = self.held_by(party);
        let there = held.iter().filter(|h| self.scopes.contains(self.grants[h.grant].scope, target));
        let best = there
            .map(|h| self.grant_allows(&self.grants[h.grant], operation))
            .max()
            .unwrap_or(Access::Denied);
        self.after_denies(party, best, operation, target).0
    }

    fn answer(
        &self,
        party: Ix<Party>,
        held: Held,
        access: Access,
        operation: &Operation,
        target: Ix<ScopeNode>,
    ) -> Answer {
        let (access, denied_by) = self.after_denies(party, access, operation, target);
        Answer { party, held, access, denied_by }
    }

    pub(super) fn after_denies(
        &self,
        party: Ix<Party>,
        access: Access,
        operation: &Operation,
        target: Ix<ScopeNode>,
    ) -> (Access, Option<Id>) {
        if self.denies.is_empty() || access == Access::Denied {
            return (access, None);
        }
        let groups = self.groups_of(party).into_iter().map(|(group, _)| self.parties[group].principal);
        let ids = ids_of(&self.estate, &self.parties[party], groups);
        let mut result = (access, None);
        for deny in &self.denies {
            match deny.takes(&self.scopes, &ids, operation, target) {
                Tri::True => return (Access::Denied, Some(deny.id)),
                Tri::Unknown => result = (Access::Conditional, Some(deny.id)),
                Tri::False => {}
            }
        }
        result
    }

    /// Whether a grant holds at the scope of this id, whether that is known or only something above it.
    pub fn reaches(&self, grant: &Grant, scope: &str) -> bool {
        self.reaches_from(grant.scope, scope)
    }

    /// Whether the scope of this id is a known scope or lies in it.
    pub(super) fn reaches_from(&self, from: Ix<ScopeNode>, scope: &str) -> bool {
        let mut at = Some(scope);
        while let Some(id) = at {
            let known = self.estate.strings.find(id).and_then(|s| self.scopes.find(&self.estate, s));
            if let Some(known) = known {
                return self.scopes.contains(from, known);
            }
            at = id.rfind('/').and_then(|end| id.get(..end)).filter(|id| !id.is_empty());
        }
        from == self.scopes.root()
    }

    /// A party, and if it is a group everyone who is in it.
    pub fn holders_of(&self, holder: Ix<Party>) -> Vec<Ix<Party>> {
        self.holders(holder).into_iter().map(|(party, _)| party).collect()
    }

    /// The party itself and, for a group, every member below it with the chain that leads here.
    fn holders(&self, holder: Ix<Party>) -> Vec<(Ix<Party>, Vec<Ix<Party>>)> {
        let mut found = vec![(holder, Vec::new())];
        if self.parties[holder].kind != PartyKind::Group {
            return found;
        }
        let Some(start) = self.party_node(holder) else { return found };
        let mut seen: HashMap<NodeIndex, ()> = HashMap::from([(start, ())]);
        let mut queue: VecDeque<(NodeIndex, Vec<Ix<Party>>)> = VecDeque::from([(start, vec![holder])]);
        while let Some((at, chain)) = queue.pop_front() {
            let edges = self.graph.edges_directed(at, Direction::Incoming);
            for edge in edges.filter(|e| *e.weight() == Edge::MemberOf) {
                let Some(Node::Party(member)) = self.graph.node_weight(edge.source()) else { continue };
                if seen.insert(edge.source(), ()).is_some() {
                    continue;
                }
                found.push((*member, chain.clone()));
                if self.parties[*member].kind == PartyKind::Group {
                    let mut longer = vec![*member];
                    longer.extend(&chain);
                    queue.push_back((edge.source(), longer));
                }
            }
        }
        found
    }
}
