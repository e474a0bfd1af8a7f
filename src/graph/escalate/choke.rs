//! The few grants whose removal cuts most ways: picked greedily, each tried by building the net once more without it, so that
//! a way around counts.

use super::{Certainty, Escalates, Escalation};
use crate::graph::Grant;
use crate::model::Ix;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most grants that are picked.
const MOST: usize = 10;
/// In edges: a larger net is not built again for each.
const LARGE: usize = 150_000;

/// A grant to take away, after those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choke {
    /// Which.
    pub grant: Ix<Grant>,
    /// Ways to places of power that are left then, counted as identities times places.
    pub left: usize,
    /// Identities that have one left then.
    pub identities_left: usize,
}

/// What to take away first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chokes {
    /// Ways to places of power, counted as identities times places.
    pub ways: usize,
    /// Identities that have one.
    pub identities: usize,
    /// Grants in the order in which they help most.
    pub grants: Vec<Choke>,
    /// No fewer than so many must go to cut all: so many shortest ways share no grant.
    pub at_least: usize,
    /// Whether what is left was worked out on the net without them; otherwise it is what their shortest ways say.
    pub exact: bool,
}

impl Escalation<'_> {
    /// Finds them, over ways that are sure enough.
    pub fn chokes(&self) -> Chokes {
        let all = self.all();
        let mut now = self.uses(all);
        let mut chokes = Chokes { exact: self.size().1 <= LARGE, ..Chokes::default() };
        (chokes.ways, chokes.identities) = weight(&now);
        chokes.at_least = disjoint(&now);
        let mut gone: BTreeSet<Ix<Grant>> = BTreeSet::new();
        while chokes.grants.len() < MOST {
            let mut by_grant: BTreeMap<Ix<Grant>, usize> = BTreeMap::new();
            for (grants, places) in &now {
                grants.iter().for_each(|g| *by_grant.entry(*g).or_default() += places);
            }
            // The first of those that cut most.
            let best = by_grant.into_iter().max_by_key(|(grant, cut)| (*cut, std::cmp::Reverse(*grant)));
            let Some((grant, _)) = best else { break };
            gone.insert(grant);
            if chokes.exact {
                let (rights, leads) = (Arc::clone(&self.kept.rights), Arc::clone(&self.kept.leads));
                let without = Escalation::build(self.graph, rights, leads, &gone);
                now = without.uses(without.all());
            } else {
                now.retain(|(grants, _)| !grants.contains(&grant));
            }
            let (left, identities_left) = weight(&now);
            chokes.grants.push(Choke { grant, left, identities_left });
        }
        chokes
    }

    /// Of each identity that has a way, the grants that its shortest one needs, and how many places it gets to.
    fn uses(&self, all: &[Option<Escalates>]) -> Vec<(Vec<Ix<Grant>>, usize)> {
        let identities = self.graph.identities().rows().iter().zip(all);
        let ways = identities.filter_map(|(identity, escalates)| {
            let escalates = escalates.as_ref().filter(|e| e.certainty <= Certainty::Medium)?;
            Some((self.way(identity, escalates)?.grants(), escalates.places))
        });
        ways.filter(|(grants, _)| !grants.is_empty()).collect()
    }
}

fn weight(uses: &[(Vec<Ix<Grant>>, usize)]) -> (usize, usize) {
    (uses.iter().map(|(_, places)| places).sum(), uses.len())
}

/// How many ways share no grant with one another, picked the shortest first.
fn disjoint(uses: &[(Vec<Ix<Grant>>, usize)]) -> usize {
    let mut ways: Vec<&Vec<Ix<Grant>>> = uses.iter().map(|(grants, _)| grants).collect();
    ways.sort_by_key(|grants| grants.len());
    let mut taken: BTreeSet<Ix<Grant>> = BTreeSet::new();
    let mut count = 0;
    for grants in ways {
        if grants.iter().all(|g| !taken.contains(g)) {
            taken.extend(grants);
            count += 1;
        }
    }
    count
}
