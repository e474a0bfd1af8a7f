//! The small worlds that rules are tried in: a TOML file with a few identities, resources and grants by short names.
//!
//! `prod/rg-app` is a resource group, `prod/rg-app/Microsoft.Web/sites/app` a resource, `prod` a subscription,
//! `mg:name` a management group, `/` the root. Identities and groups are named by their names. Everything that is
//! not there is taken as read and absent, unless `absent` lists its source.

use super::build::{Builder, NewGrant, NewLocal};
use crate::model::{
    AccessPolicy, Coverage, Declaration, Estate, Extent, GrantState, IdentityBlock, Instant, LocalSystem,
    PolicyAssignment, PolicyDefinition, Principal, PrincipalType, Settings, SignIn, SignInWindow, Source,
    Sym, Usage, UsageLog, Vault,
};
use crate::rbac::Catalog;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A case: a world, and what a rule must say of it.
#[derive(Debug)]
pub struct Case {
    /// Why the rule says so.
    pub says: String,
    /// `severity subject` for each finding that must come, `rule severity subject` for another rule's.
    pub fires: Vec<String>,
    /// Rules besides the one that is tried that run too.
    pub with: Vec<String>,
    /// For how many things the rule cannot tell.
    pub inconclusive: usize,
    /// Configuration.
    pub config: String,
    /// Waivers.
    pub waivers: String,
    /// The world.
    pub estate: Estate,
    /// When it is judged.
    pub now: Instant,
}

/// Why a file is no case.
#[derive(Debug, thiserror::Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct CaseError {
    path: String,
    line: u64,
    column: u64,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    says: String,
    #[serde(default)]
    fires: Vec<String>,
    #[serde(default)]
    with: Vec<String>,
    #[serde(default)]
    inconclusive: usize,
    #[serde(default)]
    config: String,
    #[serde(default)]
    waivers: String,
    #[serde(default)]
    now: Option<String>,
    #[serde(default)]
    cloud: Option<String>,
    #[serde(default)]
    absent: Vec<String>,
    #[serde(default)]
    management_group: Vec<MgRow>,
    #[serde(default)]
    subscription: Vec<SubRow>,
    #[serde(default)]
    resource_group: Vec<GroupRow>,
    #[serde(default)]
    identity: Vec<IdentityRow>,
    #[serde(default)]
    resource: Vec<ResourceRow>,
    #[serde(default)]
    grant: Vec<GrantRow>,
    #[serde(default)]
    role: Vec<RoleRow>,
    #[serde(default)]
    group: Vec<MembersRow>,
    #[serde(default)]
    federated: Vec<FederatedRow>,
    #[serde(default)]
    vault: Vec<VaultRow>,
    #[serde(default)]
    policy: Vec<PolicyRow>,
    #[serde(default)]
    deny: Vec<DenyRow>,
    #[serde(default)]
    principal: Vec<PrincipalRow>,
    #[serde(default)]
    other_grant: Vec<OtherRow>,
    #[serde(default)]
    sign_ins: Option<SignInRows>,
    #[serde(default)]
    activity: Option<ActivityRows>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivityRows {
    from: String,
    until: String,
    #[serde(default, rename = "use")]
    uses: Vec<UseRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UseRow {
    by: String,
    operation: String,
    on: String,
    #[serde(default)]
    done: u64,
    #[serde(default)]
    denied: u64,
}

/// A grant of another authorization system, by the name of that system.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherRow {
    to: String,
    system: String,
    role: String,
    on: String,
}

