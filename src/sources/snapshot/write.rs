//! From an estate to lines.

use super::SCHEMA;
use super::grant::{grant_line, schedule_line};
use crate::model::{Estate, IdentityBlock, Instant, Permission, RoleKind, Source, Sym, Tags};
use crate::sources::mask::Mask;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::io::Write;

struct Sections<'m, W: Write> {
    out: W,
    hasher: Sha256,
    records: u64,
    mask: Option<&'m mut Mask>,
    buffer: Vec<u8>,
}

impl<W: Write> Sections<'_, W> {
    fn line(&mut self, value: &impl Serialize) -> std::io::Result<()> {
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.clear();
        serde_json::to_writer(&mut bytes, value)?;
        bytes.push(b'\n');
        self.hasher.update(&bytes);
        let written = self.out.write_all(&bytes);
        self.buffer = bytes;
        written
    }

    /// A section whose lines lie elsewhere.
    fn elsewhere(&mut self, name: &str, source: Source, from: &dyn Lines) -> std::io::Result<()> {
        self.line(&json!({"section": name, "count": from.count(source)}))?;
        from.each(source, &mut |line| {
            self.records += 1;
            for bytes in [line, b"\n"] {
                self.hasher.update(bytes);
                self.out.write_all(bytes)?;
            }
            Ok(())
        })
    }

    fn section<R: Serialize>(
        &mut self,
        name: &str,
        rows: impl ExactSizeIterator<Item = R>,
    ) -> std::io::Result<()> {
        self.line(&json!({"section": name, "count": rows.len()}))?;
        for row in rows {
            self.records += 1;
            match &mut self.mask {
                Some(mask) => {
                    let mut row = serde_json::to_value(&row)?;
                    mask.record(name, &mut row);
                    self.line(&row)?;
                }
                None => self.line(&row)?,
            }
        }
        Ok(())
    }
}

/// Grants that lie outside an estate, as the lines of a snapshot.
pub trait Lines: Sync {
    /// How many of a kind there are.
    fn count(&self, source: Source) -> usize;
    /// Hands them out in the order of a snapshot.
    ///
    /// # Errors
    /// If they cannot be read, or what `line` gives.
    fn each(&self, source: Source, line: &mut dyn FnMut(&[u8]) -> std::io::Result<()>)
    -> std::io::Result<()>;
}

/// Writes a settled estate. Returns the digest of the uncompressed lines: the snapshot's identity.
///
/// # Errors
/// If the destination fails.
pub fn write(estate: &Estate, to: &mut dyn Write) -> std::io::Result<String> {
    write_with(estate, None, to)
}

/// Writes a settled estate, whose grants may lie elsewhere.
///
/// # Errors
/// If the destination fails, or where the grants lie.
pub fn write_with(
    estate: &Estate,
    grants: Option<&dyn Lines>,
    to: &mut dyn Write,
) -> std::io::Result<String> {
    super::pack::packed(to, |out| lines(estate, None, grants, out))
}

/// Writes pseudonyms in place of names. Its records lie in the order of what they stood for: read and write it once more.
///
/// # Errors
/// If the destination fails.
pub fn write_masked(estate: &Estate, mask: &mut Mask, to: &mut dyn Write) -> std::io::Result<String> {
    super::pack::packed(to, |out| lines(estate, Some(mask), None, out))
}

fn lines(
    estate: &Estate,
    mask: Option<&mut Mask>,
    grants: Option<&dyn Lines>,
    out: &mut dyn Write,
) -> std::io::Result<String> {
    let mut lines = Sections { out, hasher: Sha256::new(), records: 0, mask, buffer: Vec::new() };
    let w = Writer(estate);
    let mut header = w.header();
    if let Some(mask) = &mut lines.mask {
        mask.header(&mut header);
    }
    lines.line(&header)?;
    w.containers(&mut lines)?;
    w.things(&mut lines)?;
    w.roles(&mut lines)?;
    w.grants(&mut lines, grants)?;
    w.policies(&mut lines)?;
    w.directory(&mut lines)?;
    w.local(&mut lines)?;
    lines.section("gaps", estate.gaps.iter().map(|g| w.gap(g)))?;
    let digest = crate::model::hex(&lines.hasher.clone().finalize());
    let (records, sha) = (lines.records, digest.clone());
    lines.line(&json!({"footer": {"records": records, "sha256": sha}}))?;
    Ok(digest)
}

struct Writer<'e>(&'e Estate);

/// An object without its absent members.
fn object(members: Vec<(&str, Value)>) -> Value {
    let present = members.into_iter().filter(|(_, v)| !v.is_null() && *v != json!({}) && *v != json!([]));
    Value::Object(present.map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())
}

