//! Makes the net: from grants to rights, from rights to their reach, from there to identities.

use super::loans::Loans;
use super::net::{Draft, Net, NodeId};
use super::rights::{EVERYTHING, Rights, assigning};
use super::{Cap, Node, Place};
use crate::graph::parties::{Identity, Party, PartyKind};
use crate::graph::scopes::ScopeNode;
use crate::graph::{AccessGraph, Edge, FastMap, Grant};
use crate::model::{GrantState, Ix, Level, Scope, Sym};
use crate::rbac::{Certainty, Techniques};
use leads::Leads;
use std::collections::BTreeSet;

pub(super) mod alone;
mod directory;
pub(super) mod leads;

/// So many identities are worth a second thread.
const MANY: usize = 1000;

/// What one holder can do with several of its grants, and with those that it can give itself.
struct Together {
    party: Ix<Party>,
    found: Vec<alone::Found>,
    won: Option<Won>,
}

/// From where somebody gives itself more, how sure that is, by which technique, and what it can do then.
type Won = (Ix<ScopeNode>, Certainty, usize, Vec<alone::Found>);

/// A net in the making.
pub(super) struct Wire<'a, 'g> {
    graph: &'g AccessGraph,
    techniques: &'static Techniques,
    rights: &'a Rights,
    /// Grants that are left out.
    gone: &'a BTreeSet<Ix<Grant>>,
    draft: Draft,
    /// Techniques that put identities on hosts.
    attaching: Vec<alone::Attaching>,
    /// Techniques whose operations several grants may give.
    joining: Vec<alone::Joining>,
    /// Where resources are, by the class of their ids.
    regions: FastMap<Sym, Sym>,
    /// What leads to whom.
    leads: &'a Leads,
}

impl<'a, 'g> Wire<'a, 'g> {
    pub(super) fn new(
        graph: &'g AccessGraph,
        techniques: &'static Techniques,
        rights: &'a Rights,
        leads: &'a Leads,
        gone: &'a BTreeSet<Ix<Grant>>,
    ) -> Wire<'a, 'g> {
        let strings = &graph.estate().strings;
        let located = graph.estate().resources.iter().filter_map(|r| Some((r.id, r.location?)));
        let regions = located.map(|(id, region)| (strings.class(id), strings.class(region))).collect();
        let attaching = alone::Attaching::all(techniques, rights);
        let joining = alone::Joining::all(techniques, rights);
        Wire { graph, techniques, rights, gone, draft: Draft::default(), attaching, joining, regions, leads }
    }

    pub(super) fn finish(mut self, loans: &Loans) -> Net {
        self.grants();
        self.loans(loans);
        self.members();
        let together = self.together();
        for ((_, identity), together) in self.graph.identities().iter().zip(together) {
            if let Some(together) = together {
                self.join(together);
            }
            self.directory(identity);
        }
        self.expand();
        self.chains();
        self.identities();
        self.draft.finish()
    }

    fn grants(&mut self) {
        for (at, grant) in self.graph.grants().iter() {
            // What must be activated first, a workload cannot have.
            if grant.state == GrantState::Eligible || self.gone.contains(&at) {
                continue;
            }
            // Where a condition asks whom a role is given to, each member of a group has a right of its own.
            let holders = if self.rights.is_own(grant) {
                self.graph.holders_of(grant.party)
            } else {
                vec![grant.party]
            };
            for holder in holders {
                let Some(right) = self.rights.of(grant, holder) else { continue };
                if self.rights.get(right).is_some_and(|r| r.matters()) {
                    let from = self.draft.node(Node::Party(holder));
                    let to = self.draft.node(Node::Right(right, grant.scope));
                    self.draft.edge(from, to, Certainty::High, false, Some(at.index()));
                }
            }
        }
    }

    fn loans(&mut self, loans: &Loans) {
        let (_, some) = assigning(self.techniques);
        let mut known = BTreeSet::new();
        for (from, what, sure) in loans.iter() {
            let from = self.draft.node(Node::Party(*from));
            let to = self.draft.node(*what);
            self.draft.edge(from, to, *sure, true, Some(some));
            if known.insert(to)
                && let Node::Lent(other, right, scope) = *what
            {
                // With what the other holds, it is enough for more.
                let mut held = alone::Holdings::of(self.graph, self.rights, other, self.gone);
                held.with(self, scope, right);
                let (own, won) = self.enough(&held);
                self.edges(*what, own);
                self.edges(*what, won.map(|(.., found)| found).unwrap_or_default());
            }
        }
    }

    fn members(&mut self) {
        for edge in self.graph.graph.edge_indices() {
            let Some((from, to)) = self.graph.graph.edge_endpoints(edge) else { continue };
            let weights = (
                self.graph.graph.edge_weight(edge),
                self.graph.graph.node_weight(from),
                self.graph.graph.node_weight(to),
            );
            if let (
                Some(Edge::MemberOf),
                Some(crate::graph::Node::Party(member)),
                Some(crate::graph::Node::Party(group)),
            ) = weights
            {
                let from = self.draft.node(Node::Party(*member));
                let to = self.draft.node(Node::Party(*group));
                self.draft.edge(from, to, Certainty::High, false, None);
            }
        }
    }

