//! Where what somebody can do to a thing leads to whom: from hosts, from the stores that they take their code from, from
//! policy definitions, and from identities that are told to trust another's tokens. Known before the net is made, so that
//! what leads to nobody below a scope is left out of it. Not here: who can do it.

use super::{home, supplied, type_of};
use crate::graph::escalate::open::Door;
use crate::graph::escalate::rights::Rights;
use crate::graph::escalate::{Cap, Place};
use crate::graph::parties::{Host, Party};
use crate::graph::scopes::ScopeNode;
use crate::graph::{AccessGraph, FastMap};
use crate::model::{Doors, Ix, Sym};
use crate::rbac::Certainty;
use std::mem::Discriminant;
use std::ops::Range;
use std::sync::Arc;

/// What is done, and to things of which type, by number.
type Kind = (Discriminant<Cap>, usize);

/// All of it, and what of rights is part of it: hangs on no grant, and is worked out once for all nets of a graph.
#[derive(Debug)]
pub(in crate::graph::escalate) struct Leads {
    /// What is done, where, and whom that leads to.
    pub(super) all: Vec<(Cap, Ix<ScopeNode>, Ix<Party>)>,
    /// What of each right, by number, leads to anybody anywhere.
    of_right: Vec<Vec<Live>>,
}

/// What a right lets be done, how sure that is, by which technique, and where it leads to somebody.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) cap: Cap,
    pub(super) certainty: Certainty,
    pub(super) technique: usize,
    /// Numbers in the walk of scopes, in order.
    places: Arc<[u32]>,
}

impl Live {
    /// Whether it leads to anybody in a range of the walk of scopes.
    pub(super) fn within(&self, range: &Range<u32>) -> bool {
        let first = self.places.partition_point(|at| *at < range.start);
        self.places.get(first).is_some_and(|at| *at < range.end)
    }
}

impl Leads {
    pub(in crate::graph::escalate) fn new(graph: &AccessGraph, rights: &Rights) -> Leads {
        let strings = &graph.estate().strings;
        let known = graph.estate().resources.iter().filter(|r| r.doors != Doors::default());
        let doors = known.map(|r| (strings.class(r.id), Door::of(r.doors))).collect();
        let mut made = Making { graph, rights, all: Vec::new(), places: FastMap::default() };
        made.identities(&doors);
        made.supplies();
        made.policies();
        let sorted = |(kind, mut places): (Kind, Vec<u32>)| {
            places.sort_unstable();
            (kind, places.into())
        };
        let places: FastMap<Kind, Arc<[u32]>> = made.places.into_iter().map(sorted).collect();
        let live = |(cap, certainty, technique): &(Cap, Certainty, usize)| {
            let places = Arc::clone(places.get(&kind(*cap))?);
            Some(Live { cap: *cap, certainty: *certainty, technique: *technique, places })
        };
        let all = (0..).map_while(|number| rights.get(number));
        let of_right = all.map(|right| right.caps.iter().filter_map(live).collect()).collect();
        Leads { all: made.all, of_right }
    }

    /// What of a right, by number, leads to anybody.
    pub(super) fn of_right(&self, number: usize) -> &[Live] {
        self.of_right.get(number).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Leads in the making.
struct Making<'g> {
    graph: &'g AccessGraph,
    rights: &'g Rights,
    all: Vec<(Cap, Ix<ScopeNode>, Ix<Party>)>,
    places: FastMap<Kind, Vec<u32>>,
}

impl Making<'_> {
    fn add(&mut self, cap: Cap, place: Ix<ScopeNode>, to: Ix<Party>) {
        self.note(kind(cap), place);
        self.all.push((cap, place, to));
    }

    fn note(&mut self, kind: Kind, place: Ix<ScopeNode>) {
        self.places.entry(kind).or_default().push(self.graph.scopes().range(place).start);
    }

    fn identities(&mut self, doors: &FastMap<Sym, Door>) {
        let graph = self.graph;
        let attach = kind(Cap::Attach(0, Place::New));
        for (_, identity) in graph.identities().iter() {
            let Some(party) = identity.party else { continue };
            for host in &identity.hosts {
                self.host(doors, host, party);
            }
            if let (Some(scope), Some(_)) = (identity.scope, identity.record) {
                self.add(Cap::Federate, scope, party);
                // Where an identity may be put, its provider and region decide: asked once the net has somebody who can.
                self.note(attach, scope);
            }
        }
    }

    fn host(&mut self, doors: &FastMap<Sym, Door>, host: &Host, to: Ix<Party>) {
        let (graph, rights) = (self.graph, self.rights);
        let Some(scope) = host.scope else { return };
        let Some(kind) = type_of(graph, host.id).and_then(|k| rights.host(&k)) else { return };
        let door = doors.get(&graph.estate().strings.class(host.id)).copied();
        for only in rights.ways_in(kind) {
            if door.is_none_or(|door| door.opens(only)) {
                self.add(Cap::Exec(kind, only), scope, to);
            }
        }
    }

    /// From the stores that hosts take their code from to the identities of those.
    fn supplies(&mut self) {
        let (graph, rights) = (self.graph, self.rights);
        let estate = graph.estate();
        let fed = supplied(graph);
        if fed.is_empty() {
            return;
        }
        for (_, identity) in graph.identities().iter() {
            let Some(party) = identity.party else { continue };
            for host in &identity.hosts {
                for store in fed.get(&estate.strings.class(host.id)).into_iter().flatten() {
                    let place = graph.scopes().find(estate, *store);
                    let kind = type_of(graph, *store).and_then(|k| rights.host(&k));
                    if let (Some(place), Some(kind)) = (place, kind) {
                        self.add(Cap::Feed(kind), place, party);
                    }
                }
            }
        }
    }

    /// From policy definitions that somebody can change to the identities of their assignments.
    fn policies(&mut self) {
        let graph = self.graph;
        let estate = graph.estate();
        let mut definitions: FastMap<Sym, &crate::model::PolicyDefinition> = FastMap::default();
        for definition in &estate.policy_definitions {
            definitions.entry(estate.strings.class(definition.id)).or_insert(definition);
        }
        for (_, identity) in graph.identities().iter() {
            let assignment = identity.policy.and_then(|at| estate.policy_assignments.get(at));
            let (Some(party), Some(definition)) = (identity.party, assignment.and_then(|p| p.definition))
            else {
                continue;
            };
            let set = definitions.get(&estate.strings.class(definition));
            let members = set.into_iter().flat_map(|s| s.members.iter().copied());
            for id in std::iter::once(definition).chain(members) {
                if let Some(place) = home(graph, id) {
                    self.add(Cap::Policy, place, party);
                }
            }
        }
    }
}

fn kind(cap: Cap) -> Kind {
    let number = match cap {
        Cap::Exec(kind, _) | Cap::Feed(kind) => kind,
        Cap::Federate | Cap::Attach(..) | Cap::Policy => 0,
    };
    (std::mem::discriminant(&cap), number)
}
