//! What the caller may read, asked beforehand: its permissions at every scope, and one probe of the directory for each
//! list that will be read there.
//!
//! Not here: what rules make of what is missing (`app`), and reading itself (`collect`).

use super::client::{Ask, Client, Service};
use super::clock::Clock;
use super::collect::Failure;
use super::page::{cut, whole};
use super::plan::unseen;
use super::reader::pages;
use super::scheduler::{Quota, Refusal, Scheduler};
use super::target::{Planned, Target};
use crate::model::{ActionPattern, Reason, Scope, Source};
use crate::rbac::matches;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::JoinSet;

/// The operations that reading a tenant needs, with what is missing without them.
pub const NEEDS: [(&str, Source); 29] = [
    ("Microsoft.Resources/subscriptions/read", Source::Subscriptions),
    ("Microsoft.Resources/subscriptions/resourceGroups/read", Source::ResourceGroups),
    ("Microsoft.Management/managementGroups/read", Source::ManagementGroups),
    ("Microsoft.Authorization/roleAssignments/read", Source::RoleAssignments),
    ("Microsoft.Authorization/roleDefinitions/read", Source::RoleDefinitions),
    ("Microsoft.Authorization/denyAssignments/read", Source::DenyAssignments),
    ("Microsoft.Authorization/roleAssignmentScheduleInstances/read", Source::Schedules),
    ("Microsoft.Authorization/roleEligibilityScheduleInstances/read", Source::Schedules),
    ("Microsoft.Authorization/policyAssignments/read", Source::PolicyAssignments),
    ("Microsoft.Authorization/policyDefinitions/read", Source::PolicyDefinitions),
    ("Microsoft.Authorization/policySetDefinitions/read", Source::PolicyDefinitions),
    ("Microsoft.Resources/subscriptions/resources/read", Source::Resources),
    ("Microsoft.ResourceGraph/resources/read", Source::Resources),
    ("Microsoft.ManagedIdentity/userAssignedIdentities/read", Source::Identities),
    (
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read",
        Source::FederatedCredentials,
    ),
    ("Microsoft.KeyVault/vaults/read", Source::Vaults),
    // Reader does not have it: it is an action.
    (ASSOCIATED, Source::AssociatedResources),
    // Accounts and servers that the caller may not see have no lists to ask for.
    ("Microsoft.DocumentDB/databaseAccounts/read", Source::CosmosRoleAssignments),
    ("Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments/read", Source::CosmosRoleAssignments),
    ("Microsoft.Sql/servers/read", Source::DatabaseAdministrators),
    ("Microsoft.Sql/servers/administrators/read", Source::DatabaseAdministrators),
    ("Microsoft.Sql/managedInstances/read", Source::DatabaseAdministrators),
    ("Microsoft.Sql/managedInstances/administrators/read", Source::DatabaseAdministrators),
    ("Microsoft.DBforPostgreSQL/flexibleServers/read", Source::DatabaseAdministrators),
    ("Microsoft.DBforPostgreSQL/flexibleServers/administrators/read", Source::DatabaseAdministrators),
    ("Microsoft.DBforMySQL/flexibleServers/read", Source::DatabaseAdministrators),
    ("Microsoft.DBforMySQL/flexibleServers/administrators/read", Source::DatabaseAdministrators),
    ("Microsoft.ManagedServices/registrationAssignments/read", Source::Delegations),
    ("Microsoft.ManagedServices/registrationDefinitions/read", Source::Delegations),
];

/// Asking what uses an identity.
pub const ASSOCIATED: &str =
    "Microsoft.ManagedIdentity/userAssignedIdentities/listAssociatedResources/action";

/// What Resource Graph needs beside them to show every resource: it shows what the caller may read.
pub const EVERYTHING: &str = "*/read";

/// Application permissions of Microsoft Graph, with their ids, and a list that needs them.
const DIRECTORY: [(&str, &str, Source, &str); 5] = [
    (
        "Application.Read.All",
        "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
        Source::Principals,
        "/v1.0/servicePrincipals?$select=id&$top=1",
    ),
    (
        "GroupMember.Read.All",
        "98830695-27a2-44e8-8c18-0c3ebc9698f6",
        Source::Groups,
        "/v1.0/groups?$select=id&$top=1",
    ),
    (
        "Application.Read.All",
        "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
        Source::AppRoleAssignments,
        "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')/appRoleAssignedTo?$top=1",
    ),
    (
        "RoleManagement.Read.Directory",
        "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
        Source::DirectoryRoles,
        "/v1.0/roleManagement/directory/roleAssignments?$top=1",
    ),
    (
        "AuditLog.Read.All",
        "b0afded3-3588-46d8-8b3d-9842eff778da",
        Source::SignIns,
        "/beta/reports/servicePrincipalSignInActivities?$top=1",
    ),
];

/// The id of an application permission of Microsoft Graph that reading needs.
pub(super) fn app_role(permission: &str) -> Option<&'static str> {
    DIRECTORY.iter().find(|(name, ..)| *name == permission).map(|(_, id, ..)| *id)
}

