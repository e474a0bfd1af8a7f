//! What is not as it should be: each rule has at least one thing to find, on an identity that a real tenant could
//! well have.

use super::{Demo, ago, guid, moment};
use crate::model::{AccessPolicy, IdentityBlock, PolicyAssignment, PolicyDefinition, Vault};

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const AUDIENCE: &str = "api://AzureADTokenExchange";

impl Demo {
    pub(super) fn faults(&mut self) {
        self.too_much();
        self.roles();
        self.unused();
        self.names();
        self.crossing();
        self.federations();
        self.vaults_and_policies();
    }

    /// An identity with a host in a workload's own group.
    pub(super) fn hosted(&mut self, workload: &str, component: &str, env: &str) -> String {
        let group = Self::group(&format!("sub-{workload}-{env}"), &format!("rg-{workload}-app-{env}"));
        let identity = self.new_identity(
            &group,
            &format!("id-{workload}-{component}-{env}-weu"),
            &[("env", env), ("costcenter", "4711")],
            500,
        );
        self.new_resource(
            &group,
            "Microsoft.Web/sites",
            &format!("app-{component}-{workload}-{env}"),
            &[&identity],
            false,
        );
        identity
    }

    fn too_much(&mut self) {
        let subscription = Self::subscription_id("sub-crm-prod");
        let owner = self.hosted("crm", "installer", "prod");
        self.give(&owner, "Owner", &subscription);
        // May put the installer on a machine of its own: one role for each half.
        let packer = self.hosted("crm", "packer", "prod");
        self.give(&packer, "Managed Identity Operator", &owner);
        self.give(&packer, "Virtual Machine Contributor", &Self::group("sub-crm-prod", "rg-crm-data-prod"));
        let owner = self.hosted("crm", "legacy", "dev");
        self.give(&owner, "Owner", &Self::group("sub-crm-dev", "rg-crm-app-dev"));
        let contributor = self.hosted("erp", "nightly", "prod");
        self.give(&contributor, "Contributor", &Self::subscription_id("sub-erp-prod"));
        let root = self.hosted("mail", "scanner", "prod");
        self.give(&root, "Reader", "/");
        let admin = self.hosted("hr", "onboarding", "prod");
        self.give(&admin, "User Access Administrator", &Self::subscription_id("sub-hr-prod"));
        // Bounded to a harmless role, and bounded by what was forgotten.
        let bounded = self.hosted("data", "granter", "prod");
        let only = "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals{acdd72a7-3385-48ef-bd42-f606fba81ae7}))";
        self.give_with(
            &bounded,
            "Role Based Access Control Administrator",
            &Self::group("sub-data-prod", "rg-data-app-prod"),
            Some(only),
        );
        let escapable = self.hosted("web", "granter", "prod");
        let all_but = "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals{8e3af657-a8ff-443c-a75c-2fe8c4bcb635, f58310d9-a9f6-439a-9e8d-f62e7b41a168}))";
        self.give_with(
            &escapable,
            "Role Based Access Control Administrator",
            &Self::group("sub-web-prod", "rg-web-app-prod"),
            Some(all_but),
        );
        let reader = self.hosted("iot", "archive", "prod");
        self.give(&reader, "Storage Blob Data Contributor", &Self::subscription_id("sub-iot-prod"));
        let secrets = self.hosted("pay", "rotator", "prod");
        self.give(&secrets, "Key Vault Secrets User", &Self::subscription_id("sub-pay-prod"));
        let secrets = self.hosted("fleet", "rotator", "prod");
        self.give(&secrets, "Key Vault Secrets User", &Self::group("sub-fleet-prod", "rg-fleet-data-prod"));
        // The same role twice: on the group and on one resource in it.
        let twice = self.hosted("docs", "publisher", "prod");
        let group = Self::group("sub-docs-prod", "rg-docs-data-prod");
        self.give(&twice, "Storage Blob Data Reader", &group);
        self.give(
            &twice,
            "Storage Blob Data Reader",
            &format!("{group}/providers/Microsoft.Storage/storageAccounts/storageAccounts-docs-front-prod"),
        );
        let wide = self.hosted("search", "indexer", "prod");
        self.give(&wide, "Website Contributor", &Self::subscription_id("sub-search-prod"));
        let more = self.new_group(
            "sub-search-prod",
            "rg-search-extra-prod",
            &[("env", "prod"), ("owner", "team-search")],
        );
        self.new_resource(&more, "Microsoft.Web/sites", "app-extra-search-prod", &[], false);
        // Through a group within a group.
        let nested = self.hosted("lab", "runner", "prod");
        let (inner, outer) = (guid("inner"), guid("outer"));
        self.b.group(&inner, "grp-lab-runners", &[Self::principal(&nested)]);
        self.b.group(&outer, "grp-lab-admins", std::slice::from_ref(&inner));
        self.give(&outer, "Contributor", &Self::subscription_id("sub-lab-prod"));
    }

