//! Ways from somebody to somewhere, step by step, with the grant, the operation and the technique of each.

use super::net::{Edge, NodeId, Walk};
use super::rights::is_assigning;
use super::targets::Target;
use super::{Cap, Escalation, Kept, Label, Node, less_sure};
use crate::graph::parties::{Identity, Party};
use crate::graph::scopes::ScopeNode;
use crate::graph::{Grant, Held};
use crate::model::{GrantState, Ix, Operation};
use crate::rbac::{Access, Certainty, Clause, Gain, On, Technique};

/// One thing that somebody does to get further.
#[derive(Clone, Debug)]
pub struct Step {
    /// Who does it.
    pub actor: Ix<Party>,
    /// How; none for roles of the directory and permissions on it, which no technique of Azure is about.
    pub technique: Option<&'static Technique>,
    /// What it is done to.
    pub on: Option<Ix<ScopeNode>>,
    /// The grants that allow it, with the groups that they come through; empty where the step before gives the right.
    pub held: Vec<Held>,
    /// The operations that are used.
    pub operations: Vec<Operation>,
    /// Whether the grants allow it for sure.
    pub access: Access,
    /// What it leads to.
    pub gains: Target,
    /// How sure it is.
    pub certainty: Certainty,
}

/// A way.
#[derive(Clone, Debug)]
pub struct Path {
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Where it leads.
    pub target: Target,
    /// How sure its least sure step is.
    pub certainty: Certainty,
}

impl Step {
    /// What is done, in words.
    pub fn does(&self) -> &str {
        match (self.technique, &self.gains) {
            (Some(_), Target::Role(_, _, Some(_))) => "give another a role that a condition lets through",
            (Some(technique), _) => &technique.title,
            (None, Target::Group(_)) => "add itself to a group",
            (None, _) => "use its role in the directory",
        }
    }
}

impl Path {
    /// The grants that it needs, each once.
    pub fn grants(&self) -> Vec<Ix<Grant>> {
        let mut grants: Vec<_> = self.steps.iter().flat_map(|s| s.held.iter().map(|h| h.grant)).collect();
        grants.sort_unstable();
        grants.dedup();
        grants
    }
}

/// Edges that a way may not take, by their ends.
pub(super) type Banned = [(NodeId, u32)];

