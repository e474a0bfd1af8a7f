//! Places of power, and for every identity which of them it gets to that it does not have by itself: worked out for all at
//! once, over the components of the net.

use super::net::{Edge, NodeId};
use super::{Escalation, Node, Path};
use crate::graph::FastMap;
use crate::graph::parties::{Identity, Party};
use crate::graph::scopes::ScopeNode;
use crate::model::{Ix, Level};
use crate::rbac::Certainty;
use std::collections::{BTreeMap, HashMap};

/// The most places that are tried where deny assignments close the way to the worst.
const PLACES: usize = 20;

/// Where a way leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Acting as an identity.
    Party(Ix<Party>),
    /// Membership in a group.
    Group(Ix<Party>),
    /// Any role at a scope.
    Authority(Ix<ScopeNode>),
    /// Writes of most providers at a scope.
    Write(Ix<ScopeNode>),
    /// A role at a scope, and who else is given it than whoever gives it.
    Role(String, Ix<ScopeNode>, Option<Ix<Party>>),
    /// The directory.
    Directory,
}

/// What an identity gets to beyond what it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Escalates {
    /// The worst of it.
    pub worst: Target,
    /// How many places of power there are.
    pub places: usize,
    /// How sure that is.
    pub certainty: Certainty,
    /// The shortest way there.
    pub(super) way: Vec<(NodeId, Edge)>,
}

/// Sets of targets, each kept once.
struct Sets {
    all: Vec<Box<[u64]>>,
    known: HashMap<Box<[u64]>, u32>,
    unions: FastMap<(u32, u32), u32>,
    words: usize,
}

impl Sets {
    fn new(targets: usize) -> Sets {
        let words = targets.div_ceil(64);
        let empty: Box<[u64]> = vec![0; words].into();
        Sets {
            all: vec![empty.clone()],
            known: HashMap::from([(empty, 0)]),
            unions: FastMap::default(),
            words,
        }
    }

    fn keep(&mut self, set: Box<[u64]>) -> u32 {
        if let Some(known) = self.known.get(&set) {
            return *known;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(set.clone());
        self.known.insert(set, number);
        number
    }

    fn one(&mut self, target: usize) -> u32 {
        let mut set: Box<[u64]> = vec![0; self.words].into();
        if let Some(word) = set.get_mut(target / 64) {
            *word |= 1 << (target % 64);
        }
        self.keep(set)
    }

    fn union(&mut self, a: u32, b: u32) -> u32 {
        if a == b || b == 0 {
            return a;
        }
        if a == 0 {
            return b;
        }
        let key = (a.min(b), a.max(b));
        if let Some(known) = self.unions.get(&key) {
            return *known;
        }
        let sum: Box<[u64]> = self.get(a).iter().zip(self.get(b)).map(|(a, b)| a | b).collect();
        let number = self.keep(sum);
        self.unions.insert(key, number);
        number
    }

    fn get(&self, at: u32) -> &[u64] {
        self.all.get(at as usize).map_or(&[], |s| s)
    }

    fn members(&self, at: u32) -> impl Iterator<Item = usize> + '_ {
        self.get(at).iter().enumerate().flat_map(|(n, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| n * 64 + bit)
        })
    }
}

/// Nodes that were met, each once, in order; used for one walk after the other.
#[derive(Default)]
struct Seen {
    list: Vec<NodeId>,
    /// The walk in which each node was met last.
    walks: Vec<u32>,
    walk: u32,
}

impl Seen {
    fn begin(&mut self, nodes: usize) {
        self.list.clear();
        self.walk += 1;
        self.walks.resize(nodes, 0);
    }

    fn add(&mut self, node: NodeId) {
        if let Some(walk) = self.walks.get_mut(node).filter(|walk| **walk != self.walk) {
            *walk = self.walk;
            self.list.push(node);
        }
    }
}

