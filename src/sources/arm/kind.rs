//! What kind of record an object is, by its id first and its `type` second: command-line tools put other things in
//! `type`, and some answers leave it out.

use super::wire::Head;
use crate::model::{Level, Scope};

/// The kinds that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    RoleAssignment,
    RoleDefinition,
    DenyAssignment,
    ActiveInstance,
    EligibleInstance,
    ManagementGroup,
    Subscription,
    Account,
    ResourceGroup,
    Identity,
    FederatedCredential,
    PolicyAssignment,
    PolicyDefinition,
    Vault,
    Resource,
    ServicePrincipal,
    Group,
    User,
    CosmosAssignment,
    DatabaseAdministrator,
    Delegation,
    DelegationDefinition,
    AppRole,
    DirectoryRole,
}

/// The kind, or the name under which the record is counted as unrecognised.
pub(super) fn of(head: &Head<'_>) -> Result<Kind, String> {
    let text = |t: &Option<super::wire::Text<'_>>| t.as_ref().map(|t| t.0.to_ascii_lowercase());
    let id = head.id.as_ref().map_or("", |t| t.0.as_ref());
    let scope = Scope::parse(id);
    let kind =
        scope.and_then(|s| s.resource_type()).map(|t| t.to_ascii_lowercase()).or_else(|| text(&head.kind));
    if let Some(found) = kind.as_deref().and_then(by_type) {
        return Ok(found);
    }
    match scope.map(|s| s.level) {
        Some(Level::Subscription) => return Ok(Kind::Subscription),
        Some(Level::ResourceGroup) => return Ok(Kind::ResourceGroup),
        Some(Level::ManagementGroup) => return Ok(Kind::ManagementGroup),
        _ => {}
    }
    if let Some(object) = text(&head.odata).or_else(|| text(&head.object)) {
        return match object.rsplit(['.', '#']).next().unwrap_or_default() {
            "serviceprincipal" => Ok(Kind::ServicePrincipal),
            "group" => Ok(Kind::Group),
            "user" => Ok(Kind::User),
            "approleassignment" => Ok(Kind::AppRole),
            "unifiedroleassignment" => Ok(Kind::DirectoryRole),
            other => Err(format!("directory object {other}")),
        };
    }
    if head.app_role.is_some() {
        return Ok(Kind::AppRole);
    }
    if head.directory_scope.is_some() {
        return Ok(Kind::DirectoryRole);
    }
    if head.principal.is_some() {
        return Ok(Kind::ServicePrincipal);
    }
    if head.group.is_some() {
        return Ok(Kind::Group);
    }
    if head.account.is_some() {
        return Ok(Kind::Account);
    }
    let kind = kind.unwrap_or_default();
    // Of what the resource manager itself keeps, only deployment scripts run as somebody.
    let unread = kind != "microsoft.resources/deploymentscripts"
        && ["microsoft.authorization/", "microsoft.resources/"].iter().any(|p| kind.starts_with(p));
    match scope {
        Some(scope) if scope.level == Level::Resource && !unread => Ok(Kind::Resource),
        _ if kind.is_empty() => Err("object without type".to_owned()),
        _ => Err(kind),
    }
}

fn by_type(kind: &str) -> Option<Kind> {
    Some(match kind {
        "microsoft.authorization/roleassignments" => Kind::RoleAssignment,
        "microsoft.authorization/roledefinitions" => Kind::RoleDefinition,
        "microsoft.authorization/denyassignments" => Kind::DenyAssignment,
        "microsoft.authorization/roleassignmentscheduleinstances" => Kind::ActiveInstance,
        "microsoft.authorization/roleeligibilityscheduleinstances" => Kind::EligibleInstance,
        "microsoft.management/managementgroups" => Kind::ManagementGroup,
        "microsoft.resources/subscriptions" | "/subscriptions" => Kind::Subscription,
        "microsoft.resources/resourcegroups" | "microsoft.resources/subscriptions/resourcegroups" => {
            Kind::ResourceGroup
        }
        "microsoft.managedidentity/userassignedidentities" => Kind::Identity,
        "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials" => {
            Kind::FederatedCredential
        }
        "microsoft.authorization/policyassignments" => Kind::PolicyAssignment,
        "microsoft.authorization/policydefinitions" | "microsoft.authorization/policysetdefinitions" => {
            Kind::PolicyDefinition
        }
        "microsoft.keyvault/vaults" => Kind::Vault,
        "microsoft.documentdb/databaseaccounts/sqlroleassignments" => Kind::CosmosAssignment,
        "microsoft.sql/servers/administrators"
        | "microsoft.sql/managedinstances/administrators"
        | "microsoft.dbforpostgresql/flexibleservers/administrators"
        | "microsoft.dbformysql/flexibleservers/administrators" => Kind::DatabaseAdministrator,
        "microsoft.managedservices/registrationassignments" => Kind::Delegation,
        "microsoft.managedservices/registrationdefinitions" => Kind::DelegationDefinition,
        _ => return None,
    })
}
