//! Ways where deny assignments count: what one holder is denied another may do, so that each step is held against them for
//! whoever takes it, before the next is looked for. Slower than a walk over the net, and only used where a deny got in the
//! way of the way that the net gives.

use super::net::{Edge, NodeId};
use super::paths::Banned;
use super::targets::Target;
use super::{Escalation, Path};
use crate::graph::parties::Identity;
use crate::rbac::Certainty;
use std::collections::{HashSet, VecDeque};

/// The most steps that are looked at.
const MOST: usize = 20_000;

type Way = Vec<(NodeId, Edge)>;

impl Escalation<'_> {
    /// The way with the fewest steps that nobody on it is denied.
    pub(super) fn exact(
        &self,
        from: &Identity,
        to: &Target,
        at_least: Certainty,
        banned: &Banned,
    ) -> Option<Path> {
        let (start, party) = (self.start(from)?, from.party?);
        let ends = self.ends(to);
        let mut seen: HashSet<NodeId> = HashSet::from([start]);
        let mut queue: VecDeque<(NodeId, Way)> = VecDeque::from([(start, Vec::new())]);
        let mut looked_at = 0;
        while let Some((at, way)) = queue.pop_front() {
            for (next, way) in self.steps_from(at, &way, at_least, banned) {
                looked_at += 1;
                if looked_at > MOST {
                    return None;
                }
                if seen.contains(&next) {
                    continue;
                }
                let target = self.kept.net.node(next).map(|node| self.target(node))?;
                if self.told(party, &target, &way).is_none_or(|path| path.certainty > at_least) {
                    continue;
                }
                seen.insert(next);
                if let Some(rest) = self.follows(next, &ends, at_least) {
                    let all: Way = way.iter().copied().chain(rest).collect();
                    return self.told(party, to, &all);
                }
                queue.push_back((next, way));
            }
        }
        None
    }

    /// The next steps from a node, each with the way to its end.
    fn steps_from(&self, at: NodeId, way: &Way, at_least: Certainty, banned: &Banned) -> Vec<(NodeId, Way)> {
        let mut found = Vec::new();
        let mut seen: HashSet<NodeId> = HashSet::from([at]);
        let mut queue: VecDeque<(NodeId, Way)> = VecDeque::from([(at, way.clone())]);
        while let Some((here, way)) = queue.pop_front() {
            for edge in self.kept.net.from(here).iter().filter(|e| e.certainty <= at_least) {
                let to = edge.to as usize;
                if banned.contains(&(here, edge.to)) {
                    continue;
                }
                let mut longer = way.clone();
                longer.push((here, *edge));
                if edge.step {
                    found.push((to, longer));
                } else if seen.insert(to) {
                    queue.push_back((to, longer));
                }
            }
        }
        found
    }

    /// What follows by itself from a node to one of the ends.
    fn follows(&self, from: NodeId, ends: &[NodeId], at_least: Certainty) -> Option<Way> {
        let mut seen: HashSet<NodeId> = HashSet::from([from]);
        let mut queue: VecDeque<(NodeId, Way)> = VecDeque::from([(from, Vec::new())]);
        while let Some((here, way)) = queue.pop_front() {
            if ends.contains(&here) {
                return Some(way);
            }
            for edge in self.kept.net.from(here).iter().filter(|e| !e.step && e.certainty <= at_least) {
                let to = edge.to as usize;
                if seen.insert(to) {
                    let mut longer = way.clone();
                    longer.push((here, *edge));
                    queue.push_back((to, longer));
                }
            }
        }
        None
    }
}
