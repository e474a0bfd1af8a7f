//! Lists of grants that other authorization systems keep: Cosmos DB, database servers, Lighthouse, the directory. Azure
//! lists most of them for one account or server at a time; Resource Graph says which there are.
//!
//! Sources: the REST references of Azure Cosmos DB, Azure SQL, Azure Database for PostgreSQL and MySQL, Azure Lighthouse,
//! and Microsoft Graph ("List appRoleAssignments granted for a service principal", "List unifiedRoleAssignments").

use super::client::{Ask, Service};
use super::gather::Gather;
use super::listing::{Chunk, Listing, Shape, directory, is_plain, query};
use super::scheduler::Quota;
use crate::model::{Gap, Id, LocalGrant, LocalSystem, Reason, Scope, Source};
use serde::Deserialize;

/// Accounts and servers that keep grants of their own. Only accounts for the NoSQL interface have roles on data.
pub(super) const STORES: &str = "resources | where type in~ ('microsoft.documentdb/databaseaccounts', 'microsoft.sql/servers', 'microsoft.sql/managedinstances', 'microsoft.dbforpostgresql/flexibleservers', 'microsoft.dbformysql/flexibleservers') | project id, type, kind, administrator = properties.administrators.sid | order by id asc";
/// Delegations, and the definitions that say to whom.
pub(super) const DELEGATIONS: &str = "managedservicesresources | where type in~ ('microsoft.managedservices/registrationassignments', 'microsoft.managedservices/registrationdefinitions') | project id, name, type, properties | order by id asc";

/// Services whose application permissions reach beyond a single application, by application id: Microsoft Graph,
/// Exchange Online, SharePoint Online.
pub(super) const SERVICES: [&str; 3] = [
    "00000003-0000-0000-c000-000000000000",
    "00000002-0000-0ff1-ce00-000000000000",
    "00000003-0000-0ff1-ce00-000000000000",
];

#[derive(Deserialize)]
struct Store {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "kind")]
    interface: Option<String>,
    administrator: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    app_roles: Vec<AppRole>,
}

#[derive(Deserialize)]
struct AppRole {
    id: String,
    value: Option<String>,
}

/// What a subscription's or a tenant's inventory says of them.
pub(super) fn inventory(chunk: &Chunk) -> [Listing; 2] {
    const STORED: &[Source] = &[Source::CosmosRoleAssignments, Source::DatabaseAdministrators];
    [
        query("stores", STORED, STORES, Shape::Stores, chunk.clone()),
        query("delegations", &[Source::Delegations], DELEGATIONS, Shape::Records, chunk.clone()),
    ]
}

/// Application permissions and directory roles, with the names of the former.
pub(super) fn of_the_directory() -> Vec<Listing> {
    let get = |path: String| Ask::Get(Service::Directory, path);
    let services = SERVICES.into_iter().flat_map(|app| {
        let granted = format!("/v1.0/servicePrincipals(appId='{app}')/appRoleAssignedTo?$top=999");
        let names = format!("/v1.0/servicePrincipals?$filter=appId%20eq%20'{app}'&$select=id,appId,appRoles");
        [
            directory(
                format!("app-roles {app}"),
                &[Source::AppRoleAssignments],
                get(granted),
                Shape::Records,
            ),
            directory(
                format!("app-role-names {app}"),
                &[Source::AppRoleAssignments],
                get(names),
                Shape::AppRoles,
            ),
        ]
    });
    let roles = "/v1.0/roleManagement/directory/roleAssignments?$expand=roleDefinition".to_owned();
    let roles =
        directory("directory-roles".to_owned(), &[Source::DirectoryRoles], get(roles), Shape::Records);
    services.chain([roles]).collect()
}

/// The path below an account or server, with its version, and what it lists.
fn below(kind: &str) -> Option<(&'static str, &'static [Source], &'static str)> {
    const ADMINISTRATORS: &[Source] = &[Source::DatabaseAdministrators];
    Some(match kind.to_ascii_lowercase().as_str() {
        "microsoft.documentdb/databaseaccounts" => {
            ("cosmos-roles", &[Source::CosmosRoleAssignments], "sqlRoleAssignments?api-version=2024-11-15")
        }
        "microsoft.sql/servers" | "microsoft.sql/managedinstances" => {
            ("administrators", ADMINISTRATORS, "administrators?api-version=2023-08-01")
        }
        "microsoft.dbforpostgresql/flexibleservers" => {
            ("administrators", ADMINISTRATORS, "administrators?api-version=2024-08-01")
        }
        "microsoft.dbformysql/flexibleservers" => {
            ("administrators", ADMINISTRATORS, "administrators?api-version=2023-12-30")
        }
        _ => return None,
    })
}

