//! Roles that a condition lets somebody give to another and not to itself: whoever can act as both has them then.
//!
//! Who that is hangs on the net, and the net on these: so they are looked for in rounds, each on the net of the one before,
//! until nothing new comes. Not here: what somebody gives itself (`given`).

use super::net::{Edge, Net, NodeId};
use super::rights::{Lends, Rights};
use super::{Node, less_sure};
use crate::graph::parties::Party;
use crate::graph::scopes::ScopeNode;
use crate::graph::{AccessGraph, FastMap, Grant};
use crate::model::{GrantState, Ix};
use crate::rbac::{Certainty, Powers};
use std::collections::BTreeSet;

/// More rounds than any tenant needs: each follows from one before.
const MOST_ROUNDS: u32 = 16;
/// Identities that can act as somebody who gives to others; where there are more, only those who give are looked at.
const MOST_STARTS: usize = 1000;

/// Who has it given and then has it, what is given to whom (a [`Node::Lent`]), and how sure that is.
type Loan = (Ix<Party>, Node, Certainty);

/// All of them, with who gives each and the round in which it was found.
#[derive(Debug, Default)]
pub(super) struct Loans {
    all: Vec<Loan>,
    found: FastMap<Loan, (Ix<Party>, u32)>,
    round: u32,
}

/// Somebody who gives to others.
struct Lender<'r> {
    party: Ix<Party>,
    scope: Ix<ScopeNode>,
    /// What it gives itself.
    own: Powers,
    lends: &'r Lends,
}

impl Loans {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Loan> {
        self.all.iter()
    }

    /// Adds those that a net makes possible, and says whether there were any.
    pub(super) fn grow(
        &mut self,
        graph: &AccessGraph,
        rights: &Rights,
        net: &Net,
        gone: &BTreeSet<Ix<Grant>>,
    ) -> bool {
        let before = self.all.len();
        self.round += 1;
        let lenders = lenders(graph, rights, gone);
        if lenders.is_empty() || self.round > MOST_ROUNDS {
            return false;
        }
        let identity = |node| match node {
            Node::Party(party) if graph.parties()[party].identity.is_some() => Some(party),
            _ => None,
        };
        let mut grouped: FastMap<Ix<Party>, bool> = FastMap::default();
        for from in starts(net, &lenders, identity) {
            let Some(start) = net.find(Node::Party(from)) else { continue };
            for level in Certainty::ALL.into_iter().filter(|c| *c <= Certainty::Low) {
                let walk = net.walk(start, level, &|_, _| false);
                let reached = |party| net.find(Node::Party(party)).is_some_and(|at| walk.get(at).is_some());
                for lender in lenders.iter().filter(|l| reached(l.party)) {
                    let others = walk.nodes().filter_map(|at| identity(net.node(at)?));
                    for other in others.filter(|other| *other != lender.party) {
                        let in_group = || !graph.groups_of(other).is_empty();
                        let given = match lender.lends.named.get(&other) {
                            Some(named) => named,
                            None if *grouped.entry(other).or_insert_with(in_group) => &lender.lends.members,
                            None => &lender.lends.alone,
                        };
                        for (right, sure) in given {
                            // What who gives it has itself, it need not give to others.
                            let powers = rights.get(*right).map(|r| r.powers).unwrap_or_default();
                            if lender.own.and(powers) != lender.own {
                                let what = Node::Lent(other, *right, lender.scope);
                                self.add((from, what, less_sure(*sure, level)), lender.party);
                            }
                        }
                    }
                }
            }
        }
        self.all.len() > before
    }

    fn add(&mut self, loan: Loan, lender: Ix<Party>) {
        let (from, what, sure) = loan;
        let mut surer = Certainty::ALL.into_iter().filter(|c| *c <= sure);
        if !surer.any(|c| self.found.contains_key(&(from, what, c))) {
            self.all.push(loan);
            self.found.insert(loan, (lender, self.round));
        }
    }

    /// Who gives what an edge stands for, and in which round it was found; none if it is no loan.
    pub(super) fn get(&self, net: &Net, at: NodeId, edge: &Edge) -> Option<(Ix<Party>, u32)> {
        match (net.node(at)?, net.node(edge.to as usize)?) {
            (Node::Party(from), what @ Node::Lent(..)) => {
                self.found.get(&(from, what, edge.certainty)).copied()
            }
            _ => None,
        }
    }
}

fn lenders<'r>(graph: &AccessGraph, rights: &'r Rights, gone: &BTreeSet<Ix<Grant>>) -> Vec<Lender<'r>> {
    let mut found = Vec::new();
    if !rights.lend() {
        return found;
    }
    for (at, grant) in graph.grants().iter() {
        let Some(lends) = rights.lends(grant) else { continue };
        if grant.state == GrantState::Eligible || gone.contains(&at) {
            continue;
        }
        let holders = graph.holders_of(grant.party).into_iter();
        found.extend(holders.filter(|h| graph.parties()[*h].identity.is_some()).map(|party| {
            let right = rights.of(grant, party).and_then(|at| rights.get(at));
            let own = right.map(|r| r.itself).unwrap_or_default();
            Lender { party, scope: grant.scope, own, lends }
        }));
    }
    found
}

/// Those who can act as one who gives, themselves first.
fn starts(net: &Net, lenders: &[Lender<'_>], identity: impl Fn(Node) -> Option<Ix<Party>>) -> Vec<Ix<Party>> {
    let own: BTreeSet<Ix<Party>> = lenders.iter().map(|l| l.party).collect();
    let ends: Vec<NodeId> = own.iter().filter_map(|party| net.find(Node::Party(*party))).collect();
    let mut back = net.reversed();
    back.walk(&ends, Certainty::Low);
    let nodes = net.nodes().iter().enumerate();
    let others = nodes.filter(|(at, _)| back.reached(*at)).filter_map(|(_, node)| identity(*node));
    let others: Vec<Ix<Party>> = others.filter(|party| !own.contains(party)).collect();
    let others = if others.len() > MOST_STARTS { Vec::new() } else { others };
    own.into_iter().chain(others).collect()
}
