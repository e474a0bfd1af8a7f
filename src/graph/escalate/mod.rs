//! What somebody could become: the access graph with an edge wherever an operation that is allowed lets its holder act as an
//! identity, or get at any role somewhere.
//!
//! Edges come from effective permissions, never from names of roles. Places that are below each other share their edges: a
//! right at a subscription leads to one node of its reach, and from there down the tree, so that the net grows with grants
//! and identities and not with their product. Not here: which of it is a finding (`rules`).

mod blast;
mod choke;
mod exact;
mod given;
mod guards;
mod loans;
mod net;
mod open;
mod paths;
mod rights;
mod targets;
mod wire;
mod words;

pub use blast::Blast;
pub use choke::{Choke, Chokes};
pub use guards::{Taker, Takers};
pub use open::Open;
pub use paths::{Path, Step};
pub use targets::{Escalates, Target};

use super::parties::{Identity, Party};
use super::scopes::ScopeNode;
use super::{AccessGraph, Grant};
use crate::model::{Ix, Sym};
use crate::rbac::{Certainty, Gain, Only, Technique, Techniques};
use loans::Loans;
use net::{Net, NodeId};
use rights::Rights;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use wire::leads::Leads;

/// What is done to what, wherever that lies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Cap {
    /// Have an identity trust tokens from outside.
    Federate,
    /// Run code on hosts of this type, by number, that let in by this.
    Exec(usize, Option<Only>),
    /// Change the code that hosts take from stores of this type, by number.
    Feed(usize),
    /// Put an identity on a host of this provider, by number, that is at this place.
    Attach(usize, Place),
    /// Change policy definitions.
    Policy,
}

impl Cap {
    /// What a technique does to things of a type.
    fn on(technique: &Technique, kind: usize) -> Cap {
        if technique.gain == Gain::Fed { Cap::Feed(kind) } else { Cap::Exec(kind, technique.only) }
    }
}

/// Where a host is that an identity may be put on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Place {
    /// Anywhere: it may be made.
    New,
    /// In this region, where it is.
    Region(Option<Sym>),
}

/// A node of the net.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Node {
    /// Somebody.
    Party(Ix<Party>),
    /// Somebody who has given itself any role at a scope, or all that a condition lets it: with that and what it held
    /// before, it can do more than with either.
    Empowered(Ix<Party>, Ix<ScopeNode>),
    /// A role under a condition, held at a scope; by the number of both.
    Right(usize, Ix<ScopeNode>),
    /// That role, once somebody has given it to another whom it can act as.
    Lent(Ix<Party>, usize, Ix<ScopeNode>),
    /// Whoever can do this at this scope and below.
    Reach(Cap, Ix<ScopeNode>),
    /// Any role at this scope.
    Authority(Ix<ScopeNode>),
    /// Writes of most providers at this scope.
    Write(Ix<ScopeNode>),
    /// The directory: any role of it, or any application permission.
    Directory,
    /// Membership in any group.
    AnyGroup,
}

/// What an edge is about: read by the kinds of nodes at its ends.
pub(crate) type Label = u32;

/// The net over a graph, ready to be asked.
#[derive(Debug)]
pub struct Escalation<'g> {
    graph: &'g AccessGraph,
    techniques: &'static Techniques,
    kept: Arc<Kept>,
}

/// What is worked out once for a graph.
#[derive(Debug)]
pub(super) struct Kept {
    rights: Arc<Rights>,
    leads: Arc<Leads>,
    net: Net,
    loans: Loans,
    /// For each identity its worst place of power, once it was asked for.
    all: OnceLock<Vec<Option<Escalates>>>,
    /// For each identity the places of power that it holds, once that was asked for all.
    own: OnceLock<Vec<Vec<Node>>>,
}

impl<'g> Escalation<'g> {
    /// Builds the net, unless that was done for this graph before.
    pub fn new(graph: &'g AccessGraph) -> Escalation<'g> {
        let kept = graph.escalation.get_or_init(|| {
            let rights = Arc::new(Rights::new(graph, Techniques::embedded()));
            let leads = Arc::new(Leads::new(graph, &rights));
            Escalation::build(graph, rights, leads, &BTreeSet::new()).kept
        });
        Escalation { graph, techniques: Techniques::embedded(), kept: Arc::clone(kept) }
    }

    /// The net as it would be without some grants.
    fn build(
        graph: &'g AccessGraph,
        rights: Arc<Rights>,
        leads: Arc<Leads>,
        gone: &BTreeSet<Ix<Grant>>,
    ) -> Escalation<'g> {
        let techniques = Techniques::embedded();
        let mut loans = Loans::default();
        let net = loop {
            let net = wire::Wire::new(graph, techniques, &rights, &leads, gone).finish(&loans);
            if !loans.grow(graph, &rights, &net, gone) {
                break net;
            }
        };
        let kept = Kept { rights, leads, net, loans, all: OnceLock::new(), own: OnceLock::new() };
        Escalation { graph, techniques, kept: Arc::new(kept) }
    }

    fn start(&self, identity: &Identity) -> Option<NodeId> {
        self.kept.net.find(Node::Party(identity.party?))
    }

    /// How many nodes and edges the net has.
    pub fn size(&self) -> (usize, usize) {
        self.kept.net.size()
    }

    /// Whether a node is a place of power worth telling of, and how sure one must be to count it.
    fn is_target(&self, node: Node) -> bool {
        use crate::model::Level;
        match node {
            Node::Authority(scope) | Node::Write(scope) => {
                self.graph.scopes().nodes()[scope].level <= Level::Subscription
            }
            Node::Directory => true,
            _ => false,
        }
    }
}

/// The less sure of two.
pub(crate) fn less_sure(a: Certainty, b: Certainty) -> Certainty {
    a.max(b)
}

#[cfg(test)]
mod tests;
