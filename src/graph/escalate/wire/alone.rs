//! What one holder can do with several of its grants together: one gives one half of a technique, another the other. Azure
//! asks whoever makes the request for both, so that the halves of two holders do not add up.

use super::Wire;
use crate::graph::escalate::rights::{EVERYTHING, Rights, assigning, certainty};
use crate::graph::escalate::{Cap, Node, Place};
use crate::graph::parties::Party;
use crate::graph::scopes::ScopeNode;
use crate::graph::{AccessGraph, Grant};
use crate::model::{GrantState, Ix, Level, Scope, Sym};
use crate::rbac::{Access, Certainty, Clause, Gain, On, Powers, Technique, Techniques};
use std::collections::BTreeSet;

/// An edge that comes of it: to where, how sure, whether that is a step, by which technique.
pub(in crate::graph::escalate) type Found = (Node, Certainty, bool, usize);

/// A technique that puts an identity on a host, taken apart: what it takes on the identity, and what on a host.
pub(super) struct Attaching {
    at: usize,
    technique: Technique,
    own: Vec<Clause>,
    host: Vec<Clause>,
    provider: usize,
}

impl Attaching {
    /// All of them.
    pub(super) fn all(techniques: &Techniques, rights: &Rights) -> Vec<Attaching> {
        let all = techniques.iter().filter(|(_, t)| t.gain == Gain::Attach);
        let apart = all.filter_map(|(at, technique)| {
            let provider = technique.hosts.first().and_then(|h| h.split('/').next()).unwrap_or_default();
            let provider = rights.provider(provider)?;
            let (own, host) = technique.clauses.iter().cloned().partition(|c| c.on == On::Uami);
            Some(Attaching { at, technique: technique.clone(), own, host, provider })
        });
        apart.collect()
    }
}

/// Hosts of a provider, at a place, for identities at a scope: how sure, by which technique.
type Attached = ((usize, Place, Ix<ScopeNode>), (Certainty, usize));

/// A technique of several operations, with the types of hosts that it works on, by number.
pub(super) struct Joining {
    at: usize,
    technique: Technique,
    hosts: Vec<usize>,
}

impl Joining {
    /// All of them that have somebody act as what they work on.
    pub(super) fn all(techniques: &Techniques, rights: &Rights) -> Vec<Joining> {
        let several = |t: &Technique| {
            t.clauses.len() > 1 || t.clauses.iter().any(|c| c.all && c.operations.count_ones() > 1)
        };
        let all = techniques.iter().filter(|(_, t)| matches!(t.gain, Gain::Host | Gain::Fed) && several(t));
        let made = all.map(|(at, technique)| Joining {
            at,
            technique: technique.clone(),
            hosts: technique.hosts.iter().filter_map(|h| rights.host(h)).collect(),
        });
        made.collect()
    }
}

/// What a grant lets be written.
enum Site {
    /// Whatever is there or will be.
    Anywhere,
    /// One thing, by its type, where it is.
    Host(String, Option<Sym>),
    /// Nothing that hosts.
    None,
}

#[derive(Clone)]
struct Holding {
    right: usize,
    powers: Powers,
    scope: Ix<ScopeNode>,
}

/// All that a party holds.
#[derive(Clone)]
pub(in crate::graph::escalate) struct Holdings<'g> {
    pub(in crate::graph::escalate) graph: &'g AccessGraph,
    all: Vec<Holding>,
    union: Powers,
    /// What is held at each scope where something is, from there or above.
    places: Vec<(Ix<ScopeNode>, Powers)>,
}

