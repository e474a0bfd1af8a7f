//! A synthetic tenant of a stated size: the same size and seed, the same tenant to the byte. For trying what a large
//! tenant costs, and for the simulated Azure that the collector is proven against.
//!
//! Shaped after what audits meet: most identities hold one or two narrow grants, a few hold many or wide ones; some
//! grants go to groups, some to people, some to nobody any more. Not here: chance that is not in the seed.

use super::build::{Builder, NewGrant, NewLocal};
use crate::model::{
    AccessPolicy, Association, Coverage, Estate, GrantState, Instant, LocalSystem, PrincipalType, Vault,
};
use crate::rbac::Catalog;

/// How large a tenant is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Subscriptions.
    pub subscriptions: usize,
    /// Role assignments in each.
    pub assignments: usize,
    /// User-assigned identities in each.
    pub identities: usize,
    /// Other resources in each.
    pub resources: usize,
    /// Key vaults in each.
    pub vaults: usize,
}

impl Default for Size {
    fn default() -> Size {
        Size { subscriptions: 10, assignments: 100, identities: 50, resources: 100, vaults: 5 }
    }
}

/// Role and how many of a hundred grants are of it.
const ROLES: [(&str, u64); 14] = [
    ("Reader", 20),
    ("Storage Blob Data Reader", 14),
    ("Storage Blob Data Contributor", 10),
    ("Key Vault Secrets User", 13),
    ("AcrPull", 10),
    ("Monitoring Metrics Publisher", 8),
    ("Azure Service Bus Data Receiver", 6),
    ("Contributor", 6),
    ("Virtual Machine Contributor", 3),
    ("Managed Identity Operator", 3),
    ("Network Contributor", 3),
    ("User Access Administrator", 1),
    ("Role Based Access Control Administrator", 1),
    ("Owner", 2),
];
const WORKLOADS: [&str; 12] =
    ["shop", "pay", "crm", "erp", "hr", "data", "iot", "web", "mail", "docs", "api", "search"];
const ENVIRONMENTS: [&str; 3] = ["prod", "staging", "dev"];
const HOSTS: [&str; 5] = [
    "Microsoft.Web/sites",
    "Microsoft.Compute/virtualMachines",
    "Microsoft.App/containerApps",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Network/virtualNetworks",
];
const GROUPS: [&str; 6] = ["root", "platform", "landingzones", "corp", "online", "sandbox"];
/// 2026-06-01T08:00:00Z.
const MOMENT: Instant = Instant::from_seconds(1_780_300_800);

/// Numbers that look random: splitmix64, whose whole state is one number.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }

    /// Whether one of `of` chances holds.
    fn one_of(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        let at = self.below(from.len());
        from.get(at).copied().unwrap_or_default()
    }

    fn guid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        )
    }
}

struct Tenant {
    b: Builder,
    dice: Dice,
    roles: Vec<(String, u64)>,
    custom: Vec<String>,
    groups: Vec<String>,
    people: Vec<String>,
    /// Position of a group, and who is in it.
    members: Vec<(usize, String)>,
}

/// The tenant of this size and seed.
pub fn estate(size: &Size, seed: u64) -> Estate {
    let roles = ROLES.iter().filter_map(|(name, weight)| {
        let guid = Catalog::embedded().role_by_name(name)?.guid;
        Some((format!("/providers/Microsoft.Authorization/roleDefinitions/{guid}"), *weight))
    });
    let mut tenant = Tenant {
        b: Builder::default(),
        dice: Dice(seed),
        roles: roles.collect(),
        custom: Vec::new(),
        groups: Vec::new(),
        people: Vec::new(),
        members: Vec::new(),
    };
    let id = tenant.dice.guid();
    tenant.b.estate.tenant = Some(tenant.b.sym(&id));
    tenant.b.estate.cloud = Some(tenant.b.sym("public"));
    tenant.b.estate.collected_at = Some(MOMENT);
    tenant.b.estate.simulated = true;
    tenant.b.estate.coverage = Coverage::complete();
    tenant.above(size);
    for number in 0..size.subscriptions {
        tenant.subscription(number, size);
    }
    tenant.directory();
    tenant.b.estate.settle();
    tenant.b.estate
}

