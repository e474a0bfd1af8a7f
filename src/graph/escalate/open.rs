//! The techniques that somebody's own grants are enough for, and where: also those that lead to data and not to identities.

use super::wire::alone::Holdings;
use super::{Escalation, Node, Place};
use crate::graph::FastMap;
use crate::graph::parties::Identity;
use crate::graph::scopes::ScopeNode;
use crate::model::{Doors, Ix, Level, Scope, Sym};
use crate::rbac::{Access, Certainty, Clause, Gain, On, Only, Technique};

/// A technique that is open to somebody.
#[derive(Clone, Debug)]
pub struct Open {
    /// Which.
    pub technique: &'static Technique,
    /// At which scope, and below.
    pub scope: Ix<ScopeNode>,
    /// How many things of its kind lie there, where that can be counted: hosts with identities, identities, vaults, …
    pub things: Option<usize>,
    /// How sure it is.
    pub certainty: Certainty,
}

impl Escalation<'_> {
    /// Those open to an identity, by technique and scope; what holds above is not told again below.
    pub fn open(&self, identity: &Identity) -> Vec<Open> {
        let Some(party) = identity.party else { return Vec::new() };
        let held = Holdings::of(self.graph, &self.kept.rights, party, &std::collections::BTreeSet::new());
        let things = Things::new(self);
        let mut found = Vec::new();
        for (at, technique) in self.techniques.iter() {
            let mut places: Vec<(Ix<ScopeNode>, Access)> = match technique.gain {
                Gain::Redefine => held.redefinable(&self.kept.rights, self.techniques),
                Gain::AnyRole | Gain::SomeRoles if technique.id.starts_with("authz-ra-write") => {
                    held.assigning(&self.kept.rights, at, technique.gain == Gain::SomeRoles)
                }
                _ => held.open(technique),
            };
            // Parents have lower numbers than what lies in them.
            places.sort_unstable();
            let mut told: Vec<(Ix<ScopeNode>, Access)> = Vec::new();
            for (scope, access) in places {
                let above = |(s, a): &(Ix<ScopeNode>, Access)| {
                    self.graph.scopes().contains(*s, scope) && *a >= access
                };
                let counted = things.count(self, technique, scope);
                if counted == Some(0) || told.iter().any(above) {
                    continue;
                }
                told.push((scope, access));
                let certainty = if access == Access::Allowed { technique.certainty } else { Certainty::Low };
                let mask = technique.clauses.iter().fold(0, |all, c| all | c.operations);
                let denied = self
                    .graph
                    .denies
                    .iter()
                    .any(|d| d.may_take(&self.graph.scopes, scope, self.techniques.operations(mask)));
                let least = if denied { Certainty::Low } else { Certainty::High };
                let certainty = certainty.max(technique.certainty).max(least);
                found.push(Open { technique, scope, things: counted, certainty });
            }
        }
        found
    }
}

/// How something lets in, where that is known.
#[derive(Clone, Copy, Default)]
pub(super) struct Door {
    /// Of a vault: whether roles decide, and not its own policies.
    uses_roles: Option<bool>,
    /// What its properties say.
    said: Doors,
}

impl Door {
    /// That of a host.
    pub(super) fn of(said: Doors) -> Door {
        Door { uses_roles: None, said }
    }

    /// Whether what a technique uses opens it, as far as that is known.
    pub(super) fn opens(self, only: Option<Only>) -> bool {
        match only {
            None => true,
            Some(Only::AccessPolicies) => self.uses_roles != Some(true),
            Some(Only::Roles) => self.uses_roles != Some(false),
            Some(Only::Keys) => self.said.keys != Some(false),
            Some(Only::LocalAccounts) => self.said.local_accounts != Some(false),
            Some(Only::RunCommand) => self.said.run_command != Some(false),
        }
    }
}

