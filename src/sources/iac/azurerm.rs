//! From Terraform's resources to the records that Azure would show of them, so that the same reader takes them in.
//!
//! An id that Azure will only give out later is made of what is known of it: its scope, its type, and its name or a
//! symbol. Source: the documentation of the providers azurerm, azuread and azapi. Not here: what a value refers to
//! (`plan`).

use super::instance::{Configuration, Instance, Value, has_marks, symbol};
use super::intake::Intake;
use super::types::{UNREAD, arm_type};
use crate::model::{Gap, Reason, Source};
use crate::rbac::Catalog;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

pub(super) const AUTHORIZATION: &str = "providers/Microsoft.Authorization";
pub(super) const ROLES: &str = "/providers/Microsoft.Authorization/roleDefinitions";

/// A role assignment as Azure shows it.
#[derive(Serialize)]
struct Granted<'r> {
    id: &'r str,
    #[serde(rename = "type")]
    kind: &'r str,
    properties: GrantedTo<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GrantedTo<'r> {
    principal_id: &'r str,
    principal_type: Option<&'r str>,
    role_definition_id: &'r str,
    scope: &'r str,
    condition: Json,
    description: Json,
    delegated_managed_identity_resource_id: Json,
}

/// Fills an estate from a configuration.
pub(super) struct Azurerm<'c, 'i> {
    pub(super) config: &'c dyn Configuration,
    pub(super) catalog: &'static Catalog,
    /// What addresses begin with: the folder of the root module.
    root: &'c str,
    intake: &'i mut Intake,
    /// The GUID of the subscription that everything goes to, where it is known.
    pub(super) own_subscription: Option<String>,
    /// GUIDs of roles that were asked for, by name.
    pub(super) role_names: std::cell::RefCell<BTreeMap<String, Option<String>>>,
    /// Ids that were worked out, by instance: many refer to few.
    pub(super) ids: std::cell::RefCell<std::collections::HashMap<usize, String>>,
    /// Custom roles of this configuration, by name.
    pub(super) own_roles: BTreeMap<String, usize>,
    /// Vaults with their access policies, which stand in resources of their own, too.
    vaults: BTreeMap<String, (usize, Json, Vec<Json>)>,
    /// Groups with their members.
    groups: BTreeMap<String, Vec<String>>,
}

impl<'c, 'i> Azurerm<'c, 'i> {
    pub(super) fn new(
        config: &'c dyn Configuration,
        catalog: &'static Catalog,
        root: &'c str,
        intake: &'i mut Intake,
    ) -> Azurerm<'c, 'i> {
        let own_subscription = config.own_subscription();
        let (own_roles, vaults, groups) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (role_names, ids) = (std::cell::RefCell::default(), std::cell::RefCell::default());
        Azurerm {
            config,
            catalog,
            root,
            intake,
            own_subscription,
            role_names,
            ids,
            own_roles,
            vaults,
            groups,
        }
    }

    /// Takes the subscription from the id of a scope, where the configuration names none.
    pub(super) fn deploy_to(&mut self, scope: Option<&str>) {
        let named = scope.and_then(|s| s.trim_start_matches('/').split_once('/'));
        let named = named.filter(|(kind, _)| kind.eq_ignore_ascii_case("subscriptions"));
        let id = named.and_then(|(_, rest)| rest.split('/').next()).filter(|id| !id.is_empty());
        self.own_subscription = self.own_subscription.take().or_else(|| id.map(str::to_owned));
    }

    /// Takes every instance in.
    pub(super) fn lower(&mut self) {
        for (at, instance) in self.config.instances().iter().enumerate() {
            if instance.kind == "azurerm_role_definition"
                && let Some(name) = self.config.value(at, &["name"]).text()
            {
                self.own_roles.entry(name.to_owned()).or_insert(at);
            }
        }
        for at in 0..self.config.instances().len() {
            self.instance(at);
        }
        for (id, (at, properties, policies)) in std::mem::take(&mut self.vaults) {
            let mut properties = properties;
            if let Some(object) = properties.as_object_mut() {
                object.insert("accessPolicies".to_owned(), policies.into());
            }
            self.record(
                at,
                &json!({"id": id, "type": "Microsoft.KeyVault/vaults", "properties": properties}),
            );
        }
        for (id, members) in std::mem::take(&mut self.groups) {
            let members: Vec<Json> = members.iter().map(|m| json!({"id": m})).collect();
            self.plain(&json!({"@odata.type": "#microsoft.graph.group", "id": id, "displayName": id, "members": members}));
        }
    }