impl<'g> Holdings<'g> {
    pub(in crate::graph::escalate) fn of(
        graph: &'g AccessGraph,
        rights: &Rights,
        party: Ix<Party>,
        gone: &BTreeSet<Ix<Grant>>,
    ) -> Holdings<'g> {
        let mut all = Vec::new();
        let mut union = Powers::default();
        for held in graph.held_by(party).into_iter().filter(|h| !gone.contains(&h.grant)) {
            let grant = &graph.grants()[held.grant];
            let Some((at, right)) = rights.of(grant, party).and_then(|at| Some((at, rights.get(at)?))) else {
                continue;
            };
            // A harmless custom role is what gets widened.
            let nothing = right.powers.most == 0 && right.custom.is_none();
            if grant.state == GrantState::Eligible || nothing {
                continue;
            }
            union = union.and(right.powers);
            all.push(Holding { right: at, powers: right.powers, scope: grant.scope });
        }
        let mut holdings = Holdings { graph, all, union, places: Vec::new() };
        holdings.settle();
        holdings
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(in crate::graph::escalate) fn union(&self) -> Powers {
        self.union
    }

    pub(in crate::graph::escalate) fn places(&self) -> &[(Ix<ScopeNode>, Powers)] {
        &self.places
    }

    /// What is held, by the number of the right, and where.
    pub(in crate::graph::escalate) fn rights(&self) -> impl Iterator<Item = (usize, Ix<ScopeNode>)> + '_ {
        self.all.iter().map(|h| (h.right, h.scope))
    }

    /// Whether a host of a technique may be written somewhere.
    pub(in crate::graph::escalate) fn hosting(&self, technique: &Technique, clauses: &[&Clause]) -> Access {
        let fits = |scope| {
            let node = &self.graph.scopes().nodes()[scope];
            let kind = Scope::parse(self.graph.text(node.id)).and_then(|s| s.resource_type());
            node.level < Level::Resource || kind.is_some_and(|k| technique.works_on(&k.to_ascii_lowercase()))
        };
        let there = self.places.iter().filter(|(scope, _)| fits(*scope));
        let each = there.map(|(_, here)| clauses.iter().map(|c| c.holds(*here)).min());
        each.flatten().max().unwrap_or(Access::Denied)
    }

    fn settle(&mut self) {
        let scopes = self.graph.scopes();
        let mut places: Vec<_> = self.all.iter().map(|h| h.scope).collect();
        places.sort_unstable();
        places.dedup();
        let at = |scope: Ix<ScopeNode>| {
            let there = self.all.iter().filter(|h| scopes.contains(h.scope, scope));
            (scope, there.fold(Powers::default(), |all, h| all.and(h.powers)))
        };
        self.places = places.into_iter().map(at).collect();
    }

    /// Techniques that put an identity on a host: the right to the identity from one grant, that to a host from another.
    pub(super) fn attach(&self, wire: &Wire<'_, '_>, found: &mut Vec<Found>) {
        let to_identities: Vec<&Holding> = self.all.iter().filter(|h| !self.trusts(wire, h)).collect();
        if to_identities.is_empty() {
            return;
        }
        let sites: Vec<(Site, Powers)> =
            self.places.iter().map(|(s, here)| (self.site(wire, *s), *here)).collect();
        let holds = |clauses: &[Clause], powers| {
            clauses.iter().map(|c| c.holds(powers)).min().unwrap_or(Access::Allowed)
        };
        let mut all: Vec<Attached> = Vec::new();
        let mut places: Vec<(Place, Access)> = Vec::new();
        for way in &wire.attaching {
            if to_identities.iter().all(|h| holds(&way.own, h.powers) == Access::Denied) {
                continue;
            }
            let technique = &way.technique;
            places.clear();
            for (site, here) in &sites {
                let access = holds(&way.host, *here);
                let place = match site {
                    _ if access == Access::Denied => continue,
                    _ if way.host.is_empty() => Place::New,
                    Site::Anywhere => Place::New,
                    Site::Host(kind, region) if technique.works_on(kind) => Place::Region(*region),
                    Site::Host(..) | Site::None => continue,
                };
                match places.iter_mut().find(|(known, _)| *known == place) {
                    Some((_, known)) => *known = access.max(*known),
                    None => places.push((place, access)),
                }
            }
            for holding in &to_identities {
                let to_identity = holds(&way.own, holding.powers);
                for (place, to_host) in &places {
                    let sure = certainty(technique.certainty, to_identity.min(*to_host));
                    all.extend(sure.map(|sure| ((way.provider, *place, holding.scope), (sure, way.at))));
                }
            }
        }
        // The surest of each.
        all.sort_unstable();
        all.dedup_by_key(|(reach, _)| *reach);
        found.extend(all.into_iter().map(|((provider, place, scope), (sure, at))| {
            (Node::Reach(Cap::Attach(provider, place), scope), sure, false, at)
        }));
    }

    /// Whether what is held has identities trust tokens from outside: then nothing needs to be attached there.
    fn trusts(&self, wire: &Wire<'_, '_>, holding: &Holding) -> bool {
        // A deny assignment may take the one and leave the other.
        if !self.graph.denies.is_empty() {
            return false;
        }
        let caps = wire.rights.get(holding.right).map(|r| r.caps.as_slice()).unwrap_or_default();
        caps.iter().any(|(cap, sure, _)| *cap == Cap::Federate && *sure == Certainty::High)
    }

    /// What a grant at a scope lets be written.
    fn site(&self, wire: &Wire<'_, '_>, scope: Ix<ScopeNode>) -> Site {
        let node = &self.graph.scopes().nodes()[scope];
        if node.level < Level::Resource {
            return Site::Anywhere;
        }
        let class = self.graph.estate().strings.class(node.id);
        let region = wire.regions.get(&class).copied();
        super::type_of(self.graph, node.id).map_or(Site::None, |kind| Site::Host(kind, region))
    }

    /// Techniques of several operations that no grant gives alone.
    pub(super) fn joined(&self, wire: &Wire<'_, '_>, found: &mut Vec<Found>) {
        // The same right in several places is enough in each, or in none.
        let first = self.all.first().map(|h| h.right);
        if self.all.iter().all(|h| Some(h.right) == first) {
            return;
        }
        let scopes = self.graph.scopes();
        // For each place what holds there, and what holds everywhere that anything does.
        let holds_at = |scope| -> Vec<usize> {
            let there = self.all.iter().enumerate().filter(|(_, h)| scopes.contains(h.scope, scope));
            there.map(|(at, _)| at).collect()
        };
        let there: Vec<Vec<usize>> = self.places.iter().map(|(scope, _)| holds_at(*scope)).collect();
        let mut places_of = vec![0; self.all.len()];
        for holding in there.iter().flatten() {
            if let Some(count) = places_of.get_mut(*holding) {
                *count += 1;
            }
        }
        for joining in &wire.joining {
            let technique = &joining.technique;
            if technique.holds(self.union) == Access::Denied {
                continue;
            }
            let each: Vec<Access> = self.all.iter().map(|h| technique.holds(h.powers)).collect();
            // One that is enough by itself wherever anything is held leaves nothing to join.
            let mut whole = each.iter().zip(&places_of).filter(|(access, _)| **access == Access::Allowed);
            if whole.any(|(_, places)| *places == self.places.len()) {
                continue;
            }
            for ((scope, here), there) in self.places.iter().copied().zip(&there) {
                // What is needed anywhere may lie elsewhere.
                let clauses = technique.clauses.iter().map(|c| {
                    c.holds(if c.on == On::Scope && technique.clauses.len() > 1 { self.union } else { here })
                });
                let access = clauses.min().unwrap_or(Access::Denied);
                let Some(sure) = certainty(technique.certainty, access) else { continue };
                let alone = there.iter().filter_map(|at| each.get(*at)).max();
                if alone.is_some_and(|alone| access <= *alone) {
                    continue;
                }
                found.extend(
                    joining
                        .hosts
                        .iter()
                        .map(|host| (Node::Reach(Cap::on(technique, *host), scope), sure, false, joining.at)),
                );
            }
        }
    }

    /// What is held once the holder has given itself all that it can, or changed a custom role of its own; and the first of
    /// that, with its technique. None where there is no such thing.
    pub(super) fn won(
        &self,
        wire: &Wire<'_, '_>,
        redefined: &[Found],
    ) -> Option<(Holdings<'g>, Ix<ScopeNode>, Certainty, usize)> {
        let (_, some) = assigning(wire.techniques);
        let mut won: Vec<(Ix<ScopeNode>, usize, Certainty, usize)> = Vec::new();
        for holding in &self.all {
            let Some(right) = wire.rights.get(holding.right) else { continue };
            let authority = right.authority(self.graph.scopes().nodes()[holding.scope].level);
            if let Some((sure, technique)) = authority.filter(|(sure, _)| *sure < Certainty::Low) {
                won.push((holding.scope, EVERYTHING, sure, technique));
            }
            let sure = right.gives.iter().filter(|(_, sure)| *sure < Certainty::Low);
            won.extend(sure.map(|(given, sure)| (holding.scope, *given, *sure, some)));
        }
        won.extend(
            authorities(redefined).map(|(scope, sure, technique)| (scope, EVERYTHING, sure, technique)),
        );
        let (scope, _, sure, technique) = *won.first()?;
        let mut all = self.clone();
        won.iter().for_each(|(scope, right, ..)| all.add(wire, *scope, *right));
        all.settle();
        // What is won lets more be changed.
        loop {
            let mut found = Vec::new();
            all.redefine(wire.rights, wire.techniques, &mut found);
            let has =
                |all: &Holdings<'_>, scope| all.all.iter().any(|h| h.right == EVERYTHING && h.scope == scope);
            let new: Vec<_> =
                authorities(&found).map(|(scope, ..)| scope).filter(|s| !has(&all, *s)).collect();
            if new.is_empty() {
                return Some((all, scope, sure, technique));
            }
            new.into_iter().for_each(|scope| all.add(wire, scope, EVERYTHING));
            all.settle();
        }
    }

    /// The same with one right more.
    pub(super) fn with(&mut self, wire: &Wire<'_, '_>, scope: Ix<ScopeNode>, right: usize) {
        self.add(wire, scope, right);
        self.settle();
    }

    fn add(&mut self, wire: &Wire<'_, '_>, scope: Ix<ScopeNode>, right: usize) {
        let powers = wire.rights.get(right).map(|r| r.powers).unwrap_or_default();
        self.union = self.union.and(powers);
        self.all.push(Holding { right, powers, scope });
    }

    /// Custom roles that are held and may be changed wherever they are assignable.
    pub(in crate::graph::escalate) fn redefine(
        &self,
        rights: &Rights,
        techniques: &Techniques,
        found: &mut Vec<Found>,
    ) {
        let all = techniques.iter().filter(|(_, t)| t.gain == Gain::Redefine);
        for (at, technique) in all.filter(|(_, t)| t.holds(self.union) != Access::Denied) {
            for holding in &self.all {
                let Some(right) = rights.get(holding.right) else { continue };
                let Some(role) = right.custom else { continue };
                let role = &self.graph.roles()[role];
                let each = role.assignable_scopes.iter().map(|scope| {
                    let there = self.all.iter().filter(|h| self.graph.reaches_from(h.scope, scope));
                    there.map(|h| technique.holds(h.powers)).max().unwrap_or(Access::Denied)
                });
                // Whatever the role becomes, the condition of the grant stays.
                let access = each.min().unwrap_or(Access::Denied).min(right.rewritten);
                let Some(sure) = certainty(technique.certainty, access) else { continue };
                let node = Node::Authority(holding.scope);
                if !found.iter().any(|(n, s, ..)| *n == node && *s <= sure) {
                    found.push((node, sure, true, at));
                }
            }
        }
    }
}

/// The scopes at which something found gives any role, surely enough.
fn authorities(found: &[Found]) -> impl Iterator<Item = (Ix<ScopeNode>, Certainty, usize)> + '_ {
    found.iter().filter_map(|(node, sure, _, technique)| match node {
        Node::Authority(scope) if *sure < Certainty::Low => Some((*scope, *sure, *technique)),
        _ => None,
    })
}