/// The command that gives a service principal an application permission of Microsoft Graph.
pub fn app_role_command(whom: &str, app_role: &str) -> String {
    format!(
        "az rest --method POST --url https://graph.microsoft.com/v1.0/servicePrincipals/{whom}/appRoleAssignments --headers content-type=application/json --body \"{{\\\"principalId\\\":\\\"{whom}\\\",\\\"resourceId\\\":\\\"$(az ad sp show --id 00000003-0000-0000-c000-000000000000 --query id -o tsv)\\\",\\\"appRoleId\\\":\\\"{app_role}\\\"}}\""
    )
}

/// What the directory is probed for.
pub const DIRECTORY_SOURCES: [Source; 5] =
    [Source::Principals, Source::Groups, Source::AppRoleAssignments, Source::DirectoryRoles, Source::SignIns];

/// Something that the caller may not read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Lack {
    /// What will be missing.
    pub source: Source,
    /// The permission that is missing.
    pub permission: String,
    /// Where, by scope; empty for the directory.
    pub scopes: Vec<String>,
    /// What Azure said, where it said more.
    pub said: Option<String>,
    /// The id of an application permission of Microsoft Graph.
    pub app_role: Option<&'static str>,
}

/// What the caller may read.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// The tenant, where a subscription told it.
    pub tenant: Option<String>,
    /// The caller's object id, where its token told it.
    pub caller: Option<String>,
    /// Subscriptions that it sees.
    pub subscriptions: Vec<String>,
    /// What it may not read, sorted.
    pub lacks: Vec<Lack>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    #[serde(default)]
    actions: Option<Vec<String>>,
    #[serde(default)]
    not_actions: Option<Vec<String>>,
}

impl Block {
    fn allows(&self, operation: &str) -> bool {
        let operation = operation.to_ascii_lowercase();
        let any = |list: &Option<Vec<String>>| {
            list.iter().flatten().any(|p| matches(&ActionPattern::new(p), &operation))
        };
        any(&self.actions) && !any(&self.not_actions)
    }

    /// `*/read` is no operation: it is allowed where the pattern, or a wider one, is.
    fn allows_reading_everything(&self) -> bool {
        let wide = |p: &String| p == "*" || p.eq_ignore_ascii_case(EVERYTHING);
        let limits = |p: &String| p.to_ascii_lowercase().ends_with("read") || p.ends_with('*');
        self.actions.iter().flatten().any(wide) && !self.not_actions.iter().flatten().any(limits)
    }
}

/// Asks what the caller may read.
///
/// # Errors
/// If Azure cannot be asked at all.
pub async fn examine(client: Client, clock: Arc<dyn Clock>, target: &Target) -> Result<Examined, Failure> {
    let client = Arc::new(client);
    let scheduler = Arc::new(Scheduler::new(Arc::clone(&client), clock, 50));
    let mut examined = Examined { caller: client.caller().await, ..Examined::default() };
    subscriptions(&scheduler, target, &mut examined).await?;
    let mut scopes: Vec<String> =
        examined.subscriptions.iter().map(|id| format!("/subscriptions/{id}")).collect();
    let root = target.tenant.clone().or_else(|| examined.tenant.clone());
    let above = target.management_groups.iter().map(|group| crate::model::role_key(group).to_owned());
    let above: BTreeSet<String> = above.chain(root).collect();
    scopes.extend(
        above.iter().map(|group| format!("/providers/Microsoft.Management/managementGroups/{group}")),
    );
    let mut askers = JoinSet::new();
    for scope in scopes {
        let scheduler = Arc::clone(&scheduler);
        askers.spawn(async move {
            let blocks = permissions(&scheduler, &scope).await;
            (scope, blocks)
        });
    }
    let mut missing: BTreeMap<(Source, String), (BTreeSet<String>, Option<String>)> = BTreeMap::new();
    while let Some(answered) = askers.join_next().await {
        let Ok((scope, blocks)) = answered else { continue };
        let said = blocks.as_ref().err().map(|r| r.detail.clone());
        let blocks = blocks.unwrap_or_default();
        let mut note = |source, permission: &str| {
            let entry = missing.entry((source, permission.to_owned())).or_default();
            entry.0.insert(scope.clone());
            entry.1 = entry.1.take().or_else(|| said.clone());
        };
        for (operation, source) in NEEDS {
            // What lies in subscriptions is not asked of what lies above them.
            let above = scope.starts_with("/providers/");
            let inside =
                !operation.starts_with("Microsoft.Authorization/") && !operation.contains("managementGroups");
            let of_groups = operation.contains("managementGroups");
            if (above && inside) || (!above && of_groups) {
                continue;
            }
            if !blocks.iter().any(|b| b.allows(operation)) {
                note(source, operation);
            }
        }
        if !scope.starts_with("/providers/") && !blocks.iter().any(Block::allows_reading_everything) {
            note(Source::Resources, EVERYTHING);
        }
    }
    let lacks = missing.into_iter().map(|((source, permission), (scopes, said))| Lack {
        source,
        permission,
        scopes: scopes.into_iter().collect(),
        said,
        app_role: None,
    });
    examined.lacks = lacks.collect();
    let wanted = |source: Source| !target.skip.contains(&source);
    examined.lacks.retain(|l: &Lack| wanted(l.source));
    for (permission, id, source, path) in DIRECTORY.into_iter().filter(|d| wanted(d.2)) {
        let ask = Ask::Get(Service::Directory, path.to_owned());
        if let Err(refusal) = scheduler.ask(&Quota::Directory, &ask, whole).await {
            // Without a token no permission would help.
            let app_role = (!refusal.identity).then_some(id);
            let said = Some(refusal.detail);
            let permission = permission.to_owned();
            examined.lacks.push(Lack { source, permission, scopes: Vec::new(), said, app_role });
        }
    }
    Ok(examined)
}

