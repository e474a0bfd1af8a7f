//! Containers, resources, identities and what hangs on them.

use super::lower::{Lowered, Lowering, read};
use super::wire::{self, TagMap, Text};
use crate::model::{
    AccessPolicy, AttachedIdentity, FederatedCredential, Gap, IdentityBlock, ManagementGroup,
    PolicyAssignment, PolicyDefinition, Reason, Resource, ResourceGroup, Scope, Source, Subscription, Sym,
    Tags, UserAssignedIdentity, Vault, cmp_folded,
};
use serde::Deserialize;
use serde_json::value::RawValue;

impl Lowering {
    fn tags(&mut self, tags: &TagMap<'_>) -> Tags {
        let mut pairs: Vec<_> = tags.0.iter().collect();
        pairs.sort_by(|a, b| cmp_folded(&a.0, &b.0));
        let strings = &mut self.estate.strings;
        let pairs = pairs.into_iter().map(|(k, v)| (strings.intern(k), strings.intern(v))).collect();
        self.estate.tags.intern(pairs)
    }

    fn block(&mut self, raw: Option<&RawValue>) -> Lowered<Option<Box<IdentityBlock>>> {
        let Some(raw) = raw else { return Ok(None) };
        let wire: Option<wire::Block<'_>> =
            read(raw.get().as_bytes()).map_err(|e| format!("`identity`: {e}"))?;
        let Some(wire) = wire else { return Ok(None) };
        let principal = self.some(&wire.principal_id);
        let kind = wire.kind.as_ref().map(|k| k.0.to_ascii_lowercase()).unwrap_or_default();
        let mut block = IdentityBlock {
            system: kind.contains("systemassigned") || principal.is_some(),
            principal,
            tenant: self.some(&wire.tenant_id),
            user: Vec::new(),
        };
        for (id, attached) in wire.user_assigned_identities.iter().flatten() {
            let principal = attached.as_ref().and_then(|a| self.some(&a.principal_id));
            block.user.push(AttachedIdentity {
                id: self.estate.strings.intern(id.trim_end_matches('/')),
                principal,
            });
        }
        for id in wire.identity_ids.iter().flatten() {
            block.user.push(AttachedIdentity { id: self.sym(id), principal: None });
        }
        Ok((block.system || !block.user.is_empty()).then(|| Box::new(block)))
    }

    /// What the settings of a resource say of secrets.
    fn settings(
        &mut self,
        kind: Sym,
        properties: Option<&RawValue>,
    ) -> Option<Box<crate::model::Settings<Sym>>> {
        let kind = self.estate.strings.text(kind);
        let raw = properties.filter(|_| super::settings::matter(kind))?;
        let found = super::settings::settings(&serde_json::from_str(raw.get()).ok()?)?;
        let mut syms = |names: Vec<String>| names.iter().map(|n| self.estate.strings.intern(n)).collect();
        let (azure, other) = (syms(found.azure), syms(found.other));
        Some(Box::new(crate::model::Settings { azure, other }))
    }

    /// What lets into a resource.
    fn doors(&self, kind: Sym, properties: Option<&RawValue>) -> crate::model::Doors {
        let kind = self.estate.strings.text(kind);
        properties.map(|raw| super::doors::doors(kind, raw.get())).unwrap_or_default()
    }

    /// Where a resource takes its code from.
    fn code_from(&mut self, kind: Sym, properties: Option<&RawValue>) -> Vec<Sym> {
        let matters = super::supply::matter(self.estate.strings.text(kind));
        let Some(raw) = properties.filter(|_| matters) else { return Vec::new() };
        let found = serde_json::from_str(raw.get()).map(|p| super::supply::stores(&p)).unwrap_or_default();
        found.iter().map(|store| self.estate.strings.intern(store)).collect()
    }

