//! Grants of authorization systems beside Azure's role assignments: databases with roles of their own, permissions and
//! roles of the directory, delegations to other tenants. Not here: what they let anyone do.

use super::coverage::Source;
use super::strings::{Id, Sym};

/// An authorization system that has grants of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum LocalSystem {
    /// Role assignments on the data of a Cosmos DB account.
    CosmosDb,
    /// Microsoft Entra administrators of database servers.
    DatabaseServer,
    /// Application permissions on Microsoft Graph and other services' interfaces.
    AppRole,
    /// Roles of the directory.
    Directory,
    /// Azure Lighthouse: roles held by principals of another tenant.
    Lighthouse,
}

impl LocalSystem {
    /// Every system.
    pub const ALL: [LocalSystem; 5] = [
        LocalSystem::CosmosDb,
        LocalSystem::DatabaseServer,
        LocalSystem::AppRole,
        LocalSystem::Directory,
        LocalSystem::Lighthouse,
    ];

    /// The name in snapshots.
    pub const fn name(self) -> &'static str {
        match self {
            LocalSystem::CosmosDb => "cosmos-db",
            LocalSystem::DatabaseServer => "database-server",
            LocalSystem::AppRole => "app-role",
            LocalSystem::Directory => "directory-role",
            LocalSystem::Lighthouse => "lighthouse",
        }
    }

    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            LocalSystem::CosmosDb => "Cosmos DB's own roles",
            LocalSystem::DatabaseServer => "administrators of database servers",
            LocalSystem::AppRole => "application permissions such as Microsoft Graph's",
            LocalSystem::Directory => "directory roles",
            LocalSystem::Lighthouse => "Lighthouse delegations",
        }
    }

    /// The kind of data that its grants are.
    pub const fn source(self) -> Source {
        match self {
            LocalSystem::CosmosDb => Source::CosmosRoleAssignments,
            LocalSystem::DatabaseServer => Source::DatabaseAdministrators,
            LocalSystem::AppRole => Source::AppRoleAssignments,
            LocalSystem::Directory => Source::DirectoryRoles,
            LocalSystem::Lighthouse => Source::Delegations,
        }
    }
}

/// A grant of such a system.
#[derive(Clone, Debug)]
pub struct LocalGrant {
    /// Its id in its own system; each holder of a delegation counts for itself.
    pub id: Id,
    /// The system.
    pub system: LocalSystem,
    /// The object id of the holder. Database servers may name an application id instead.
    pub principal: Sym,
    /// The role by its id in that system; the administrator of a server has none but that name.
    pub role: Sym,
    /// What the role is called, where the answer said.
    pub role_name: Option<Sym>,
    /// Where it holds: an ARM id, a service of the directory, or a part of the directory.
    pub scope: Sym,
    /// The tenant of the holder, where that is another one.
    pub tenant: Option<Sym>,
}
