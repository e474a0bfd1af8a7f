//! Who holds or could hold something, and which of them are identities of workloads.

use super::FastMap;
use super::scopes::{ScopeNode, Scopes};
use crate::model::{Estate, Extent, IdentityBlock, Instant, Ix, PrincipalType, Source, Sym, Table, Tags};

/// What a party is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum PartyKind {
    /// An identity that Azure manages.
    ManagedIdentity,
    /// A service principal that is known to be an application's.
    Application,
    /// A service principal, or something unnamed, that may be a managed identity.
    Unknown,
    /// A person.
    User,
    /// A group.
    Group,
    /// Anything else that Azure names.
    Other,
}

impl PartyKind {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            PartyKind::ManagedIdentity => "managed-identity",
            PartyKind::Application => "application",
            PartyKind::Unknown => "unknown",
            PartyKind::User => "user",
            PartyKind::Group => "group",
            PartyKind::Other => "other",
        }
    }
}

/// Whoever has an object id.
#[derive(Clone, Debug)]
pub struct Party {
    /// The object id.
    pub principal: Sym,
    /// What it is.
    pub kind: PartyKind,
    /// Its identity, if it is or may be one.
    pub identity: Option<Ix<Identity>>,
    /// Its display name, where the directory said.
    pub name: Option<Sym>,
    /// Whether the directory, an identity or a group list knows it; `None` if the directory was not read.
    pub exists: Option<bool>,
}

/// What kind of identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum IdentityKind {
    /// Lives and dies with its resource.
    SystemAssigned,
    /// A resource of its own.
    UserAssigned,
    /// An application's.
    ServicePrincipal,
    /// Not known.
    Unknown,
}

impl IdentityKind {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            IdentityKind::SystemAssigned => "system-assigned",
            IdentityKind::UserAssigned => "user-assigned",
            IdentityKind::ServicePrincipal => "service-principal",
            IdentityKind::Unknown => "unknown",
        }
    }
}

/// A resource that an identity runs on, or that otherwise needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Host {
    /// The resource.
    pub id: Sym,
    /// Where it lies, if that was read.
    pub scope: Option<Ix<ScopeNode>>,
    /// Whether its `identity` block says so; otherwise its properties or Azure's own list do.
    pub attached: bool,
}

/// An identity of a workload.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What kind.
    pub kind: IdentityKind,
    /// The text whose last segment is its name.
    pub name: Sym,
    /// The ARM id: its own, or its host's.
    pub id: Option<Sym>,
    /// Its party, where its object id is known.
    pub party: Option<Ix<Party>>,
    /// Its application id.
    pub client: Option<Sym>,
    /// Its tenant.
    pub tenant: Option<Sym>,
    /// Its tags, or its host's.
    pub tags: Tags,
    /// Where it lies.
    pub scope: Option<Ix<ScopeNode>>,
    /// What it runs on.
    pub hosts: Vec<Host>,
    /// Its federated credentials, as positions in the estate.
    pub federated: Vec<usize>,
    /// When it was made, if that was read.
    pub created: Option<Instant>,
    /// The policy assignment that it belongs to, as a position in the estate.
    pub policy: Option<usize>,
    /// The record of a user-assigned identity, as a position in the estate.
    pub record: Option<usize>,
}

pub(super) struct Parties {
    pub(super) parties: Table<Party>,
    pub(super) identities: Table<Identity>,
    pub(super) by_principal: FastMap<Sym, Ix<Party>>,
    by_resource: FastMap<Sym, Ix<Identity>>,
}