    /// User-assigned identities that stand anywhere in the properties: a kubelet's, a customer-managed key's, a pool's.
    fn mentions(&mut self, properties: Option<&RawValue>) -> Vec<Sym> {
        let Some(raw) = properties else { return Vec::new() };
        let bytes = raw.get().as_bytes();
        let there = |needle: &[u8]| memchr::memmem::find(bytes, needle).is_some();
        let spellings: [&[u8]; 3] =
            [b"serAssignedIdentities", b"serassignedidentities", b"SERASSIGNEDIDENTITIES"];
        if !spellings.into_iter().any(there) {
            return Vec::new();
        }
        let value = match serde_json::from_str::<serde_json::Value>(raw.get()) {
            Ok(value) => value,
            Err(error) => {
                let detail = format!(
                    "properties that may name identities could not be read: {}",
                    super::lower::plain(&error)
                );
                self.estate.gaps.push(Gap::new(Source::Resources, "", Reason::Unparsed, detail));
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        collect_identities(&value, &mut found);
        let mut syms: Vec<Sym> = found.iter().map(|id| self.estate.strings.intern(id)).collect();
        syms.sort_unstable();
        syms.dedup_by_key(|s| self.estate.strings.class(*s));
        syms
    }

    pub(super) fn resource(&mut self, bytes: &[u8]) -> Lowered<()> {
        let wire: wire::Resource<'_> = read(bytes)?;
        self.resource_of(&wire)
    }

    fn resource_of(&mut self, wire: &wire::Resource<'_>) -> Lowered<()> {
        let id = wire.id.as_ref().filter(|t| !t.0.is_empty()).ok_or("`id` is missing")?;
        let kind = match &wire.kind {
            Some(kind) if kind.0.contains('/') => self.sym(kind),
            _ => {
                let kind = Scope::parse(&id.0).and_then(|s| s.resource_type()).ok_or("`type` is missing")?;
                self.estate.strings.intern(&kind)
            }
        };
        let made = Resource {
            kind,
            location: self.some(&wire.location),
            tags: self.tags(&wire.tags),
            identity: self.block(wire.identity)?,
            mentions: self.mentions(wire.properties),
            code_from: self.code_from(kind, wire.properties),
            doors: self.doors(kind, wire.properties),
            settings: self.settings(kind, wire.properties),
            created: self.created(&wire.system_data)?,
            id: self.estate.strings.intern(id.0.trim_end_matches('/')),
        };
        self.estate.resources.push(made);
        Ok(())
    }

    fn created(&mut self, data: &Option<wire::SystemData<'_>>) -> Lowered<Option<crate::model::Instant>> {
        data.as_ref().map_or(Ok(None), |d| self.time(&d.created_at, "systemData.createdAt"))
    }

    /// The properties of a resource, or the record itself where a tool left the frame out.
    fn properties<'a, P: Deserialize<'a>>(wire: &wire::Resource<'a>, bytes: &'a [u8]) -> Lowered<P> {
        wire.properties.map_or_else(|| read(bytes), |raw| read(raw.get().as_bytes()))
    }

    pub(super) fn identity(&mut self, bytes: &[u8]) -> Lowered<()> {
        let wire: wire::Resource<'_> = read(bytes)?;
        let properties: wire::Identity<'_> = Self::properties(&wire, bytes)?;
        let restrictions = properties.assignment_restrictions.as_ref().and_then(|r| r.providers.as_ref());
        let made = UserAssignedIdentity {
            id: self.need_id(&wire.id)?,
            principal: self.some(&properties.principal_id),
            client: self.some(&properties.client_id),
            tenant: self.some(&properties.tenant_id),
            location: self.some(&wire.location),
            tags: self.tags(&wire.tags),
            isolation: self.some(&properties.isolation_scope),
            restricted_to: restrictions.map(|list| list.iter().map(|t| self.sym(t)).collect()),
            created: self.created(&wire.system_data)?,
        };
        self.estate.identities.push(made);
        Ok(())
    }

    pub(super) fn federated(&mut self, bytes: &[u8]) -> Lowered<()> {
        let wire: wire::Resource<'_> = read(bytes)?;
        let properties: wire::Federated<'_> = Self::properties(&wire, bytes)?;
        let id = wire.id.as_ref().filter(|t| !t.0.is_empty()).ok_or("`id` is missing")?;
        let parent = Scope::parse(&id.0).and_then(|s| s.parent()).ok_or("`id` names no identity")?;
        let subject = self.some(&properties.subject);
        let expression = properties.claims_matching_expression.as_ref().and_then(|e| self.some(&e.value));
        if subject.is_none() && expression.is_none() {
            return Err("neither `subject` nor `claimsMatchingExpression` is there".to_owned());
        }
        let made = FederatedCredential {
            identity: self.estate.strings.intern(parent.text),
            issuer: self.need(&properties.issuer, "issuer")?,
            subject,
            expression,
            audiences: properties.audiences.iter().flatten().map(|t| self.sym(t)).collect(),
            id: self.estate.strings.intern_id(&id.0),
        };
        self.estate.federated.push(made);
        Ok(())
    }

    pub(super) fn vault(&mut self, bytes: &[u8]) -> Lowered<()> {
        let wire: wire::Resource<'_> = read(bytes)?;
        let properties: wire::Vault<'_> = Self::properties(&wire, bytes)?;
        let id = self.need_id(&wire.id)?;
        // A listing of resources names vaults without saying how they decide: that is no vault record.
        if properties.enable_rbac_authorization.is_some() || properties.access_policies.is_some() {
            let mut policies = Vec::new();
            for policy in properties.access_policies.iter().flatten() {
                let mut permissions: Vec<String> = Vec::new();
                for (kind, list) in policy.permissions.iter().flatten() {
                    let verbs = list.iter().flatten().map(|v| v.0.to_ascii_lowercase());
                    permissions.extend(verbs.map(|v| format!("{}/{v}", kind.to_ascii_lowercase())));
                }
                permissions.sort_unstable();
                permissions.dedup();
                let permissions = permissions.iter().map(|p| self.estate.strings.intern(p)).collect();
                policies
                    .push(AccessPolicy { principal: self.need(&policy.object_id, "objectId")?, permissions });
            }
            let uses_roles = properties.enable_rbac_authorization.unwrap_or(false);
            self.estate.vaults.push(Vault { id, uses_roles, policies });
        }
        self.resource_of(&wire)
    }

    pub(super) fn policy_assignment(&mut self, bytes: &[u8]) -> Lowered<()> {
        let wire: wire::Resource<'_> = read(bytes)?;
        let properties: wire::Policy<'_> = Self::properties(&wire, bytes)?;
        let id = self.need_id(&wire.id)?;
        let name = match self.some(&properties.display_name) {
            Some(name) => name,
            None => {
                let text = self.estate.strings.text(id).to_owned();
                self.estate.strings.intern(crate::model::role_key(&text))
            }
        };
        let identity = self.block(wire.identity)?;
        let definition = self.some(&properties.policy_definition_id);
        self.estate.policy_assignments.push(PolicyAssignment { id, name, definition, identity });
        Ok(())
    }

    pub(super) fn policy_definition(&mut self, bytes: &[u8]) -> Lowered<()> {
        #[derive(Deserialize)]
        struct Rule<'a> {
            #[serde(borrow)]
            then: Option<Then<'a>>,
        }
        #[derive(Deserialize)]
        struct Then<'a> {
            #[serde(borrow)]
            details: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Details<'a> {
            #[serde(borrow, rename = "roleDefinitionIds")]
            roles: Option<Vec<Text<'a>>>,
        }
        let wire: wire::Resource<'_> = read(bytes)?;
        let properties: wire::Policy<'_> = Self::properties(&wire, bytes)?;
        let rule: Option<Rule<'_>> = properties.policy_rule.map(|r| read(r.get().as_bytes())).transpose()?;
        // `details` is an array for effects that ask for no role.
        let details = rule.and_then(|r| r.then).and_then(|t| t.details);
        let details = details.filter(|d| d.get().starts_with('{'));
        let details: Option<Details<'_>> = details.map(|d| read(d.get().as_bytes())).transpose()?;
        let roles = details.and_then(|d| d.roles);
        let members =
            properties.policy_definitions.iter().flatten().filter_map(|m| m.policy_definition_id.as_ref());
        let made = PolicyDefinition {
            id: self.need_id(&wire.id)?,
            roles: roles.iter().flatten().map(|t| self.sym(t)).collect(),
            members: members.map(|t| self.sym(t)).collect(),
        };
        self.estate.policy_definitions.push(made);
        Ok(())
    }

