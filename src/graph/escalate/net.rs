//! The net's nodes and edges: made once, then walked forward or backward.

use super::{Label, Node};
use crate::graph::FastMap;
use crate::rbac::Certainty;
use std::collections::VecDeque;

/// A node's number.
pub(super) type NodeId = usize;

/// An edge as it leaves its node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Edge {
    pub(super) to: u32,
    pub(super) label: Label,
    pub(super) certainty: Certainty,
    /// Whether somebody does something, or it only follows.
    pub(super) step: bool,
}

/// The net while it is made.
#[derive(Debug, Default)]
pub(super) struct Draft {
    nodes: Vec<Node>,
    numbers: FastMap<Node, NodeId>,
    edges: Vec<(u32, Edge)>,
}

impl Draft {
    /// The number of a node, which is made if it is not there.
    pub(super) fn node(&mut self, node: Node) -> NodeId {
        *self.numbers.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    pub(super) fn has(&self, node: Node) -> Option<NodeId> {
        self.numbers.get(&node).copied()
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn edge(
        &mut self,
        from: NodeId,
        to: NodeId,
        certainty: Certainty,
        step: bool,
        label: Option<usize>,
    ) {
        // There are no more nodes than the estate has records, a few times over.
        let (Ok(from), Ok(to)) = (u32::try_from(from), u32::try_from(to)) else { return };
        let label = label.and_then(|l| u32::try_from(l).ok()).unwrap_or(u32::MAX);
        self.edges.push((from, Edge { to, label, certainty, step }));
    }

    pub(super) fn finish(self) -> Net {
        let starts = starts(self.nodes.len(), self.edges.iter().map(|(from, _)| *from));
        let mut edges = self.edges;
        // Stable: edges of a node stay in the order in which they were made, which is that of the records.
        edges.sort_by_key(|(from, _)| *from);
        let edges = edges.into_iter().map(|(_, edge)| edge).collect();
        Net { nodes: self.nodes, numbers: self.numbers, starts, edges }
    }
}

/// Where the edges of each node start in a list that is sorted by node, and where the last ones end.
fn starts(nodes: usize, edges: impl Iterator<Item = u32>) -> Vec<usize> {
    let mut starts = vec![0; nodes + 1];
    for node in edges {
        if let Some(slot) = starts.get_mut(node as usize + 1) {
            *slot += 1;
        }
    }
    let mut sum = 0;
    for slot in &mut starts {
        sum += *slot;
        *slot = sum;
    }
    starts
}

/// The net.
#[derive(Debug)]
pub(super) struct Net {
    nodes: Vec<Node>,
    numbers: FastMap<Node, NodeId>,
    starts: Vec<usize>,
    edges: Vec<Edge>,
}

/// The way that a walk came to a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    /// Steps until here.
    pub(super) steps: u32,
    /// From where, by which edge; none where the walk began.
    pub(super) from: Option<(u32, Edge)>,
}

/// Where a walk came to.
#[derive(Debug)]
pub(super) struct Walk {
    came: Vec<Came>,
    order: Vec<NodeId>,
}

impl Walk {
    /// How it came to a node, if it did.
    pub(super) fn get(&self, at: NodeId) -> Option<&Came> {
        self.came.get(at).filter(|c| c.steps != u32::MAX)
    }

    /// Every node that it came to, those after fewer steps first.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.order.iter().copied()
    }
}

impl Net {
    pub(super) fn find(&self, node: Node) -> Option<NodeId> {
        self.numbers.get(&node).copied()
    }

    pub(super) fn node(&self, at: NodeId) -> Option<Node> {
        self.nodes.get(at).copied()
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.nodes.len(), self.edges.len())
    }

    pub(super) fn from(&self, at: NodeId) -> &[Edge] {
        let start = self.starts.get(at).copied().unwrap_or(0);
        let end = self.starts.get(at + 1).copied().unwrap_or(start);
        self.edges.get(start..end).unwrap_or_default()
    }

    /// Walks from a node over all edges that are sure enough and not `without`: to each node that is reached, by the way
    /// with the fewest steps.
    pub(super) fn walk(
        &self,
        start: NodeId,
        at_least: Certainty,
        without: &dyn Fn(NodeId, &Edge) -> bool,
    ) -> Walk {
        let mut came: Vec<Came> = vec![Came { steps: u32::MAX, from: None }; self.nodes.len()];
        let mut done = vec![false; self.nodes.len()];
        let mut order = Vec::new();
        if let Some(slot) = came.get_mut(start) {
            slot.steps = 0;
        }
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            match done.get_mut(at) {
                Some(done) if !*done => *done = true,
                _ => continue,
            }
            order.push(at);
            let steps = came.get(at).map_or(u32::MAX, |c| c.steps);
            for edge in self.from(at).iter().filter(|e| e.certainty <= at_least && !without(at, e)) {
                let to = edge.to as usize;
                let next = steps.saturating_add(u32::from(edge.step));
                let Some(slot) = came.get_mut(to).filter(|c| next < c.steps) else { continue };
                *slot = Came { steps: next, from: u32::try_from(at).ok().map(|at| (at, *edge)) };
                // What follows by itself is looked at before the next step.
                if edge.step { queue.push_back(to) } else { queue.push_front(to) }
            }
        }
        Walk { came, order }
    }

    /// For each node the number of its component, with components numbered so that edges lead from higher to lower or
    /// stay inside. Without recursion: nets are as deep as somebody makes them.
    pub(super) fn components(&self, at_least: Certainty) -> (Vec<u32>, usize) {
        const NONE: u32 = u32::MAX;
        let count = self.nodes.len();
        let (mut index, mut low) = (vec![NONE; count], vec![0u32; count]);
        let mut component = vec![NONE; count];
        let (mut next, mut made) = (0u32, 0u32);
        let mut stack: Vec<u32> = Vec::new();
        let mut work: Vec<(u32, usize)> = Vec::new();
        let get = |list: &[u32], at: u32| list.get(at as usize).copied().unwrap_or(NONE);
        let set = |list: &mut [u32], at: u32, value: u32| {
            if let Some(slot) = list.get_mut(at as usize) {
                *slot = value;
            }
        };
        for root in 0..u32::try_from(count).unwrap_or(NONE) {
            if get(&index, root) != NONE {
                continue;
            }
            work.push((root, 0));
            while let Some((at, edge)) = work.pop() {
                if edge == 0 {
                    set(&mut index, at, next);
                    set(&mut low, at, next);
                    next += 1;
                    stack.push(at);
                }
                let edges = self.from(at as usize);
                let mut child = None;
                for (n, e) in edges.iter().enumerate().skip(edge).filter(|(_, e)| e.certainty <= at_least) {
                    if get(&index, e.to) == NONE {
                        child = Some((n, e.to));
                        break;
                    }
                    if get(&component, e.to) == NONE {
                        let least = get(&low, at).min(get(&index, e.to));
                        set(&mut low, at, least);
                    }
                }
                if let Some((n, to)) = child {
                    work.push((at, n + 1));
                    work.push((to, 0));
                    continue;
                }
                if get(&low, at) == get(&index, at) {
                    while let Some(member) = stack.pop() {
                        set(&mut component, member, made);
                        if member == at {
                            break;
                        }
                    }
                    made += 1;
                }
                if let Some((parent, _)) = work.last() {
                    let least = get(&low, *parent).min(get(&low, at));
                    set(&mut low, *parent, least);
                }
            }
        }
        (component, made as usize)
    }
}