/// What techniques work on, by where it lies.
struct Things {
    /// Hosts of identities, by type, with what is known of how they let in.
    hosts: FastMap<String, Vec<(Ix<ScopeNode>, Door)>>,
    /// All resources, by type, with what is known of how they let in.
    resources: FastMap<String, Vec<(Ix<ScopeNode>, Door)>>,
    /// Stores that hosts with identities take their code from, by type.
    stores: FastMap<String, Vec<Ix<ScopeNode>>>,
    /// User-assigned identities, with their records by number.
    identities: Vec<(Ix<ScopeNode>, usize)>,
    policies: Vec<Ix<ScopeNode>>,
    denies: Vec<Ix<ScopeNode>>,
}

impl Things {
    fn new(escalation: &Escalation<'_>) -> Things {
        let graph = escalation.graph;
        let estate = graph.estate();
        let kind = |id: Sym| Some(Scope::parse(graph.text(id))?.resource_type()?.to_ascii_lowercase());
        let class = |id: Sym| estate.strings.class(id);
        let mut doors: FastMap<Sym, Door> = FastMap::default();
        for vault in &estate.vaults {
            doors.entry(class(vault.id)).or_default().uses_roles.get_or_insert(vault.uses_roles);
        }
        for resource in &estate.resources {
            if resource.doors != Doors::default() {
                doors.entry(class(resource.id)).or_default().said = resource.doors;
            }
        }
        let door = |id: Sym| doors.get(&class(id)).copied().unwrap_or_default();
        let mut hosts: FastMap<String, Vec<(Ix<ScopeNode>, Door)>> = FastMap::default();
        let mut policies = Vec::new();
        for (_, identity) in graph.identities().iter() {
            for host in &identity.hosts {
                if let (Some(kind), Some(scope)) = (kind(host.id), host.scope) {
                    hosts.entry(kind).or_default().push((scope, door(host.id)));
                }
            }
            let assignment = identity.policy.and_then(|at| estate.policy_assignments.get(at));
            policies.extend(assignment.and_then(|p| super::wire::home(graph, p.definition?)));
        }
        let mut resources: FastMap<String, Vec<(Ix<ScopeNode>, Door)>> = FastMap::default();
        let mut seen: FastMap<Sym, ()> = FastMap::default();
        let vaults = estate.vaults.iter().map(|v| v.id);
        for id in estate.resources.iter().map(|r| r.id).chain(vaults) {
            if seen.insert(class(id), ()).is_some() {
                continue;
            }
            let place = graph.scopes().find(estate, id).or_else(|| nearest(escalation, id));
            if let (Some(kind), Some(scope)) = (kind(id), place) {
                resources.entry(kind).or_default().push((scope, door(id)));
            }
        }
        let mut stores: FastMap<String, Vec<Ix<ScopeNode>>> = FastMap::default();
        let mut counted: FastMap<Ix<ScopeNode>, ()> = FastMap::default();
        for store in super::wire::supplied(graph).into_values().flatten() {
            if let (Some(kind), Some(scope)) = (kind(store), graph.scopes().find(estate, store))
                && counted.insert(scope, ()).is_none()
            {
                stores.entry(kind).or_default().push(scope);
            }
        }
        let identities = graph.identities().iter();
        Things {
            hosts,
            resources,
            stores,
            identities: identities.filter_map(|(_, i)| i.scope.zip(i.record)).collect(),
            policies,
            denies: graph.denies.iter().map(|d| d.scope).collect(),
        }
    }

