//! Roles under conditions as powers: which techniques they are enough for, each worked out once.

use super::given::{Candidate, Candidates, classes, given, is_broad, selves, unnamed};
use super::{Cap, Place, less_sure};
use crate::graph::parties::Party;
use crate::graph::roles::{Condition, Role};
use crate::graph::{AccessGraph, FastMap, Grant};
use crate::model::{ActionPattern, Ix, Level, Permission, RoleKind, Sym, UserAssignedIdentity};
use crate::rbac::{
    Access, Asks, Bound, Certainty, CompiledRole, Delegation, Gain, Located, Only, ParsedCondition, Powers,
    Recipient, Technique, Techniques, guid,
};
use std::collections::BTreeSet;
use std::rc::Rc;

/// A role under a condition.
#[derive(Clone, Debug)]
pub(super) struct Right {
    /// What it gives.
    pub(super) powers: Powers,
    /// What it can do by itself, how sure, and by which technique.
    pub(super) caps: Vec<(Cap, Certainty, usize)>,
    /// Whether it gives itself any role, and by which technique.
    authority: Option<(Certainty, usize)>,
    /// The same within a subscription, where blueprints are not assigned.
    authority_within: Option<(Certainty, usize)>,
    /// Roles that it may give itself, as other rights, and how sure that is.
    pub(super) gives: Vec<(usize, Certainty)>,
    /// What it gives itself for sure, all together, where a condition asks of its holder.
    pub(super) itself: Powers,
    /// Whether it writes in most providers.
    pub(super) broad: Option<Certainty>,
    /// The classes of operations that it gives for sure, as bits in the order of [`Class::ALL`].
    pub(super) classes: u8,
    /// Whether a custom role gives it.
    pub(super) custom: Option<Ix<Role>>,
    /// Whether its condition lets any role be given, were that custom role rewritten to allow everything.
    pub(super) rewritten: Access,
    /// What it is called.
    pub(super) name: String,
}

impl Right {
    /// Whether it gives itself any role at a level, and by which technique: blueprints are assigned to subscriptions, not within
    /// them.
    pub(super) fn authority(&self, level: Level) -> Option<(Certainty, usize)> {
        if level > Level::Subscription { self.authority_within } else { self.authority }
    }

