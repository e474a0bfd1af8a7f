//! Every list that is read, with its address, version and quota: the one place that knows them.
//!
//! Sources: the REST references of Azure Resource Manager, Resource Graph and Microsoft Graph. Not here: in which order
//! (`collect`) and at what pace (`scheduler`).

use super::client::{Ask, Service};
use super::scheduler::{Quota, Refusal};
use crate::model::Source;

/// What the items of a list become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// Records of the estate.
    Records,
    /// Service principals.
    Principals,
    /// Role definitions, which every scope lists again.
    Roles,
    /// Custom roles as Resource Graph has them: they say which scopes to ask, and stand in for those that none lists.
    RolePlan,
    /// Subscriptions to plan by; the estate gets them from Resource Graph, with their place in the tree.
    Plan,
    /// Subscriptions as they are at the end.
    Again,
    /// Numbers of role assignments by subscription.
    Counts,
    /// Identities whose credentials can be asked for before anybody lists them.
    Hints,
    /// What uses an identity.
    Associated,
    /// Accounts and servers that keep grants of their own.
    Stores,
    /// A service with the names of its application permissions.
    AppRoles,
    /// Key vaults beside the resources that they are.
    Vaults,
    /// What lies below a management group, with its parent.
    Tree,
    /// Last sign-ins, by application id.
    SignIns,
    /// Answers to a batch, one for each of these groups.
    Members(Vec<String>),
}

/// A list to be read to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Listing {
    /// What it is known by in a checkpoint.
    pub(super) key: String,
    /// What it lists.
    pub(super) sources: &'static [Source],
    /// What is asked for by what it lists, and so is incomplete without it.
    pub(super) leads_to: &'static [Source],
    /// Where in Azure it looks; empty for everywhere.
    pub(super) scope: String,
    pub(super) quota: Quota,
    pub(super) first: Ask,
    pub(super) shape: Shape,
}

impl Listing {
    /// Whether it may hold records of kinds that nobody reads.
    pub(super) fn is_inventory(&self) -> bool {
        self.sources.contains(&Source::Resources)
    }

    /// Whether Resource Graph answers it.
    pub(super) fn is_of_graph(&self) -> bool {
        self.quota == Quota::ResourceGraph
    }

    /// Whether it is of a service that the tenant may not use at all.
    pub(super) fn is_of_service(&self) -> bool {
        self.sources == [Source::AppRoleAssignments]
    }

    /// What has to wait for it.
    pub(super) fn awaited_by(&self) -> Awaited {
        let grants = [Source::RoleAssignments, Source::Schedules, Source::RoleDefinitions];
        let others = [
            Source::Principals,
            Source::CosmosRoleAssignments,
            Source::DatabaseAdministrators,
            Source::DirectoryRoles,
        ];
        let of = |all: &[Source]| self.sources.iter().any(|s| all.contains(s));
        match self.shape {
            Shape::Plan | Shape::RolePlan | Shape::Hints => Awaited::Plan,
            _ if of(&[Source::ManagementGroups]) => Awaited::Plan,
            _ if of(&grants) => Awaited::Groups,
            _ if of(&others) => Awaited::Others,
            _ => Awaited::Nobody,
        }
    }
}

/// What has to wait for a list, and is asked as soon as the last of its kind is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Awaited {
    /// The choice of subscriptions, and so almost everything.
    Plan,
    /// The members of groups that hold roles.
    Groups,
    /// The members of what may be groups, and holds something in another system.
    Others,
    /// Nothing.
    Nobody,
}

pub(super) const AUTHORIZATION: &str = "providers/Microsoft.Authorization";

