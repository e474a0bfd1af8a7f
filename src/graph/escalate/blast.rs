//! How far harm goes: the resources on which an identity can do what, with what it holds and with all that it gets to.

use super::{Escalation, Node};
use crate::graph::parties::{Identity, Party};
use crate::model::{GrantState, Ix};
use crate::rbac::{Certainty, Class};
use std::ops::Range;

/// How many resources of the inventory an identity reaches, by the worst that it can do to them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Blast {
    /// For each class, in the order of [`Class::ALL`], the resources on which it can do that.
    pub resources: [u32; 8],
    /// The resources on which it can do more than read.
    pub any: u32,
    /// The identities that it can act as.
    pub identities: usize,
}

impl Escalation<'_> {
    /// What an identity reaches: with its own grants alone, or by every way that is sure enough.
    pub fn blast(&self, identity: &Identity, ways: Option<Certainty>) -> Blast {
        let Some(party) = identity.party else { return Blast::default() };
        let mut parts: Vec<(Class, Range<u32>)> = Vec::new();
        self.add_held(party, &mut parts);
        let mut identities = 0;
        if let (Some(at_least), Some(start)) = (ways, self.start(identity)) {
            let walk = self.kept.net.walk(start, at_least, &|_, _| false);
            for at in walk.nodes().filter(|at| *at != start) {
                match self.kept.net.node(at) {
                    Some(Node::Party(other)) => {
                        identities += usize::from(self.graph.parties()[other].identity.is_some());
                        self.add_held(other, &mut parts);
                    }
                    Some(Node::Right(right, scope)) => {
                        let classes = self.kept.rights.get(right).map(|r| r.classes).unwrap_or_default();
                        let range = self.graph.scopes().range(scope);
                        let each = Class::ALL.iter().enumerate().filter(|(n, _)| classes >> n & 1 == 1);
                        parts.extend(each.map(|(_, class)| (*class, range.clone())));
                    }
                    _ => {}
                }
            }
        }
        let mut blast = Blast { identities, ..Blast::default() };
        for (slot, class) in blast.resources.iter_mut().zip(Class::ALL) {
            let own = parts.iter().filter(|(c, _)| *c == class).map(|(_, range)| range.clone());
            *slot = self.count(own.collect());
        }
        let more = parts.iter().filter(|(c, _)| *c > Class::DataRead).map(|(_, range)| range.clone());
        blast.any = self.count(more.collect());
        blast
    }

    fn add_held(&self, party: Ix<Party>, parts: &mut Vec<(Class, Range<u32>)>) {
        for held in self.graph.held_by(party) {
            let grant = &self.graph.grants()[held.grant];
            if grant.state == GrantState::Eligible {
                continue;
            }
            let range = self.graph.scopes().range(grant.scope);
            let classes = &self.graph.roles()[grant.role].profile.classes;
            parts.extend(classes.iter().map(|class| (*class, range.clone())));
        }
    }

    /// The resources in ranges of the tree, each once: ranges nest or are apart.
    fn count(&self, mut ranges: Vec<Range<u32>>) -> u32 {
        ranges.sort_unstable_by_key(|r| (r.start, std::cmp::Reverse(r.end)));
        let (mut total, mut end) = (0, 0);
        for range in ranges {
            if range.start >= end {
                end = range.end;
                total += self.graph.scopes().resources_in(range);
            }
        }
        total
    }
}