    fn roles(&mut self) {
        let blocks = |actions: &[&str], not_actions: &[&str]| {
            let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
            vec![([texts(actions), texts(not_actions), Vec::new(), Vec::new()], None)]
        };
        let id = |name: &str| {
            format!("/providers/Microsoft.Authorization/roleDefinitions/{}", guid(&format!("role {name}")))
        };
        let scopes = vec![Self::subscription_id("sub-erp-prod")];
        self.b.role(
            &id("role-erp-operator"),
            "role-erp-operator",
            &scopes,
            blocks(&["*"], &["Microsoft.Authorization/*/Write"]),
        );
        self.b.role(
            &id("role-hr-helper"),
            "role-hr-helper",
            &scopes,
            blocks(&["*/read", "Microsoft.Authorization/roleDefinitions/write"], &[]),
        );
        self.b.role(
            &id("role-old-reader"),
            "role-old-reader",
            &scopes,
            blocks(&["Microsoft.Web/sites/read"], &[]),
        );
        self.b.role(
            &id("My Custom Role"),
            "My Custom Role",
            &scopes,
            blocks(&["Microsoft.Web/sites/read"], &[]),
        );
        let group = Self::group("sub-erp-prod", "rg-erp-app-prod");
        for role in ["role-erp-operator", "role-hr-helper", "My Custom Role"] {
            let holder = self.hosted(
                "erp",
                if role.starts_with("role-e") {
                    "ops"
                } else if role.starts_with("role-h") {
                    "helper"
                } else {
                    "viewer"
                },
                "prod",
            );
            self.give(&holder, role, &group);
        }
    }

    fn unused(&mut self) {
        let group = Self::group("sub-shop-prod", "rg-shop-app-prod");
        let tags = [("env", "prod"), ("costcenter", "4711")];
        let left = self.new_identity(&group, "id-shop-oldsite-prod-weu", &tags, 900);
        self.give(
            &left,
            "Storage Blob Data Reader",
            &format!(
                "{}/providers/Microsoft.Storage/storageAccounts/storageAccounts-shop-front-prod",
                Self::group("sub-shop-prod", "rg-shop-data-prod")
            ),
        );
        self.silence(&left);
        let empty = self.hosted("shop", "empty", "prod");
        let _ = empty;
        let dormant = self.hosted("mail", "import", "prod");
        self.give(&dormant, "Storage Blob Data Reader", &Self::group("sub-mail-prod", "rg-mail-data-prod"));
        self.silence(&dormant);
        self.give(
            &guid("an identity that was deleted"),
            "Contributor",
            &Self::group("sub-shop-dev", "rg-shop-app-dev"),
        );
        let gone = format!(
            "{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-shop-gone-prod-weu"
        );
        self.new_resource(&group, "Microsoft.Web/sites", "app-gone-shop-prod", &[&gone], false);
    }

    fn names(&mut self) {
        let group = Self::group("sub-api-dev", "rg-api-app-dev");
        let odd = self.new_identity(&group, "MyTestIdentity2", &[("env", "dev")], 200);
        self.new_resource(&group, "Microsoft.Web/sites", "app-odd-api-dev", &[&odd], false);
        self.give(&odd, "Reader", &group);
        // Its name says staging, its group says dev.
        let mixed = self.new_identity(&group, "id-api-cache-staging-weu", &[("costcenter", "4711")], 200);
        self.new_resource(&group, "Microsoft.Cache/redis", "redis-api-dev", &[&mixed], false);
        self.give(&mixed, "Reader", &group);
        // Nobody answers for the sandbox's own.
        self.b.subscription(&Self::subscription_id("sub-trial"), "sub-trial", Some("sandbox"), &[]);
        let trial = self.new_group("sub-trial", "rg-trial", &[]);
        let nobody = self.new_identity(&trial, "id-trial-sandbox", &[], 200);
        self.new_resource(&trial, "Microsoft.Web/sites", "app-trial", &[&nobody], false);
        self.give(&nobody, "Reader", &trial);
    }