impl Gather {
    /// An account or server: what Resource Graph says of it, or the list to ask it for.
    pub(super) fn store(&mut self, listing: &Listing, bytes: &[u8]) {
        let Ok(store) = serde_json::from_slice::<Store>(bytes) else {
            return self.unparsed(listing, "an account or server without `id` and `type`");
        };
        let Some((name, sources, path)) = below(&store.kind) else { return };
        // Accounts for other interfaces have no such list.
        let other = store.interface.is_some_and(|k| !k.eq_ignore_ascii_case("GlobalDocumentDB"));
        if name == "cosmos-roles" && other {
            return;
        }
        if let Some(who) = store.administrator.filter(|w| !w.is_empty()) {
            let strings = &mut self.lowering.estate.strings;
            let (server, kind) = (strings.intern(&store.id), strings.intern("ActiveDirectory"));
            let made = LocalGrant {
                id: Id { dir: strings.intern(&format!("{}/administrators", store.id)), name: kind },
                system: LocalSystem::DatabaseServer,
                principal: strings.intern(&who),
                role: strings.intern("administrator"),
                role_name: None,
                scope: server,
                tenant: None,
            };
            return self.lowering.estate.local_grants.push(made);
        }
        let subscription = Scope::parse(&store.id).and_then(|s| s.subscription).map(str::to_ascii_lowercase);
        match subscription.filter(|_| is_plain(&store.id)) {
            Some(subscription) => self.behind_stores.push_back(Listing {
                key: format!("{name} {}", store.id),
                sources,
                leads_to: &[],
                quota: Quota::Subscription(subscription),
                first: Ask::Get(Service::Arm, format!("{}/{path}", store.id)),
                shape: Shape::Records,
                scope: store.id,
            }),
            None => {
                let detail = format!("`{}` is no id that can be asked for", store.id);
                for source in sources {
                    self.short_of(Gap::new(*source, "", Reason::Unresolved, detail.clone()));
                }
            }
        }
    }

    /// What application permissions are called.
    pub(super) fn app_roles(&mut self, listing: &Listing, bytes: &[u8]) {
        match serde_json::from_slice::<Named>(bytes) {
            Ok(named) => {
                let names =
                    named.app_roles.into_iter().filter_map(|r| Some((r.id.to_ascii_lowercase(), r.value?)));
                self.app_role_names.extend(names);
            }
            Err(_) => self.unparsed(listing, "a service without `appRoles`"),
        }
    }

    /// Gives application permissions their names.
    pub(super) fn name_app_roles(&mut self) {
        let estate = &mut self.lowering.estate;
        for grant in estate.local_grants.iter_mut().filter(|l| l.system == LocalSystem::AppRole) {
            let id = estate.strings.text(grant.role).to_ascii_lowercase();
            grant.role_name = self.app_role_names.get(&id).map(|name| estate.strings.intern(name));
        }
    }

    /// Holders of such grants that may be groups, by folded object id: the directory says which are.
    ///
    /// # Errors
    /// If what lies outside memory cannot be read.
    pub(super) fn maybe_groups(&mut self) -> std::io::Result<std::collections::BTreeSet<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Known {
            id: String,
            app_id: Option<String>,
        }
        let estate = &self.lowering.estate;
        let may_be = |l: &&LocalGrant| !matches!(l.system, LocalSystem::AppRole | LocalSystem::Lighthouse);
        let holders = estate.local_grants.iter().filter(may_be);
        let holders = holders.map(|l| estate.strings.text(l.principal).to_ascii_lowercase());
        let mut holders: std::collections::BTreeSet<String> = holders.collect();
        if !holders.is_empty() {
            self.records.lines(Source::Principals, &mut |line| {
                if let Ok(Known { id, app_id }) = serde_json::from_slice(line) {
                    for known in app_id.into_iter().chain([id]) {
                        holders.remove(&known.to_ascii_lowercase());
                    }
                }
            })?;
        }
        Ok(holders)
    }
}
