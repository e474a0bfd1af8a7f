//! Who can take an identity: for those with power, the identities that can have them trust a token of their own, or put them
//! on a host of their own, and that do not have that power themselves.

use super::net::NodeId;
use super::{Cap, Escalation, Node, Step, Target};
use crate::graph::FastMap;
use crate::graph::parties::Identity;
use crate::graph::scopes::ScopeNode;
use crate::model::Ix;
use crate::rbac::{Access, Certainty, Technique};

/// One who can take an identity, with the number of the technique.
pub type Taker = (Ix<Identity>, usize);

/// Who can take an identity, each with the number of the technique.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Takers {
    /// By having it trust tokens from outside.
    pub federate: Vec<Taker>,
    /// By putting it on a host.
    pub attach: Vec<Taker>,
}

impl Escalation<'_> {
    /// For each identity with power, by number, who can take it, surely enough.
    pub fn takers(&self, at_least: Certainty) -> FastMap<usize, Takers> {
        let mut reach: FastMap<(Cap, Ix<ScopeNode>), Vec<Taker>> = FastMap::default();
        self.owned();
        let mut owned: FastMap<usize, Vec<Node>> = FastMap::default();
        for (at, identity) in self.graph.identities().iter() {
            for (cap, scope, technique) in self.reach(identity, at_least) {
                reach.entry((cap, scope)).or_default().push((at, technique));
            }
            let own = self.powers(identity);
            if !own.is_empty() {
                owned.insert(at.index(), own);
            }
        }
        let attach: Vec<Cap> = {
            let mut all: Vec<Cap> =
                reach.keys().map(|(cap, _)| *cap).filter(|c| matches!(c, Cap::Attach(..))).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let mut found = FastMap::default();
        for (at, identity) in self.graph.identities().iter() {
            let Some(power) = owned.get(&at.index()) else { continue };
            let record = identity.record.and_then(|r| self.graph.estate().identities.get(r));
            let (Some(scope), Some(record)) = (identity.scope, record) else { continue };
            let lacks = |(who, _): &Taker| {
                let own = owned.get(&who.index()).map(Vec::as_slice).unwrap_or_default();
                *who != at && power.iter().any(|p| !own.iter().any(|o| self.covers(*o, *p)))
            };
            let by = |cap: Cap| {
                let up = self.graph.scopes().up(scope);
                let all = up.filter_map(|s| reach.get(&(cap, s))).flatten();
                all.copied().filter(lacks).collect::<Vec<_>>()
            };
            let mut takers = Takers { federate: by(Cap::Federate), attach: Vec::new() };
            for cap in &attach {
                if let Cap::Attach(provider, place) = cap
                    && self.kept.rights.may_host(self.graph, record, *provider, *place)
                {
                    takers.attach.extend(by(*cap));
                }
            }
            // What a deny assignment takes from somebody, the net does not know.
            if !self.graph.denies.is_empty() {
                takers.federate.retain(|taker| self.still_takes(*taker, identity));
                takers.attach.retain(|taker| self.still_takes(*taker, identity));
            }
            for list in [&mut takers.federate, &mut takers.attach] {
                list.sort_unstable();
                list.dedup_by_key(|(who, _)| *who);
            }
            if takers != Takers::default() {
                found.insert(at.index(), takers);
            }
        }
        found
    }

    /// What an identity can do to identities where it holds something, with what it holds.
    fn reach(&self, identity: &Identity, at_least: Certainty) -> Vec<(Cap, Ix<ScopeNode>, usize)> {
        let Some(start) = self.start(identity) else { return Vec::new() };
        let mut seen: Vec<NodeId> = vec![start];
        let mut found = Vec::new();
        let mut next = 0;
        while let Some(at) = seen.get(next).copied() {
            next += 1;
            for edge in self.kept.net.from(at).iter().filter(|e| !e.step && e.certainty <= at_least) {
                let to = edge.to as usize;
                match self.kept.net.node(to) {
                    Some(Node::Reach(cap @ (Cap::Federate | Cap::Attach(..)), scope)) => {
                        found.push((cap, scope, edge.label as usize));
                    }
                    Some(Node::Right(..) | Node::Party(_)) if !seen.contains(&to) => seen.push(to),
                    _ => {}
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether one takes another for sure, denies counted: by the technique that is named, or another that does the same.
    fn still_takes(&self, (taker, technique): Taker, taken: &Identity) -> bool {
        let taker = &self.graph.identities()[taker];
        let sure =
            |at: usize| self.taking(taker, at, taken).is_some_and(|step| step.access == Access::Allowed);
        let Some(named) = self.techniques.get(technique) else { return false };
        let provider = |t: &Technique| t.hosts.first().and_then(|h| h.split('/').next()).map(str::to_owned);
        let alike = |t: &Technique| t.gain == named.gain && provider(t) == provider(named);
        sure(technique) || self.techniques.iter().any(|(at, t)| at != technique && alike(t) && sure(at))
    }

    /// How one takes another by a technique.
    pub fn taking(&self, taker: &Identity, technique: usize, taken: &Identity) -> Option<Step> {
        let technique = self.techniques.get(technique)?;
        let gains = Target::Party(taken.party?);
        let step = self.step((taker.party?, &[]), (None, Some(technique), false), taken.scope, gains, None);
        (step.access != Access::Denied).then_some(step)
    }
}