    /// How many things a technique works on at a scope and below; none where that is nothing to count.
    fn count(
        &self,
        escalation: &Escalation<'_>,
        technique: &Technique,
        scope: Ix<ScopeNode>,
    ) -> Option<usize> {
        let graph = escalation.graph;
        let within = |at: &&Ix<ScopeNode>| graph.scopes().contains(scope, **at);
        let level = graph.scopes().nodes()[scope].level;
        match technique.gain {
            Gain::Identity => Some(self.identities.iter().filter(|(at, _)| within(&at)).count()),
            Gain::Attach => {
                let rights = &escalation.kept.rights;
                let provider = technique.hosts.first().and_then(|h| rights.provider(h.split('/').next()?));
                // One that may not be put on such a host is none that this works on.
                let takes = |record: usize| match (provider, graph.estate().identities.get(record)) {
                    (Some(provider), Some(record)) => rights.may_host(graph, record, provider, Place::New),
                    _ => true,
                };
                let all = self.identities.iter().filter(|(at, _)| within(&at));
                Some(all.filter(|(_, record)| takes(*record)).count())
            }
            Gain::Policy => Some(self.policies.iter().filter(within).count()),
            Gain::Host => {
                let all = technique.hosts.iter().filter_map(|h| self.hosts.get(h)).flatten();
                let all = all.filter(|(at, _)| graph.scopes().contains(scope, *at));
                Some(all.filter(|(_, door)| door.opens(technique.only)).count())
            }
            Gain::Fed => {
                let all = technique.hosts.iter().filter_map(|h| self.stores.get(h)).flatten();
                Some(all.filter(within).count())
            }
            Gain::Credential if !technique.hosts.is_empty() => {
                let all = technique.hosts.iter().filter_map(|h| self.resources.get(h)).flatten();
                let all = all.filter(|(at, _)| graph.scopes().contains(scope, *at));
                Some(all.filter(|(_, door)| door.opens(technique.only)).count())
            }
            _ if technique.id == "authz-deny-remove" => Some(self.denies.iter().filter(within).count()),
            _ if technique.clauses.iter().any(|c| c.on == On::Mg) && level > Level::ManagementGroup => {
                Some(0)
            }
            _ => None,
        }
    }
}

/// The nearest known scope around something that is no scope of its own.
fn nearest(escalation: &Escalation<'_>, id: Sym) -> Option<Ix<ScopeNode>> {
    let estate = escalation.graph.estate();
    let mut at = Scope::parse(escalation.graph.text(id))?.parent();
    while let Some(scope) = at {
        let known = estate.strings.find(scope.text).and_then(|s| escalation.graph.scopes().find(estate, s));
        if known.is_some() {
            return known;
        }
        at = scope.parent();
    }
    None
}

impl Holdings<'_> {
    /// Where a technique's clauses hold, each at the same place or anywhere.
    fn open(&self, technique: &Technique) -> Vec<(Ix<ScopeNode>, Access)> {
        let anywhere = |c: &Clause| super::paths::anywhere(technique, c);
        let elsewhere = technique.clauses.iter().filter(|c| anywhere(c)).collect::<Vec<_>>();
        let elsewhere = match technique.gain {
            Gain::Attach if !elsewhere.is_empty() => self.hosting(technique, &elsewhere),
            _ => elsewhere.iter().map(|c| c.holds(self.union())).min().unwrap_or(Access::Allowed),
        };
        let mut found = Vec::new();
        for (scope, here) in self.places().iter().copied() {
            let each = technique.clauses.iter().filter(|c| !anywhere(c)).map(|c| c.holds(here));
            let access = each.min().unwrap_or(Access::Allowed).min(elsewhere);
            if access != Access::Denied {
                found.push((scope, access));
            }
        }
        found
    }

    fn redefinable(
        &self,
        rights: &super::rights::Rights,
        techniques: &'static crate::rbac::Techniques,
    ) -> Vec<(Ix<ScopeNode>, Access)> {
        let mut found = Vec::new();
        self.redefine(rights, techniques, &mut found);
        let access =
            |sure: Certainty| if sure < Certainty::Low { Access::Allowed } else { Access::Conditional };
        found
            .into_iter()
            .filter_map(|(node, sure, ..)| match node {
                Node::Authority(scope) => Some((scope, access(sure))),
                _ => None,
            })
            .collect()
    }

    /// Where roles may be assigned: any, or some that a condition lets through.
    fn assigning(
        &self,
        rights: &super::rights::Rights,
        technique: usize,
        some: bool,
    ) -> Vec<(Ix<ScopeNode>, Access)> {
        let each = self.rights().filter_map(|(right, scope)| {
            let right = rights.get(right)?;
            if some {
                let sure = right.gives.iter().map(|(_, sure)| *sure).min()?;
                let access = if sure < Certainty::Low { Access::Allowed } else { Access::Conditional };
                return Some((scope, access));
            }
            let (sure, by) = right.authority(self.graph.scopes().nodes()[scope].level)?;
            let access = if sure < Certainty::Low { Access::Allowed } else { Access::Conditional };
            (by == technique).then_some((scope, access))
        });
        each.collect()
    }
}
