//! What the demo's identities hold in other authorization systems.

use super::{Demo, ago, guid};
use crate::model::LocalSystem;
use crate::sources::build::NewLocal;

impl Demo {
    pub(super) fn other_systems(&mut self) {
        let group = Self::group("sub-erp-prod", "rg-erp-data-prod");
        let account = format!("{group}/providers/Microsoft.DocumentDB/databaseAccounts/cosmos-erp-prod");
        let server = format!("{group}/providers/Microsoft.Sql/servers/sql-erp-prod");
        self.b.resource(&account, "Microsoft.DocumentDB/databaseAccounts", None, &[], &[], ago(700));
        self.b.resource(&server, "Microsoft.Sql/servers", None, &[], &[], ago(700));
        // It holds no role of Azure's, and is no identity without grants.
        let archive = Self::principal(&self.hosted("erp", "archive", "prod"));
        // Cosmos DB's built-in data contributor.
        let contributor = format!("{account}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002");
        self.b.local(&NewLocal {
            id: &format!("{account}/sqlRoleAssignments/{}", guid("cosmos archive")),
            principal: &archive,
            role: &contributor,
            role_name: Some("Cosmos DB Built-in Data Contributor"),
            scope: &account,
            ..NewLocal::of(LocalSystem::CosmosDb)
        });
        self.b.group(&guid("group sql admins"), "grp-sql-admins", &[]);
        self.b.local(&NewLocal {
            id: &format!("{server}/administrators/ActiveDirectory"),
            principal: &guid("group sql admins"),
            role: "administrator",
            scope: &server,
            ..NewLocal::of(LocalSystem::DatabaseServer)
        });
        // Microsoft Graph's User.Read.All.
        self.b.local(&NewLocal {
            id: &guid("app role archive").replace('-', ""),
            principal: &archive,
            role: "df021288-bdef-4463-88db-98f22de89214",
            role_name: Some("User.Read.All"),
            scope: "Microsoft Graph",
            ..NewLocal::of(LocalSystem::AppRole)
        });
        // Directory Readers.
        self.b.local(&NewLocal {
            id: &guid("directory role archive").replace('-', ""),
            principal: &archive,
            role: "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
            role_name: Some("Directory Readers"),
            scope: "/",
            ..NewLocal::of(LocalSystem::Directory)
        });
        let on = Self::subscription_id("sub-erp-dev");
        let (provider, reader) = (guid("provider operators"), "43d0d8ad-25c7-4714-9337-8ba259a9fe05");
        let delegation = guid("delegation fabrikam");
        self.b.local(&NewLocal {
            id: &format!("{on}/providers/Microsoft.ManagedServices/registrationAssignments/{delegation}/{provider}/{reader}"),
            principal: &provider,
            role: &format!("/providers/Microsoft.Authorization/roleDefinitions/{reader}"),
            role_name: Some("Fabrikam operators"),
            scope: &on,
            tenant: Some(&guid("tenant fabrikam")),
            ..NewLocal::of(LocalSystem::Lighthouse)
        });
    }
}
