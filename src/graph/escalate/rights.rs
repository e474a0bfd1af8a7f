//! Roles under conditions as powers: which techniques they are enough for, each worked out once.

use super::{Cap, Place, less_sure};
use crate::graph::roles::{Bounds, Condition, Role};
use crate::graph::{AccessGraph, FastMap, Grant};
use crate::model::{ActionPattern, Ix, Permission, RoleKind, Sym, UserAssignedIdentity};
use crate::rbac::{
    Access, Bound, Certainty, Class, CompiledRole, Gain, Powers, RoleProfile, Technique, Techniques,
    surely_assignable,
};
use std::sync::Arc;

/// Percent of the providers with writes from which on a role writes in most: as the rule `broad-write-scope` has it.
const MOST: u8 = 50;

/// A role under a condition.
#[derive(Debug)]
pub(super) struct Right {
    /// What it gives.
    pub(super) powers: Powers,
    /// What it can do by itself, how sure, and by which technique.
    pub(super) caps: Vec<(Cap, Certainty, usize)>,
    /// Whether it gives itself any role, and by which technique.
    pub(super) authority: Option<(Certainty, usize)>,
    /// The same within a subscription, where blueprints are not assigned.
    pub(super) authority_within: Option<(Certainty, usize)>,
    /// Roles that it may give itself, as other rights, and how sure that is.
    pub(super) gives: Vec<(usize, Certainty)>,
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
    /// Whether it leads anywhere.
    pub(super) fn matters(&self) -> bool {
        !self.caps.is_empty() || self.authority.is_some() || !self.gives.is_empty() || self.broad.is_some()
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Rights {
    all: Vec<Right>,
    of_grant: FastMap<(Ix<Role>, Option<Ix<Condition>>), usize>,
    of_role: FastMap<String, usize>,
    /// Types of hosts, by number.
    hosts: Vec<String>,
    providers: Vec<String>,
}

/// Everything there is: what any role gives.
pub(super) const EVERYTHING: usize = 0;

impl Rights {
    pub(super) fn new(graph: &AccessGraph, techniques: &Techniques) -> Rights {
        let mut hosts: Vec<String> = techniques.iter().flat_map(|(_, t)| t.hosts.clone()).collect();
        hosts.sort();
        hosts.dedup();
        let mut providers: Vec<String> =
            hosts.iter().map(|h| h.split('/').next().unwrap_or(h).to_owned()).collect();
        providers.dedup();
        // Hosts of other providers than those that are known.
        providers.push(String::new());
        let mut rights = Rights {
            all: Vec::new(),
            of_grant: FastMap::default(),
            of_role: FastMap::default(),
            hosts,
            providers,
        };
        let mut everything = rights.right(techniques, Powers::ALL, "any role");
        everything.broad = None;
        everything.authority = None;
        everything.authority_within = None;
        everything.classes = u8::MAX;
        rights.all.push(everything);
        let mut bounds = Bounds::of_workloads(graph.roles(), graph.catalog());
        for (_, grant) in graph.grants().iter() {
            rights.add(graph, techniques, grant, &mut bounds);
        }
        rights
    }

    pub(super) fn get(&self, at: usize) -> Option<&Right> {
        self.all.get(at)
    }

    pub(super) fn of(&self, grant: &Grant) -> Option<usize> {
        self.of_grant.get(&(grant.role, grant.condition)).copied()
    }

    pub(super) fn host(&self, kind: &str) -> Option<usize> {
        self.hosts.iter().position(|h| h == kind)
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

    fn add(&mut self, graph: &AccessGraph, techniques: &Techniques, grant: &Grant, bounds: &mut Bounds<'_>) {
        let key = (grant.role, grant.condition);
        if self.of_grant.contains_key(&key) {
            return;
        }
        let role = &graph.roles()[grant.role];
        let operations = graph.catalog().operations();
        // What nothing defines may allow anything: that is a gap, and no way that one could name.
        let powers = if role.defined {
            techniques.powers(&role.compiled, operations, graph.condition(grant).map(|c| &c.parsed))
        } else {
            Powers { sure: 0, most: 0 }
        };
        let mut right = self.right(techniques, powers, &role.name);
        right.classes = classes(&role.profile);
        right.custom = (role.defined && role.kind == RoleKind::Custom).then_some(grant.role);
        right.broad = is_broad(&role.profile).then_some(Certainty::High);
        let (all, _) = assigning(techniques);
        if let Some(condition) = graph.condition(grant).filter(|_| right.custom.is_some()) {
            let powers = techniques.powers(&everything(operations), operations, Some(&condition.parsed));
            right.rewritten = techniques.get(all).map_or(Access::Denied, |t| t.holds(powers));
        }
        let own = match graph.bound(grant) {
            // Whom a condition lets be given a role matters: a workload is no person.
            Bound::Escapable(_) => bounds.of(role, graph.condition(grant).map(|c| &c.parsed)),
            other => other,
        };
        match own {
            Bound::Unbounded => right.note_authority(Certainty::High, all),
            Bound::Unknown if role.defined => right.note_authority(Certainty::Low, all),
            Bound::Unknown => {}
            Bound::Escapable(roles) => {
                let own = graph.condition(grant).map(|c| &c.parsed);
                for key in &roles {
                    let sure = surely_assignable(&role.compiled, own, operations, (key, "ServicePrincipal"));
                    // What a condition leaves unknown may be let through.
                    let certainty = if sure { Certainty::High } else { Certainty::Low };
                    right.gives.extend(self.given(graph, techniques, key).map(|given| (given, certainty)));
                }
            }
            Bound::Harmless => {}
            Bound::None => {}
        }
        self.all.push(right);
        self.of_grant.insert(key, self.all.len() - 1);
    }

    /// A role that somebody gives itself.
    fn given(&mut self, graph: &AccessGraph, techniques: &Techniques, key: &str) -> Option<usize> {
        if let Some(known) = self.of_role.get(key) {
            return Some(*known);
        }
        let catalog = graph.catalog();
        let (compiled, profile, name) = match graph.roles().of_key(key) {
            Some(at) => {
                let role = &graph.roles()[at];
                (Arc::clone(&role.compiled), Arc::clone(&role.profile), role.name.clone())
            }
            None => {
                let role = catalog.role(key)?;
                let compiled = CompiledRole::compile(&role.permissions, catalog.operations());
                let profile = RoleProfile::new(&compiled, catalog.operations(), catalog.classes());
                (Arc::new(compiled), Arc::new(profile), role.name)
            }
        };
        let powers = techniques.powers(&compiled, catalog.operations(), None);
        let mut right = self.right(techniques, powers, &name);
        right.broad = is_broad(&profile).then_some(Certainty::High);
        right.classes = classes(&profile);
        let (all, _) = assigning(techniques);
        let assign = techniques.get(all).map_or(Access::Denied, |t| t.holds(powers));
        match assign {
            Access::Allowed => right.note_authority(Certainty::High, all),
            // Under the role's own condition: how far that goes is not followed once more.
            Access::Conditional => right.note_authority(Certainty::Low, all),
            Access::Denied => {}
        }
        self.all.push(right);
        self.of_role.insert(key.to_owned(), self.all.len() - 1);
        Some(self.all.len() - 1)
    }

    fn right(&self, techniques: &Techniques, powers: Powers, name: &str) -> Right {
        let mut right = Right {
            powers,
            caps: Vec::new(),
            authority: None,
            authority_within: None,
            gives: Vec::new(),
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

fn is_broad(profile: &RoleProfile) -> bool {
    profile.write_breadth >= MOST
}

/// How sure a technique is with these powers.
pub(super) fn certainty(technique: Certainty, access: Access) -> Option<Certainty> {
    match access {
        Access::Allowed => Some(technique),
        Access::Conditional => Some(less_sure(technique, Certainty::Low)),
        Access::Denied => None,
    }
}

fn classes(profile: &RoleProfile) -> u8 {
    let each = Class::ALL.iter().enumerate().filter(|(_, class)| profile.classes.contains(class));
    each.fold(0, |bits, (n, _)| bits | 1 << n)
}
