//! What was asked for and what came, per kind of data. Judged by `rules`, shown by `report`.

use super::Instant;
use std::collections::BTreeMap;

/// A kind of data that an estate is made of. The names are part of the findings format.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Source {
    /// Management groups and their tree.
    ManagementGroups,
    /// Subscriptions.
    Subscriptions,
    /// Resource groups.
    ResourceGroups,
    /// Resources with their identity blocks.
    Resources,
    /// User-assigned identities.
    Identities,
    /// Federated identity credentials.
    FederatedCredentials,
    /// Role assignments.
    RoleAssignments,
    /// Custom role definitions.
    RoleDefinitions,
    /// Deny assignments.
    DenyAssignments,
    /// Schedule instances of Privileged Identity Management.
    Schedules,
    /// Service principals of the directory.
    Principals,
    /// Groups and their members.
    Groups,
    /// Sign-ins of managed identities.
    SignIns,
    /// Key vaults with their access policies.
    Vaults,
    /// Policy assignments and their identities.
    PolicyAssignments,
    /// Policy definitions with the roles that they ask for.
    PolicyDefinitions,
    /// What Azure says uses an identity.
    AssociatedResources,
    /// Role assignments on the data of Cosmos DB accounts.
    CosmosRoleAssignments,
    /// Microsoft Entra administrators of database servers.
    DatabaseAdministrators,
    /// Application permissions on Microsoft Graph and other interfaces.
    AppRoleAssignments,
    /// Roles of the directory and who holds them.
    DirectoryRoles,
    /// Azure Lighthouse delegations to other tenants.
    Delegations,
    /// A file of the input, of no kind known yet.
    Files,
    /// Records of kinds that are not read.
    Other,
}

impl Source {
    /// Every kind that an estate can hold.
    pub const ALL: [Source; 24] = [
        Source::ManagementGroups,
        Source::Subscriptions,
        Source::ResourceGroups,
        Source::Resources,
        Source::Identities,
        Source::FederatedCredentials,
        Source::RoleAssignments,
        Source::RoleDefinitions,
        Source::DenyAssignments,
        Source::Schedules,
        Source::Principals,
        Source::Groups,
        Source::SignIns,
        Source::Vaults,
        Source::PolicyAssignments,
        Source::PolicyDefinitions,
        Source::AssociatedResources,
        Source::CosmosRoleAssignments,
        Source::DatabaseAdministrators,
        Source::AppRoleAssignments,
        Source::DirectoryRoles,
        Source::Delegations,
        Source::Files,
        Source::Other,
    ];

    /// The name in reports, rules and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Source::ManagementGroups => "management-groups",
            Source::Subscriptions => "subscriptions",
            Source::ResourceGroups => "resource-groups",
            Source::Resources => "resources",
            Source::Identities => "identities",
            Source::FederatedCredentials => "federated-credentials",
            Source::RoleAssignments => "role-assignments",
            Source::RoleDefinitions => "role-definitions",
            Source::DenyAssignments => "deny-assignments",
            Source::Schedules => "schedules",
            Source::Principals => "principals",
            Source::Groups => "groups",
            Source::SignIns => "sign-ins",
            Source::Vaults => "vaults",
            Source::PolicyAssignments => "policy-assignments",
            Source::PolicyDefinitions => "policy-definitions",
            Source::AssociatedResources => "associated-resources",
            Source::CosmosRoleAssignments => "cosmos-role-assignments",
            Source::DatabaseAdministrators => "database-administrators",
            Source::AppRoleAssignments => "app-role-assignments",
            Source::DirectoryRoles => "directory-roles",
            Source::Delegations => "delegations",
            Source::Files => "files",
            Source::Other => "other",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Source> {
        Source::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// How much of one kind came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Extent {
    /// All that was asked for.
    Complete,
    /// Some of it; gaps say what is missing.
    Partial,
    /// None, because it was not asked for or is not in the input.
    Absent,
}

impl Extent {
    /// The name in snapshots.
    pub const fn name(self) -> &'static str {
        match self {
            Extent::Complete => "complete",
            Extent::Partial => "partial",
            Extent::Absent => "absent",
        }
    }
}

/// How one kind was read from a service.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Lists that were asked for.
    pub lists: usize,
    /// Lists that were given up, or came cut.
    pub failed: usize,
    /// Pages.
    pub pages: usize,
    /// Items in them, repeats included.
    pub items: usize,
    /// When the first page came, in this run or in one that it goes on with.
    pub began: Option<Instant>,
    /// When the last one came.
    pub ended: Option<Instant>,
}

/// What was read, per kind.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Coverage {
    extents: BTreeMap<Source, Extent>,
    readings: BTreeMap<Source, Reading>,
}

impl Coverage {
    /// Everything, which only a source that makes its own estate can claim.
    pub fn complete() -> Coverage {
        let known = Source::ALL.into_iter().filter(|s| !matches!(s, Source::Files | Source::Other));
        Coverage { extents: known.map(|s| (s, Extent::Complete)).collect(), readings: BTreeMap::new() }
    }

    /// How much of this kind came.
    pub fn of(&self, source: Source) -> Extent {
        self.extents.get(&source).copied().unwrap_or(Extent::Absent)
    }

    /// Notes that this kind came; what was incomplete stays so.
    pub fn note(&mut self, source: Source, extent: Extent) {
        let slot = self.extents.entry(source).or_insert(extent);
        *slot = match (*slot, extent) {
            (Extent::Absent, e) | (e, Extent::Absent) => e,
            (a, b) => a.max(b),
        };
    }

    /// How this kind was read, where it came from a service.
    pub fn reading(&self, source: Source) -> Option<&Reading> {
        self.readings.get(&source)
    }

    /// Notes how kinds were read.
    pub fn note_readings(&mut self, readings: impl IntoIterator<Item = (Source, Reading)>) {
        self.readings.extend(readings);
    }

    /// Every kind with its extent, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (Source, Extent)> + '_ {
        Source::ALL
            .into_iter()
            .filter(|s| !matches!(s, Source::Files | Source::Other))
            .map(|s| (s, self.of(s)))
    }
}
