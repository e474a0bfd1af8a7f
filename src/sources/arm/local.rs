//! Grants of other authorization systems: Cosmos DB's role assignments, administrators of database servers, Lighthouse
//! delegations, application permissions and directory roles.
//!
//! Sources: the REST references of Azure Cosmos DB, Azure SQL, Azure Database and Azure Lighthouse; "appRoleAssignment" and
//! "unifiedRoleAssignment" of Microsoft Graph.

use super::lower::{Lowered, Lowering, read};
use super::wire::Text;
use crate::model::{Id, LocalGrant, LocalSystem, Scope, Sym};
use serde::Deserialize;

/// The role of whoever administers a database server: it has no name of its own.
const ADMINISTRATOR: &str = "administrator";

/// Roles of every Cosmos DB account.
/// Source: "Azure Cosmos DB for NoSQL data plane roles reference".
const COSMOS_ROLES: [(&str, &str); 2] = [
    ("00000000-0000-0000-0000-000000000001", "Cosmos DB Built-in Data Reader"),
    ("00000000-0000-0000-0000-000000000002", "Cosmos DB Built-in Data Contributor"),
];

/// Delegations are known in two halves: where, and to whom.
#[derive(Debug, Default)]
pub(super) struct Delegations {
    /// The assignment, its scope, and the definition that it puts in force.
    assignments: Vec<(Sym, Sym, Sym)>,
    /// Definitions by the class of their id.
    definitions: Vec<(Sym, Definition)>,
}

#[derive(Debug)]
struct Definition {
    tenant: Option<Sym>,
    /// Principal, role, and what the principal is called.
    holders: Vec<(Sym, Sym, Option<Sym>)>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    properties: Option<Properties<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    #[serde(borrow)]
    principal_id: Option<Text<'a>>,
    #[serde(borrow)]
    role_definition_id: Option<Text<'a>>,
    #[serde(borrow)]
    scope: Option<Text<'a>>,
    #[serde(borrow)]
    sid: Option<Text<'a>>,
    #[serde(borrow)]
    object_id: Option<Text<'a>>,
    #[serde(borrow)]
    registration_definition_id: Option<Text<'a>>,
    #[serde(borrow)]
    registration_definition: Option<Box<Row<'a>>>,
    #[serde(borrow)]
    managed_by_tenant_id: Option<Text<'a>>,
    #[serde(borrow)]
    authorizations: Option<Vec<Authorization<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorization<'a> {
    #[serde(borrow)]
    principal_id: Option<Text<'a>>,
    #[serde(borrow)]
    principal_id_display_name: Option<Text<'a>>,
    #[serde(borrow)]
    role_definition_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DirectoryRow<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    principal_id: Option<Text<'a>>,
    #[serde(borrow)]
    app_role_id: Option<Text<'a>>,
    #[serde(borrow)]
    resource_display_name: Option<Text<'a>>,
    #[serde(borrow)]
    resource_id: Option<Text<'a>>,
    #[serde(borrow)]
    role_definition_id: Option<Text<'a>>,
    #[serde(borrow)]
    role_definition: Option<Named<'a>>,
    #[serde(borrow)]
    directory_scope_id: Option<Text<'a>>,
    #[serde(borrow)]
    app_scope_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    #[serde(borrow)]
    display_name: Option<Text<'a>>,
}

impl Lowering {
    pub(super) fn cosmos_assignment(&mut self, bytes: &[u8]) -> Lowered<()> {
        let (id, properties) = framed(bytes)?;
        let account = Scope::parse(&id).and_then(|s| s.parent()).ok_or("`id` names no account")?.text;
        let scope = match &properties.scope {
            // Data inside the account goes by paths below it; older answers give those alone.
            Some(scope) if scope.0.starts_with("/subscriptions/") => self.sym(scope),
            Some(scope) if scope.0.len() > 1 => {
                self.estate.strings.intern(&format!("{account}/{}", scope.0.trim_matches('/')))
            }
            _ => self.estate.strings.intern(account),
        };
        let made = LocalGrant {
            id: self.estate.strings.intern_id(&id),
            system: LocalSystem::CosmosDb,
            principal: self.need(&properties.principal_id, "principalId")?,
            role_name: self.cosmos_role(&properties.role_definition_id),
            role: self.need(&properties.role_definition_id, "roleDefinitionId")?,
            scope,
            tenant: None,
        };
        self.estate.local_grants.push(made);
        Ok(())
    }

    /// The name of a role that every account has.
    fn cosmos_role(&mut self, id: &Option<Text<'_>>) -> Option<Sym> {
        let key = id.as_ref().map_or("", |t| crate::model::role_key(&t.0));
        let (_, name) = COSMOS_ROLES.into_iter().find(|(known, _)| key == *known)?;
        Some(self.estate.strings.intern(name))
    }