/// Management groups, subscriptions and resource groups, with their place in the tree.
const CONTAINERS: &str = "resourcecontainers | where type in~ ('microsoft.management/managementgroups', 'microsoft.resources/subscriptions', 'microsoft.resources/subscriptions/resourcegroups') | project id, name, type, tenantId, tags, properties | order by id asc";
/// All resources but identities, which Resource Manager lists with more of what they are; properties only where they say
/// something about access or name an identity.
const RESOURCES: &str = "resources | where type !~ 'microsoft.managedidentity/userassignedidentities' | extend properties = case(type =~ 'microsoft.keyvault/vaults' or tostring(properties) contains 'userassignedidentities', properties, type =~ 'microsoft.storage/storageaccounts', bag_pack('allowSharedKeyAccess', properties.allowSharedKeyAccess), type =~ 'microsoft.containerservice/managedclusters', bag_pack('disableLocalAccounts', properties.disableLocalAccounts, 'apiServerAccessProfile', bag_pack('disableRunCommand', properties.apiServerAccessProfile.disableRunCommand)), isnotnull(properties.disableLocalAuth), bag_pack('disableLocalAuth', properties.disableLocalAuth), dynamic(null)) | project id, name, type, tenantId, location, tags, identity, properties | order by id asc";
/// Policy assignments with an identity, and definitions that ask for roles.
const POLICIES: &str = "policyresources | where (type =~ 'microsoft.authorization/policyassignments' and isnotnull(identity)) or (type =~ 'microsoft.authorization/policydefinitions' and tostring(properties) contains 'roleDefinitionIds') or type =~ 'microsoft.authorization/policysetdefinitions' | project id, name, type, identity, properties | order by id asc";
/// What Resource Graph counts, to be held against what Resource Manager lists. It gives tokens for further pages only
/// where there is a column `id`.
const COUNTS: &str = "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' | extend subscriptionId = tolower(extract('^/subscriptions/([^/]+)', 1, tostring(properties.scope))) | where isnotempty(subscriptionId) | summarize count_ = count() by subscriptionId | project id = subscriptionId, subscriptionId, count_ | order by id asc";

/// Custom roles wherever they can be assigned: a subscription's list lacks those that are for its resource groups alone.
const ROLES: &str = "authorizationresources | where type =~ 'microsoft.authorization/roledefinitions' and properties.type =~ 'CustomRole' | project id, name, type, properties | order by id asc";

/// Role assignments and identities, for those who want them from here.
const ASSIGNMENTS: &str = "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' | project id, name, type, properties | order by id asc";
const IDENTITIES: &str = "resources | where type =~ 'microsoft.managedidentity/userassignedidentities' | project id, name, type, location, tags, properties | order by id asc";

/// Some identities, so that nobody waits for the lists of subscriptions before asking for what hangs on identities.
const HINTS: &str = "resources | where type =~ 'microsoft.managedidentity/userassignedidentities' | project id | order by id asc | limit 1000";

/// Names of queries for those who answer them in tests.
pub const QUERIES: [(&str, &str); 10] = [
    ("hints", HINTS),
    ("assignments", ASSIGNMENTS),
    ("identities", IDENTITIES),
    ("stores", super::local::STORES),
    ("delegations", super::local::DELEGATIONS),
    ("containers", CONTAINERS),
    ("resources", RESOURCES),
    ("policies", POLICIES),
    ("counts", COUNTS),
    ("roles", ROLES),
];

/// At most this many subscriptions in one query.
const SUBSCRIPTIONS_A_QUERY: usize = 300;
/// At most this many requests in one batch of Microsoft Graph.
pub(super) const BATCH: usize = 20;

pub(super) fn arm(
    sources: &'static [Source],
    name: &str,
    scope: &str,
    quota: Quota,
    path: String,
    shape: Shape,
) -> Listing {
    let first = Ask::Get(Service::Arm, path);
    let leads_to: &'static [Source] = match sources {
        // Without a page of subscriptions, nothing of those on it is asked for.
        [Source::Subscriptions] => &[
            Source::RoleAssignments,
            Source::DenyAssignments,
            Source::Schedules,
            Source::RoleDefinitions,
            Source::Identities,
            Source::FederatedCredentials,
            Source::AssociatedResources,
            Source::CosmosRoleAssignments,
            Source::DatabaseAdministrators,
            Source::Groups,
        ],
        [Source::Identities] => &[Source::FederatedCredentials, Source::AssociatedResources],
        [Source::RoleAssignments | Source::Schedules] => &[Source::Groups],
        _ => &[],
    };
    let key = format!("{name} {scope}");
    Listing { key, sources, leads_to, scope: scope.to_owned(), quota, first, shape }
}