impl Escalation<'_> {
    /// The way with the fewest steps from an identity to a target, over what is sure enough.
    pub fn path(&self, from: &Identity, to: &Target, at_least: Certainty) -> Option<Path> {
        self.path_without(from, to, at_least, &[])
    }

    /// The ways to several targets, each over what is as sure as it says.
    pub fn ways(&self, from: &Identity, to: &[(Target, Certainty)]) -> Vec<Path> {
        let (Some(start), Some(party)) = (self.start(from), from.party) else { return Vec::new() };
        let mut found: Vec<Option<Path>> = vec![None; to.len()];
        for certainty in Certainty::ALL {
            let mut walk = None;
            for (slot, (target, _)) in found.iter_mut().zip(to).filter(|(_, (_, c))| *c == certainty) {
                let walk = walk.get_or_insert_with(|| self.kept.net.walk(start, certainty, &|_, _| false));
                *slot = self
                    .edges_of(walk, start, target)
                    .and_then(|edges| self.held_against(from, party, target, certainty, &edges, &[]));
            }
        }
        found.into_iter().flatten().collect()
    }

    /// That way, and others that do without one of its steps.
    pub fn paths(&self, from: &Identity, to: &Target, at_least: Certainty, most: usize) -> Vec<Path> {
        let Some(first) = self.path(from, to, at_least) else { return Vec::new() };
        let Some(edges) = self.edges(from, to, at_least, &[]) else { return vec![first] };
        let mut all = vec![first];
        for (at, edge) in edges.iter().filter(|(at, e)| self.tells_apart(*at, e)) {
            if all.len() >= most {
                break;
            }
            let other = self.path_without(from, to, at_least, &[(*at, edge.to)]);
            let known = |p: &Path, all: &[Path]| all.iter().any(|a| same(a, p));
            all.extend(other.filter(|p| !known(p, &all)));
        }
        all
    }

    /// Puts the way that reports tell of this identity in place of one as short to the same place: of several as good,
    /// everybody should name the same.
    pub fn as_reported(&self, at: Ix<Identity>, paths: &mut [Path]) {
        let Some(escalates) = self.one(at) else { return };
        let Some(way) = self.way(&self.graph.identities()[at], &escalates) else { return };
        let alike = |p: &Path| {
            (&p.target, p.certainty, p.steps.len()) == (&way.target, way.certainty, way.steps.len())
        };
        let Some(first) = paths.iter().position(alike) else { return };
        match paths.iter().position(|p| same(p, &way)) {
            Some(known) => paths.swap(first, known),
            None => {
                if let Some(slot) = paths.get_mut(first) {
                    *slot = way;
                }
            }
        }
    }

    /// Whether an edge is one that somebody could take away: a grant, or what is done to something.
    fn tells_apart(&self, at: NodeId, edge: &Edge) -> bool {
        edge.step
            || matches!(
                (self.kept.net.node(at), self.kept.net.node(edge.to as usize)),
                (Some(Node::Party(_)), Some(Node::Right(..)))
            )
    }

    fn path_without(
        &self,
        from: &Identity,
        to: &Target,
        at_least: Certainty,
        banned: &Banned,
    ) -> Option<Path> {
        let edges = self.edges(from, to, at_least, banned)?;
        self.held_against(from, from.party?, to, at_least, &edges, banned)
    }

    /// A way in steps, or another that is still open: a deny assignment takes a step from whoever would do it, or may.
    fn held_against(
        &self,
        from: &Identity,
        party: Ix<Party>,
        to: &Target,
        at_least: Certainty,
        edges: &[(NodeId, Edge)],
        banned: &Banned,
    ) -> Option<Path> {
        let told = self.told(party, to, edges).filter(|path| path.certainty <= at_least);
        told.or_else(|| self.exact(from, to, at_least, banned))
    }

    /// The edges of the shortest way.
    fn edges(
        &self,
        from: &Identity,
        to: &Target,
        at_least: Certainty,
        banned: &Banned,
    ) -> Option<Vec<(NodeId, Edge)>> {
        let start = self.start(from)?;
        let walk = self.kept.net.walk(start, at_least, &|at, edge| banned.contains(&(at, edge.to)));
        self.edges_of(&walk, start, to)
    }

    fn edges_of(&self, walk: &Walk, start: NodeId, to: &Target) -> Option<Vec<(NodeId, Edge)>> {
        let ends = self.ends(to).into_iter().filter(|end| *end != start);
        let best = ends.filter_map(|end| Some((walk.get(end)?.steps, end))).min();
        best.map(|(_, end)| back(walk, end))
    }

    /// The nodes that a target stands for, and those that are as good.
    pub(super) fn ends(&self, to: &Target) -> Vec<NodeId> {
        let scopes = self.graph.scopes();
        let above = |scope: Ix<ScopeNode>, node: fn(Ix<ScopeNode>) -> Node| {
            scopes.up(scope).filter_map(move |s| self.kept.net.find(node(s))).collect::<Vec<_>>()
        };
        match to {
            Target::Party(party) | Target::Group(party) => {
                self.kept.net.find(Node::Party(*party)).into_iter().collect()
            }
            Target::Authority(scope) => above(*scope, Node::Authority),
            Target::Write(scope) => {
                let mut all = above(*scope, Node::Write);
                all.extend(above(*scope, Node::Authority));
                all
            }
            Target::Directory => self.kept.net.find(Node::Directory).into_iter().collect(),
            Target::Role(..) => Vec::new(),
        }
    }

    /// A way in steps. None if a deny assignment closes one of them to whoever would take it.
    pub(super) fn told(&self, start: Ix<Party>, to: &Target, edges: &[(NodeId, Edge)]) -> Option<Path> {
        let mut steps: Vec<Step> = Vec::new();
        let mut actor = start;
        let mut how: (Option<Ix<Grant>>, Option<&'static Technique>) = (None, None);
        // Where the step before gave the actor its right, if it did.
        let mut given: Option<Ix<ScopeNode>> = None;
        let mut least = Certainty::High;
        // Groups that the actor has put itself into.
        let mut joined: Vec<Ix<Party>> = Vec::new();
        for (at, edge) in edges {
            let (Some(from), Some(into)) = (self.kept.net.node(*at), self.kept.net.node(edge.to as usize))
            else {
                continue;
            };
            if let Node::Lent(other, _, scope) = into {
                steps.extend(self.lent(actor, other, scope, (*at, edge))?);
                // What another was given, it has by acting as that one.
                actor = other;
                joined.clear();
                given = Some(scope);
                continue;
            }
            least = less_sure(least, edge.certainty);
            let technique = self.techniques.get(edge.label as usize);
            match (from, into) {
                (Node::Party(_), Node::Right(..)) => how.0 = Some(Ix::new(edge.label as usize)),
                (
                    Node::Right(..) | Node::Party(_) | Node::Empowered(..) | Node::Lent(..),
                    Node::Reach(..) | Node::Authority(_) | Node::Empowered(..),
                )
                | (Node::Right(..), Node::Right(..)) => how.1 = technique,
                _ => {}
            }
            if !edge.step {
                continue;
            }
            let on = match (from, into) {
                (Node::Reach(..), _) => scope_of(edge.label),
                (_, Node::Authority(scope) | Node::Right(_, scope) | Node::Empowered(_, scope)) => {
                    Some(scope)
                }
                _ => None,
            };
            let gains = self.target(into);
            // What a condition lets be given was worked out when the edge was made.
            let bounded = edge.certainty < Certainty::Low && how.1.is_some_and(|t| is_assigning(&t.id));
            let mut step = self.step((actor, &joined), (how.0, how.1, bounded), on, gains, given);
            let within = |won, on: Option<_>| on.is_some_and(|on| self.graph.scopes().contains(won, on));
            if let (Node::Reach(cap, _), Access::Denied | Access::Conditional) = (from, step.access)
                && given.is_none_or(|won| within(won, on))
            {
                // The surest technique is denied, or may be: another does the same.
                for other in self.techniques.iter().map(|(_, t)| t).filter(|t| self.does(cap, t)) {
                    let gains = self.target(into);
                    let try_it = self.step((actor, &joined), (how.0, Some(other), false), on, gains, given);
                    if (try_it.access, std::cmp::Reverse(other.certainty))
                        > (step.access, std::cmp::Reverse(least))
                    {
                        step = try_it;
                        least = other.certainty;
                    }
                }
            }
            if step.access == Access::Denied {
                return None;
            }
            step.certainty =
                if step.access == Access::Allowed { least } else { less_sure(least, Certainty::Low) };
            given = match into {
                Node::Authority(scope) | Node::Right(_, scope) | Node::Empowered(_, scope) => Some(scope),
                _ => None,
            };
            match into {
                Node::Party(next) if self.graph.parties()[next].identity.is_some() => {
                    actor = next;
                    joined.clear();
                }
                Node::Party(group) => joined.push(group),
                _ => {}
            }
            how = (None, None);
            least = Certainty::High;
            steps.push(step);
        }
        let certainty = steps.iter().map(|s| s.certainty).max().unwrap_or(Certainty::High);
        Some(Path { steps, target: to.clone(), certainty })
    }

    /// How somebody acts as one who gives a role to another, and as that other, by what the net held before that role counted.
    fn lent(
        &self,
        actor: Ix<Party>,
        other: Ix<Party>,
        scope: Ix<ScopeNode>,
        (at, edge): (NodeId, &Edge),
    ) -> Option<Vec<Step>> {
        let Kept { net, loans, .. } = &*self.kept;
        let (lender, round) = loans.get(net, at, edge)?;
        let later = |at: NodeId, edge: &Edge| loans.get(net, at, edge).is_some_and(|(_, r)| r >= round);
        let walk = net.walk(at, edge.certainty, &later);
        let way = |party| {
            if party == actor {
                return Some(Vec::new());
            }
            let target = Target::Party(party);
            Some(self.told(actor, &target, &self.edges_of(&walk, at, &target)?)?.steps)
        };
        let mut steps = way(lender)?;
        let bounded = edge.certainty < Certainty::Low;
        let technique = self.techniques.get(edge.label as usize);
        let gains = self.target(net.node(edge.to as usize)?);
        let mut step = self.step((lender, &[]), (None, technique, bounded), Some(scope), gains, None);
        step.certainty = match step.access {
            Access::Allowed => edge.certainty,
            Access::Conditional => less_sure(edge.certainty, Certainty::Low),
            Access::Denied => return None,
        };
        steps.push(step);
        steps.extend(way(other)?);
        Some(steps)
    }

    pub(super) fn step(
        &self,
        (actor, joined): (Ix<Party>, &[Ix<Party>]),
        (grant, technique, bounded): (Option<Ix<Grant>>, Option<&'static Technique>, bool),
        on: Option<Ix<ScopeNode>>,
        gains: Target,
        given: Option<Ix<ScopeNode>>,
    ) -> Step {
        let mut step = Step {
            actor,
            technique,
            on,
            held: Vec::new(),
            operations: Vec::new(),
            access: Access::Allowed,
            gains,
            certainty: Certainty::High,
        };
        let Some(technique) = technique else { return step };
        let mut held = self.graph.held_by(actor);
        for group in joined {
            held.extend(self.graph.held_by(*group).into_iter().map(|mut h| {
                h.via.insert(0, *group);
                h
            }));
        }
        for clause in &technique.clauses {
            let place = on.filter(|_| !anywhere(technique, clause));
            let mut any = Access::Denied;
            for (bit, operation) in bits(clause.operations).zip(self.techniques.operations(clause.operations))
            {
                let (by, access) = self.holder((actor, &held), (grant, bounded), (bit, operation), place);
                // What no grant allows, the step before gives, where that is.
                let access = match (given, place) {
                    (Some(won), None) if access != Access::Allowed => {
                        self.graph.after_denies(actor, Access::Allowed, operation, won).0
                    }
                    (Some(_), _) => Access::Allowed,
                    (None, _) => access,
                };
                let access = match place {
                    Some(place) => self.graph.after_denies(actor, access, operation, place).0,
                    None => access,
                };
                if clause.all {
                    step.access = step.access.min(access);
                    step.operations.push(operation.clone());
                    step.held.extend(by);
                } else if access > any {
                    // The surest of those that are enough, the first among equals.
                    if any != Access::Denied {
                        step.operations.pop();
                        step.held.pop();
                    }
                    any = access;
                    step.operations.push(operation.clone());
                    step.held.extend(by);
                }
            }
            if !clause.all {
                step.access = step.access.min(any);
            }
        }
        if technique.gain == Gain::Redefine && given.is_none() && !self.graph.denies.is_empty() {
            step.access = step.access.min(self.redefines(actor, &held, on, technique));
        }
        step.held.sort_by_key(|h| (h.grant, h.via.len()));
        step.held.dedup();
        step
    }

    /// Which of the grants allows an operation at a place, or anywhere; `bounded` where what its condition lets through is
    /// known.
    fn holder(
        &self,
        (actor, held): (Ix<Party>, &[Held]),
        (first, bounded): (Option<Ix<Grant>>, bool),
        (bit, operation): (u128, &Operation),
        place: Option<Ix<ScopeNode>>,
    ) -> (Option<Held>, Access) {
        let mut best = (None, Access::Denied);
        let ordered = held.iter().filter(|h| Some(h.grant) == first);
        for h in ordered.chain(held.iter().filter(|h| Some(h.grant) != first)) {
            let grant = &self.graph.grants()[h.grant];
            let there = place.is_none_or(|p| self.graph.scopes().contains(grant.scope, p));
            let right = self.kept.rights.of(grant, actor).and_then(|r| self.kept.rights.get(r));
            let (Some(right), true, true) = (right, there, grant.state != GrantState::Eligible) else {
                continue;
            };
            let access = match (right.powers.sure & bit != 0, right.powers.most & bit != 0) {
                (true, _) => Access::Allowed,
                (false, true) if bounded => Access::Allowed,
                (false, true) => Access::Conditional,
                (false, false) => Access::Denied,
            };
            // Where it may be used anywhere, it is used where it is held.
            let access = match place {
                Some(_) => access,
                None => self.graph.after_denies(actor, access, operation, grant.scope).0,
            };
            if access > best.1 {
                best = (Some(h.clone()), access);
            }
        }
        best
    }

    /// Whether a custom role that is held at a scope may be changed wherever it is assignable, denies counted.
    fn redefines(
        &self,
        actor: Ix<Party>,
        held: &[Held],
        on: Option<Ix<ScopeNode>>,
        technique: &Technique,
    ) -> Access {
        let mask = technique.clauses.iter().fold(0, |all, c| all | c.operations);
        let estate = self.graph.estate();
        let here = held.iter().map(|h| &self.graph.grants()[h.grant]).filter(|g| Some(g.scope) == on);
        let custom = here.filter(|g| {
            self.kept
                .rights
                .of(g, actor)
                .and_then(|r| self.kept.rights.get(r))
                .is_some_and(|r| r.custom.is_some())
        });
        let each = custom.map(|grant| {
            let scopes = self.graph.roles()[grant.role].assignable_scopes.iter().map(|scope| {
                let known = estate.strings.find(scope).and_then(|s| self.graph.scopes().find(estate, s));
                let at = known.unwrap_or(self.graph.scopes().root());
                let all = self.techniques.operations(mask).map(|o| self.graph.can(actor, o, at));
                all.min().unwrap_or(Access::Denied)
            });
            scopes.min().unwrap_or(Access::Denied)
        });
        each.max().unwrap_or(Access::Denied)
    }

    /// Whether a technique does what a node of reach stands for.
    fn does(&self, cap: Cap, technique: &Technique) -> bool {
        match cap {
            Cap::Federate => technique.gain == Gain::Identity,
            Cap::Exec(host, only) => {
                technique.only == only && self.kept.rights.host_of(technique, Gain::Host, host)
            }
            Cap::Feed(host) => self.kept.rights.host_of(technique, Gain::Fed, host),
            Cap::Policy => technique.gain == Gain::Policy,
            // Each provider's host has its own.
            Cap::Attach(..) => false,
        }
    }

    fn right_name(&self, right: usize) -> String {
        self.kept.rights.get(right).map(|r| r.name.clone()).unwrap_or_default()
    }

    pub(super) fn target(&self, node: Node) -> Target {
        match node {
            Node::Party(party) if self.graph.parties()[party].identity.is_some() => Target::Party(party),
            Node::Party(party) => Target::Group(party),
            Node::Right(right, scope) => Target::Role(self.right_name(right), scope, None),
            Node::Lent(other, right, scope) => Target::Role(self.right_name(right), scope, Some(other)),
            Node::Authority(scope) | Node::Reach(_, scope) | Node::Empowered(_, scope) => {
                Target::Authority(scope)
            }
            Node::Write(scope) => Target::Write(scope),
            Node::Directory | Node::AnyGroup => Target::Directory,
        }
    }
}

/// Whether a clause may be met at another place than where the technique is used.
pub(super) fn anywhere(technique: &Technique, clause: &Clause) -> bool {
    match technique.gain {
        Gain::Attach => clause.on != On::Uami,
        Gain::Redefine => true,
        _ => clause.on == On::Scope && technique.clauses.len() > 1,
    }
}

fn bits(mask: u128) -> impl Iterator<Item = u128> {
    (0..128).map(|n| 1u128 << n).filter(move |bit| mask & bit != 0)
}

fn scope_of(label: Label) -> Option<Ix<ScopeNode>> {
    (label != Label::MAX).then(|| Ix::new(label as usize))
}

fn back(walk: &Walk, end: NodeId) -> Vec<(NodeId, Edge)> {
    let mut edges = Vec::new();
    let mut at = end;
    while let Some((from, edge)) = walk.get(at).and_then(|c| c.from) {
        edges.push((from as usize, edge));
        at = from as usize;
    }
    edges.reverse();
    edges
}

/// Whether two ways do the same to the same by the same grants.
fn same(a: &Path, b: &Path) -> bool {
    a.steps.len() == b.steps.len()
        && a.steps.iter().zip(&b.steps).all(|(a, b)| {
            (a.actor, a.on, &a.held, &a.gains) == (b.actor, b.on, &b.held, &b.gains)
                && a.technique.map(|t| &t.id) == b.technique.map(|t| &t.id)
        })
}