/// An edge as it comes to its node. What a walk asks of it lies here: looking it up would be most of the walk.
#[derive(Clone, Copy, Debug)]
struct Back {
    from: u32,
    /// Its number.
    edge: u32,
    certainty: Certainty,
    step: bool,
}

/// A net's edges the other way round, for walks from where ways lead to.
#[derive(Debug)]
pub(super) struct Reversed<'n> {
    net: &'n Net,
    starts: Vec<usize>,
    edges: Vec<Back>,
    /// Of the last walk: the steps that are left, and the edge to go on by.
    next: Vec<(u32, u32)>,
    touched: Vec<NodeId>,
}

impl Net {
    pub(super) fn reversed(&self) -> Reversed<'_> {
        let starts = starts(self.nodes.len(), self.edges.iter().map(|edge| edge.to));
        let mut at = starts.clone();
        let none = Back { from: 0, edge: u32::MAX, certainty: Certainty::Doubtful, step: false };
        let mut edges = vec![none; self.edges.len()];
        for from in 0..self.nodes.len() {
            let start = self.starts.get(from).copied().unwrap_or(0);
            for (n, edge) in self.from(from).iter().enumerate() {
                let Some(place) = at.get_mut(edge.to as usize) else { continue };
                if let (Some(slot), Ok(from), Ok(n)) =
                    (edges.get_mut(*place), u32::try_from(from), u32::try_from(start + n))
                {
                    *slot = Back { from, edge: n, certainty: edge.certainty, step: edge.step };
                }
                *place += 1;
            }
        }
        let next = vec![(u32::MAX, u32::MAX); self.nodes.len()];
        Reversed { net: self, starts, edges, next, touched: Vec::new() }
    }
}

impl Reversed<'_> {
    /// Walks back from nodes over all edges that are sure enough.
    pub(super) fn walk(&mut self, ends: &[NodeId], at_least: Certainty) {
        for at in self.touched.drain(..) {
            if let Some(slot) = self.next.get_mut(at) {
                *slot = (u32::MAX, u32::MAX);
            }
        }
        let mut queue: VecDeque<(NodeId, u32)> = VecDeque::new();
        for end in ends {
            if let Some(slot) = self.next.get_mut(*end) {
                *slot = (0, u32::MAX);
                self.touched.push(*end);
                queue.push_back((*end, 0));
            }
        }
        while let Some((at, steps)) = queue.pop_front() {
            // A shorter way was found since.
            if self.next.get(at).is_none_or(|(known, _)| *known < steps) {
                continue;
            }
            let start = self.starts.get(at).copied().unwrap_or(0);
            let end = self.starts.get(at + 1).copied().unwrap_or(start);
            for back in self.edges.get(start..end).unwrap_or_default() {
                if back.certainty > at_least {
                    continue;
                }
                let left = steps + u32::from(back.step);
                let from = back.from as usize;
                let Some(slot) = self.next.get_mut(from) else { continue };
                if slot.0 <= left {
                    continue;
                }
                if slot.0 == u32::MAX {
                    self.touched.push(from);
                }
                *slot = (left, back.edge);
                if back.step {
                    queue.push_back((from, left));
                } else {
                    queue.push_front((from, left));
                }
            }
        }
    }

    /// Whether a node leads to one of the ends.
    pub(super) fn reached(&self, at: NodeId) -> bool {
        self.next.get(at).is_some_and(|(steps, _)| *steps != u32::MAX)
    }

    /// The way from a node to the nearest of the ends.
    pub(super) fn way(&self, from: NodeId) -> Vec<(NodeId, Edge)> {
        let mut way = Vec::new();
        let mut at = from;
        while let Some((_, edge)) = self.next.get(at).filter(|(_, edge)| *edge != u32::MAX) {
            let Some(edge) = self.net.edges.get(*edge as usize) else { break };
            way.push((at, *edge));
            at = edge.to as usize;
        }
        way
    }
}