impl Tenant {
    /// What lies above subscriptions, and who is in the directory.
    fn above(&mut self, size: &Size) {
        for (name, parent) in GROUPS.iter().zip([None, Some(0), Some(0), Some(2), Some(2), Some(0)]) {
            let parent = parent.and_then(|at: usize| GROUPS.get(at)).map(|p| format!("mg-{p}"));
            self.b.management_group(&format!("mg-{name}"), name, parent.as_deref());
        }
        for _ in 0..size.subscriptions.clamp(3, 5000) {
            let person = self.dice.guid();
            self.people.push(person);
        }
        for _ in 0..size.subscriptions.clamp(2, 200) {
            let id = self.dice.guid();
            self.groups.push(id);
        }
        for number in 0..size.subscriptions.div_ceil(5).min(5000) {
            let guid = self.dice.guid();
            let id = format!("/providers/Microsoft.Authorization/roleDefinitions/{guid}");
            let verb = self.dice.pick(&["read", "write", "delete", "*"]);
            let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
            let actions = [format!("Microsoft.Web/sites/{verb}"), "*/read".to_owned()].to_vec();
            let blocks =
                vec![([actions, texts(&["Microsoft.Web/sites/config/*"]), Vec::new(), Vec::new()], None)];
            let scope = "/providers/Microsoft.Management/managementGroups/mg-root".to_owned();
            self.b.role(&id, &format!("role-{number}"), &[scope], blocks);
            self.custom.push(id);
        }
        for name in ["mg-platform", "mg-corp"] {
            let on = format!("/providers/Microsoft.Management/managementGroups/{name}");
            let to = self.dice.guid();
            let role = self.role();
            self.grant(&to, PrincipalType::ServicePrincipal, &role, &on);
        }
    }