    /// Follows rights to what they reach, until nothing new comes.
    fn expand(&mut self) {
        let mut next = 0;
        while let Some(node) = self.draft.nodes().get(next).copied() {
            match node {
                Node::Right(right, scope) => self.right(next, right, scope),
                Node::Lent(_, right, scope) => {
                    let right = match right {
                        EVERYTHING => Node::Authority(scope),
                        _ => Node::Right(right, scope),
                    };
                    let right = self.draft.node(right);
                    self.draft.edge(next, right, Certainty::High, false, None);
                }
                Node::Authority(scope) => {
                    let all = self.draft.node(Node::Right(EVERYTHING, scope));
                    self.draft.edge(next, all, Certainty::High, false, None);
                }
                Node::Directory => {
                    // Whoever masters the directory puts itself into groups.
                    let any = self.draft.node(Node::AnyGroup);
                    self.draft.edge(next, any, Certainty::Medium, false, None);
                }
                Node::AnyGroup => {
                    for (at, party) in self.graph.parties().iter() {
                        if party.kind == PartyKind::Group {
                            let group = self.draft.node(Node::Party(at));
                            self.draft.edge(next, group, Certainty::Medium, true, None);
                        }
                    }
                }
                Node::Party(_) | Node::Empowered(..) | Node::Reach(..) | Node::Write(_) => {}
            }
            next += 1;
        }
    }

    fn right(&mut self, at: NodeId, number: usize, scope: Ix<ScopeNode>) {
        let rights = self.rights;
        let Some(right) = rights.get(number) else { return };
        // Most of what can be done leads to nobody, and is no part of any way.
        let range = self.graph.scopes().range(scope);
        let leads = self.leads;
        for live in leads.of_right(number).iter().filter(|live| live.within(&range)) {
            let reach = self.draft.node(Node::Reach(live.cap, scope));
            self.draft.edge(at, reach, live.certainty, false, Some(live.technique));
        }
        if let Some((certainty, technique)) = right.authority(self.graph.scopes().nodes()[scope].level) {
            let authority = self.draft.node(Node::Authority(scope));
            self.draft.edge(at, authority, certainty, true, Some(technique));
        }
        let (_, some) = assigning(self.techniques);
        for (given, sure) in &right.gives {
            let to = self.draft.node(Node::Right(*given, scope));
            self.draft.edge(at, to, *sure, true, Some(some));
        }
        if let Some(certainty) = right.broad
            && self.graph.scopes().nodes()[scope].level <= Level::Subscription
        {
            let write = self.draft.node(Node::Write(scope));
            self.draft.edge(at, write, certainty, false, None);
        }
    }

    /// A reach leads to the nearest one of its kind below: so each place is led to once.
    fn chains(&mut self) {
        for at in 0..self.draft.nodes().len() {
            let Some(Node::Reach(cap, scope)) = self.draft.nodes().get(at).copied() else { continue };
            let above = self.graph.scopes().nodes()[scope].parent.and_then(|up| self.nearest(cap, up));
            if let Some(above) = above {
                self.draft.edge(above, at, Certainty::High, false, None);
            }
        }
    }

    fn nearest(&self, cap: Cap, from: Ix<ScopeNode>) -> Option<NodeId> {
        self.graph.scopes().up(from).find_map(|scope| self.draft.has(Node::Reach(cap, scope)))
    }

    /// From whatever reaches a place to the party of an identity there. What deny assignments take from whom is looked at
    /// when a way is told.
    fn lead(&mut self, cap: Cap, place: Ix<ScopeNode>, to: NodeId) {
        let Some(from) = self.nearest(cap, place) else { return };
        self.draft.edge(from, to, Certainty::High, true, Some(place.index()));
    }

    /// From what is done where to whom that leads to.
    fn identities(&mut self) {
        let attach: BTreeSet<(usize, Place)> = self
            .draft
            .nodes()
            .iter()
            .filter_map(|n| match n {
                Node::Reach(Cap::Attach(provider, place), _) => Some((*provider, *place)),
                _ => None,
            })
            .collect();
        let graph = self.graph;
        let leads = self.leads;
        for (cap, place, party) in &leads.all {
            let to = self.draft.node(Node::Party(*party));
            self.lead(*cap, *place, to);
        }
        for (_, identity) in graph.identities().iter() {
            let (Some(party), Some(scope)) = (identity.party, identity.scope) else { continue };
            let Some(record) = identity.record.and_then(|at| graph.estate().identities.get(at)) else {
                continue;
            };
            let to = self.draft.node(Node::Party(party));
            for (provider, place) in &attach {
                if self.rights.may_host(graph, record, *provider, *place) {
                    self.lead(Cap::Attach(*provider, *place), scope, to);
                }
            }
        }
    }