    /// Whether it leads anywhere.
    pub(super) fn matters(&self) -> bool {
        !self.caps.is_empty() || self.authority.is_some() || !self.gives.is_empty() || self.broad.is_some()
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Rights {
    all: Vec<Right>,
    of_grant: FastMap<Key, usize>,
    /// Of those whose conditions ask whom a role is given to: that of each holder.
    of_holder: FastMap<(Key, Ix<Party>), usize>,
    /// What they let be given to others than the holder.
    lends: FastMap<Key, Lends>,
    of_role: FastMap<String, usize>,
    /// Types of hosts, by number.
    hosts: Vec<String>,
    /// What each of them is let into by, by its number.
    ways_in: Vec<Vec<Option<Only>>>,
    providers: Vec<String>,
}

type Key = (Ix<Role>, Option<Ix<Condition>>);

/// Rights that somebody is given, by number, and how sure that is.
pub(super) type Given = Vec<(usize, Certainty)>;

/// What a condition that asks whom a role is given to lets be given to others.
#[derive(Debug, Default)]
pub(super) struct Lends {
    /// To those whom it names, or a group of which they are in.
    pub(super) named: FastMap<Ix<Party>, Given>,
    /// To others that are in a group.
    pub(super) members: Given,
    /// To others that are in none.
    pub(super) alone: Given,
}

/// What is worked out on the way, and not kept.
struct Making<'g> {
    graph: &'g AccessGraph,
    techniques: &'static Techniques,
    /// Where the operations of techniques are.
    located: Located,
    /// All roles that may be given, once they were asked for.
    candidates: Option<Candidates<'g>>,
    /// What those conditions ask that ask whom a role is given to.
    asks: FastMap<Key, Rc<Asks>>,
    /// Those of holders that such a condition does not tell apart.
    alike: FastMap<(Key, Vec<Recipient>), usize>,
    /// Everybody by object id, once that was asked for.
    parties: Option<FastMap<String, Ix<Party>>>,
}

impl Making<'_> {
    /// The identities that a condition names, or a group of which they are in.
    fn named(&mut self, asks: &Asks) -> Vec<Ix<Party>> {
        let graph = self.graph;
        let parties = self.parties.get_or_insert_with(|| {
            let each = graph.parties().iter();
            each.map(|(at, party)| (guid(graph.text(party.principal)), at)).collect()
        });
        let named = asks.named.iter().filter_map(|id| parties.get(id)).copied();
        let mut all: Vec<Ix<Party>> = named.flat_map(|party| graph.holders_of(party)).collect();
        all.retain(|party| graph.parties()[*party].identity.is_some());
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Everything there is: what any role gives.
pub(super) const EVERYTHING: usize = 0;

impl Rights {
    pub(super) fn new(graph: &AccessGraph, techniques: &'static Techniques) -> Rights {
        let mut hosts: Vec<String> = techniques.iter().flat_map(|(_, t)| t.hosts.clone()).collect();
        hosts.sort();
        hosts.dedup();
        let mut providers: Vec<String> =
            hosts.iter().map(|h| h.split('/').next().unwrap_or(h).to_owned()).collect();
        providers.dedup();
        // Hosts of other providers than those that are known.
        providers.push(String::new());
        let ways_in = hosts.iter().map(|host| {
            let on = |t: &Technique| matches!(t.gain, Gain::Host) && t.works_on(host);
            let all: BTreeSet<_> = techniques.iter().filter(|(_, t)| on(t)).map(|(_, t)| t.only).collect();
            all.into_iter().collect()
        });
        let mut rights = Rights {
            all: Vec::new(),
            of_grant: FastMap::default(),
            of_holder: FastMap::default(),
            lends: FastMap::default(),
            of_role: FastMap::default(),
            ways_in: ways_in.collect(),
            hosts,
            providers,
        };
        let mut everything = rights.right(techniques, Powers::ALL, "any role");
        everything.broad = None;
        everything.authority = None;
        everything.authority_within = None;
        everything.classes = u8::MAX;
        rights.all.push(everything);
        let (asks, alike) = (FastMap::default(), FastMap::default());
        let mut making = Making {
            graph,
            techniques,
            located: techniques.located(graph.catalog().operations()),
            candidates: None,
            asks,
            alike,
            parties: None,
        };
        for (_, grant) in graph.grants().iter() {
            rights.add(&mut making, grant);
        }
        rights
    }

    pub(super) fn get(&self, at: usize) -> Option<&Right> {
        self.all.get(at)
    }

    /// What somebody has by a grant that it holds itself or through a group.
    pub(super) fn of(&self, grant: &Grant, holder: Ix<Party>) -> Option<usize> {
        let key = (grant.role, grant.condition);
        // Few conditions ask whom a role is given to.
        let own = if self.of_holder.is_empty() { None } else { self.of_holder.get(&(key, holder)) };
        own.or_else(|| self.of_grant.get(&key)).copied()
    }

    /// Whether any grant lets roles be given to others of whom its condition asks.
    pub(super) fn lend(&self) -> bool {
        !self.lends.is_empty()
    }

    /// What a grant lets be given to others of whom its condition asks, if anything.
    pub(super) fn lends(&self, grant: &Grant) -> Option<&Lends> {
        self.lends.get(&(grant.role, grant.condition))
    }

    /// Whether each holder of a grant has a right of its own.
    pub(super) fn is_own(&self, grant: &Grant) -> bool {
        !self.of_holder.is_empty()
            && self.of_holder.contains_key(&((grant.role, grant.condition), grant.party))
    }

    pub(super) fn host(&self, kind: &str) -> Option<usize> {
        self.hosts.iter().position(|h| h == kind)
    }

    /// What techniques use to get into hosts of a type.
    pub(super) fn ways_in(&self, host: usize) -> impl Iterator<Item = Option<Only>> + '_ {
        self.ways_in.get(host).into_iter().flatten().copied()
    }

    /// Whether a technique of a kind works on hosts of a type.
    pub(super) fn host_of(&self, technique: &Technique, gain: Gain, host: usize) -> bool {
        technique.gain == gain && self.hosts.get(host).is_some_and(|kind| technique.works_on(kind))
    }

    pub(super) fn provider(&self, name: &str) -> Option<usize> {
        self.providers.iter().position(|p| p == name)
    }

    pub(super) fn provider_name(&self, at: usize) -> &str {
        self.providers.get(at).map_or("", String::as_str)
    }

    /// Whether an identity may be put on a host of a provider that is somewhere.
    pub(super) fn may_host(
        &self,
        graph: &AccessGraph,
        identity: &UserAssignedIdentity,
        provider: usize,
        place: Place,
    ) -> bool {
        let name = self.provider_name(provider);
        let strings = &graph.estate().strings;
        let allowed = |list: &Vec<Sym>| {
            list.is_empty()
                || name.is_empty()
                || list.iter().any(|p| strings.text(*p).eq_ignore_ascii_case(name))
        };
        let isolated = identity.isolation.is_some_and(|s| !strings.text(s).eq_ignore_ascii_case("None"));
        let near = match place {
            Place::New => true,
            Place::Region(region) => {
                let own = identity.location.map(|l| strings.class(l));
                !isolated || region.is_none() || own == region
            }
        };
        identity.restricted_to.as_ref().is_none_or(allowed) && near
    }

    fn add(&mut self, making: &mut Making<'_>, grant: &Grant) {
        let key = (grant.role, grant.condition);
        let graph = making.graph;
        let new = !self.of_grant.contains_key(&key);
        if new {
            self.add_any(making, grant);
        }
        let Some(asks) = making.asks.get(&key).cloned() else { return };
        let condition = graph.condition(grant).map(|c| &c.parsed);
        // None of a custom role that would have to be changed first.
        let role = &graph.roles()[grant.role].compiled;
        let delegation = Delegation::of(role, condition, graph.catalog().operations());
        if let Some(delegation) = delegation.as_ref().filter(|_| new && !asks.otherwise) {
            self.add_lends(making, key, delegation, &asks);
        }
        for holder in graph.holders_of(grant.party) {
            if self.of_holder.contains_key(&(key, holder)) {
                continue;
            }
            let alike = (key, selves(graph, &asks, holder));
            let at = match making.alike.get(&alike) {
                Some(at) => *at,
                None => {
                    let at = self.add_own(making, key, condition, (delegation.as_ref(), &alike.1));
                    making.alike.insert(alike, at);
                    at
                }
            };
            self.of_holder.insert((key, holder), at);
        }
    }

    /// What a condition lets be given to others than the holder.
    fn add_lends(&mut self, making: &mut Making<'_>, key: Key, delegation: &Delegation<'_>, asks: &Asks) {
        let mut named = FastMap::default();
        for other in making.named(asks) {
            let gives = self.gives(making, delegation, (&selves(making.graph, asks, other), None));
            named.insert(other, gives);
        }
        let (alone, group) = (unnamed("ServicePrincipal"), unnamed("Group"));
        let members = self.gives(making, delegation, (&[alone.clone(), group], None));
        if !(members.is_empty() && named.values().all(Vec::is_empty)) {
            let alone = self.gives(making, delegation, (&[alone], None));
            self.lends.insert(key, Lends { named, members, alone });
        }
    }

    /// The right of a holder of whom the condition asks.
    fn add_own(
        &mut self,
        making: &mut Making<'_>,
        key: Key,
        condition: Option<&ParsedCondition>,
        (delegation, selves): (Option<&Delegation<'_>>, &[Recipient]),
    ) -> usize {
        let base = self.of_grant.get(&key).copied().unwrap_or_default();
        let Some(mut right) = self.all.get(base).cloned() else { return base };
        let another = unnamed("ServicePrincipal");
        let gives = delegation.map(|d| self.gives(making, d, (selves, Some(&another)))).unwrap_or_default();
        let sure = gives.iter().filter(|(_, sure)| *sure < Certainty::Low);
        let each = sure.filter_map(|(given, _)| Some(self.get(*given)?.powers));
        right.itself = each.fold(Powers::default(), Powers::and);
        if gives.iter().any(|(given, _)| *given == EVERYTHING) {
            right.note_authority(Certainty::High, assigning(making.techniques).0);
        } else {
            right.gives = gives;
        }
        if right.custom.is_some() {
            let operations = making.graph.catalog().operations();
            let whole = everything(operations);
            let whole = Delegation::of(&whole, condition, operations);
            let lets = whole.and_then(|d| selves.iter().map(|to| d.lets(None, Some(to))).max());
            right.rewritten = lets.map_or(Access::Denied, Access::from);
        }
        self.all.push(right);
        self.all.len() - 1
    }

    /// What a grant gives to whoever holds it.
    fn add_any(&mut self, making: &mut Making<'_>, grant: &Grant) {
        let (graph, techniques) = (making.graph, making.techniques);
        let key = (grant.role, grant.condition);
        let role = &graph.roles()[grant.role];
        let operations = graph.catalog().operations();
        // What nothing defines may allow anything: that is a gap, and no way that one could name.
        let powers = if role.defined {
            techniques.powers(&role.compiled, &making.located, graph.condition(grant).map(|c| &c.parsed))
        } else {
            Powers { sure: 0, most: 0 }
        };
        let mut right = self.right(techniques, powers, &role.name);
        right.classes = classes(&role.profile);
        right.custom = (role.defined && role.kind == RoleKind::Custom).then_some(grant.role);
        right.broad = is_broad(&role.profile).then_some(Certainty::High);
        let (all, _) = assigning(techniques);
        if let Some(condition) = graph.condition(grant).filter(|_| right.custom.is_some()) {
            let whole = everything(operations);
            let powers = techniques.powers(&whole, &making.located, Some(&condition.parsed));
            right.rewritten = techniques.get(all).map_or(Access::Denied, |t| t.holds(powers));
            let asks = Delegation::of(&whole, Some(&condition.parsed), operations).map(|d| d.asks());
            if let Some(asks) = asks.filter(|asks| asks.any) {
                making.asks.insert(key, Rc::new(asks));
            }
        }
        match graph.bound(grant) {
            Bound::Unbounded => right.note_authority(Certainty::High, all),
            Bound::Unknown if role.defined => right.note_authority(Certainty::Low, all),
            Bound::Unknown => {}
            Bound::Escapable(_) => {
                let own = graph.condition(grant).map(|c| &c.parsed);
                if let Some(delegation) = Delegation::of(&role.compiled, own, operations) {
                    let asks = delegation.asks();
                    if asks.any {
                        // Each holder is looked at for itself.
                        making.asks.insert(key, Rc::new(asks));
                    } else {
                        let whoever = [Recipient::any("ServicePrincipal")];
                        right.gives = self.gives(making, &delegation, (&whoever, None));
                    }
                }
            }
            Bound::Harmless => {}
            Bound::None => {}
        }
        self.all.push(right);
        self.of_grant.insert(key, self.all.len() - 1);
    }

    /// Roles that somebody is given, as rights.
    fn gives(
        &mut self,
        making: &mut Making<'_>,
        delegation: &Delegation<'_>,
        (to, another): (&[Recipient], Option<&Recipient>),
    ) -> Given {
        let (graph, techniques) = (making.graph, making.techniques);
        let located = &making.located;
        let roles =
            making.candidates.get_or_insert_with(|| Candidates::new(graph, techniques, located.clone()));
        let Some(given) = given(delegation, roles, to, another) else {
            return vec![(EVERYTHING, Certainty::High)];
        };
        given.into_iter().map(|(role, sure)| (self.given(techniques, &role), sure)).collect()
    }

    fn given(&mut self, techniques: &Techniques, role: &Candidate) -> usize {
        if let Some(known) = self.of_role.get(&role.key) {
            return *known;
        }
        let mut right = self.right(techniques, role.powers, &role.name);
        right.broad = role.broad.then_some(Certainty::High);
        right.classes = role.classes;
        let (all, _) = assigning(techniques);
        let assign = techniques.get(all).map_or(Access::Denied, |t| t.holds(role.powers));
        match assign {
            Access::Allowed => right.note_authority(Certainty::High, all),
            // Under the role's own condition: how far that goes is not followed once more.
            Access::Conditional => right.note_authority(Certainty::Low, all),
            Access::Denied => {}
        }
        self.all.push(right);
        self.of_role.insert(role.key.clone(), self.all.len() - 1);
        self.all.len() - 1
    }

    fn right(&self, techniques: &Techniques, powers: Powers, name: &str) -> Right {
        let mut right = Right {
            powers,
            caps: Vec::new(),
            authority: None,
            authority_within: None,
            gives: Vec::new(),
            itself: Powers::default(),
            broad: None,
            classes: 0,
            custom: None,
            rewritten: Access::Allowed,
            name: name.to_owned(),
        };
        for (at, technique) in techniques.iter() {
            let certainty = match technique.holds(powers) {
                Access::Allowed => technique.certainty,
                Access::Conditional => less_sure(technique.certainty, Certainty::Low),
                Access::Denied => continue,
            };
            match technique.gain {
                Gain::Identity => right.note(Cap::Federate, certainty, at),
                Gain::Host | Gain::Fed => {
                    for host in technique.hosts.iter().filter_map(|h| self.host(h)) {
                        right.note(Cap::on(technique, host), certainty, at);
                    }
                }
                Gain::Policy => right.note(Cap::Policy, certainty, at),
                // Who may assign roles is told by the bounds of conditions.
                Gain::AnyRole if technique.id == "authz-blueprint" => {
                    better(&mut right.authority, certainty, at);
                }
                Gain::AnyRole if !is_assigning(&technique.id) => right.note_authority(certainty, at),
                Gain::AnyRole
                | Gain::SomeRoles
                | Gain::Redefine
                | Gain::Attach
                | Gain::Credential
                | Gain::None => {}
            }
        }
        right
    }
}

impl Right {
    fn note(&mut self, cap: Cap, certainty: Certainty, technique: usize) {
        match self.caps.iter_mut().find(|(c, _, _)| *c == cap) {
            Some(known) if known.1 <= certainty => {}
            Some(known) => *known = (cap, certainty, technique),
            None => self.caps.push((cap, certainty, technique)),
        }
    }

    fn note_authority(&mut self, certainty: Certainty, technique: usize) {
        better(&mut self.authority, certainty, technique);
        better(&mut self.authority_within, certainty, technique);
    }
}

/// Keeps the surer of two.
fn better(slot: &mut Option<(Certainty, usize)>, certainty: Certainty, technique: usize) {
    if slot.is_none_or(|(known, _)| certainty < known) {
        *slot = Some((certainty, technique));
    }
}

/// A role that allows everything.
pub(super) fn everything(operations: &crate::rbac::catalog::Operations) -> CompiledRole {
    let all = || vec![ActionPattern::new("*")];
    let permission = Permission { actions: all(), data_actions: all(), ..Permission::default() };
    CompiledRole::compile(&[permission], operations)
}

pub(super) fn is_assigning(id: &str) -> bool {
    id.starts_with("authz-ra-write")
}

/// The numbers of the techniques that give any role, and some.
pub(super) fn assigning(techniques: &Techniques) -> (usize, usize) {
    let number = |id: &str| techniques.iter().find(|(_, t)| t.id == id).map_or(0, |(at, _)| at);
    (number("authz-ra-write"), number("authz-ra-write-cond"))
}

/// How sure a technique is with these powers.
pub(super) fn certainty(technique: Certainty, access: Access) -> Option<Certainty> {
    match access {
        Access::Allowed => Some(technique),
        Access::Conditional => Some(less_sure(technique, Certainty::Low)),
        Access::Denied => None,
    }
}