    fn role(&mut self) -> String {
        if !self.custom.is_empty() && self.dice.one_of(25) {
            let at = self.dice.below(self.custom.len());
            return self.custom.get(at).cloned().unwrap_or_default();
        }
        let all: u64 = self.roles.iter().map(|(_, weight)| weight).sum();
        let mut left = self.dice.next() % all.max(1);
        let found = self.roles.iter().find(|(_, weight)| match left.checked_sub(*weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        found.map(|(id, _)| id.clone()).unwrap_or_default()
    }

    fn grant(&mut self, to: &str, kind: PrincipalType, role: &str, on: &str) {
        let id = format!("{on}/providers/Microsoft.Authorization/roleAssignments/{}", self.dice.guid());
        let days = 5 + self.dice.below(1200);
        let created = MOMENT.plus_days(-i64::try_from(days).unwrap_or(0));
        self.b.grant(&NewGrant {
            id: &id,
            principal: to,
            kind,
            role,
            scope: on,
            condition: None,
            state: GrantState::Active,
            created: Some(created),
            delegated: None,
            description: None,
        });
    }

    fn subscription(&mut self, number: usize, size: &Size) {
        let id = format!("/subscriptions/{}", self.dice.guid());
        let (workload, env) = (self.dice.pick(&WORKLOADS), self.dice.pick(&ENVIRONMENTS));
        let owner = format!("team-{workload}");
        let tags = [("env", env), ("owner", owner.as_str())];
        let parent = format!("mg-{}", GROUPS.get(1 + number % 5).unwrap_or(&"root"));
        self.b.subscription(&id, &format!("sub-{workload}-{env}-{number:04}"), Some(&parent), &tags);
        let mut groups = Vec::new();
        for n in 0..size.identities.div_ceil(5).max(1) {
            let group = format!("{id}/resourceGroups/rg-{workload}-{n:02}-{env}");
            self.b.resource_group(&group, &tags);
            groups.push(group);
        }
        let at = |n: usize| groups.get(n % groups.len().max(1)).cloned().unwrap_or_default();
        let mut holders = Vec::new();
        let mut identities = Vec::new();
        for n in 0..size.identities {
            let name = if n % 7 == 6 {
                format!("{workload}Identity{n}")
            } else {
                format!("id-{workload}{n}-{env}-weu")
            };
            let id = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}", at(n));
            let (principal, client) = (self.dice.guid(), self.dice.guid());
            let days = i64::try_from(40 + self.dice.below(900)).unwrap_or(0);
            let made = self.b.identity(&id, &principal, &client, &tags, Some(MOMENT.plus_days(-days)));
            self.b.estate.identities.push(made);
            if n % 10 == 3 {
                let subject = format!("repo:contoso/{workload}:environment:{env}");
                let issuer = "https://token.actions.githubusercontent.com";
                let audience = "api://AzureADTokenExchange";
                self.b.federated(&id, "github", issuer, Some(&subject), None, audience);
            }
            if self.dice.one_of(30) && !self.groups.is_empty() {
                let group = self.dice.below(self.groups.len());
                self.members.push((group, principal.clone()));
            }
            holders.push(principal);
            // Of those without a host and without a trust from outside, some are used where no inventory shows it.
            if n >= size.resources.div_ceil(3) && n % 10 != 3 && self.dice.one_of(4) {
                let user = format!("{}/providers/Microsoft.Sql/servers/sql-{workload}-{n}", at(n));
                let resources = vec![self.b.sym(&user)];
                let identity = self.b.sym(&id);
                self.b.estate.associations.push(Association { identity, resources });
            }
            identities.push(id);
        }
        // Some keep data where roles of another kind decide.
        if number % 10 == 3 {
            self.stores(&at(0), number, &holders);
        }
        let mut resources = Vec::new();
        for n in 0..size.resources {
            let kind = self.dice.pick(&HOSTS);
            let id = format!("{}/providers/{kind}/{workload}{n:04}", at(n));
            let own = (n % 5 == 0).then(|| self.dice.guid());
            let uses: Vec<String> =
                if n % 3 == 1 { identities.get(n / 3).cloned().into_iter().collect() } else { Vec::new() };
            self.b.resource(&id, kind, own.as_deref(), &uses, &tags, None);
            holders.extend(own);
            resources.push(id);
        }
        for n in 0..size.vaults {
            let id = format!("{}/providers/Microsoft.KeyVault/vaults/kv-{workload}-{number}-{n}", at(n));
            self.b.resource(&id, "Microsoft.KeyVault/vaults", None, &[], &tags, None);
            let uses_roles = n % 4 != 3;
            let holder = self.dice.below(holders.len());
            let principal = self.b.sym(holders.get(holder).map_or("", |h| h));
            let permissions = vec![self.b.sym("secrets/get"), self.b.sym("secrets/list")];
            let policies =
                if uses_roles { Vec::new() } else { vec![AccessPolicy { principal, permissions }] };
            let made = Vault { id: self.b.sym(&id), uses_roles, policies };
            self.b.estate.vaults.push(made);
            resources.push(id);
        }
        for n in 0..size.assignments {
            let on = match self.dice.below(10) {
                0 => id.clone(),
                1..=4 => at(n),
                _ => resources.get(self.dice.below(resources.len())).cloned().unwrap_or_else(|| at(n)),
            };
            let (to, kind) = match self.dice.below(20) {
                0 if !self.groups.is_empty() => {
                    let group = self.dice.below(self.groups.len());
                    (self.groups.get(group).cloned().unwrap_or_default(), PrincipalType::Group)
                }
                1 | 2 if !self.people.is_empty() => {
                    let person = self.dice.below(self.people.len());
                    (self.people.get(person).cloned().unwrap_or_default(), PrincipalType::User)
                }
                // Whoever held it is gone.
                3 if self.dice.one_of(4) => (self.dice.guid(), PrincipalType::ServicePrincipal),
                // A few identities hold many grants.
                _ => {
                    let most = holders.len().max(1);
                    let holder = self.dice.below(most).min(self.dice.below(most));
                    let to = holders.get(holder).cloned().unwrap_or_default();
                    (to, PrincipalType::ServicePrincipal)
                }
            };
            let role = self.role();
            self.grant(&to, kind, &role, &on);
        }
    }

    /// A database account and a server with grants of their own.
    fn stores(&mut self, group: &str, number: usize, holders: &[String]) {
        let account = format!("{group}/providers/Microsoft.DocumentDB/databaseAccounts/cosmos-{number}");
        let server = format!("{group}/providers/Microsoft.Sql/servers/sql-main-{number}");
        self.b.resource(&account, "Microsoft.DocumentDB/databaseAccounts", None, &[], &[], None);
        self.b.resource(&server, "Microsoft.Sql/servers", None, &[], &[], None);
        let holder = holders.get(self.dice.below(holders.len())).cloned().unwrap_or_default();
        self.b.local(&NewLocal {
            id: &format!("{account}/sqlRoleAssignments/{}", self.dice.guid()),
            principal: &holder,
            role: &format!("{account}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002"),
            role_name: Some("Cosmos DB Built-in Data Contributor"),
            scope: &format!("{account}/dbs/orders"),
            ..NewLocal::of(LocalSystem::CosmosDb)
        });
        let group = self.dice.below(self.groups.len());
        let administrator = self.groups.get(group).cloned().unwrap_or_default();
        self.b.local(&NewLocal {
            id: &format!("{server}/administrators/ActiveDirectory"),
            principal: &administrator,
            role: "administrator",
            scope: &server,
            ..NewLocal::of(LocalSystem::DatabaseServer)
        });
        // Microsoft Graph's Mail.Send, and Directory Readers.
        let id = self.dice.guid().replace('-', "");
        self.b.local(&NewLocal {
            id: &id,
            principal: &holder,
            role: "b633e1c5-b582-4048-a93e-9f11b44c7e96",
            role_name: Some("Mail.Send"),
            scope: "Microsoft Graph",
            ..NewLocal::of(LocalSystem::AppRole)
        });
        let id = self.dice.guid().replace('-', "");
        self.b.local(&NewLocal {
            id: &id,
            principal: &holder,
            role: "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
            role_name: Some("Directory Readers"),
            scope: "/",
            ..NewLocal::of(LocalSystem::Directory)
        });
    }

    /// Everyone who is in the directory.
    fn directory(&mut self) {
        let mut members: Vec<Vec<String>> = vec![Vec::new(); self.groups.len()];
        for (group, member) in std::mem::take(&mut self.members) {
            if let Some(list) = members.get_mut(group) {
                list.push(member);
            }
        }
        for (n, (id, mut list)) in self.groups.clone().into_iter().zip(members).enumerate() {
            // Every fourth group is inside the one before it.
            if n % 4 == 2 {
                list.extend(self.groups.get(n + 1).cloned());
            }
            self.b.group(&id, &format!("grp-{n}"), &list);
        }
        let estate = &self.b.estate;
        let of_resources =
            estate.resources.iter().filter_map(|r| Some((r.identity.as_ref()?.principal?, None, r.id)));
        let of_identities = estate.identities.iter().filter_map(|i| Some((i.principal?, i.client, i.id)));
        let all: Vec<_> = of_identities.chain(of_resources).collect();
        let kind = self.b.sym("ManagedIdentity");
        for (id, client, resource) in all {
            let name = crate::model::role_key(self.b.estate.strings.text(resource)).to_owned();
            let name = self.b.sym(&name);
            let made = crate::model::Principal { id, kind, name, client, resource: Some(resource) };
            self.b.estate.principals.push(made);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
        let size = Size { subscriptions: 3, ..Size::default() };
        let packed = |seed| {
            let mut bytes = Vec::new();
            crate::sources::snapshot::write(&estate(&size, seed), &mut bytes).unwrap();
            bytes
        };
        assert_eq!(packed(7), packed(7));
        assert_ne!(packed(7), packed(8));
        let made = estate(&size, 7);
        assert_eq!(made.subscriptions.len(), 3);
        assert_eq!(made.assignments.len(), 302);
        assert_eq!(made.identities.len(), 150);
        assert!(made.gaps.is_empty());
    }
}
