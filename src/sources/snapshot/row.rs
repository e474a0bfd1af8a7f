//! A record as the line of a snapshot: the shapes of Azure's own answers. Grants, of which there are most, have a module of
//! their own (`grant`).

use crate::model::*;
use serde_json::{Map, Value, json};

/// Writes records of an estate.
#[derive(Clone, Copy)]
pub(super) struct Rows<'e>(pub(super) &'e Estate);

/// An object without its absent members.
pub(super) fn object(members: Vec<(&str, Value)>) -> Value {
    let present = members.into_iter().filter(|(_, v)| !v.is_null() && *v != json!({}) && *v != json!([]));
    Value::Object(present.map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())
}

impl Rows<'_> {
    fn t(self, sym: Sym) -> Value {
        self.0.strings.text(sym).into()
    }

    pub(super) fn o(self, sym: Option<Sym>) -> Value {
        sym.map_or(Value::Null, |s| self.t(s))
    }

    fn list(self, syms: &[Sym]) -> Value {
        syms.iter().map(|s| self.t(*s)).collect()
    }

    fn tags(self, tags: Tags) -> Value {
        let pairs = self.0.tags.pairs(tags).iter();
        Value::Object(pairs.map(|(k, v)| (self.0.strings.text(*k).to_owned(), self.t(*v))).collect())
    }

    fn id(self, id: Id) -> Value {
        self.0.strings.show_id(id).into()
    }

    pub(super) fn management_group(self, g: &ManagementGroup) -> Value {
        let parent = g.parent.map_or(Value::Null, |p| json!({"parent": {"id": self.t(p)}}));
        object(vec![
            ("id", self.t(g.id)),
            ("type", "Microsoft.Management/managementGroups".into()),
            ("properties", object(vec![("displayName", self.t(g.name)), ("details", parent)])),
        ])
    }

    pub(super) fn subscription(self, s: &Subscription) -> Value {
        let parent = s.parent.map(|p| role_key(self.0.strings.text(p)).to_owned());
        let chain =
            parent.map_or(Value::Null, |name| json!({"managementGroupAncestorsChain": [{"name": name}]}));
        object(vec![
            ("id", self.t(s.id)),
            ("type", "Microsoft.Resources/subscriptions".into()),
            ("displayName", self.t(s.name)),
            ("tenantId", self.o(s.tenant)),
            ("tags", self.tags(s.tags)),
            ("properties", chain),
        ])
    }

    pub(super) fn resource_group(self, g: &ResourceGroup) -> Value {
        object(vec![
            ("id", self.t(g.id)),
            ("type", "Microsoft.Resources/resourceGroups".into()),
            ("tags", self.tags(g.tags)),
        ])
    }

    fn block(self, block: Option<&IdentityBlock>) -> Value {
        let Some(block) = block else { return Value::Null };
        let kind = match (block.system, block.user.is_empty()) {
            (true, true) => "SystemAssigned",
            (true, false) => "SystemAssigned, UserAssigned",
            _ => "UserAssigned",
        };
        let user = block.user.iter().map(|u| {
            (self.0.strings.text(u.id).to_owned(), object(vec![("principalId", self.o(u.principal))]))
        });
        object(vec![
            ("type", kind.into()),
            ("principalId", self.o(block.principal)),
            ("tenantId", self.o(block.tenant)),
            ("userAssignedIdentities", Value::Object(user.collect())),
        ])
    }

    fn created(self, created: Option<Instant>) -> Value {
        created.map_or(Value::Null, |t| json!({"createdAt": t.to_string()}))
    }

    /// A resource; a vault is one, too: the same line says both, so that reading it once gives both again.
    pub(super) fn resource(self, r: &Resource, vault: Option<&Vault>) -> Value {
        let mut properties = vault.map_or(json!({}), |v| self.vault(v));
        if let Some(members) = properties.as_object_mut() {
            if !r.mentions.is_empty() {
                members.insert("identities".to_owned(), self.list(&r.mentions));
            }
            if !r.code_from.is_empty() {
                members.insert("codeFrom".to_owned(), self.list(&r.code_from));
            }
            if let Some(settings) = r.settings.as_deref() {
                let said = object(vec![
                    ("azure", self.list(&settings.azure)),
                    ("other", self.list(&settings.other)),
                ]);
                members.insert("secretSettings".to_owned(), said);
            }
            let doors = object(vec![
                ("keys", r.doors.keys.into()),
                ("localAccounts", r.doors.local_accounts.into()),
                ("runCommand", r.doors.run_command.into()),
            ]);
            if doors != json!({}) {
                members.insert("doors".to_owned(), doors);
            }
        }
        object(vec![
            ("id", self.t(r.id)),
            ("type", self.t(r.kind)),
            ("location", self.o(r.location)),
            ("tags", self.tags(r.tags)),
            ("identity", self.block(r.identity.as_deref())),
            ("systemData", self.created(r.created)),
            ("properties", properties),
        ])
    }

    /// A vault whose resource was not read.
    pub(super) fn vault_alone(self, v: &Vault) -> Value {
        object(vec![
            ("id", self.t(v.id)),
            ("type", "Microsoft.KeyVault/vaults".into()),
            ("vaultOnly", true.into()),
            ("properties", self.vault(v)),
        ])
    }

    fn vault(self, vault: &Vault) -> Value {
        let policies = vault.policies.iter().map(|p| {
            let mut kinds: std::collections::BTreeMap<&str, Vec<&str>> = Default::default();
            for permission in &p.permissions {
                let (kind, verb) =
                    self.0.strings.text(*permission).split_once('/').unwrap_or(("secrets", ""));
                kinds.entry(kind).or_default().push(verb);
            }
            json!({"objectId": self.t(p.principal), "permissions": kinds})
        });
        json!({"enableRbacAuthorization": vault.uses_roles, "accessPolicies": policies.collect::<Vec<_>>()})
    }

    pub(super) fn identity(self, i: &UserAssignedIdentity) -> Value {
        let restrictions =
            i.restricted_to.as_ref().map_or(Value::Null, |l| json!({"providers": self.list(l)}));
        let properties = vec![
            ("tenantId", self.o(i.tenant)),
            ("principalId", self.o(i.principal)),
            ("clientId", self.o(i.client)),
            ("isolationScope", self.o(i.isolation)),
            ("assignmentRestrictions", restrictions),
        ];
        object(vec![
            ("id", self.t(i.id)),
            ("type", "Microsoft.ManagedIdentity/userAssignedIdentities".into()),
            ("location", self.o(i.location)),
            ("tags", self.tags(i.tags)),
            ("systemData", self.created(i.created)),
            ("properties", object(properties)),
        ])
    }

    pub(super) fn federated(self, f: &FederatedCredential) -> Value {
        let expression =
            f.expression.map_or(Value::Null, |x| json!({"value": self.t(x), "languageVersion": 1}));
        let properties = vec![
            ("issuer", self.t(f.issuer)),
            ("subject", self.o(f.subject)),
            ("audiences", self.list(&f.audiences)),
            ("claimsMatchingExpression", expression),
        ];
        object(vec![
            ("id", self.id(f.id)),
            ("type", "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials".into()),
            ("properties", object(properties)),
        ])
    }

    pub(super) fn association(self, a: &Association) -> Value {
        object(vec![("identity", self.t(a.identity)), ("resources", self.list(&a.resources))])
    }

    pub(super) fn local(self, l: &LocalGrant) -> Value {
        object(vec![
            ("grant", self.id(l.id)),
            ("system", l.system.name().into()),
            ("principal", self.t(l.principal)),
            ("role", self.t(l.role)),
            ("roleName", self.o(l.role_name)),
            ("scope", self.t(l.scope)),
            ("tenant", self.o(l.tenant)),
        ])
    }

    fn permissions(self, permissions: &[Permission]) -> Value {
        let texts = |list: &[ActionPattern]| list.iter().map(|p| Value::from(p.text())).collect::<Value>();
        permissions
            .iter()
            .map(|p| {
                object(vec![
                    ("actions", texts(&p.actions)),
                    ("notActions", texts(&p.not_actions)),
                    ("dataActions", texts(&p.data_actions)),
                    ("notDataActions", texts(&p.not_data_actions)),
                    ("condition", p.condition.as_deref().map_or(Value::Null, Value::from)),
                ])
            })
            .collect()
    }

    pub(super) fn role(self, r: &RoleDefinition) -> Value {
        let kind = if r.kind == RoleKind::Custom { "CustomRole" } else { "BuiltInRole" };
        let mut properties = json!({
            "roleName": self.t(r.name),
            "type": kind,
            "assignableScopes": self.list(&r.assignable_scopes),
            "permissions": self.permissions(&r.permissions),
        });
        if let (Some(at), Some(object)) = (r.updated_on, properties.as_object_mut()) {
            object.insert("updatedOn".to_owned(), at.to_string().into());
        }
        object(vec![
            ("id", self.id(r.id)),
            ("type", "Microsoft.Authorization/roleDefinitions".into()),
            ("properties", properties),
        ])
    }

    pub(super) fn deny(self, d: &DenyAssignment) -> Value {
        let refs = |list: &[Sym]| list.iter().map(|p| json!({"id": self.t(*p)})).collect::<Value>();
        let properties = json!({
            "denyAssignmentName": self.t(d.name),
            "permissions": self.permissions(&d.permissions),
            "scope": self.t(d.scope),
            "doNotApplyToChildScopes": d.this_scope_only,
            "principals": refs(&d.principals),
            "excludePrincipals": refs(&d.excluded),
            "denyAssignmentEffect": if d.enforced { "enforced" } else { "audit" },
            "condition": self.o(d.condition),
        });
        object(vec![
            ("id", self.id(d.id)),
            ("type", "Microsoft.Authorization/denyAssignments".into()),
            ("properties", properties),
        ])
    }

    pub(super) fn policy_assignment(self, p: &PolicyAssignment) -> Value {
        let properties = vec![("displayName", self.t(p.name)), ("policyDefinitionId", self.o(p.definition))];
        object(vec![
            ("id", self.t(p.id)),
            ("type", "Microsoft.Authorization/policyAssignments".into()),
            ("identity", self.block(p.identity.as_deref())),
            ("properties", object(properties)),
        ])
    }

    pub(super) fn policy_definition(self, p: &PolicyDefinition) -> Value {
        let members: Value = p.members.iter().map(|m| json!({"policyDefinitionId": self.t(*m)})).collect();
        let rule = json!({"then": {"details": {"roleDefinitionIds": self.list(&p.roles)}}});
        object(vec![
            ("id", self.t(p.id)),
            ("type", "Microsoft.Authorization/policyDefinitions".into()),
            ("properties", object(vec![("policyRule", rule), ("policyDefinitions", members)])),
        ])
    }

    pub(super) fn principal(self, p: &Principal) -> Value {
        let names = p.resource.map_or(Value::Null, |r| json!([self.t(r)]));
        let user = self.0.strings.text(p.kind) == "User";
        let kind = if user { "#microsoft.graph.user" } else { "#microsoft.graph.servicePrincipal" };
        object(vec![
            ("@odata.type", kind.into()),
            ("id", self.t(p.id)),
            ("displayName", self.t(p.name)),
            ("appId", self.o(p.client)),
            ("servicePrincipalType", self.t(p.kind)),
            ("alternativeNames", names),
        ])
    }

    pub(super) fn group(self, g: &Group) -> Value {
        let members: Vec<Value> = g.members.iter().map(|m| json!({"id": self.t(*m)})).collect();
        json!({"@odata.type": "#microsoft.graph.group", "id": self.t(g.id), "displayName": self.t(g.name), "members": members})
    }

    pub(super) fn sign_in(self, s: &SignIn) -> Value {
        json!({"principal": self.t(s.principal), "last": s.last.to_string()})
    }

    pub(super) fn gap(self, gap: &Gap) -> Value {
        let location = gap
            .location
            .as_ref()
            .map_or(Value::Null, |l| json!({"path": l.path, "line": l.line, "column": l.column}));
        object(vec![
            ("source", gap.source.name().into()),
            ("scope", gap.scope.as_str().into()),
            ("reason", gap.reason.name().into()),
            ("detail", gap.detail.as_str().into()),
            ("location", location),
            ("grant", gap.grant.as_deref().map_or(Value::Null, Value::from)),
            ("count", gap.count.into()),
        ])
    }
}