    pub(super) fn resource_group(&mut self, bytes: &[u8]) -> Lowered<()> {
        let wire: wire::Resource<'_> = read(bytes)?;
        let made = ResourceGroup { id: self.need_id(&wire.id)?, tags: self.tags(&wire.tags) };
        self.estate.resource_groups.push(made);
        Ok(())
    }

    pub(super) fn management_group(&mut self, bytes: &[u8]) -> Lowered<()> {
        let wire: wire::Resource<'_> = read(bytes)?;
        let properties: wire::Container<'_> = Self::properties(&wire, bytes)?;
        let id = self.need_id(&wire.id)?;
        let details = properties.details.as_ref();
        let chain = properties.management_group_ancestors_chain.as_ref();
        let chain = chain.or_else(|| details.and_then(|d| d.management_group_ancestors_chain.as_ref()));
        let parent = match details.and_then(|d| d.parent.as_ref()).and_then(|p| p.id.as_ref()) {
            Some(parent) => Some(self.sym(parent)),
            None => chain.and_then(|c| self.chain(c)),
        };
        for child in properties.children.iter().flatten() {
            let Some(child) = child.id.as_ref() else { continue };
            let child = self.sym(child);
            self.parents.push((child, id));
        }
        let name = self.container_name(&properties, id);
        self.estate.management_groups.push(ManagementGroup { id, name, parent });
        Ok(())
    }