    fn crossing(&mut self) {
        let (dev, prod) =
            (Self::group("sub-pay-dev", "rg-pay-app-dev"), Self::group("sub-pay-prod", "rg-pay-app-prod"));
        let shared = self.new_identity(&dev, "id-pay-common-dev-weu", &[("costcenter", "4711")], 420);
        self.new_resource(&dev, "Microsoft.Web/sites", "app-common-pay-dev", &[&shared], false);
        self.new_resource(&prod, "Microsoft.Web/sites", "app-common-pay-prod", &[&shared], false);
        self.give(&shared, "Website Contributor", &prod);
        let other = self.hosted("fleet", "bridge", "prod");
        self.give(&other, "Reader", &Self::group("sub-crm-prod", "rg-crm-app-prod"));
        let guest = self.hosted("docs", "partner", "prod");
        self.give(&guest, "Reader", &Self::group("sub-docs-prod", "rg-docs-app-prod"));
        if let Some(last) = self.b.estate.assignments.len().checked_sub(1) {
            let foreign = self.b.sym(&format!("/subscriptions/{}/resourceGroups/rg-partner/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-partner", guid("partner")));
            if let Some(grant) = self.b.estate.assignments.get_mut(last) {
                grant.delegated_identity = Some(foreign);
            }
        }
    }

    fn federations(&mut self) {
        let pull = self.hosted("web", "preview", "dev");
        self.give(&pull, "Website Contributor", &Self::group("sub-web-dev", "rg-web-app-dev"));
        self.b.federated(&pull, "fc-web-dev", GITHUB, Some("repo:contoso/web:pull_request"), None, AUDIENCE);
        let open = self.hosted("iot", "ship", "prod");
        self.give(&open, "Reader", &Self::group("sub-iot-prod", "rg-iot-app-prod"));
        self.b.federated(
            &open,
            "fc-iot-prod",
            GITHUB,
            None,
            Some("claims['sub'] matches 'repo:contoso/*:environment:prod'"),
            AUDIENCE,
        );
        self.b.federated(
            &open,
            "fc-iot-test",
            GITHUB,
            Some("repo:contoso/iot:ref:refs/heads/*"),
            None,
            AUDIENCE,
        );
        let foreign = self.hosted("search", "vendor", "prod");
        self.give(&foreign, "Reader", &Self::group("sub-search-prod", "rg-search-app-prod"));
        self.b.federated(
            &foreign,
            "fc-search-prod",
            &format!("https://login.microsoftonline.com/{}/v2.0", guid("vendor tenant")),
            Some("vendor-app"),
            None,
            AUDIENCE,
        );
        self.b.federated(
            &foreign,
            "github build",
            "https://oidc.vendor.example",
            Some("build"),
            None,
            "https://vendor.example",
        );
    }

    fn vaults_and_policies(&mut self) {
        let group = Self::group("sub-erp-prod", "rg-erp-data-prod");
        let vault = format!("{group}/providers/Microsoft.KeyVault/vaults/kv-erp-old");
        self.b.resource(&vault, "Microsoft.KeyVault/vaults", None, &[], &[], ago(1500));
        let user = self.hosted("erp", "ledger", "prod");
        let policies = ["secrets/get", "secrets/list"].map(|p| self.b.sym(p)).to_vec();
        let (id, principal) = (self.b.sym(&vault), self.b.sym(&Self::principal(&user)));
        self.b.estate.vaults.push(Vault {
            id,
            uses_roles: false,
            policies: vec![AccessPolicy { principal, permissions: policies }],
        });
        let place = "/providers/Microsoft.Management/managementGroups/corp";
        for (name, held, asked) in [
            ("deploy-diagnostics", "Contributor", "Contributor"),
            ("deploy-backup", "Owner", "Backup Contributor"),
        ] {
            let assignment = format!("{place}/providers/Microsoft.Authorization/policyAssignments/{name}");
            let definition =
                self.b.sym(&format!("/providers/Microsoft.Authorization/policyDefinitions/{}", guid(name)));
            let key =
                crate::rbac::Catalog::embedded().role_by_name(asked).map(|r| r.guid).unwrap_or_default();
            let role = self.b.sym(&format!("/providers/Microsoft.Authorization/roleDefinitions/{key}"));
            self.b.estate.policy_definitions.push(PolicyDefinition {
                id: definition,
                roles: vec![role],
                members: Vec::new(),
            });
            let block = IdentityBlock {
                system: true,
                principal: Some(self.b.sym(&Self::principal(&assignment))),
                tenant: self.b.estate.tenant,
                user: Vec::new(),
            };
            let made = PolicyAssignment {
                id: self.b.sym(&assignment),
                name: self.b.sym(name),
                definition: Some(definition),
                identity: Some(Box::new(block)),
            };
            self.b.estate.policy_assignments.push(made);
            self.give(&assignment, held, place);
            let principal = self.b.sym(&Self::principal(&assignment));
            self.b.estate.sign_ins.push(crate::model::SignIn { principal, last: moment() });
        }
    }
}