impl Parties {
    /// Identities first, from what Azure manages; then everyone that a grant, a group or the directory names.
    pub(super) fn build(estate: &Estate, scopes: &Scopes) -> Parties {
        let mut all = Parties {
            parties: Table::default(),
            identities: Table::default(),
            by_principal: FastMap::default(),
            by_resource: FastMap::default(),
        };
        all.user_assigned(estate, scopes);
        for resource in &estate.resources {
            all.block(
                estate,
                scopes,
                resource.id,
                resource.identity.as_deref(),
                resource.tags,
                resource.created,
                None,
            );
            for mentioned in &resource.mentions {
                all.host(estate, scopes, *mentioned, resource.id, false);
            }
        }
        for (at, policy) in estate.policy_assignments.iter().enumerate() {
            all.block(estate, scopes, policy.id, policy.identity.as_deref(), Tags::default(), None, Some(at));
        }
        for association in &estate.associations {
            for resource in &association.resources {
                all.host(estate, scopes, association.identity, *resource, false);
            }
        }
        for (at, credential) in estate.federated.iter().enumerate() {
            let found = all.by_resource.get(&estate.strings.class(credential.identity)).copied();
            if let Some(identity) = found {
                all.identities[identity].federated.push(at);
            }
        }
        all.directory(estate, scopes);
        for grant in estate.assignments.iter().chain(&estate.schedules) {
            // Whom code gives something may have been made after the directory was read, or be made with it.
            let declared = !estate.declarations.is_empty() && {
                let id = estate.strings.show_id(grant.id).to_ascii_lowercase();
                estate.declarations.contains_key(&id)
            };
            all.grantee(estate, grant.principal, grant.principal_type, declared);
        }
        // Members of groups hold what the group holds, whoever they are.
        for member in estate.groups.iter().flat_map(|g| &g.members) {
            all.party(estate, *member, PartyKind::Other);
        }
        for vault in &estate.vaults {
            for policy in &vault.policies {
                all.grantee(estate, policy.principal, PrincipalType::Absent, false);
            }
        }
        all
    }