pub(super) fn query(
    name: &str,
    sources: &'static [Source],
    text: &'static str,
    shape: Shape,
    chunk: Chunk,
) -> Listing {
    let first = Ask::Query { text, subscriptions: chunk.1, skip_token: None };
    let key = format!("{name} {}", chunk.0);
    // Without the tree, grants on management groups above no readable subscription are not looked for.
    let leads_to: &'static [Source] = match sources {
        [Source::ManagementGroups, ..] => {
            &[Source::RoleAssignments, Source::Schedules, Source::DenyAssignments, Source::RoleDefinitions]
        }
        _ => &[],
    };
    let scope = String::new();
    Listing { key, sources, leads_to, scope, quota: Quota::ResourceGraph, first, shape }
}

/// Whether an id can stand in an address as it is, and means what it says there: it came from an answer.
pub(super) fn is_plain(id: &str) -> bool {
    let odd = |c: char| c.is_control() || "?#%\\\"<>".contains(c);
    id.starts_with('/')
        && !id.contains(odd)
        && !id.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."))
}

/// Subscriptions of one query, with the query's number.
pub(super) type Chunk = (usize, Vec<String>);

/// The subscriptions that the caller sees.
pub(super) fn subscriptions() -> Listing {
    let path = "/subscriptions?api-version=2022-12-01".to_owned();
    arm(&[Source::Subscriptions], "subscriptions", "", Quota::Tenant, path, Shape::Plan)
}

/// The same at the end: some may have appeared.
pub(super) fn subscriptions_again() -> Listing {
    let first = subscriptions();
    Listing { key: "subscriptions-again".to_owned(), shape: Shape::Again, ..first }
}

/// The tree of everything that the caller sees.
pub(super) fn containers() -> Listing {
    const READS: &[Source] = &[Source::ManagementGroups, Source::Subscriptions, Source::ResourceGroups];
    query("containers", READS, CONTAINERS, Shape::Records, (0, Vec::new()))
}

/// What Resource Graph knows of these subscriptions; of all if none are named.
pub(super) fn inventory(subscriptions: &[String]) -> Vec<Listing> {
    const READS: &[Source] = &[Source::Resources, Source::Vaults];
    const POLICY: &[Source] = &[Source::PolicyAssignments, Source::PolicyDefinitions];
    let each = |chunk: Chunk| {
        let [stores, delegations] = super::local::inventory(&chunk);
        [
            stores,
            delegations,
            query("resources", READS, RESOURCES, Shape::Records, chunk.clone()),
            query("policies", POLICY, POLICIES, Shape::Records, chunk.clone()),
            query("counts", &[], COUNTS, Shape::Counts, chunk),
        ]
    };
    chunks(subscriptions).into_iter().flat_map(each).collect()
}

fn chunks(subscriptions: &[String]) -> Vec<Chunk> {
    let all = subscriptions.chunks(SUBSCRIPTIONS_A_QUERY).map(<[String]>::to_vec).enumerate();
    let all: Vec<Chunk> = all.collect();
    if all.is_empty() { vec![(0, Vec::new())] } else { all }
}

/// Role assignments and identities by Resource Graph.
pub(super) fn grants_of_graph(subscriptions: &[String]) -> Vec<Listing> {
    const GRANTS: &[Source] = &[Source::RoleAssignments];
    let each = |chunk: Chunk| {
        [
            query("identities", &[Source::Identities], IDENTITIES, Shape::Records, chunk.clone()),
            query("assignments", GRANTS, ASSIGNMENTS, Shape::Records, chunk),
        ]
    };
    chunks(subscriptions).into_iter().flat_map(each).collect()
}

/// Some identities.
pub(super) fn hints() -> Listing {
    query("hints", &[], HINTS, Shape::Hints, (0, Vec::new()))
}