    /// An address of this root module, from the root of the tree.
    fn rooted(&self, address: &str) -> String {
        if self.root.is_empty() { address.to_owned() } else { format!("{}/{address}", self.root) }
    }

    /// A symbol for what an address of this root module will be.
    pub(super) fn symbol(&self, address: &str) -> String {
        symbol(&self.rooted(address))
    }

    pub(super) fn of(&self, at: usize) -> &'c Instance {
        const NONE: &Instance =
            &Instance { address: String::new(), kind: String::new(), location: None, kept: false };
        self.config.instances().get(at).unwrap_or(NONE)
    }

    fn instance(&mut self, at: usize) {
        if self.config.assigns_by_script(at) {
            let address = &self.of(at).address;
            let detail =
                format!("a script of `{address}` assigns roles or is given a principal, and is not read");
            self.gap(at, Source::RoleAssignments, Reason::Unsupported, detail);
        }
        match self.of(at).kind.as_str() {
            "azurerm_role_assignment" => self.assignment(at, "roleAssignments"),
            "azurerm_pim_active_role_assignment" => self.assignment(at, "roleAssignments"),
            "azurerm_pim_eligible_role_assignment" => self.assignment(at, "roleEligibilityScheduleInstances"),
            "azurerm_role_definition" => self.role(at),
            "azurerm_user_assigned_identity" => self.identity(at),
            "azurerm_federated_identity_credential" => self.federated(at),
            "azurerm_key_vault" => self.vault(at),
            "azurerm_mssql_server" => {
                self.host(at);
                self.database_administrator(at);
            }
            "azurerm_mssql_managed_instance_active_directory_administrator" => {
                self.database_administrator(at)
            }
            "azurerm_key_vault_access_policy" => self.access_policy(at),
            "azurerm_management_group" => self.management_group(at),
            "azurerm_resource_group" => self.container(at),
            "azuread_group" | "azuread_group_member" => self.group(at),
            "azuread_service_principal" | "azuread_user" => self.principal(at),
            "azuread_app_role_assignment" => self.app_role(at),
            "azapi_resource" => self.azapi(at),
            kind if UNREAD.contains(&kind) => self.unread(at),
            "azurerm_policy_definition" => self.policy_definition(at),
            "azurerm_policy_set_definition" => self.policy_set(at),
            "azurerm_management_group_policy_assignment"
            | "azurerm_subscription_policy_assignment"
            | "azurerm_resource_group_policy_assignment"
            | "azurerm_resource_policy_assignment" => self.policy_assignment(at),
            _ => self.host(at),
        }
    }

    /// Takes a record in, and notes where it is declared.
    pub(super) fn record(&mut self, at: usize, record: &Json) {
        let id = record.get("id").and_then(Json::as_str).unwrap_or_default();
        self.declared(at, id, record);
    }

    fn declared(&mut self, at: usize, id: &str, record: &impl Serialize) {
        let instance = self.of(at);
        let address = self.rooted(&instance.address);
        self.intake.declared(record, id, address, instance.location.clone(), instance.kept);
    }

    fn plain(&mut self, record: &Json) {
        self.intake.plain(record);
    }

    /// A resource that may grant access in ways that are not read.
    pub(super) fn unread(&mut self, at: usize) {
        let instance = self.of(at);
        let detail = format!("what `{}` grants is not read by this version", instance.address);
        self.gap(at, Source::RoleAssignments, Reason::Unsupported, detail);
    }

    /// A gap at the block of an instance.
    fn gap(&mut self, at: usize, source: Source, reason: Reason, detail: String) {
        let location = self.of(at).location.clone();
        self.intake.gap(Gap { location, ..Gap::new(source, "", reason, detail) });
    }

    /// The texts of a list; whether any of it is not known is said.
    fn texts(&mut self, at: usize, source: Source, path: &[&str]) -> Vec<String> {
        let all = self.config.list(at, path);
        if all.iter().any(|v| v.text().is_none_or(has_marks) && *v != Value::Absent) {
            let what = path.last().copied().unwrap_or_default().replace('_', " ");
            self.unresolved(at, source, &format!("a part of the {what}"), "it comes from elsewhere");
        }
        all.into_iter().filter_map(|v| v.text().map(str::to_owned)).collect()
    }

    pub(super) fn unresolved(&mut self, at: usize, source: Source, what: &str, why: &str) {
        let instance = self.of(at);
        let detail = format!(
            "{what} of `{}` is not known: {why}; a plan, or the value of a variable (--set, --var-file), would tell",
            instance.address
        );
        self.gap(at, source, Reason::Unresolved, detail);
    }

    /// A text, or a symbol that stands for it.
    pub(super) fn text(&self, at: usize, attribute: &str) -> String {
        match self.config.value(at, &[attribute]) {
            Value::Known(Json::String(text)) => self.spelled(&text, 0),
            Value::Known(other) if !other.is_null() => other.to_string(),
            Value::Of(other, path) => self.symbol(&format!("{}.{path}", self.of(other).address)),
            Value::Data(_, address, path) => self.symbol(&format!("{address}.{path}")),
            _ => self.symbol(&format!("{}.{attribute}", self.of(at).address)),
        }
    }

    pub(super) fn optional(&self, at: usize, attribute: &str) -> Json {
        match self.config.value(at, &[attribute]) {
            Value::Known(value) => value,
            _ => Json::Null,
        }
    }

    fn assignment(&mut self, at: usize, kind: &str) {
        let scope = self.config.value(at, &["scope"]);
        let Some(scope) = self.scope_of(&scope, 0) else {
            let why = unknown(&scope, "its scope");
            let role = match self.config.value(at, &["role_definition_name"]) {
                Value::Known(Json::String(name)) => format!("the scope of {name}"),
                _ => "the scope".to_owned(),
            };
            return self.unresolved(at, Source::RoleAssignments, &role, &why);
        };
        let role = match self.role_of(at) {
            Ok(role) => role,
            Err(why) => {
                self.unresolved(at, Source::RoleDefinitions, "the role", &why);
                format!("{ROLES}/{}", self.symbol(&format!("{}.role_definition_id", self.of(at).address)))
            }
        };
        let principal = self.config.value(at, &["principal_id"]);
        let (principal, kind_of) = match self.principal_of(&principal) {
            Some(found) => found,
            None => {
                // Whoever it is, the grant is judged.
                self.unresolved(at, Source::Principals, "the principal", &unknown(&principal, "it"));
                (self.symbol(&format!("{}.principal_id", self.of(at).address)), None)
            }
        };
        let said = self.optional(at, "principal_type");
        let kind_of = said.as_str().map(str::to_owned).or(kind_of.map(str::to_owned));
        let own = self.symbol(&self.of(at).address);
        let id = format!("{}/{AUTHORIZATION}/{kind}/{own}", scope.trim_end_matches('/'));
        // There are many of them: no tree is made of each.
        let record = Granted {
            id: &id,
            kind: &format!("Microsoft.Authorization/{kind}"),
            properties: GrantedTo {
                principal_id: &principal,
                principal_type: kind_of.as_deref(),
                role_definition_id: &role,
                scope: &scope,
                condition: self.optional(at, "condition"),
                description: self.optional(at, "description"),
                delegated_managed_identity_resource_id: self
                    .optional(at, "delegated_managed_identity_resource_id"),
            },
        };
        self.declared(at, &id, &record);
    }

    fn role(&mut self, at: usize) {
        if self.config.is_open(at, "permissions") {
            // Nothing is said of it rather than that it allows nothing.
            return self.unresolved(at, Source::RoleDefinitions, "what it allows", "it is known after apply");
        }
        let blocks = (0..self.config.blocks(at, "permissions")).map(|n| {
            let n = n.to_string();
            let mut list = |name: &str| self.texts(at, Source::RoleDefinitions, &["permissions", &n, name]);
            json!({"actions": list("actions"), "notActions": list("not_actions"),
                "dataActions": list("data_actions"), "notDataActions": list("not_data_actions")})
        });
        let blocks: Vec<Json> = blocks.collect();
        let scope = self.config.value(at, &["scope"]);
        let mut scopes: Vec<String> =
            self.config.list(at, &["assignable_scopes"]).iter().filter_map(|v| self.scope_of(v, 0)).collect();
        if scopes.is_empty() {
            scopes.extend(self.scope_of(&scope, 0));
        }
        let record = json!({"id": self.id(at, 0), "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {"roleName": self.text(at, "name"), "type": "CustomRole", "permissions": blocks,
                "assignableScopes": scopes}});
        self.record(at, &record);
    }

    fn identity(&mut self, at: usize) {
        let known = self.config.value(at, &["principal_id"]);
        let own = known.text().map_or_else(|| self.symbol(&self.of(at).address), str::to_owned);
        let record = json!({"id": self.id(at, 0), "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
            "location": self.optional(at, "location"), "tags": self.tags(at),
            "properties": {"principalId": own, "clientId": format!("{own}.client"),
                "isolationScope": self.optional(at, "isolation_scope")}});
        self.record(at, &record);
    }

    pub(super) fn tags(&self, at: usize) -> Json {
        let tags = self.optional(at, "tags");
        let texts = |tags: Map<String, Json>| {
            let known = tags.into_iter().filter(|(_, v)| v.is_string());
            Json::Object(known.collect())
        };
        match tags {
            Json::Object(tags) => texts(tags),
            _ => json!({}),
        }
    }

    fn federated(&mut self, at: usize) {
        let parent = ["parent_id", "user_assigned_identity_id"].map(|a| self.config.value(at, &[a]));
        let Some(parent) = parent.iter().find_map(|value| self.scope_of(value, 0)) else {
            return self.unresolved(
                at,
                Source::FederatedCredentials,
                "the identity",
                "its id comes from elsewhere",
            );
        };
        for (attribute, what) in [("issuer", "the issuer"), ("subject", "the subject")] {
            let value = self.config.value(at, &[attribute]);
            if matches!(value, Value::Unknown(_)) {
                self.unresolved(at, Source::FederatedCredentials, what, &unknown(&value, "it"));
            }
        }
        let audiences =
            self.config.list(at, &["audience"]).into_iter().filter_map(|v| v.text().map(str::to_owned));
        let audiences: Vec<String> = audiences.collect();
        let name = self.text(at, "name").replace('/', "\u{2215}");
        let record = json!({"id": format!("{parent}/federatedIdentityCredentials/{name}"),
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
            "properties": {"issuer": self.text(at, "issuer"), "subject": self.text(at, "subject"), "audiences": audiences}});
        self.record(at, &record);
    }

    /// The identity block of anything, in Azure's form.
    pub(super) fn block(&mut self, at: usize) -> Json {
        if self.config.is_open(at, "identity") {
            self.unresolved(at, Source::Identities, "its identity", "it is known after apply");
        }
        if self.config.blocks(at, "identity") == 0 {
            return Json::Null;
        }
        let kind = self.config.value(at, &["identity", "0", "type"]);
        let kind = kind.text().unwrap_or("SystemAssigned");
        let ids = self.config.list(at, &["identity", "0", "identity_ids"]);
        if ids.iter().any(|v| *v != Value::Absent && self.scope_of(v, 0).is_none()) {
            self.unresolved(at, Source::Identities, "an identity", "its id comes from elsewhere");
        }
        let kubelet = match self.config.blocks(at, "kubelet_identity") {
            0 => Value::Absent,
            _ => self.config.value(at, &["kubelet_identity", "0", "user_assigned_identity_id"]),
        };
        let kubelet = self.scope_of(&kubelet, 0);
        let user: Map<String, Json> =
            ids.iter().filter_map(|v| self.scope_of(v, 0)).chain(kubelet).map(|id| (id, json!({}))).collect();
        let system = kind.to_ascii_lowercase().contains("systemassigned");
        // What is there already has the id that grants go by.
        let known = self.config.value(at, &["identity", "0", "principal_id"]);
        let own = known.text().map_or_else(|| self.symbol(&self.of(at).address), str::to_owned);
        let principal = if system { Json::from(own) } else { Json::Null };
        json!({"type": kind, "principalId": principal, "userAssignedIdentities": user})
    }

    fn host(&mut self, at: usize) {
        let identity = self.block(at);
        let kind = &self.of(at).kind;
        let settings = self.settings(at);
        if identity.is_null() && settings.is_null() || !kind.starts_with("azurerm_") {
            return;
        }
        let record = json!({"id": self.id(at, 0), "type": arm_type(kind).0, "identity": identity,
            "location": self.optional(at, "location"), "tags": self.tags(at), "properties": settings});
        self.record(at, &record);
    }

    fn container(&mut self, at: usize) {
        let record = json!({"id": self.id(at, 0), "type": "Microsoft.Resources/resourceGroups", "tags": self.tags(at)});
        self.record(at, &record);
    }

    fn management_group(&mut self, at: usize) {
        let parent = self.config.value(at, &["parent_management_group_id"]);
        let parent = self.scope_of(&parent, 0).map(|id| json!({"parent": {"id": id}}));
        let record = json!({"id": self.id(at, 0), "type": "Microsoft.Management/managementGroups",
            "properties": {"displayName": self.optional(at, "display_name"), "details": parent}});
        self.record(at, &record);
    }

    fn vault(&mut self, at: usize) {
        let roles = ["rbac_authorization_enabled", "enable_rbac_authorization"].map(|a| self.optional(at, a));
        let roles = roles.iter().any(|v| v.as_bool() == Some(true));
        let mut blocks = Vec::new();
        if self.config.is_open(at, "access_policy") {
            self.unresolved(at, Source::Vaults, "who has an access policy", "it is known after apply");
        }
        for n in 0..self.config.blocks(at, "access_policy") {
            blocks.extend(self.policy(at, &["access_policy", &n.to_string()]));
        }
        let id = self.id(at, 0);
        let made = self.vaults.entry(id).or_insert((at, Json::Null, Vec::new()));
        *made =
            (at, json!({"enableRbacAuthorization": roles}), [std::mem::take(&mut made.2), blocks].concat());
    }

    fn access_policy(&mut self, at: usize) {
        let vault = self.config.value(at, &["key_vault_id"]);
        let Some(vault) = self.scope_of(&vault, 0) else {
            return self.unresolved(at, Source::Vaults, "the vault", "its id comes from elsewhere");
        };
        let policy = self.policy(at, &[]);
        let unsaid = json!({"enableRbacAuthorization": false});
        let made = self.vaults.entry(vault).or_insert((at, unsaid, Vec::new()));
        made.2.extend(policy);
    }

    fn policy(&mut self, at: usize, block: &[&str]) -> Option<Json> {
        let path = |last: &'static str| [block, &[last]].concat();
        let principal = self.config.value(at, &path("object_id"));
        let Some((principal, _)) = self.principal_of(&principal) else {
            self.unresolved(
                at,
                Source::Vaults,
                "the principal of an access policy",
                &unknown(&principal, "it"),
            );
            return None;
        };
        let mut list = |name: &'static str| self.texts(at, Source::Vaults, &path(name));
        Some(json!({"objectId": principal, "permissions": {"secrets": list("secret_permissions"),
            "keys": list("key_permissions"), "certificates": list("certificate_permissions"),
            "storage": list("storage_permissions")}}))
    }

    /// Who administers a database server: the block of one, or a resource beside it.
    fn database_administrator(&mut self, at: usize) {
        let own = self.of(at).kind == "azurerm_mssql_server";
        let (server, kind, path) = if own {
            if self.config.blocks(at, "azuread_administrator") == 0 {
                return;
            }
            (Some(self.id(at, 0)), "Microsoft.Sql/servers", &["azuread_administrator", "0", "object_id"][..])
        } else {
            let server = self.config.value(at, &["managed_instance_id"]);
            (self.scope_of(&server, 0), "Microsoft.Sql/managedInstances", &["object_id"][..])
        };
        let principal = self.config.value(at, path);
        let (Some(server), Some((principal, _))) = (server, self.principal_of(&principal)) else {
            let why = unknown(&principal, "it");
            return self.unresolved(at, Source::DatabaseAdministrators, "the administrator", &why);
        };
        self.plain(&json!({"id": format!("{server}/administrators/ActiveDirectory"),
            "type": format!("{kind}/administrators"), "properties": {"sid": principal}}));
    }

    fn group(&mut self, at: usize) {
        let (id, members) = if self.of(at).kind == "azuread_group" {
            // One that is there has its id already.
            let known = self.config.value(at, &["object_id"]);
            let id = known.text().filter(|id| crate::model::is_guid(id)).map(str::to_owned);
            (
                Some(id.unwrap_or_else(|| self.symbol(&self.of(at).address))),
                self.config.list(at, &["members"]),
            )
        } else {
            let group = self.config.value(at, &["group_object_id"]);
            (self.principal_of(&group).map(|g| g.0), vec![self.config.value(at, &["member_object_id"])])
        };
        let kinds = self.config.list(at, &["types"]);
        if kinds.iter().any(|k| k.text() == Some("DynamicMembership"))
            || self.config.blocks(at, "dynamic_membership") > 0
        {
            let detail = format!(
                "a rule picks the members of the group `{}`, and is not followed",
                self.of(at).address
            );
            self.gap(at, Source::Groups, Reason::Unsupported, detail);
        }
        // Whoever runs the configuration mostly owns what it makes; somebody who is named may let others in.
        let owners = self.config.list(at, &["owners"]);
        if !self.of(at).kept && owners.iter().any(|o| matches!(o, Value::Known(_) | Value::Of(..))) {
            let detail = format!(
                "owners of the group `{}` may let others in, which is not followed",
                self.of(at).address
            );
            self.gap(at, Source::Groups, Reason::Unsupported, detail);
        }
        let members: Vec<Option<String>> = members
            .iter()
            .filter(|m| **m != Value::Absent)
            .map(|m| self.principal_of(m).map(|m| m.0))
            .collect();
        if id.is_none() || members.contains(&None) {
            self.unresolved(
                at,
                Source::Groups,
                "who is a member of what group",
                "an id comes from elsewhere",
            );
        }
        let members = members.into_iter().flatten();
        if let Some(id) = id {
            self.groups.entry(id).or_default().extend(members);
        }
    }

    fn principal(&mut self, at: usize) {
        let instance = self.of(at);
        let (odata, kind) = match instance.kind.as_str() {
            "azuread_user" => ("#microsoft.graph.user", "User"),
            _ => ("#microsoft.graph.servicePrincipal", "Application"),
        };
        self.plain(
            &json!({"@odata.type": odata, "id": self.symbol(&instance.address), "servicePrincipalType": kind,
            "displayName": instance.address}),
        );
    }

    fn app_role(&mut self, at: usize) {
        let principal = self.config.value(at, &["principal_object_id"]);
        let found = self.principal_of(&principal);
        if found.is_none() {
            self.unresolved(at, Source::AppRoleAssignments, "the principal", &unknown(&principal, "it"));
        }
        if let Some((principal, _)) = found {
            self.plain(&json!({"id": self.symbol(&self.of(at).address), "principalId": principal,
                "appRoleId": self.text(at, "app_role_id"), "resourceId": self.text(at, "resource_object_id")}));
        }
    }
}

pub(super) fn unknown(value: &Value, what: &str) -> String {
    match value {
        Value::Unknown(why) => why.clone(),
        Value::Absent => format!("{what} is not there"),
        _ => format!("{what} is no id"),
    }
}
