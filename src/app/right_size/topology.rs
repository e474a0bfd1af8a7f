//! From where things are: what a grant at a wide scope is moved to, and what another grant gives there already.

use super::grant;
use crate::graph::{AccessGraph, Grant, Identity, Party, ScopeNode};
use crate::model::{GrantState, Ix};
use crate::report::{Remedy, RemedyGrant};
use crate::review::{Narrowed, Topology};
use std::collections::BTreeSet;

/// What would be changed, before anything of it is put into words.
pub(super) struct Plan {
    /// Direct grants in force, and what is enough in place of each.
    pub(super) grants: Vec<(Ix<Grant>, Narrowed)>,
    /// Grants to make: the old one that each is like, and its scope.
    pub(super) create: Vec<(Ix<Grant>, Ix<ScopeNode>)>,
}

impl Plan {
    /// `near` are the groups of the identity's hosts.
    pub(super) fn new(
        graph: &AccessGraph,
        topology: &Topology,
        near: &BTreeSet<Ix<ScopeNode>>,
        party: Ix<Party>,
    ) -> Plan {
        let held = graph.held_by(party).into_iter().filter(|h| h.via.is_empty()).map(|h| h.grant);
        let in_force = held.filter(|g| {
            graph.grants()[*g].state != GrantState::Eligible && graph.record(&graph.grants()[*g]).is_some()
        });
        let grants: Vec<(Ix<Grant>, Narrowed)> =
            in_force.map(|g| (g, topology.narrow(&graph.grants()[g], near))).collect();
        let condition = |g: Ix<Grant>| graph.condition(&graph.grants()[g]).map(|c| graph.text(c.text));
        let mut create: Vec<(Ix<Grant>, Ix<ScopeNode>)> = Vec::new();
        for (old, narrowed) in &grants {
            for scope in &narrowed.scopes {
                let role = graph.grants()[*old].role;
                let like = |g: Ix<Grant>| graph.grants()[g].role == role;
                // A narrow grant that is there does for the new one.
                let there = grants.iter().any(|(g, n)| {
                    n.scopes.is_empty()
                        && like(*g)
                        && graph.scopes().contains(graph.grants()[*g].scope, *scope)
                        && (condition(*g).is_none() || condition(*g) == condition(*old))
                });
                let twice =
                    create.iter().any(|(g, s)| s == scope && like(*g) && condition(*g) == condition(*old));
                if !there && !twice {
                    create.push((*old, *scope));
                }
            }
        }
        Plan { grants, create }
    }

    /// Grants that others stand in for.
    pub(super) fn delete(&self) -> impl Iterator<Item = (Ix<Grant>, &Narrowed)> {
        self.grants.iter().filter(|(_, n)| !n.scopes.is_empty()).map(|(g, n)| (*g, n))
    }

    /// The same in words.
    pub(super) fn remedy(&self, graph: &AccessGraph, identity: &Identity) -> Remedy {
        let made = |(old, scope): &(Ix<Grant>, Ix<ScopeNode>)| {
            let scope = graph.text(graph.scopes().nodes()[*scope].id).to_owned();
            Some(RemedyGrant { assignment: String::new(), scope, ..grant(graph, *old)? })
        };
        Remedy {
            identity: graph.identity_name(identity).to_owned(),
            roles: Vec::new(),
            create: self.create.iter().filter_map(made).collect(),
            delete: self.delete().filter_map(|(g, _)| grant(graph, g)).collect(),
        }
    }
}

/// One grant, and what stands for it.
pub(super) struct Told {
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
    pub(super) grants: Vec<Told>,
    pub(super) remedy: Remedy,
    /// Grants that it has as a member of groups.
    pub(super) through_groups: usize,
    /// Whether it is known where it runs.
    runs: bool,
}

impl Found {
    pub(super) fn new(graph: &AccessGraph, from: &Identity, party: Ix<Party>) -> Found {
        let topology = Topology::new(graph);
        let near = topology.near(from);
        let plan = Plan::new(graph, &topology, &near, party);
        let text = |scope: &Ix<_>| graph.text(graph.scopes().nodes()[*scope].id).to_owned();
        let told = |(at, narrowed): &(Ix<Grant>, Narrowed)| {
            Some(Told {
                grant: grant(graph, *at)?,
                applies_to: topology.applies_to(&graph.grants()[*at]),
                near: narrowed.near,
                scopes: narrowed.scopes.iter().map(text).collect(),
                why: narrowed.why,
            })
        };
        Found {
            name: graph.identity_name(from).to_owned(),
            grants: plan.grants.iter().filter_map(told).collect(),
            remedy: plan.remedy(graph, from),
            through_groups: graph.held_by(party).iter().filter(|h| !h.via.is_empty()).count(),
            runs: !near.is_empty(),
        }
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let note = if self.runs {
            "from where things are alone: it is taken to use what lies in the resource groups of its hosts; logs given with --activity PATH say what it does"
        } else {
            "no host of it is known, so nothing is said of scopes: give the activity log with --activity PATH"
        };
        vec![note.to_owned()]
    }
}