    pub(super) fn database_administrator(&mut self, bytes: &[u8]) -> Lowered<()> {
        let (id, properties) = framed(bytes)?;
        let server = Scope::parse(&id).and_then(|s| s.parent()).ok_or("`id` names no server")?.text;
        let who = properties.sid.or(properties.object_id);
        let made = LocalGrant {
            id: self.estate.strings.intern_id(&id),
            system: LocalSystem::DatabaseServer,
            principal: self.need(&who, "sid")?,
            role: self.estate.strings.intern(ADMINISTRATOR),
            role_name: None,
            scope: self.estate.strings.intern(server),
            tenant: None,
        };
        self.estate.local_grants.push(made);
        Ok(())
    }

    pub(super) fn delegation(&mut self, bytes: &[u8]) -> Lowered<()> {
        let (id, properties) = framed(bytes)?;
        let scope = Scope::parse(&id).and_then(|s| s.parent()).ok_or("`id` names no scope")?.text;
        let definition = self.need(&properties.registration_definition_id, "registrationDefinitionId")?;
        if let Some(Row { properties: Some(inside), .. }) = properties.registration_definition.as_deref() {
            self.definition(definition, inside)?;
        }
        let scope = self.estate.strings.intern(scope);
        let id = self.estate.strings.intern(&id);
        self.delegations.assignments.push((id, scope, definition));
        Ok(())
    }

    pub(super) fn delegation_definition(&mut self, bytes: &[u8]) -> Lowered<()> {
        let (id, properties) = framed(bytes)?;
        let id = self.estate.strings.intern(&id);
        self.definition(id, &properties)
    }

    fn definition(&mut self, id: Sym, properties: &Properties<'_>) -> Lowered<()> {
        let authorizations = properties.authorizations.as_ref().ok_or("`authorizations` is missing")?;
        let mut holders = Vec::new();
        for one in authorizations {
            let principal = self.need(&one.principal_id, "principalId")?;
            let role = self.need(&one.role_definition_id, "roleDefinitionId")?;
            holders.push((principal, role, self.some(&one.principal_id_display_name)));
        }
        let tenant = self.some(&properties.managed_by_tenant_id);
        let id = self.estate.strings.class(id);
        self.delegations.definitions.push((id, Definition { tenant, holders }));
        Ok(())
    }

    /// A grant of the directory: an application permission, or a directory role.
    pub(super) fn directory_grant(&mut self, bytes: &[u8], system: LocalSystem) -> Lowered<()> {
        let row: DirectoryRow<'_> = read(bytes)?;
        let id = row.id.as_ref().filter(|t| !t.0.is_empty()).ok_or("`id` is missing")?;
        let id = self.estate.strings.intern(&id.0);
        let id = Id { dir: self.estate.strings.intern(""), name: id };
        let principal = self.need(&row.principal_id, "principalId")?;
        let (role, role_name, scope) = if system == LocalSystem::AppRole {
            let service = row.resource_display_name.or(row.resource_id);
            (self.need(&row.app_role_id, "appRoleId")?, None, self.need(&service, "resourceId")?)
        } else {
            let name = row.role_definition.and_then(|r| self.some(&r.display_name));
            let scope = row.directory_scope_id.or(row.app_scope_id);
            (
                self.need(&row.role_definition_id, "roleDefinitionId")?,
                name,
                self.need(&scope, "directoryScopeId")?,
            )
        };
        self.estate.local_grants.push(LocalGrant {
            id,
            system,
            principal,
            role,
            role_name,
            scope,
            tenant: None,
        });
        Ok(())
    }

    /// Puts both halves of delegations together. A half without the other says so.
    pub(crate) fn join_delegations(&mut self) {
        let Delegations { assignments, definitions } = std::mem::take(&mut self.delegations);
        let mut by_id: std::collections::HashMap<Sym, Definition> = Default::default();
        by_id.extend(definitions);
        for (id, scope, definition) in assignments {
            let shown = self.estate.strings.text(id).to_owned();
            let Some(found) = by_id.get(&self.estate.strings.class(definition)) else {
                let detail = "the delegation's definition, which says to whom, was not read";
                let gap = crate::model::Gap::new(
                    crate::model::Source::Delegations,
                    shown,
                    crate::model::Reason::Unresolved,
                    detail,
                );
                self.estate.coverage.note(crate::model::Source::Delegations, crate::model::Extent::Partial);
                self.estate.gaps.push(gap);
                continue;
            };
            for (principal, role, name) in &found.holders {
                let key = crate::model::role_key(self.estate.strings.text(*role)).to_owned();
                let own = format!("{shown}/{}/{key}", self.estate.strings.text(*principal));
                let made = LocalGrant {
                    id: self.estate.strings.intern_id(&own),
                    system: LocalSystem::Lighthouse,
                    principal: *principal,
                    role: *role,
                    role_name: *name,
                    scope,
                    tenant: found.tenant,
                };
                self.estate.local_grants.push(made);
            }
        }
    }
}

/// The id of a record and its properties, which the command-line tools leave unframed.
fn framed(bytes: &[u8]) -> Lowered<(String, Properties<'_>)> {
    let row: Row<'_> = read(bytes)?;
    let id = row.id.as_ref().map_or("", |t| t.0.trim_end_matches('/'));
    if id.is_empty() {
        return Err("`id` is missing".to_owned());
    }
    let id = id.to_owned();
    Ok((id, row.properties.map_or_else(|| read(bytes), Ok)?))
}