    fn user_assigned(&mut self, estate: &Estate, scopes: &Scopes) {
        for (at, record) in estate.identities.iter().enumerate() {
            let identity = Identity {
                kind: IdentityKind::UserAssigned,
                name: record.id,
                id: Some(record.id),
                party: None,
                client: record.client,
                tenant: record.tenant,
                tags: record.tags,
                scope: scopes.find(estate, record.id),
                hosts: Vec::new(),
                federated: Vec::new(),
                created: record.created,
                policy: None,
                record: Some(at),
            };
            let ix = self.identities.push(identity);
            self.by_resource.insert(estate.strings.class(record.id), ix);
            if let Some(principal) = record.principal {
                self.join(estate, principal, ix);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call for each kind of carrier of an identity block")]
    fn block(
        &mut self,
        estate: &Estate,
        scopes: &Scopes,
        carrier: Sym,
        block: Option<&IdentityBlock>,
        tags: Tags,
        created: Option<Instant>,
        policy: Option<usize>,
    ) {
        let Some(block) = block else { return };
        for attached in &block.user {
            self.host(estate, scopes, attached.id, carrier, true);
            let found = self.by_resource.get(&estate.strings.class(attached.id)).copied();
            if let (Some(identity), Some(principal)) = (found, attached.principal)
                && self.identities[identity].party.is_none()
            {
                self.join(estate, principal, identity);
            }
            if let (Some(identity), Some(policy)) = (found, policy) {
                self.identities[identity].policy = Some(policy);
            }
        }
        if !block.system {
            return;
        }
        let scope = scopes.find(estate, carrier);
        let identity = Identity {
            kind: IdentityKind::SystemAssigned,
            name: carrier,
            id: Some(carrier),
            party: None,
            client: None,
            tenant: block.tenant,
            tags,
            scope,
            hosts: vec![Host { id: carrier, scope, attached: true }],
            federated: Vec::new(),
            created,
            policy,
            record: None,
        };
        let ix = self.identities.push(identity);
        if let Some(principal) = block.principal {
            self.join(estate, principal, ix);
        }
    }

    fn host(&mut self, estate: &Estate, scopes: &Scopes, identity: Sym, host: Sym, attached: bool) {
        let Some(ix) = self.by_resource.get(&estate.strings.class(identity)).copied() else { return };
        let hosts = &mut self.identities[ix].hosts;
        match hosts.iter_mut().find(|h| estate.strings.same(h.id, host)) {
            Some(known) => known.attached |= attached,
            None => hosts.push(Host { id: host, scope: scopes.find(estate, host), attached }),
        }
    }

    fn join(&mut self, estate: &Estate, principal: Sym, identity: Ix<Identity>) {
        let party = self.party(estate, principal, PartyKind::ManagedIdentity);
        self.parties[party].identity.get_or_insert(identity);
        self.parties[party].exists = Some(true);
        self.identities[identity].party = Some(party);
    }

    fn party(&mut self, estate: &Estate, principal: Sym, kind: PartyKind) -> Ix<Party> {
        let class = estate.strings.class(principal);
        if let Some(found) = self.by_principal.get(&class) {
            return *found;
        }
        let at = self.parties.push(Party { principal, kind, identity: None, name: None, exists: None });
        self.by_principal.insert(class, at);
        at
    }

    fn directory(&mut self, estate: &Estate, scopes: &Scopes) {
        for group in &estate.groups {
            let at = self.party(estate, group.id, PartyKind::Group);
            (self.parties[at].name, self.parties[at].exists) = (Some(group.name), Some(true));
        }
        for principal in &estate.principals {
            let kind = match estate.strings.text(principal.kind) {
                "ManagedIdentity" => PartyKind::ManagedIdentity,
                "ServicePrincipal" => PartyKind::Unknown,
                "User" => PartyKind::User,
                "Group" => PartyKind::Group,
                _ => PartyKind::Application,
            };
            let at = self.party(estate, principal.id, kind);
            (self.parties[at].name, self.parties[at].exists) = (Some(principal.name), Some(true));
            if self.parties[at].identity.is_some() || matches!(kind, PartyKind::User | PartyKind::Group) {
                continue;
            }
            let known =
                principal.resource.and_then(|r| self.by_resource.get(&estate.strings.class(r))).copied();
            if let (Some(identity), PartyKind::ManagedIdentity) = (known, kind) {
                self.join(estate, principal.id, identity);
                continue;
            }
            let kind = match kind {
                PartyKind::ManagedIdentity
                    if principal.resource.is_some_and(|r| is_user_assigned(estate, r)) =>
                {
                    IdentityKind::UserAssigned
                }
                PartyKind::ManagedIdentity => IdentityKind::SystemAssigned,
                PartyKind::Application => IdentityKind::ServicePrincipal,
                _ => IdentityKind::Unknown,
            };
            let scope = principal.resource.and_then(|r| scopes.find(estate, r));
            let identity = bare(kind, principal.name, at, principal.resource, principal.client, scope);
            let ix = self.identities.push(identity);
            self.parties[at].identity = Some(ix);
        }
    }

    fn grantee(&mut self, estate: &Estate, principal: Sym, said: PrincipalType, may_be_new: bool) {
        let kind = match said {
            PrincipalType::User => PartyKind::User,
            PrincipalType::Group | PrincipalType::ForeignGroup => PartyKind::Group,
            PrincipalType::ServicePrincipal | PrincipalType::Absent => PartyKind::Unknown,
            PrincipalType::Other(_) => PartyKind::Other,
        };
        let known = self.by_principal.contains_key(&estate.strings.class(principal));
        let at = self.party(estate, principal, kind);
        let party = &mut self.parties[at];
        // One record without a type, another with: the one that says more holds.
        if known
            && party.kind == PartyKind::Unknown
            && kind != PartyKind::Unknown
            && party.exists != Some(true)
        {
            party.kind = kind;
        }
        // People are not collected, so that one is not found says nothing; who has no type may be one.
        let listed = match party.kind {
            PartyKind::Group => Source::Groups,
            _ => Source::Principals,
        };
        let people =
            matches!(party.kind, PartyKind::User | PartyKind::Other) || said == PrincipalType::Absent;
        if party.exists.is_none() && !people && !may_be_new && estate.coverage.of(listed) == Extent::Complete
        {
            party.exists = Some(false);
        }
        if party.kind == PartyKind::Unknown && party.identity.is_none() {
            let identity = bare(IdentityKind::Unknown, principal, at, None, None, None);
            let ix = self.identities.push(identity);
            self.parties[at].identity = Some(ix);
        }
    }
}

fn bare(
    kind: IdentityKind,
    name: Sym,
    party: Ix<Party>,
    id: Option<Sym>,
    client: Option<Sym>,
    scope: Option<Ix<ScopeNode>>,
) -> Identity {
    Identity {
        kind,
        name,
        id,
        party: Some(party),
        client,
        tenant: None,
        tags: Tags::default(),
        scope,
        hosts: Vec::new(),
        federated: Vec::new(),
        created: None,
        policy: None,
        record: None,
    }
}

fn is_user_assigned(estate: &Estate, id: Sym) -> bool {
    let scope = crate::model::Scope::parse(estate.strings.text(id));
    scope
        .and_then(|s| s.resource_type())
        .is_some_and(|k| k.eq_ignore_ascii_case("Microsoft.ManagedIdentity/userAssignedIdentities"))
}
