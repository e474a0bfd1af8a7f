//! The inventory without Resource Graph: what Resource Manager lists for each subscription and management group. It takes
//! a request for every kind and subscription, and shows no properties of resources.
//!
//! Sources: the REST references of Azure Resource Manager, Management Groups, Key Vault, Policy and Lighthouse. Not here:
//! what Resource Manager lists in any case (`listing`).

use super::listing::{AUTHORIZATION, Listing, Shape, arm};
use super::scheduler::Quota;
use crate::model::Source;

/// What the lists of resources lack here.
pub(super) const LACKS: &str = "Resource Manager lists resources without their properties: identities that only those name (kubelets, customer-managed keys) show where Azure says what uses them";

const MANAGEMENT: &str = "/providers/Microsoft.Management/managementGroups";

/// The management groups that the caller sees.
pub(super) fn management_groups() -> Listing {
    let path = format!("{MANAGEMENT}?api-version=2021-04-01");
    let groups = arm(&[Source::ManagementGroups], "groups", "", Quota::Tenant, path, Shape::Records);
    const BEHIND: &[Source] =
        &[Source::RoleAssignments, Source::Schedules, Source::DenyAssignments, Source::RoleDefinitions];
    Listing { leads_to: BEHIND, ..groups }
}

/// What lies below a management group, each with its parent.
pub(super) fn descendants(group: &str) -> Listing {
    let path = format!("{group}/descendants?api-version=2020-05-01");
    arm(&[Source::ManagementGroups], "descendants", group, Quota::Tenant, path, Shape::Tree)
}

/// Policies at a management group.
pub(super) fn above(group: &str) -> Vec<Listing> {
    policies(group, &Quota::Tenant, "&$filter=atScope()")
}

/// Built-in policies, which every scope would list again.
pub(super) fn built_in_policies() -> Vec<Listing> {
    let definitions =
        [("policyDefinitions", "built-in-policies"), ("policySetDefinitions", "built-in-policy-sets")];
    let list = |(kind, name): (&str, &str)| {
        let path = format!("/{AUTHORIZATION}/{kind}?api-version=2023-04-01");
        arm(&[Source::PolicyDefinitions], name, "", Quota::Tenant, path, Shape::Records)
    };
    definitions.into_iter().map(list).collect()
}

/// Everything in a subscription.
pub(super) fn of_subscription(id: &str) -> Vec<Listing> {
    let scope = format!("/subscriptions/{id}");
    let quota = Quota::Subscription(id.to_ascii_lowercase());
    let list = |sources: &'static [Source], name: &str, path: &str, shape| {
        arm(sources, name, &scope, quota.clone(), format!("{scope}/{path}"), shape)
    };
    const STORED: &[Source] = &[Source::CosmosRoleAssignments, Source::DatabaseAdministrators];
    const STORES: &str = "resourceType%20eq%20'Microsoft.DocumentDB/databaseAccounts'%20or%20resourceType%20eq%20'Microsoft.Sql/servers'%20or%20resourceType%20eq%20'Microsoft.Sql/managedInstances'%20or%20resourceType%20eq%20'Microsoft.DBforPostgreSQL/flexibleServers'%20or%20resourceType%20eq%20'Microsoft.DBforMySQL/flexibleServers'";
    let mut lists = vec![
        list(
            &[Source::ResourceGroups],
            "resource-groups",
            "resourcegroups?api-version=2021-04-01",
            Shape::Records,
        ),
        list(
            &[Source::Resources],
            "resources",
            "resources?api-version=2021-04-01&$filter=resourceType%20ne%20'Microsoft.ManagedIdentity/userAssignedIdentities'",
            Shape::Records,
        ),
        list(STORED, "stores", &format!("resources?api-version=2021-04-01&$filter={STORES}"), Shape::Stores),
        list(
            &[Source::Vaults],
            "vaults",
            "providers/Microsoft.KeyVault/vaults?api-version=2023-07-01",
            Shape::Vaults,
        ),
        list(
            &[Source::Delegations],
            "delegations",
            "providers/Microsoft.ManagedServices/registrationAssignments?api-version=2022-10-01&$expandRegistrationDefinition=true",
            Shape::Records,
        ),
    ];
    lists.extend(policies(&scope, &quota, ""));
    lists
}

fn policies(scope: &str, quota: &Quota, filter: &str) -> Vec<Listing> {
    let kinds: [(&'static [Source], &str, &str); 3] = [
        (&[Source::PolicyAssignments], "policyAssignments", filter),
        (&[Source::PolicyDefinitions], "policyDefinitions", "&$filter=policyType%20eq%20'Custom'"),
        (&[Source::PolicyDefinitions], "policySetDefinitions", "&$filter=policyType%20eq%20'Custom'"),
    ];
    let list = |(sources, kind, filter): (&'static [Source], &str, &str)| {
        let path = format!("{scope}/{AUTHORIZATION}/{kind}?api-version=2023-04-01{filter}");
        arm(sources, kind, scope, quota.clone(), path, Shape::Records)
    };
    kinds.into_iter().map(list).collect()
}