impl Writer<'_> {
    fn t(&self, sym: Sym) -> Value {
        self.0.strings.text(sym).into()
    }

    fn o(&self, sym: Option<Sym>) -> Value {
        sym.map_or(Value::Null, |s| self.t(s))
    }

    fn list(&self, syms: &[Sym]) -> Value {
        syms.iter().map(|s| self.t(*s)).collect()
    }

    fn tags(&self, tags: Tags) -> Value {
        let pairs = self.0.tags.pairs(tags).iter();
        Value::Object(pairs.map(|(k, v)| (self.0.strings.text(*k).to_owned(), self.t(*v))).collect())
    }

    fn id(&self, id: crate::model::Id) -> Value {
        self.0.strings.show_id(id).into()
    }

    fn header(&self) -> Value {
        let e = self.0;
        let coverage =
            e.coverage.iter().map(|(source, extent)| (source.name().to_owned(), Value::from(extent.name())));
        let time = |t: Option<Instant>| t.map(|t| t.to_string());
        let reads = e.coverage.iter().filter_map(|(source, _)| {
            let r = e.coverage.reading(source)?;
            let read = json!({"lists": r.lists, "failed": r.failed, "pages": r.pages, "items": r.items,
                "began": time(r.began), "ended": time(r.ended)});
            Some((source.name().to_owned(), read))
        });
        object(vec![
            ("schema", SCHEMA.into()),
            ("tool", json!({"name": "leastwise", "version": env!("CARGO_PKG_VERSION")})),
            ("collected_at", e.collected_at.map_or(Value::Null, |t| t.to_string().into())),
            ("cloud", self.o(e.cloud)),
            ("tenant", self.o(e.tenant)),
            ("part", self.o(e.part)),
            ("simulated", if e.simulated { true.into() } else { Value::Null }),
            (
                "sign_in_window",
                e.sign_in_window.map_or(Value::Null, |w| json!([w.from.to_string(), w.until.to_string()])),
            ),
            ("coverage", Value::Object(coverage.collect())),
            ("reads", Value::Object(reads.collect())),
        ])
    }

    fn containers<W: Write>(&self, lines: &mut Sections<'_, W>) -> std::io::Result<()> {
        let e = self.0;
        lines.section(
            "management-groups",
            e.management_groups.iter().map(|g| {
                let parent = g.parent.map_or(Value::Null, |p| json!({"parent": {"id": self.t(p)}}));
                object(vec![
                    ("id", self.t(g.id)),
                    ("type", "Microsoft.Management/managementGroups".into()),
                    ("properties", object(vec![("displayName", self.t(g.name)), ("details", parent)])),
                ])
            }),
        )?;
        lines.section(
            "subscriptions",
            e.subscriptions.iter().map(|s| {
                let parent = s.parent.map(|p| crate::model::role_key(e.strings.text(p)).to_owned());
                let chain = parent
                    .map_or(Value::Null, |name| json!({"managementGroupAncestorsChain": [{"name": name}]}));
                object(vec![
                    ("id", self.t(s.id)),
                    ("type", "Microsoft.Resources/subscriptions".into()),
                    ("displayName", self.t(s.name)),
                    ("tenantId", self.o(s.tenant)),
                    ("tags", self.tags(s.tags)),
                    ("properties", chain),
                ])
            }),
        )?;
        lines.section(
            "resource-groups",
            e.resource_groups.iter().map(|g| {
                object(vec![
                    ("id", self.t(g.id)),
                    ("type", "Microsoft.Resources/resourceGroups".into()),
                    ("tags", self.tags(g.tags)),
                ])
            }),
        )
    }

    fn block(&self, block: Option<&IdentityBlock>) -> Value {
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

    fn created(&self, created: Option<crate::model::Instant>) -> Value {
        created.map_or(Value::Null, |t| json!({"createdAt": t.to_string()}))
    }

    fn things<W: Write>(&self, lines: &mut Sections<'_, W>) -> std::io::Result<()> {
        let e = self.0;
        // Vaults are resources too: the same line says both, so that reading it once gives both again.
        let vaults: std::collections::HashMap<Sym, &crate::model::Vault> =
            e.vaults.iter().map(|v| (e.strings.class(v.id), v)).collect();
        lines.section(
            "resources",
            e.resources.iter().map(|r| {
                let vault = vaults.get(&e.strings.class(r.id)).map(|v| self.vault(v));
                let mut properties = vault.unwrap_or(json!({}));
                if let (false, Some(members)) = (r.mentions.is_empty(), properties.as_object_mut()) {
                    members.insert("identities".to_owned(), self.list(&r.mentions));
                }
                if let (false, Some(members)) = (r.code_from.is_empty(), properties.as_object_mut()) {
                    members.insert("codeFrom".to_owned(), self.list(&r.code_from));
                }
                if let (Some(settings), Some(members)) = (r.settings.as_deref(), properties.as_object_mut()) {
                    let said = object(vec![
                        ("azure", self.list(&settings.azure)),
                        ("other", self.list(&settings.other)),
                    ]);
                    members.insert("secretSettings".to_owned(), said);
                }
                if let Some(members) = properties.as_object_mut() {
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
            }),
        )?;
        let known: std::collections::HashSet<Sym> =
            e.resources.iter().map(|r| e.strings.class(r.id)).collect();
        let alone: Vec<&crate::model::Vault> =
            e.vaults.iter().filter(|v| !known.contains(&e.strings.class(v.id))).collect();
        lines.section(
            "vaults",
            alone.iter().map(|v| {
                object(vec![
                    ("id", self.t(v.id)),
                    ("type", "Microsoft.KeyVault/vaults".into()),
                    ("vaultOnly", true.into()),
                    ("properties", self.vault(v)),
                ])
            }),
        )?;
        lines.section(
            "identities",
            e.identities.iter().map(|i| {
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
            }),
        )?;
        lines.section(
            "federated-credentials",
            e.federated.iter().map(|f| {
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
                    (
                        "type",
                        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
                            .into(),
                    ),
                    ("properties", object(properties)),
                ])
            }),
        )?;
        lines.section(
            "associated-resources",
            e.associations.iter().map(|a| {
                object(vec![("identity", self.t(a.identity)), ("resources", self.list(&a.resources))])
            }),
        )
    }

    fn local<W: Write>(&self, lines: &mut Sections<'_, W>) -> std::io::Result<()> {
        lines.section(
            "local-grants",
            self.0.local_grants.iter().map(|l| {
                object(vec![
                    ("grant", self.id(l.id)),
                    ("system", l.system.name().into()),
                    ("principal", self.t(l.principal)),
                    ("role", self.t(l.role)),
                    ("roleName", self.o(l.role_name)),
                    ("scope", self.t(l.scope)),
                    ("tenant", self.o(l.tenant)),
                ])
            }),
        )
    }

    fn vault(&self, vault: &crate::model::Vault) -> Value {
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

    fn permissions(&self, permissions: &[Permission]) -> Value {
        let texts = |list: &[crate::model::ActionPattern]| {
            list.iter().map(|p| Value::from(p.text())).collect::<Value>()
        };
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

    fn roles<W: Write>(&self, lines: &mut Sections<'_, W>) -> std::io::Result<()> {
        let e = self.0;
        lines.section(
            "role-definitions",
            e.roles.iter().map(|r| {
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
            }),
        )
    }

    fn grants<W: Write>(
        &self,
        lines: &mut Sections<'_, W>,
        elsewhere: Option<&dyn Lines>,
    ) -> std::io::Result<()> {
        let e = self.0;
        match elsewhere {
            Some(grants) => {
                lines.elsewhere("role-assignments", Source::RoleAssignments, grants)?;
                lines.elsewhere("schedules", Source::Schedules, grants)
            }
            None => {
                lines.section("role-assignments", e.assignments.iter().map(|a| grant_line(e, a)))?;
                lines.section("schedules", e.schedules.iter().map(|a| schedule_line(e, a)))
            }
        }
    }

    fn policies<W: Write>(&self, lines: &mut Sections<'_, W>) -> std::io::Result<()> {
        let e = self.0;
        lines.section(
            "deny-assignments",
            e.denies.iter().map(|d| {
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
            }),
        )?;
        lines.section(
            "policy-assignments",
            e.policy_assignments.iter().map(|p| {
                let properties =
                    vec![("displayName", self.t(p.name)), ("policyDefinitionId", self.o(p.definition))];
                object(vec![
                    ("id", self.t(p.id)),
                    ("type", "Microsoft.Authorization/policyAssignments".into()),
                    ("identity", self.block(p.identity.as_deref())),
                    ("properties", object(properties)),
                ])
            }),
        )?;
        lines.section(
            "policy-definitions",
            e.policy_definitions.iter().map(|p| {
                let members: Value =
                    p.members.iter().map(|m| json!({"policyDefinitionId": self.t(*m)})).collect();
                let rule = json!({"then": {"details": {"roleDefinitionIds": self.list(&p.roles)}}});
                object(vec![
                    ("id", self.t(p.id)),
                    ("type", "Microsoft.Authorization/policyDefinitions".into()),
                    ("properties", object(vec![("policyRule", rule), ("policyDefinitions", members)])),
                ])
            }),
        )
    }

    fn directory<W: Write>(&self, lines: &mut Sections<'_, W>) -> std::io::Result<()> {
        let e = self.0;
        lines.section(
            "principals",
            e.principals.iter().map(|p| {
                let names = p.resource.map_or(Value::Null, |r| json!([self.t(r)]));
                let user = e.strings.text(p.kind) == "User";
                object(vec![
                    (
                        "@odata.type",
                        if user { "#microsoft.graph.user" } else { "#microsoft.graph.servicePrincipal" }
                            .into(),
                    ),
                    ("id", self.t(p.id)),
                    ("displayName", self.t(p.name)),
                    ("appId", self.o(p.client)),
                    ("servicePrincipalType", self.t(p.kind)),
                    ("alternativeNames", names),
                ])
            }),
        )?;
        lines.section("groups", e.groups.iter().map(|g| {
            let members: Vec<Value> = g.members.iter().map(|m| json!({"id": self.t(*m)})).collect();
            json!({"@odata.type": "#microsoft.graph.group", "id": self.t(g.id), "displayName": self.t(g.name), "members": members})
        }))?;
        lines.section(
            "sign-ins",
            e.sign_ins.iter().map(|s| json!({"principal": self.t(s.principal), "last": s.last.to_string()})),
        )
    }

    fn gap(&self, gap: &crate::model::Gap) -> Value {
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