    /// What each identity could do to others by what it holds in several grants together: half of them on a thread of its
    /// own, since nothing of it hangs on the others.
    fn together(&self) -> Vec<Option<Together>> {
        let all = self.graph.identities().rows();
        let each = |part: &[Identity]| part.iter().map(|i| self.together_of(i)).collect::<Vec<_>>();
        if all.len() < MANY {
            return each(all);
        }
        let (first, second) = all.split_at(all.len() / 2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| each(second));
            let mut found = each(first);
            // A thread that could not end took what it found with it: then it is looked for here.
            found.extend(other.join().unwrap_or_else(|_| each(second)));
            found
        })
    }

    fn together_of(&self, identity: &Identity) -> Option<Together> {
        let party = identity.party?;
        let held = alone::Holdings::of(self.graph, self.rights, party, self.gone);
        if held.is_empty() {
            return None;
        }
        let (found, won) = self.enough(&held);
        Some(Together { party, found, won })
    }

    /// What holdings are enough for, and what they are once their holder has given itself all that it can.
    fn enough(&self, held: &alone::Holdings<'_>) -> (Vec<alone::Found>, Option<Won>) {
        let mut found = Vec::new();
        held.redefine(self.rights, self.techniques, &mut found);
        let won = held.won(self, &found);
        held.attach(self, &mut found);
        held.joined(self, &mut found);
        let won = won.map(|(held, scope, sure, technique)| {
            let mut found = Vec::new();
            held.redefine(self.rights, self.techniques, &mut found);
            held.attach(self, &mut found);
            held.joined(self, &mut found);
            (scope, sure, technique, found)
        });
        (found, won)
    }

    fn join(&mut self, together: Together) {
        let party = together.party;
        self.edges(Node::Party(party), together.found);
        if let Some((scope, sure, technique, found)) = together.won {
            let empowered = Node::Empowered(party, scope);
            if self.edges(empowered, found) {
                let from = self.draft.node(Node::Party(party));
                let to = self.draft.node(empowered);
                self.draft.edge(from, to, sure, true, Some(technique));
            }
        }
    }

    fn edges(&mut self, from: Node, found: Vec<alone::Found>) -> bool {
        let any = !found.is_empty();
        for (node, certainty, step, technique) in found {
            let from = self.draft.node(from);
            let to = self.draft.node(node);
            self.draft.edge(from, to, certainty, step, Some(technique));
        }
        any
    }
}

/// The type of a resource, lower-case.
fn type_of(graph: &AccessGraph, id: Sym) -> Option<String> {
    Some(Scope::parse(graph.text(id))?.resource_type()?.to_ascii_lowercase())
}

/// Where a definition lies, or the nearest known scope above; none for those that Azure has made.
pub(super) fn home(graph: &AccessGraph, definition: Sym) -> Option<Ix<ScopeNode>> {
    let text = graph.text(definition);
    let end = crate::model::rfind_fold(text, "/providers/Microsoft.Authorization/policy")?;
    let mut at = text.get(..end).filter(|id| !id.is_empty())?;
    let estate = graph.estate();
    loop {
        let known = estate.strings.find(at).and_then(|s| graph.scopes().find(estate, s));
        if known.is_some() {
            return known;
        }
        at = at.get(..at.rfind('/')?).filter(|id| !id.is_empty())?;
    }
}

/// The stores that hosts take their code from, as ids, by the class of the host's.
pub(super) fn supplied(graph: &AccessGraph) -> FastMap<Sym, Vec<Sym>> {
    let estate = graph.estate();
    let mut fed: FastMap<Sym, Vec<Sym>> = FastMap::default();
    let hosts = estate.resources.iter().filter(|r| !r.code_from.is_empty());
    for host in hosts {
        fed.insert(estate.strings.class(host.id), host.code_from.clone());
    }
    if fed.is_empty() {
        return fed;
    }
    // Names of both kinds are Azure's own, once each.
    let mut named: FastMap<String, Sym> = FastMap::default();
    for resource in &estate.resources {
        let prefix = match graph.text(resource.kind).to_ascii_lowercase().as_str() {
            "microsoft.storage/storageaccounts" => "storage",
            "microsoft.containerregistry/registries" => "registry",
            _ => continue,
        };
        let name = crate::model::role_key(graph.text(resource.id)).to_ascii_lowercase();
        named.insert(format!("{prefix}:{name}"), resource.id);
    }
    let known = |store: &Sym| {
        let text = graph.text(*store);
        if text.starts_with('/') { Some(*store) } else { named.get(text).copied() }
    };
    fed.values_mut().for_each(|stores| *stores = stores.iter().filter_map(known).collect());
    fed
}