    /// Management groups of a chain, nearest first; returns the nearest.
    fn chain(&mut self, chain: &[wire::Ref<'_>]) -> Option<Sym> {
        let ids: Vec<Sym> = chain
            .iter()
            .filter_map(|link| link.name.as_ref())
            .map(|name| {
                self.estate
                    .strings
                    .intern(&format!("/providers/Microsoft.Management/managementGroups/{}", name.0))
            })
            .collect();
        for pair in ids.windows(2) {
            if let [child, parent] = pair {
                self.parents.push((*child, *parent));
            }
        }
        ids.first().copied()
    }

    fn container_name(&mut self, properties: &wire::Container<'_>, id: Sym) -> Sym {
        self.some(&properties.display_name).or_else(|| self.some(&properties.name)).unwrap_or(id)
    }

    pub(super) fn subscription(&mut self, bytes: &[u8], account: bool) -> Lowered<()> {
        let wire: wire::Resource<'_> = read(bytes)?;
        let beside: wire::Container<'_> = read(bytes)?;
        let properties: wire::Container<'_> = Self::properties(&wire, bytes)?;
        let mut id = self.need(&wire.id, "id")?;
        if account {
            let full = format!("/subscriptions/{}", self.estate.strings.text(id));
            id = self.estate.strings.intern(&full);
        }
        let chain = properties.management_group_ancestors_chain.as_ref();
        let made = Subscription {
            id,
            name: self.container_name(&beside, id),
            tenant: self.some(&beside.tenant_id),
            parent: chain.and_then(|c| self.chain(c)),
            tags: self.tags(&wire.tags),
        };
        self.estate.subscriptions.push(made);
        Ok(())
    }

    /// What other records said of parents, where a container's own did not.
    pub(crate) fn join_parents(&mut self) {
        let estate = &mut self.estate;
        let strings = &estate.strings;
        let mut known: std::collections::HashMap<Sym, Sym> = Default::default();
        self.parents.sort_unstable_by(|a, b| {
            let text = |s: Sym| strings.text(s);
            cmp_folded(text(a.0), text(b.0)).then_with(|| cmp_folded(text(a.1), text(b.1)))
        });
        for (child, parent) in &self.parents {
            known.entry(strings.class(*child)).or_insert(*parent);
        }
        for subscription in &mut estate.subscriptions {
            let parent = known.remove(&strings.class(subscription.id));
            subscription.parent = subscription.parent.or(parent);
        }
        for group in &mut estate.management_groups {
            let parent = known.remove(&strings.class(group.id));
            group.parent = group.parent.or(parent);
        }
        // Containers that only a parent or a chain named are there all the same.
        let mut left: Vec<(Sym, Sym)> = known.into_iter().collect();
        left.sort_unstable();
        for (id, parent) in left {
            match Scope::parse(strings.text(id)).map(|s| s.level) {
                Some(crate::model::Level::ManagementGroup) => {
                    estate.management_groups.push(ManagementGroup { id, name: id, parent: Some(parent) });
                }
                Some(crate::model::Level::Subscription) => {
                    let made = Subscription {
                        id,
                        name: id,
                        tenant: None,
                        parent: Some(parent),
                        tags: Tags::default(),
                    };
                    estate.subscriptions.push(made);
                }
                _ => {}
            }
        }
    }

    /// The tenant that most subscriptions, or else most identities, belong to.
    pub(super) fn find_tenant(&mut self) {
        let estate = &self.estate;
        let mut votes: std::collections::BTreeMap<String, usize> = Default::default();
        let mut vote = |tenant: Option<Sym>| {
            if let Some(tenant) = tenant {
                *votes.entry(estate.strings.text(tenant).to_ascii_lowercase()).or_default() += 1;
            }
        };
        estate.subscriptions.iter().for_each(|s| vote(s.tenant));
        if votes.is_empty() {
            estate.identities.iter().for_each(|i| {
                if let Some(t) = i.tenant {
                    *votes.entry(estate.strings.text(t).to_ascii_lowercase()).or_default() += 1;
                }
            });
        }
        self.estate.tenant = most_named(&votes).map(|tenant| self.estate.strings.intern(tenant));
    }
}

/// The tenant that is named most often; of several the first by name.
pub(in crate::sources) fn most_named(votes: &std::collections::BTreeMap<String, usize>) -> Option<&str> {
    let best = votes.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)));
    best.map(|(tenant, _)| tenant.as_str())
}

fn collect_identities(value: &serde_json::Value, into: &mut Vec<String>) {
    let mut check = |text: &str| {
        let scope = Scope::parse(text);
        let kind = scope.and_then(|s| s.resource_type());
        if kind.is_some_and(|k| k.eq_ignore_ascii_case("Microsoft.ManagedIdentity/userAssignedIdentities")) {
            into.push(text.trim_end_matches('/').to_owned());
        }
    };
    match value {
        serde_json::Value::String(text) => check(text),
        serde_json::Value::Array(items) => items.iter().for_each(|i| collect_identities(i, into)),
        serde_json::Value::Object(object) => {
            for (key, item) in object {
                if key.starts_with('/') {
                    collect_identities(&serde_json::Value::from(key.as_str()), into);
                }
                collect_identities(item, into);
            }
        }
        _ => {}
    }
}