async fn subscriptions(
    scheduler: &Scheduler,
    target: &Target,
    examined: &mut Examined,
) -> Result<(), Failure> {
    let pages = pages(&super::listing::subscriptions(), scheduler).await;
    let mut all = BTreeSet::new();
    for page in pages.map_err(|r| Failure::Unreachable(r.detail))? {
        cut(&page, &mut |row| all.extend(Planned::of(row).ok().flatten()));
    }
    examined.tenant = all.iter().find_map(|p| p.tenant.clone());
    let mut below = BTreeSet::new();
    for group in &target.management_groups {
        below.extend(subscriptions_below(scheduler, crate::model::role_key(group)).await?);
    }
    let chosen = target.choose(&all, &below)?;
    examined.subscriptions = chosen.subscriptions.into_iter().collect();
    Ok(())
}

/// Subscriptions below a management group, by folded id.
async fn subscriptions_below(scheduler: &Scheduler, group: &str) -> Result<BTreeSet<String>, Failure> {
    #[derive(Deserialize)]
    struct Below {
        id: String,
    }
    let id = format!("/providers/Microsoft.Management/managementGroups/{group}");
    if !super::listing::is_plain(&id) {
        return Err(unseen(group));
    }
    let pages = pages(&super::inventory::descendants(&id), scheduler).await.map_err(|refusal| {
        let gone = ["not there", "NotFound"].iter().any(|said| refusal.detail.contains(said));
        if gone || refusal.reason == Reason::Forbidden {
            unseen(group)
        } else {
            Failure::Unreachable(refusal.detail)
        }
    })?;
    let mut below = BTreeSet::new();
    for page in pages {
        cut(&page, &mut |row| {
            let row = serde_json::from_slice::<Below>(row).ok();
            let id = row.and_then(|row| Some(Scope::parse(&row.id)?.subscription?.to_ascii_lowercase()));
            below.extend(id);
        });
    }
    Ok(below)
}

/// Answers with built-in role definitions and with the operations of all providers, for a new catalogue.
///
/// # Errors
/// If they cannot be read.
pub async fn catalogue(client: Client, clock: Arc<dyn Clock>) -> Result<Vec<Vec<u8>>, Failure> {
    let scheduler = Scheduler::new(Arc::new(client), clock, 2);
    let mut all = Vec::new();
    for listing in [super::listing::built_in_roles(), super::listing::operations()] {
        let read = pages(&listing, &scheduler).await;
        all.extend(
            read.map_err(|r| Failure::Unreachable(format!("{}: {}", listing.key.trim_end(), r.detail)))?,
        );
    }
    Ok(all)
}

async fn permissions(scheduler: &Scheduler, scope: &str) -> Result<Vec<Block>, Refusal> {
    let (quota, ask) = super::listing::permissions(scope);
    let answer = scheduler.ask(&quota, &ask, whole).await?;
    let mut blocks = Vec::new();
    cut(&answer.body, &mut |row| blocks.extend(serde_json::from_slice::<Block>(row).ok()));
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_allows_what_it_says() {
        let block = |actions: &[&str], not: &[&str]| {
            let texts = |list: &[&str]| Some(list.iter().map(|t| (*t).to_owned()).collect());
            Block { actions: texts(actions), not_actions: texts(not) }
        };
        assert!(block(&["*/read"], &[]).allows("Microsoft.Authorization/roleAssignments/read"));
        assert!(block(&["*"], &["Microsoft.Authorization/*/Write"]).allows_reading_everything());
        assert!(!block(&["*"], &["Microsoft.KeyVault/vaults/read"]).allows_reading_everything());
        assert!(!block(&["Microsoft.Web/*"], &[]).allows("Microsoft.KeyVault/vaults/read"));
        // A single operation, however it is spelled.
        assert!(block(&["microsoft.keyVault/Vaults/read"], &[]).allows("Microsoft.KeyVault/vaults/read"));
    }
}