/// Custom roles and where they can be assigned.
pub(super) fn role_plan() -> Listing {
    query("role-plan", &[Source::RoleDefinitions], ROLES, Shape::RolePlan, (0, Vec::new()))
}

/// What is granted in a subscription, and inherited into it; with the roles that can be assigned there, which every
/// subscription below a management group lists again, only where some are its own.
pub(super) fn access(id: &str, with_roles: bool) -> Vec<Listing> {
    let all = at_scope(&format!("/subscriptions/{id}"), &Quota::Subscription(id.to_ascii_lowercase()), "");
    all.into_iter().filter(|l| with_roles || l.shape != Shape::Roles).collect()
}

/// The user-assigned identities of a subscription.
pub(super) fn identities(id: &str) -> Listing {
    let scope = format!("/subscriptions/{id}");
    let path =
        format!("{scope}/providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2026-05-31");
    let quota = Quota::Subscription(id.to_ascii_lowercase());
    arm(&[Source::Identities], "identities", &scope, quota, path, Shape::Records)
}

/// What is granted on a management group or above.
pub(super) fn access_above(group: &str) -> Vec<Listing> {
    at_scope(group, &Quota::Tenant, "&$filter=atScope()")
}

fn at_scope(scope: &str, quota: &Quota, filter: &str) -> Vec<Listing> {
    // Conditions inside role definitions and the effect of deny assignments need the newer versions.
    let lists: [(&'static [Source], &str, &str, Shape); 5] = [
        (&[Source::RoleAssignments], "roleAssignments", "2022-04-01", Shape::Records),
        (&[Source::DenyAssignments], "denyAssignments", "2024-07-01-preview", Shape::Records),
        (&[Source::Schedules], "roleEligibilityScheduleInstances", "2020-10-01", Shape::Records),
        (&[Source::Schedules], "roleAssignmentScheduleInstances", "2020-10-01", Shape::Records),
        (&[Source::RoleDefinitions], "roleDefinitions", "2022-05-01-preview", Shape::Roles),
    ];
    let list = |(sources, name, version, shape): (&'static [Source], &str, &str, Shape)| {
        let filter = if shape == Shape::Roles { "&$filter=type%20eq%20'CustomRole'" } else { filter };
        let path = format!("{scope}/{AUTHORIZATION}/{name}?api-version={version}{filter}");
        arm(sources, name, scope, quota.clone(), path, shape)
    };
    lists.into_iter().map(list).collect()
}

/// What the caller may do at a scope.
pub(super) fn permissions(scope: &str) -> (Quota, Ask) {
    let path = format!("{scope}/{AUTHORIZATION}/permissions?api-version=2022-04-01");
    let quota = match scope.strip_prefix("/subscriptions/") {
        Some(id) => Quota::Subscription(id.to_ascii_lowercase()),
        None => Quota::Tenant,
    };
    (quota, Ask::Get(Service::Arm, path))
}

/// Built-in role definitions as they are today; the embedded catalogue may be older.
pub(super) fn built_in_roles() -> Listing {
    let path = format!(
        "/{AUTHORIZATION}/roleDefinitions?api-version=2022-05-01-preview&$filter=type%20eq%20'BuiltInRole'"
    );
    arm(&[Source::RoleDefinitions], "built-in-roles", "", Quota::Tenant, path, Shape::Roles)
}

/// The operations of all providers.
pub(super) fn operations() -> Listing {
    let path = format!("/{AUTHORIZATION}/providerOperations?api-version=2022-04-01&$expand=resourceTypes");
    arm(&[], "operations", "", Quota::Tenant, path, Shape::Records)
}

/// The same list in an older version, for clouds that do not know the newer one yet, and what that version lacks.
pub(super) fn older(ask: &Ask) -> Option<(Ask, &'static str)> {
    const OLDER: [(&str, &str, &str); 3] = [
        (
            "2026-05-31",
            "2023-01-31",
            "isolation scopes, assignment restrictions and flexible federated credentials",
        ),
        ("2024-07-01-preview", "2022-04-01", "whether a deny assignment only audits"),
        ("2022-05-01-preview", "2022-04-01", "conditions inside role definitions"),
    ];
    let Ask::Get(service, path) = ask else { return None };
    let (new, old, lacks) =
        OLDER.into_iter().find(|(new, _, _)| path.contains(&format!("api-version={new}")))?;
    let path = path.replace(&format!("api-version={new}"), &format!("api-version={old}"));
    Some((Ask::Get(*service, path), lacks))
}

/// The federated credentials of an identity: Azure has no list of all.
pub(super) fn federated(identity: &str, subscription: &str) -> Listing {
    let path = format!("{identity}/federatedIdentityCredentials?api-version=2026-05-31");
    let quota = Quota::Subscription(subscription.to_ascii_lowercase());
    arm(&[Source::FederatedCredentials], "federated", identity, quota, path, Shape::Records)
}

/// A list of Microsoft Graph.
pub(super) fn directory(key: String, source: &'static [Source], first: Ask, shape: Shape) -> Listing {
    let scope = String::new();
    Listing { key, sources: source, leads_to: &[], scope, quota: Quota::Directory, first, shape }
}

/// What Azure says uses an identity.
pub(super) fn associated(identity: &str) -> Listing {
    Listing {
        key: format!("associated {identity}"),
        sources: &[Source::AssociatedResources],
        leads_to: &[],
        scope: identity.to_owned(),
        quota: Quota::Associated,
        first: Ask::Associated(identity.to_owned()),
        shape: Shape::Associated,
    }
}

/// Service principals of the directory.
pub(super) fn principals() -> Listing {
    let path =
        "/v1.0/servicePrincipals?$select=id,appId,displayName,servicePrincipalType,alternativeNames&$top=999";
    let first = Ask::Get(Service::Directory, path.to_owned());
    directory("service-principals".to_owned(), &[Source::Principals], first, Shape::Principals)
}

/// Last sign-ins of service principals, managed identities among them. Only the public cloud has the report, only in its
/// beta version, and a tenant without the licence for it refuses it: what is known without it stays known.
pub(super) fn sign_ins() -> Listing {
    let path = "/beta/reports/servicePrincipalSignInActivities?$top=999";
    let first = Ask::Get(Service::Directory, path.to_owned());
    directory("sign-ins".to_owned(), &[Source::SignIns], first, Shape::SignIns)
}

/// The service principals in each of these groups, through groups inside them too.
pub(super) fn members(groups: &[String]) -> Listing {
    let first = Ask::Batch(groups.iter().flat_map(|g| super::members::first(g)).collect());
    let key = format!("members {}", groups.join(" "));
    directory(key, &[Source::Groups], first, Shape::Members(groups.to_vec()))
}

/// The command that lets the caller read what a list needs.
pub(super) fn remedy(listing: &Listing, refusal: &Refusal, tenant: &str) -> String {
    if refusal.identity {
        let service = match listing.quota {
            Quota::Directory => "https://graph.microsoft.com",
            _ => "https://management.azure.com",
        };
        return format!("az account get-access-token --resource {service}");
    }
    match listing.quota {
        Quota::Directory => {
            let permission = match listing.sources {
                [Source::Groups] => "GroupMember.Read.All",
                [Source::SignIns] => "AuditLog.Read.All",
                [Source::DirectoryRoles] => "RoleManagement.Read.Directory",
                _ => "Application.Read.All",
            };
            let id = super::doctor::app_role(permission).unwrap_or(permission);
            super::doctor::app_role_command("<object id of the caller>", id)
        }
        _ => {
            let root = || format!("/providers/Microsoft.Management/managementGroups/{tenant}");
            let scope = if listing.scope.is_empty() { root() } else { listing.scope.clone() };
            // Pasted into a shell by somebody: what came from an answer is quoted unless it is plainly safe.
            let safe = scope.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
            let scope = if safe { scope } else { format!("'{}'", scope.replace('\'', "'\\''")) };
            format!(
                "az role assignment create --assignee <object id of the caller> --role Reader --scope {scope}"
            )
        }
    }
}