impl Escalation<'_> {
    /// For each identity, by number, what it gets to that it does not hold, at the surest level at which there is any.
    pub fn all(&self) -> &[Option<Escalates>] {
        self.kept.all.get_or_init(|| self.work_out())
    }

    fn work_out(&self) -> Vec<Option<Escalates>> {
        let mut found: Vec<Option<Escalates>> = vec![None; self.graph.identities().len()];
        let targets: Vec<NodeId> = self
            .kept
            .net
            .nodes()
            .iter()
            .enumerate()
            .filter(|(_, node)| self.is_target(**node))
            .map(|(at, _)| at)
            .collect();
        if targets.is_empty() {
            return found;
        }
        let owned = self.owned();
        for certainty in Certainty::ALL.into_iter().filter(|c| *c < Certainty::Doubtful) {
            let (sets, of_node) = self.reached(&targets, certainty);
            // Most identities lead to the same few sets.
            let mut told: std::collections::HashMap<u32, Vec<Node>> = std::collections::HashMap::new();
            for (at, identity) in self.graph.identities().iter() {
                let Some(slot) = found.get_mut(at.index()).filter(|f| f.is_none()) else { continue };
                let set = self.start(identity).and_then(|start| of_node.get(start)).copied().unwrap_or(0);
                let own = owned.get(at.index()).map_or(&[][..], Vec::as_slice);
                let uncovered = told.entry(set).or_insert_with(|| {
                    let nodes = sets.members(set).filter_map(|n| self.kept.net.node(*targets.get(n)?));
                    self.worst_first(nodes.collect())
                });
                *slot = self.beyond(own, uncovered, certainty);
            }
        }
        self.lay_ways(&mut found);
        found
    }

    /// That of one identity. Where nobody asked for all, only it is worked out.
    pub fn one(&self, at: Ix<Identity>) -> Option<Escalates> {
        if let Some(all) = self.kept.all.get() {
            return all.get(at.index()).cloned().flatten();
        }
        let identity = &self.graph.identities()[at];
        let (start, own) = (self.start(identity)?, self.own(identity));
        let net = &self.kept.net;
        let surest = Certainty::ALL.into_iter().filter(|c| *c < Certainty::Doubtful);
        let mut found = surest.filter_map(|certainty| {
            let walk = net.walk(start, certainty, &|_, _| false);
            let nodes = walk.nodes().filter_map(|at| net.node(at)).filter(|node| self.is_target(*node));
            self.beyond(&own, &self.worst_first(nodes.collect()), certainty)
        });
        let mut escalates = found.next()?;
        let mut back = net.reversed();
        back.walk(&self.ends(&escalates.worst), escalates.certainty);
        escalates.way = back.way(start);
        Some(escalates)
    }

    /// Places that no other of them covers, the worst first.
    fn worst_first(&self, nodes: Vec<Node>) -> Vec<Node> {
        let mut uncovered = self.uncovered(nodes);
        uncovered.sort_by_key(|node| self.order(*node));
        uncovered
    }

    /// What there is among places, the worst first, beyond what somebody has; without the way.
    fn beyond(&self, own: &[Node], uncovered: &[Node], certainty: Certainty) -> Option<Escalates> {
        // Most hold no place of power themselves.
        let covered = |node: &&Node| !own.is_empty() && own.iter().any(|o| self.covers(*o, **node));
        let worst = uncovered.iter().find(|node| !covered(node)).copied()?;
        let places = match own.is_empty() {
            true => uncovered.len(),
            false => uncovered.iter().filter(|node| !covered(node)).count(),
        };
        Some(Escalates { worst: self.target(worst), places, certainty, way: Vec::new() })
    }

    /// Finds the way of each: one walk back from every place that is somebody's worst.
    fn lay_ways(&self, found: &mut [Option<Escalates>]) {
        let mut by_place: BTreeMap<(Certainty, NodeId), (Target, Vec<usize>)> = BTreeMap::new();
        for (at, escalates) in found.iter().enumerate() {
            let Some(escalates) = escalates else { continue };
            let Some(end) = self.ends(&escalates.worst).first().copied() else { continue };
            let place = by_place.entry((escalates.certainty, end));
            place.or_insert_with(|| (escalates.worst.clone(), Vec::new())).1.push(at);
        }
        if by_place.is_empty() {
            return;
        }
        let mut back = self.kept.net.reversed();
        for ((certainty, _), (target, whose)) in by_place {
            back.walk(&self.ends(&target), certainty);
            for at in whose {
                let start = self.graph.identities().rows().get(at).and_then(|i| self.start(i));
                if let (Some(start), Some(Some(escalates))) = (start, found.get_mut(at)) {
                    escalates.way = back.way(start);
                }
            }
        }
    }

    /// The way of an identity in steps. None if a deny assignment closes it to just this one.
    pub fn way(&self, identity: &Identity, escalates: &Escalates) -> Option<Path> {
        let told = self.told(identity.party?, &escalates.worst, &escalates.way);
        if let Some(path) = told.filter(|path| path.certainty <= escalates.certainty) {
            return Some(path);
        }
        let other = self.path(identity, &escalates.worst, escalates.certainty);
        other.or_else(|| {
            // What is denied to just this one may leave other places, or less sure ways.
            let places = self.places(identity, Certainty::Low).into_iter().take(PLACES);
            places.into_iter().find_map(|(target, sure)| self.path(identity, &target, sure))
        })
    }

    /// The places of power that an identity surely holds by its own grants, or gives itself by them.
    fn own(&self, identity: &Identity) -> Vec<Node> {
        let number = identity.party.and_then(|party| self.graph.parties()[party].identity);
        match (self.kept.own.get(), number) {
            (Some(all), Some(at)) => all.get(at.index()).cloned().unwrap_or_default(),
            _ => self.own_with(identity, &mut Seen::default()),
        }
    }

    /// The same of every identity, by number: whoever asks for one after the other asks for all.
    pub(super) fn owned(&self) -> &[Vec<Node>] {
        self.kept.own.get_or_init(|| {
            let mut seen = Seen::default();
            self.graph.identities().rows().iter().map(|i| self.own_with(i, &mut seen)).collect()
        })
    }

    fn own_with(&self, identity: &Identity, seen: &mut Seen) -> Vec<Node> {
        let Some(start) = self.start(identity) else { return Vec::new() };
        let mut own = Vec::new();
        seen.begin(self.kept.net.nodes().len());
        seen.add(start);
        let mut next = 0;
        while let Some(at) = seen.list.get(next).copied() {
            next += 1;
            for edge in self.kept.net.from(at).iter().filter(|e| e.certainty < Certainty::Low) {
                let to = edge.to as usize;
                let Some(node) = self.kept.net.node(to) else { continue };
                match node {
                    // To widen a custom role of one's own is a step.
                    Node::Authority(_) if matches!(self.kept.net.node(at), Some(Node::Party(_))) => {}
                    Node::Authority(_) | Node::Write(_) | Node::Directory => own.push(node),
                    Node::Right(..) | Node::Party(_) => seen.add(to),
                    _ => {}
                }
            }
        }
        own
    }

    /// Those of them that are worth telling of.
    pub(super) fn powers(&self, identity: &Identity) -> Vec<Node> {
        self.own(identity).into_iter().filter(|node| self.is_target(*node)).collect()
    }

    /// The worst of them.
    pub fn power(&self, identity: &Identity) -> Option<Target> {
        self.powers(identity).into_iter().min_by_key(|node| self.order(*node)).map(|node| self.target(node))
    }

    /// The places of power that an identity gets to and does not hold, the worst first, each at the surest level at which
    /// there is a way; what one of them covers that is as sure is left out.
    pub fn places(&self, identity: &Identity, at_least: Certainty) -> Vec<(Target, Certainty)> {
        let Some(start) = self.start(identity) else { return Vec::new() };
        let own = self.own(identity);
        let mut kept: Vec<(Node, Certainty)> = Vec::new();
        for certainty in Certainty::ALL.into_iter().filter(|c| *c <= at_least) {
            let found = self.kept.net.walk(start, certainty, &|_, _| false);
            let mut nodes: Vec<Node> = found
                .nodes()
                .filter_map(|at| self.kept.net.node(at))
                .filter(|node| self.is_target(*node) && !own.iter().any(|o| self.covers(*o, *node)))
                .collect();
            nodes.sort_by_key(|node| self.order(*node));
            for node in nodes {
                if !kept.iter().any(|(k, _)| self.covers(*k, node)) {
                    kept.push((node, certainty));
                }
            }
        }
        kept.sort_by_key(|(node, certainty)| (self.order(*node), *certainty));
        kept.into_iter().map(|(node, certainty)| (self.target(node), certainty)).collect()
    }

    /// Those places that no other of them covers: what comes with a place is no place of its own.
    fn uncovered(&self, nodes: Vec<Node>) -> Vec<Node> {
        let all: std::collections::HashSet<Node> = nodes.iter().copied().collect();
        let covered = |node: &Node| {
            let (scope, authority) = match *node {
                Node::Authority(scope) => (scope, true),
                Node::Write(scope) => (scope, false),
                _ => return false,
            };
            let mut at = Some(scope);
            while let Some(outer) = at {
                let above = outer != scope;
                if all.contains(&Node::Authority(outer)) && (above || !authority)
                    || all.contains(&Node::Write(outer)) && above && !authority
                {
                    return true;
                }
                at = self.graph.scopes().nodes()[outer].parent;
            }
            false
        };
        nodes.into_iter().filter(|node| !covered(node)).collect()
    }

    /// The identities that an identity can act as, nearest first.
    pub fn becomes(&self, identity: &Identity, at_least: Certainty) -> Vec<Ix<Party>> {
        let Some(start) = self.start(identity) else { return Vec::new() };
        let found = self.kept.net.walk(start, at_least, &|_, _| false);
        let mut parties: Vec<(u32, Ix<Party>)> = found
            .nodes()
            .filter(|at| *at != start)
            .filter_map(|at| match self.kept.net.node(at)? {
                Node::Party(party) if self.graph.parties()[party].identity.is_some() => {
                    Some((found.get(at)?.steps, party))
                }
                _ => None,
            })
            .collect();
        parties.sort_unstable();
        parties.into_iter().map(|(_, party)| party).collect()
    }

    /// Whether whoever has `own` has `other`.
    pub(super) fn covers(&self, own: Node, other: Node) -> bool {
        let within = |outer, inner| self.graph.scopes().contains(outer, inner);
        match (own, other) {
            (Node::Authority(a), Node::Authority(b) | Node::Write(b)) | (Node::Write(a), Node::Write(b)) => {
                within(a, b)
            }
            (Node::Directory, Node::Directory) => true,
            _ => false,
        }
    }

    /// How bad a place of power is: what is above, and authority over writes.
    fn rank(&self, node: Node) -> (u8, std::cmp::Reverse<Level>) {
        let level = |scope: Ix<ScopeNode>| std::cmp::Reverse(self.graph.scopes().nodes()[scope].level);
        match node {
            Node::Directory => (3, std::cmp::Reverse(Level::Root)),
            Node::Authority(scope) => (2, level(scope)),
            Node::Write(scope) => (1, level(scope)),
            _ => (0, std::cmp::Reverse(Level::Resource)),
        }
    }

    /// What sorts the worst first, and the same every time.
    fn order(&self, node: Node) -> impl Ord + use<> {
        let place = match node {
            Node::Authority(scope) | Node::Write(scope) => scope.index(),
            _ => 0,
        };
        (std::cmp::Reverse(self.rank(node)), place)
    }

    /// For each node the set of the targets that it leads to, over what is sure enough.
    fn reached(&self, targets: &[NodeId], at_least: Certainty) -> (Sets, Vec<u32>) {
        let (component, count) = self.kept.net.components(at_least);
        let mut sets = Sets::new(targets.len());
        // The nodes of a component stand side by side, those that it leads to before it.
        let mut ends = vec![0usize; count + 1];
        for at in &component {
            if let Some(end) = ends.get_mut(*at as usize + 1) {
                *end += 1;
            }
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        let mut next = ends.clone();
        let mut order = vec![0 as NodeId; component.len()];
        for (node, at) in component.iter().enumerate() {
            let Some(place) = next.get_mut(*at as usize) else { continue };
            if let Some(slot) = order.get_mut(*place) {
                *slot = node;
            }
            *place += 1;
        }
        // A node that is a target leads to itself; every other one to nothing yet.
        let mut of_node = vec![0u32; component.len()];
        for (n, node) in targets.iter().enumerate() {
            if let Some(slot) = of_node.get_mut(*node) {
                *slot = sets.one(n);
            }
        }
        for range in ends.windows(2) {
            let &[from, to] = range else { continue };
            let members = order.get(from..to).unwrap_or_default();
            let mut set = 0;
            for node in members {
                set = sets.union(set, of_node.get(*node).copied().unwrap_or(0));
                for edge in self.kept.net.from(*node).iter().filter(|e| e.certainty <= at_least) {
                    set = sets.union(set, of_node.get(edge.to as usize).copied().unwrap_or(0));
                }
            }
            for node in members {
                if let Some(slot) = of_node.get_mut(*node) {
                    *slot = set;
                }
            }
        }
        (sets, of_node)
    }
}