type TagRow = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MgRow {
    name: String,
    parent: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubRow {
    name: String,
    parent: Option<String>,
    #[serde(default)]
    tags: TagRow,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupRow {
    at: String,
    #[serde(default)]
    tags: TagRow,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityRow {
    name: String,
    at: String,
    #[serde(default)]
    tags: TagRow,
    created: Option<String>,
    isolation: Option<String>,
    providers: Option<Vec<String>>,
    tenant: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceRow {
    at: String,
    #[serde(default)]
    system: bool,
    #[serde(default)]
    uses: Vec<String>,
    #[serde(default)]
    mentions: Vec<String>,
    /// `storage:NAME`, `registry:NAME`.
    #[serde(default)]
    code_from: Vec<String>,
    #[serde(default)]
    tags: TagRow,
    /// Settings with secrets of Azure services, and with others.
    #[serde(default)]
    azure_secrets: Vec<String>,
    #[serde(default)]
    other_secrets: Vec<String>,
    /// Whether keys, local accounts and commands through Azure let in, where they are said.
    keys: Option<bool>,
    local_accounts: Option<bool>,
    run_command: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantRow {
    to: String,
    role: String,
    on: String,
    condition: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    eligible: bool,
    delegated: Option<String>,
    created: Option<String>,
    /// What is wrong with how it is written, where it comes from code.
    #[serde(default)]
    remarks: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleRow {
    name: String,
    #[serde(default)]
    on: Vec<String>,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    not_actions: Vec<String>,
    #[serde(default)]
    data_actions: Vec<String>,
    #[serde(default)]
    not_data_actions: Vec<String>,
    condition: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersRow {
    name: String,
    members: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FederatedRow {
    on: String,
    name: String,
    issuer: Option<String>,
    subject: Option<String>,
    expression: Option<String>,
    audience: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VaultRow {
    at: String,
    #[serde(default)]
    roles: bool,
    #[serde(default)]
    policies: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyRow {
    name: String,
    on: String,
    asks: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DenyRow {
    name: String,
    on: String,
    actions: Vec<String>,
    #[serde(default)]
    to: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    audit: bool,
    #[serde(default)]
    this_scope_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrincipalRow {
    name: String,
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInRows {
    from: String,
    until: String,
    #[serde(default)]
    last: BTreeMap<String, String>,
}

const TENANT: &str = "tenant-1";
const NOW: &str = "2026-06-01T00:00:00Z";

/// Reads a case.
///
/// # Errors
/// If the text is no such file, with the place.
pub fn read(path: &str, text: &str) -> Result<Case, CaseError> {
    let fail = |span: std::ops::Range<usize>, message: String| {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() as u64 + 1;
        let column = before.rsplit('\n').next().unwrap_or("").len() as u64 + 1;
        CaseError { path: path.to_owned(), line, column, message }
    };
    let file: File =
        toml::from_str(text).map_err(|e| fail(e.span().unwrap_or(0..0), e.message().replace('\n', " ")))?;
    let bad = |message: String| fail(0..0, message);
    let when = |t: &str| Instant::parse(t).ok_or_else(|| bad(format!("`{t}` is no time")));
    let now = when(file.now.as_deref().unwrap_or(NOW))?;
    let mut absent = Vec::new();
    for name in &file.absent {
        absent.push(Source::named(name).ok_or_else(|| bad(format!("`{name}` is no source")))?);
    }
    let estate = make(&file, &absent, &when).map_err(bad)?;
    Ok(Case {
        says: file.says,
        fires: file.fires,
        with: file.with,
        inconclusive: file.inconclusive,
        config: file.config,
        waivers: file.waivers,
        estate,
        now,
    })
}

fn pairs(tags: &TagRow) -> Vec<(&str, &str)> {
    tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

/// A short name as a scope.
fn scope(short: &str) -> String {
    if short == "/" || short.starts_with("/subscriptions") || short.starts_with("/providers") {
        return short.to_owned();
    }
    if let Some(name) = short.strip_prefix("mg:") {
        return format!("/providers/Microsoft.Management/managementGroups/{name}");
    }
    let mut parts = short.splitn(3, '/');
    let subscription = parts.next().unwrap_or_default();
    match (parts.next(), parts.next()) {
        (None, _) => format!("/subscriptions/{subscription}"),
        (Some(group), None) => format!("/subscriptions/{subscription}/resourceGroups/{group}"),
        (Some(group), Some(rest)) => {
            format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{rest}")
        }
    }
}

fn role_id(name: &str) -> String {
    let key = Catalog::embedded().role_by_name(name).map_or_else(|| format!("role-{name}"), |r| r.guid);
    format!("/providers/Microsoft.Authorization/roleDefinitions/{key}")
}

fn identity_id(at: &str, name: &str) -> String {
    format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}", scope(at))
}

fn make(
    file: &File,
    absent: &[Source],
    when: &dyn Fn(&str) -> Result<Instant, CaseError>,
) -> Result<Estate, String> {
    let time = |t: &Option<String>| t.as_deref().map(when).transpose().map_err(|e| e.message);
    let old = Some(when("2025-01-01").map_err(|e| e.message)?);
    let mut b = Builder::default();
    b.estate.tenant = Some(b.estate.strings.intern(TENANT));
    b.estate.cloud = file.cloud.as_deref().map(|c| b.estate.strings.intern(c));
    b.estate.coverage = Coverage::complete();
    for source in absent {
        b.estate.coverage.note(*source, Extent::Partial);
    }
    let ids: BTreeMap<&str, String> =
        file.identity.iter().map(|i| (i.name.as_str(), identity_id(&i.at, &i.name))).collect();
    let known = |name: &str| ids.get(name).cloned().unwrap_or_else(|| identity_id("prod/rg-gone", name));
    for row in &file.management_group {
        b.management_group(&row.name, &row.name, row.parent.as_deref());
    }
    for row in &file.subscription {
        b.subscription(&scope(&row.name), &row.name, row.parent.as_deref(), &pairs(&row.tags));
    }
    for row in &file.resource_group {
        b.resource_group(&scope(&row.at), &pairs(&row.tags));
    }
    for row in &file.identity {
        let created = time(&row.created)?.or(old);
        let providers = row.providers.as_ref().map(|list| list.iter().map(|p| b.sym(p)).collect());
        let isolation = row.isolation.as_deref().map(|i| b.sym(i));
        let tenant = row.tenant.as_deref().map(|t| b.sym(t));
        let mut made = b.identity(
            &known(&row.name),
            &row.name,
            &format!("client-{}", row.name),
            &pairs(&row.tags),
            created,
        );
        (made.restricted_to, made.isolation) = (providers, isolation);
        made.tenant = tenant.or(made.tenant);
        b.estate.identities.push(made);
    }
    for row in &file.resource {
        let id = scope(&row.at);
        let kind = crate::model::Scope::parse(&id)
            .and_then(|s| s.resource_type())
            .ok_or_else(|| format!("`{}` is no resource", row.at))?;
        let uses: Vec<String> = row.uses.iter().map(|u| known(u)).collect();
        let own = crate::model::role_key(&id).to_owned();
        b.resource(&id, &kind, row.system.then_some(own.as_str()), &uses, &pairs(&row.tags), old);
        let mentions: Vec<Sym> = row.mentions.iter().map(|m| b.sym(&known(m))).collect();
        let code_from: Vec<Sym> = row.code_from.iter().map(|c| b.sym(c)).collect();
        if let Some(last) = b.estate.resources.last_mut() {
            last.mentions = mentions;
            last.code_from = code_from;
            last.doors = crate::model::Doors {
                keys: row.keys,
                local_accounts: row.local_accounts,
                run_command: row.run_command,
            };
        }
        if !(row.azure_secrets.is_empty() && row.other_secrets.is_empty()) {
            let [azure, other] = [&row.azure_secrets, &row.other_secrets]
                .map(|names| names.iter().map(|n| b.sym(n)).collect());
            let made = Settings { azure, other };
            if let Some(last) = b.estate.resources.last_mut() {
                last.settings = Some(Box::new(made));
            }
        }
    }
    for row in &file.role {
        let scopes: Vec<String> = row.on.iter().map(|s| scope(s)).collect();
        let lists =
            [&row.actions, &row.not_actions, &row.data_actions, &row.not_data_actions].map(Clone::clone);
        b.role(&role_id(&row.name), &row.name, &scopes, vec![(lists, row.condition.clone())]);
    }
    for (n, row) in file.grant.iter().enumerate() {
        let on = scope(&row.on);
        let kind = match row.kind.as_deref() {
            Some("User") => PrincipalType::User,
            Some("Group") => PrincipalType::Group,
            Some("") => PrincipalType::Absent,
            None if file.group.iter().any(|g| g.name == row.to) => PrincipalType::Group,
            _ => PrincipalType::ServicePrincipal,
        };
        let grant_id = format!("providers/Microsoft.Authorization/roleAssignments/grant-{}", n + 1);
        b.grant(&NewGrant {
            id: &format!("{}/{grant_id}", on.trim_end_matches('/')),
            principal: &row.to,
            kind,
            role: &role_id(&row.role),
            scope: &on,
            condition: row.condition.as_deref(),
            state: if row.eligible { GrantState::Eligible } else { GrantState::Active },
            created: time(&row.created)?.or(old),
            delegated: row.delegated.as_deref(),
            description: None,
        });
        if !row.remarks.is_empty() {
            let id = format!("{}/{grant_id}", on.trim_end_matches('/')).to_ascii_lowercase();
            let (address, stable) = (grant_id.clone(), grant_id.clone());
            let made = Declaration {
                address,
                stable,
                location: None,
                kept: false,
                remarks: row.remarks.clone(),
                says: String::new(),
            };
            b.estate.declarations.insert(id, made);
        }
    }
    for row in &file.group {
        b.group(&row.name, &row.name, &row.members);
    }
    for row in &file.federated {
        let issuer = row.issuer.as_deref().unwrap_or("https://token.actions.githubusercontent.com");
        let audience = row.audience.as_deref().unwrap_or("api://AzureADTokenExchange");
        b.federated(
            &known(&row.on),
            &row.name,
            issuer,
            row.subject.as_deref(),
            row.expression.as_deref(),
            audience,
        );
    }
    for row in &file.vault {
        let id = b.sym(&scope(&row.at));
        let policies = row.policies.iter().map(|(who, list)| {
            let permissions = list.iter().map(|p| b.sym(p)).collect();
            AccessPolicy { principal: b.sym(who), permissions }
        });
        let policies = policies.collect();
        b.estate.vaults.push(Vault { id, uses_roles: row.roles, policies });
    }
    for row in &file.policy {
        let on = scope(&row.on);
        let definition =
            b.sym(&format!("{on}/providers/Microsoft.Authorization/policyDefinitions/{}", row.name));
        let roles = row.asks.iter().map(|r| b.sym(&role_id(r))).collect();
        b.estate.policy_definitions.push(PolicyDefinition { id: definition, roles, members: Vec::new() });
        let block = IdentityBlock {
            system: true,
            principal: Some(b.sym(&row.name)),
            tenant: b.estate.tenant,
            user: Vec::new(),
        };
        let id = b.sym(&format!("{on}/providers/Microsoft.Authorization/policyAssignments/{}", row.name));
        let name = b.sym(&row.name);
        b.estate.policy_assignments.push(PolicyAssignment {
            id,
            name,
            definition: Some(definition),
            identity: Some(Box::new(block)),
        });
    }
    for row in &file.deny {
        let on = scope(&row.on);
        let id = b
            .estate
            .strings
            .intern_id(&format!("{on}/providers/Microsoft.Authorization/denyAssignments/{}", row.name));
        let everyone =
            if row.to.is_empty() { vec![crate::model::EVERYONE.to_owned()] } else { row.to.clone() };
        let permission = crate::model::Permission {
            actions: row.actions.iter().map(|a| crate::model::ActionPattern::new(a)).collect(),
            ..Default::default()
        };
        let made = crate::model::DenyAssignment {
            id,
            name: b.sym(&row.name),
            permissions: vec![permission],
            scope: b.sym(&on),
            this_scope_only: row.this_scope_only,
            principals: everyone.iter().map(|p| b.sym(p)).collect(),
            excluded: row.except.iter().map(|p| b.sym(p)).collect(),
            enforced: !row.audit,
            condition: None,
        };
        b.estate.denies.push(made);
    }
    for row in &file.principal {
        let (id, kind) = (b.sym(&row.name), b.sym(&row.kind));
        b.estate.principals.push(Principal { id, kind, name: id, client: None, resource: None });
    }
    for (n, row) in file.other_grant.iter().enumerate() {
        let system = LocalSystem::ALL.into_iter().find(|s| s.name() == row.system);
        let system = system.ok_or_else(|| format!("there is no system `{}`", row.system))?;
        let (id, on) = (format!("other/{n}"), scope(&row.on));
        let new =
            NewLocal { id: &id, principal: &row.to, role: &row.role, scope: &on, ..NewLocal::of(system) };
        b.local(&new);
    }
    if let Some(logs) = &file.sign_ins {
        let at = |t: &str| when(t).map_err(|e| e.message);
        b.estate.sign_in_window = Some(SignInWindow { from: at(&logs.from)?, until: at(&logs.until)? });
        for (who, last) in &logs.last {
            let (principal, last) = (b.sym(who), at(last)?);
            b.estate.sign_ins.push(SignIn { principal, last });
        }
    }
    if let Some(log) = &file.activity {
        let at = |t: &str| when(t).map_err(|e| e.message);
        let (from, until) = (at(&log.from)?, at(&log.until)?);
        let rows = log.uses.iter().map(|row| Usage {
            principal: b.sym(&row.by),
            operation: b.sym(&row.operation.to_ascii_lowercase()),
            data: false,
            scope: b.sym(&scope(&row.on)),
            first: from,
            last: until,
            done: row.done,
            denied: row.denied,
            failed: 0,
        });
        let rows = rows.collect();
        b.estate.usage = Some(UsageLog { rows, from, until });
    }
    b.estate.settle();
    Ok(b.estate)
}
